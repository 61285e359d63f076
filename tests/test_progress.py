"""Progress: plain lines where there is no terminal, on standard error alone."""

from asdkeras import progress


def test_without_a_terminal_the_end_is_one_plain_line(capsys):
    with progress.stage("decode clips") as update:
        for done in (1, 2, 3, 3):
            update(done, 3, "last.wav")

    streams = capsys.readouterr()
    assert streams.err.splitlines() == ["asdkeras: decode clips: 3/3 last.wav"]
    assert streams.out == ""


def test_a_long_stage_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 11.0, 12.0, 22.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    with progress.stage("train") as update:
        for done in (1, 2, 3, 4):
            update(done, 100)

    lines = capsys.readouterr().err.splitlines()
    assert lines == ["asdkeras: train: 2/100", "asdkeras: train: 4/100"]


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    with progress.stage("train") as update:
        update(2, 4, "epoch 1/2")

    streams = capsys.readouterr()
    assert "2/4" in streams.err
    assert "epoch 1/2" in streams.err
    assert streams.out == ""
