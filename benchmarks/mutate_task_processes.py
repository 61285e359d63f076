"""Break what runs tasks side by side in known ways.

Run: `python benchmarks/mutate_task_processes.py` (some minutes). Exit code 1 if a mutant survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("experiment/task_processes.py", "experiment/test_task_processes.py"): {
        "nothing known, all at once": (
            "if needed_mib is None or len(running) >= jobs:",
            "if len(running) >= jobs:",
        ),
        "one more than asked for": ("len(running) >= jobs", "len(running) > jobs"),
        "growth of running tasks forgotten": (
            "free - still_to_grow >= needed_mib",
            "free >= needed_mib",
        ),
        "shrinking counts as room": ("max(0.0, needed_mib - resident", "(needed_mib - resident"),
        "no free memory known, none started": (
            "    if free is None:\n        return True\n",
            "    if free is None:\n        return False\n",
        ),
        "killed is a mistake of ours": (
            "code is None or code >= 0:",
            "code is None or code >= 0 or code < 0:",
        ),
        "every error is a DataError": (
            "getattr(errors, name)(message)",
            "errors.DataError(message)",
        ),
        "an interrupt is a mistake": ('answers.send(("interrupted", None))', "raise"),
        "all processors for each": (
            "(os.cpu_count() or 1) // jobs",
            "(os.cpu_count() or 1) * jobs",
        ),
    },
    ("experiment/memory.py", "experiment/test_memory.py"): {
        "container forgotten": ("(_of_machine(), _of_container())", "(_of_machine(),)"),
        "machine forgotten": ("(_of_machine(), _of_container())", "(_of_container(),)"),
        "the larger one": ("min(known)", "max(known)"),
        "file cache counts as taken": (' + int(stat.get("inactive_file", 0))', ""),
        "kB are bytes": ("int(row[1]) * 1024", "int(row[1])"),
    },
    ("experiment/stages.py", "experiment/test_stages.py"): {
        "last peak": ("max(peaks, default=None)", "(peaks or [None])[-1]"),
        "head in every line": ("if file.tell() == 0 else [row]", "if True else [row]"),
        "failed stages leave nothing": (
            "    finally:\n",
            "    except KeyError:\n        raise\n    else:\n",
        ),
    },
    ("experiment/training.py", "experiment/test_represent.py"): {
        "inputs of other clips": ("of_clips[chosen]", "of_clips[: len(chosen)]"),
        "every model hears everything": ("trained.rows.get(model, everyone)", "everyone"),
        "names the other way round": ('f"{key}_{model}"', 'f"{model}_{key}"'),
    },
    ("layers/resumable_dropout.py", "layers/test_resumable_dropout.py"): {
        "generator not loaded": (
            '            self.seed_generator.state.assign(store["generator"])\n',
            "            pass\n",
        ),
    },
}

if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
