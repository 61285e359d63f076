"""Finished runs whose recordings lie beside them, for tests."""

import json

import numpy as np
import pandas as pd
import soundfile

from tests.report.mapped_runs import clip_rows, finished_mapped_run

SAMPLE_RATE_HZ = 16000
TONE_HZ = 1000.0


def write_recordings(folder, rows, *, seconds=0.5):
    """A WAV for each clip, a tone with some noise, and the CSV file that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    listed = []
    for number, row in enumerate(rows):
        name = row["path"].rsplit("/", 1)[-1]
        noise = np.random.default_rng(number).normal(size=times.size)
        waveform = 0.3 * np.sin(2.0 * np.pi * TONE_HZ * times) + 0.001 * noise
        soundfile.write(folder / name, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")
        columns = {key: row[key] for key in ("machine_type", "section", "domain", "split")}
        listed.append({"path": name, **columns})
    pd.DataFrame(listed).to_csv(folder / "clips.csv", index=False)
    return folder / "clips.csv"


def heard_run(folder, rows=None, *, seconds=0.5, **options):
    """A run with results, maps and recordings; these lie in `recordings` beside its folder."""
    rows = clip_rows("fan", num_clips=2) if rows is None else rows
    finished_mapped_run(folder, rows, **options)
    data = write_recordings(folder.parent / "recordings", rows, seconds=seconds)
    environment = json.dumps({"data": str(data)})
    (folder / "environment.json").write_text(environment, encoding="utf-8")
    return folder
