"""Break the reading of chunks, the attribute groups and the nearest neighbor in known ways.

Run: `python benchmarks/mutate_chunks_and_attributes.py` (some minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("data/attributes.py", "data/test_attributes.py"): {
        "all trailing underscores": ('removesuffix("_")', 'rstrip("_")'),
        "keys with their value": (" or any(key[-1].isdigit() for key in keys)", ""),
        "a key twice": ("len(set(keys)) < len(keys)", "False"),
        "classes from test clips": ('.where(table["split"] == "train")', ""),
        "single values kept": ("len(classes) >= 2", "len(classes) >= 1"),
        "domains may share values": ("source.isdisjoint(target)", "source != target"),
        "one domain is enough": ("bool(source) and bool(target)", "True"),
        "sections of all machine types": (
            'zip(table["machine_type"], table["section"], strict=True)',
            'zip(table["section"], table["section"], strict=True)',
        ),
    },
    ("data/store.py", "data/test_store.py"): {
        "end of the clip kept as start": ('surplus if keep == "end" else 0', "0"),
        "mirrored with its ends twice": ("2 * (clip_length - 1)", "2 * clip_length"),
        "read from the start": ("+ start * samples.itemsize", ""),
        "16-bit integers as they are": (
            "np.multiply(samples, self._scale(position), out=inside)",
            "inside[:] = samples",
        ),
        "whole clip read": (
            "return self._samples(position, offset + start, offset + stop)",
            "return self._samples(position)[offset + start : offset + stop]",
        ),
    },
    ("systems/system.py", "data/test_chunk_batches.py"): {
        "positions taken for rows": (
            "rows = self.table.index.to_numpy()[positions]",
            "rows = positions",
        ),
    },
    ("data/chunk_batches.py", "data/test_chunk_batches.py"): {
        "one chunk too few": ("- num_frames + 1\n", "- num_frames\n"),
        "frames not centered": (" - window_length // 2\n", "\n"),
        "every step alike": ("seed, epoch, step + 1", "seed, epoch, 1"),
        "one start for the batch": (
            "(step_seed, positions, num_chunks)",
            "(step_seed, positions[:1], num_chunks) + 0 * positions",
        ),
        "unknown counts": ("ops.sum(each, axis=1)", "ops.ones_like(each[:, 0])"),
        "a hop too long": ("samples = (num_frames - 1) * hop", "samples = num_frames * hop"),
    },
    ("scorers/nearest_neighbor.py", "scorers/test_nearest_neighbor.py"): {
        "self included": ("distances[rows, first_row + rows] = np.inf", "pass"),
        "self of the first block": ("first_row + rows", "rows"),
        "mean distance": ("min(axis=1)", "mean(axis=1)"),
        "squared distance": ("np.sqrt(smallest)", "(smallest)"),
        "similarity": ('"cosine": "cosine"', '"cosine": lambda x, y: x @ y'),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
