"""`asdkeras data`, and what all commands share."""

import re
from typing import get_args

import pytest

from asdkeras.cli import main
from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ
from asdkeras.corpus.mini_plan import default_machines, plan
from asdkeras.corpus.sizes import Size


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


def test_sizes_of_a_generated_corpus_are_those_of_the_plan(capsys):
    with pytest.raises(SystemExit):
        main(["data", "mini", "--help"])
    shown = " ".join(capsys.readouterr().out.split())

    assert f"--size {{{','.join(get_args(Size))}}}" in shown
    for size in get_args(Size):
        (text,) = re.findall(rf"{size}: (\d+ clips, \d+ (?:minutes|hours))", shown)
        clips, _, duration, unit = text.replace(",", "").split()
        planned = plan(2021, size, 0, default_machines(2021, size))
        minutes = sum(clip.scene.length for clip in planned) / SAMPLE_RATE_HZ / 60
        assert int(clips) == pytest.approx(len(planned), rel=0.15)
        assert int(duration) * (60 if unit == "hours" else 1) == pytest.approx(minutes, rel=0.15)


def test_an_unknown_size_is_refused_with_the_known_ones(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["data", "mini", "--size", "huge", "--out", str(tmp_path)])
    assert re.search(r"invalid choice: 'huge' .*tiny.*mini.*bench", capsys.readouterr().err)


def test_names_are_separated_by_commas_or_blanks(tmp_path):
    where = ["--size", "tiny", "--out", str(tmp_path / "a")]

    assert main(["data", "mini", *where, "--machines", "fan,valve"]) == 0
    assert main(["data", "mini", *where, "--machines", "fan", "valve"]) == 0

    assert sorted(path.name for path in (tmp_path / "a/dev_data").iterdir()) == ["fan", "valve"]
