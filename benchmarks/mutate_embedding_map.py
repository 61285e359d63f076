"""Break embedding maps and report pages in known ways.

Run: `python benchmarks/mutate_embedding_map.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("report/clip_vectors.py", "report/test_clip_vectors.py"): {
        "averaged over the wrong axis": ("array.mean(axis=1)", "array.mean(axis=2)"),
        "vectors of all clips beside those of one type": (
            "                vectors[kept],",
            "                vectors[is_there][: kept.sum()],",
        ),
        "clips without a vector are kept": ("kept = is_of_type & is_there", "kept = is_of_type"),
        "models in alphabetical order of clips": (
            'table.groupby("machine_type", sort=False)',
            'table.sort_values("path").groupby("machine_type", sort=False)',
        ),
        "last array by letters": ("key=natural_key)", "key=str)"),
        "another embedding goes first": ('if "embedding" in embeddings', "if not embeddings"),
        "always the first trial": ('f"seed{seed}" / "repr', '"seed0" / "repr'),
    },
    ("report/embedding_map.py", "report/test_embedding_map.py"): {
        "another draw every time": ("default_rng(0)", "default_rng()"),
        "a draw of the first clips": (
            "np.random.default_rng(0).permutation(len(table))",
            "np.arange(len(table))",
        ),
        "small groups are thinned out as well": (
            "[np.argsort(turns, kind",
            "[np.argsort(0 * turns, kind",
        ),
        "other clips beside the points": (
            "_clip_columns(each.table.iloc[drawn]",
            "_clip_columns(each.table.iloc[drawn[::-1]]",
        ),
        "perplexity by all clips": ("(len(scaled) - 1) / 3.0", "len(scaled) / 3.0"),
        "not scaled": ("vectors / np.abs(vectors).max()", "1.0 * vectors"),
        "points of other vectors": ("_digest(each.vectors[drawn], used)", '"one"'),
        "points are not kept": ("_write_cache(run / _CACHE, known)", "known.clear()"),
    },
    ("report/map_panels.py", "report/test_map_panels.py"): {
        "y downwards": ("np.array([1.0, -1.0])", "np.array([1.0, 1.0])"),
        "axes to scales of their own": (
            "extent = float((highest - lowest).max()) or 1.0",
            "extent = np.where(highest > lowest, highest - lowest, 1.0)",
        ),
        "training clips as outlines": (
            '["split"].iloc[row] != "train"',
            '["split"].iloc[row] == "train"',
        ),
        "the frequent on top": ("-counts[value])", "counts[value])"),
        "the most frequent are others": (
            "key=lambda value: -counts[value]",
            "key=lambda value: counts[value]",
        ),
        "normal and anomalous swapped": (
            '{True: "anomalous", False: "normal"}',
            '{False: "anomalous", True: "normal"}',
        ),
    },
    ("report/page_tables.py", "report/test_page_tables.py"): {
        "named scores of one machine type": (
            '(means["machine_type"] == "all") & means["score"]',
            'means["score"]',
        ),
    },
    ("report/markup.py", "report/test_markup.py"): {
        "texts are not escaped": ("else html.escape(part) for", "else part for"),
        "attributes are not escaped": ("html.escape(str(value))", "str(value)"),
    },
    ("report/training_curves.py", "report/test_training_curves.py"): {
        "high values lie low": (
            "_HEIGHT - _BOTTOM, _TOP, is_log",
            "_TOP, _HEIGHT - _BOTTOM, is_log",
        ),
        "the last phase first": ("not each.phase,", "bool(each.phase),"),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
