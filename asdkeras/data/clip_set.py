"""Clips that a system trains on or represents: rows of a clip table and their audio."""

import dataclasses
import functools
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data.store import ClipStore, PadMode
from asdkeras.dsp.clip_length import Keep
from asdkeras.files import as_text


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Rows of the clip table and the store that has their audio, found by the index of the table.

    `seed` is that of the trial, from which derives what is drawn once per clip.
    """

    table: pd.DataFrame
    store: ClipStore
    seed: int = 0

    def __len__(self) -> int:
        return len(self.table)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Samples of each clip."""
        lengths: npt.NDArray[np.int64] = self.store.lengths[self.table.index.to_numpy()]
        return lengths

    def read(
        self, positions: npt.NDArray[np.int64], clip_length: int, keep: Keep
    ) -> npt.NDArray[np.float32]:
        """Waveforms of the rows at `positions`, float32 `(len(positions), clip_length)`.

        Where `keep` is `random`, seed and file name decide which window of a clip is read,
        so it is the same one whenever and in whatever order clips are read.
        """
        draws = self._draws[positions] if keep == "random" else None
        return self.store.read(self.table.index.to_numpy()[positions], clip_length, keep, draws)

    def read_chunks(
        self,
        positions: npt.NDArray[np.int64],
        first_samples: npt.NDArray[np.int64],
        num_samples: int,
        clip_length: int,
        keep: Keep,
        pad_mode: PadMode,
    ) -> npt.NDArray[np.float32]:
        """One part of each row at `positions`, float32 `(len(positions), num_samples)`.

        Part i starts at sample `first_samples[i]` of the clip of `clip_length` samples that
        `read` would give, and may reach beyond its ends; see `ClipStore.read_part`.
        """
        rows = self.table.index.to_numpy()[positions]
        return self.store.read_part(rows, first_samples, num_samples, clip_length, keep, pad_mode)

    def fingerprint(self, clip_length: int, keep: Keep) -> str:
        """Hex digest of what `read` gives of all rows in order, wherever the files lie."""
        content = hashlib.sha256(f"{self.store.sample_rate_hz} {clip_length} {keep}".encode())
        for row in self.table.index:
            content.update(self.store.digests[row].encode())
        if keep == "random":
            content.update(self._draws.tobytes())
        return content.hexdigest()

    @functools.cached_property
    def _draws(self) -> npt.NDArray[np.float64]:
        return np.array([_draw(self.seed, as_text(Path(path).name)) for path in self.table["path"]])


def _draw(seed: int, name: str) -> float:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # As many bits as a float has.
