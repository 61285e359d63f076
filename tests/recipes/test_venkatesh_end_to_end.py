"""Venkatesh 2022 from the command line: a tone is found and explained, other rows train nothing."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.cli import main

pytestmark = pytest.mark.slow

RATE_HZ = 16_000
SHORT = ("epochs=4", "batch_size=8", "front_end.window_length=256", "learning_rate=0.001")


def machine_sound(generator, section, speed, tone):
    """Noise colored by the section, a hum at the speed and, in anomalous clips, a tone."""
    noise = generator.normal(size=RATE_HZ + 1)
    colored = noise[1:] + (0.9 if section == "00" else -0.9) * noise[:-1]
    time_s = np.arange(RATE_HZ) / RATE_HZ
    hum = np.sin(2 * np.pi * 200 * speed * time_s)
    return 0.02 * colored + 0.05 * hum + tone * 0.1 * np.sin(2 * np.pi * 3000 * time_s)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fan in the layout of 2022: two sections, its speed in the names of training clips."""
    generator = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("data") / "dcase2022"
    for section in ("00", "01"):
        for number in range(16):
            speed = 1 + number % 4
            domain = "source" if speed < 3 else "target"
            name = f"section_{section}_{domain}_train_normal_{number:04d}_vel_{speed}.wav"
            write(root / "dev_data" / "fan" / "train" / name, generator, section, speed, 0)
        for number in range(24):
            domain, kind = ("source", "target")[number % 2], ("normal", "anomaly")[number // 12]
            speed = 1 + (number // 2) % 2 + 2 * (domain == "target")
            name = f"section_{section}_{domain}_test_{kind}_{number:04d}.wav"
            is_anomalous = kind == "anomaly"
            write(
                root / "dev_data" / "fan" / "test" / name, generator, section, speed, is_anomalous
            )
    return root


def write(path, generator, section, speed, tone):
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = machine_sound(generator, section, speed, tone)
    soundfile.write(path, waveform, RATE_HZ, subtype="PCM_16")


@pytest.fixture(scope="module")
def evaluated(data, tmp_path_factory):
    """Evaluates a variant and gives the folder of its run."""
    runs = tmp_path_factory.mktemp("runs")

    def evaluate(variant):
        changes = [word for change in SHORT for word in ("--set", f"config.{change}")]
        where = ["--data", str(data), "--runs", str(runs), "--recipe", "dcase2022"]
        command = ["eval", "--system", "venkatesh2022", "--variant", variant, *where, *changes]
        assert main(command) == 0
        return runs / "venkatesh2022" / variant / "dcase2022"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield evaluate


def test_a_tone_is_found_and_all_rows_come_from_one_network(evaluated, capsys):
    run = evaluated("disent_cat")
    assert (pd.read_csv(run / "metrics.csv")["auc"] > 0.9).all()
    networks = sorted(run.parents[1].rglob("*.keras"))

    for variant, score in (("disent_wt", "weighted"), ("disent_sec", "section")):
        other = evaluated(variant)
        table = pd.read_csv(other / "scores" / "seed0" / "scores.csv")
        submitted = pd.concat(
            [
                pd.read_csv(path, header=None, names=["name", "score"])
                for path in (other / "scores" / "seed0").glob("anomaly_score_*.csv")
            ]
        )
        both = submitted.merge(table, on="name")
        assert len(both) == 48
        np.testing.assert_array_equal(both["score"], both[f"score_{score}"])

    assert sorted(run.parents[1].rglob("*.keras")) == networks
    capsys.readouterr()
    assert main(["explain", str(run), "--top", "1"]) == 0
    told = capsys.readouterr().out
    assert "decided anomalous, labelled anomalous" in told
    assert "fired: " in told
    assert "attribute_vel (+" in told
