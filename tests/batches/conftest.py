"""Recordings that tests of pieces of clips share."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.data.audio import AudioConfig
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.store import open_store


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Noise in the store: longer than 165 samples, as long, and shorter."""
    folder = tmp_path_factory.mktemp("recorded")
    random = np.random.default_rng(0)
    for name, length in zip("abcd", (201, 165, 170, 90), strict=True):
        noise = random.uniform(-0.5, 0.5, length)
        soundfile.write(folder / f"{name}.wav", noise, 16000, subtype="PCM_16")
    paths = [str(path) for path in sorted(folder.glob("*.wav"))]
    table = pd.DataFrame({"path": paths, "machine_type": "fan"}, dtype="string")
    store = open_store(table, AudioConfig(16000, 0, "refuse"), folder / "store")
    return ClipSet(table.iloc[[2, 0, 3]], store)
