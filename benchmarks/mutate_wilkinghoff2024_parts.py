"""Break the scorer, the labels and the length rule of wilkinghoff2024 in known ways.

Run: `python benchmarks/mutate_wilkinghoff2024_parts.py` (about ten minutes). Exit code 1 if a
mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("scorers/exemplars.py", "scorers/test_exemplars.py"): {
        "sign of the product": (
            "1.0 - (embeddings @ exemplars.T).max(axis=1)",
            "1.0 + (embeddings @ exemplars.T).max(axis=1)",
        ),
        "product alone": (
            "1.0 - (embeddings @ exemplars.T).max(axis=1)",
            "-(embeddings @ exemplars.T).max(axis=1)",
        ),
        "farthest exemplar": (".max(axis=1)", ".min(axis=1)"),
        "mean over exemplars": (".max(axis=1)", ".mean(axis=1)"),
        "squared distance": (
            "1.0 - (embeddings @ exemplars.T).max(axis=1)",
            "2.0 - 2.0 * (embeddings @ exemplars.T).max(axis=1)",
        ),
        "larger term": ('np.fmin(terms["source"]', 'np.fmax(terms["source"]'),
        "sum of the terms": (
            'np.fmin(terms["source"], terms["target"])',
            'np.nansum([terms["source"], terms["target"]], axis=0)',
        ),
        "no score without target clips": ('np.fmin(terms["source"]', 'np.minimum(terms["source"]'),
        "k-means on source and target": (
            "self._means(embeddings)",
            "self._means(np.concatenate([embeddings, targets]))",
        ),
        "k-means on the target": (
            "self._means(embeddings)\n        self.targets_ = targets",
            "self._means(targets)\n        self.targets_ = embeddings",
        ),
        "terms swapped": (
            '"source": _smallest_distance(embeddings, self.centers_),\n'
            '            "target": _smallest_distance(embeddings, self.targets_)',
            '"source": _smallest_distance(embeddings, self.targets_),\n'
            '            "target": _smallest_distance(embeddings, self.centers_)',
        ),
        "mean of the target clips": (
            "self.targets_ = targets",
            "self.targets_ = targets.mean(axis=0, keepdims=True) if len(targets) else targets",
        ),
        "means always normalized": (
            "normalize(centers) if self.normalize_means else centers",
            "normalize(centers)",
        ),
        "means never normalized": (
            "normalize(centers) if self.normalize_means else centers",
            "centers",
        ),
        "means normalized by default": ("normalize_means=False", "normalize_means=True"),
        "means normalized per dimension": ("normalize(centers)", "normalize(centers, axis=0)"),
        "default number of means": ("n_clusters=32", "n_clusters=16"),
        "default seed": ("random_state=0):", "random_state=None):"),
        "one start": ("n_init=10", "n_init=1"),
        "random state ignored": ("random_state=self.random_state", "random_state=0"),
        "as many means as clips": (
            "n_different = len(np.unique(embeddings, axis=0))",
            "n_different = len(embeddings)",
        ),
        "different numbers counted": ("np.unique(embeddings, axis=0)", "np.unique(embeddings)"),
        "number of means ignored": ("min(self.n_clusters, n_different)", "min(32, n_different)"),
        "single precision": ("dtype=np.float64, copy", "dtype=np.float32, copy"),
        "single precision of what is scored": (
            "embeddings = check_array(embeddings, dtype=np.float64)",
            "embeddings = check_array(embeddings, dtype=np.float32)",
        ),
        "arrays not copied": ("copy=True", "copy=False"),
        "fit gives nothing": ("        return self\n", ""),
        "no fit needed": ("        check_is_fitted(self)\n", ""),
        "no mean not refused": ("self.n_clusters < 1", "self.n_clusters < 0"),
        "dimensions not compared": (
            "targets.shape[1] != embeddings.shape[1]",
            "targets.shape[0] < 0",
        ),
        "no clip not refused": ("len(embeddings) + len(targets) == 0", "len(targets) < 0"),
    },
    ("data/labels.py", "data/test_labels.py"): {
        "no domain": (
            '["machine_type", "section", "attributes", "domain"]',
            "_COLUMNS['attribute']",
        ),
        "no attributes": (
            '["machine_type", "section", "attributes", "domain"]',
            '["machine_type", "section", "domain"]',
        ),
        "no section": (
            '["machine_type", "section", "attributes", "domain"]',
            '["machine_type", "attributes", "domain"]',
        ),
        "no machine type": (
            '["machine_type", "section", "attributes", "domain"]',
            '["section", "attributes", "domain"]',
        ),
        "order of the name": (
            '["machine_type", "section", "attributes", "domain"]',
            '["machine_type", "section", "domain", "attributes"]',
        ),
        "unknown domain is target": ('.fillna("source")', '.fillna("target")'),
        "unknown domain is one of its own": (
            'table["domain"].fillna("source")',
            'table["domain"]',
        ),
        "the table is changed": (
            '        table.assign(domain=table["domain"].fillna("source")),\n',
            '        table.__setitem__("domain", table["domain"].fillna("source")) or table,\n',
        ),
        "extra ignored": ("        extra,\n    )\n", "    )\n"),
        "extra alone": ("trained | _keys_of(keys, extra)", "_keys_of(keys, extra)"),
        "extra rows labeled": (
            "        is_labeled,\n        extra,",
            "        is_labeled if extra is None else is_labeled | extra,\n        extra,",
        ),
        "all rows labeled": (
            'is_labeled = (table["split"] == "train").to_numpy(bool)\n    return _labels(\n',
            "is_labeled = np.ones(len(table), bool)\n    return _labels(\n",
        ),
        "extra classes make up for one class": (
            "len(trained) < 2",
            "len(trained) < (2 if extra is None else 1)",
        ),
        "single class not refused": ("len(trained) < 2", "len(trained) < 1"),
        "extra classes last": (
            "sorted(trained if extra is None else trained | _keys_of(keys, extra))",
            "[*sorted(trained), *sorted(set() if extra is None else "
            "_keys_of(keys, extra) - trained)]",
        ),
        "extra of another length": ("np.shape(extra) != (len(table),)", "np.ndim(extra) < 0"),
        "classes not sorted": ("classes = sorted(", "classes = list("),
    },
    ("dsp/clip_length.py", "dsp/test_clip_length.py"): {
        "last window never": ("- clip_length + 1)", "- clip_length)"),
        "window too late": ("- clip_length + 1)", "- clip_length + 2)"),
        "rounded draw": ("int(draw * (", "round(draw * ("),
        "draw ignored": ("int(draw * (len(repeated) - clip_length + 1))", "0"),
        "draw counted from the end": ("int(draw * (", "int((1.0 - draw) * ("),
        "one repetition too many": (
            "np.tile(waveform, -(-least_length // len(waveform)))",
            "np.tile(waveform, 1 + -(-least_length // len(waveform)))",
        ),
        "one repetition too few": (
            "-(-least_length // len(waveform))",
            "max(1, least_length // len(waveform))",
        ),
        "samples repeated": ("np.tile(waveform", "np.repeat(waveform"),
        "cut before the draw": (
            "else _repeated(waveform, clip_length)\n",
            "else _repeated(waveform, clip_length)[:clip_length]\n",
        ),
        "longer clip repeated too": (
            "waveform if length > clip_length else _repeated(waveform, clip_length)",
            "np.tile(waveform, 1 + clip_length // length)",
        ),
        "longer clip copied": (
            "waveform if length > clip_length else _repeated(waveform, clip_length)",
            "_repeated(waveform, clip_length)",
        ),
        "random window of any rule": ('if keep == "random":', 'if keep == "random" or draw:'),
        "draw by default": ("draw: float = 0.0", "draw: float = 0.5"),
        "draw of one": ("0.0 <= draw < 1.0", "0.0 <= draw <= 1.0"),
        "negative draw": ("0.0 <= draw < 1.0", "draw < 1.0"),
        "draw that is no number": ("not 0.0 <= draw < 1.0", "draw < 0.0 or draw >= 1.0"),
        "start and end swapped": ('if keep == "start"', 'if keep != "start"'),
    },
    ("data/store.py", "data/test_store.py"): {
        "draws ignored": ("clip_length, keep, draw)", "clip_length, keep)"),
        "first draw for all": ("clip_length, keep, draw)", "clip_length, keep, draws[0])"),
        "no draws, no windows": ('if keep == "random":', 'if keep == "Random":'),
    },
    ("systems/system.py", "systems/test_clip_set.py"): {
        "draws of the first rows": (
            "self._draws[positions]",
            "self._draws[: len(positions)]",
        ),
        "draws always": ('self._draws[positions] if keep == "random" else None', "self._draws"),
        "draws never": ('self._draws[positions] if keep == "random" else None', "None"),
        "rows of the store": (
            "self.table.index.to_numpy()[positions], clip_length, keep, draws",
            "positions, clip_length, keep, draws",
        ),
        "seed ignored": ('f"{seed}/{name}"', 'f"{name}"'),
        "name ignored": ('f"{seed}/{name}"', 'f"{seed}"'),
        "folders count": ("Path(path).name", "str(path)"),
        "position counts": (
            'for path in self.table["path"]',
            'for path in self.table["path"] + self.table.index.astype(str)',
        ),
        "hash of the process": (
            'hashlib.sha256(f"{seed}/{name}".encode()).digest()',
            'hash(f"{seed}/{name}").to_bytes(8, "big", signed=True)',
        ),
        "half of the range": (">> 11)", ">> 12)"),
        "beyond the range": (">> 11)", ">> 10)"),
        "drawn at each read": ("@functools.cached_property", "@property"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
