"""`asdkeras data`, and what all commands share."""

import pytest

from asdkeras.cli import main


def test_an_interruption_is_no_error(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("asdkeras.experiment.dataset.generate_mini", interrupted)

    assert main(["data", "mini", "--out", str(tmp_path)]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_a_number_of_jobs_begins_at_one(text, capsys):
    with pytest.raises(SystemExit) as error:
        main(["data", "verify", "somewhere", "--jobs", text])

    assert error.value.code == 2
    assert f"must be a number from 1. Received: '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1", "10"])
def test_a_false_alarm_rate_is_a_share(text, capsys):
    with pytest.raises(SystemExit) as error:
        main(["fit", "somewhere", "--out", "a.asd", "--false-alarm-rate", text])

    assert error.value.code == 2
    assert f"must be a share between 0 and 1, such as 0.05 for 5 percent. Received: '{text}'" in (
        capsys.readouterr().err
    )


def test_names_are_separated_by_commas_or_blanks(tmp_path):
    where = ["--size", "tiny", "--out", str(tmp_path / "a")]

    assert main(["data", "mini", *where, "--machines", "fan,valve"]) == 0
    assert main(["data", "mini", *where, "--machines", "fan", "valve"]) == 0

    assert sorted(path.name for path in (tmp_path / "a/dev_data").iterdir()) == ["fan", "valve"]
