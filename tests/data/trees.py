"""Trees of empty files named like those of a challenge year, in anybody's layout."""

import os
from pathlib import Path

DEV_2023 = {
    name: [
        f"{name}/train/section_00_source_train_normal_0000_a_1.wav",
        f"{name}/train/section_00_target_train_normal_0000_a_2.wav",
        f"{name}/test/section_00_source_test_normal_0000_a_1.wav",
        f"{name}/test/section_00_target_test_anomaly_0000_a_2.wav",
    ]
    for name in ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")
}
EVAL_TRAIN_2023 = {
    name: [f"{name}/train/section_00_source_train_normal_0000_a_1.wav"]
    for name in ("bandsaw", "Vacuum")
}
EVAL_TEST_2023 = {
    name: [f"{name}/test/section_00_0000.wav", f"{name}/test/section_00_0001.wav"]
    for name in ("bandsaw", "Vacuum")
}


def make(root, *names):
    """Empty files; returns the root."""
    for name in names:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path(root)


def make_2023(root, dev="", eval_train="", eval_test=None):
    """Clips of 2023 with their development and evaluation machines below these folders."""
    eval_test = eval_train if eval_test is None else eval_test
    for prefix, machines in (
        (dev, DEV_2023),
        (eval_train, EVAL_TRAIN_2023),
        (eval_test, EVAL_TEST_2023),
    ):
        for names in machines.values():
            make(Path(root) / prefix, *names)
    return Path(root)


def snapshot(root):
    """All paths below a root, with type, size and time."""
    return sorted(
        (path, os.lstat(path).st_mode, os.lstat(path).st_size, os.lstat(path).st_mtime_ns)
        for folder, folders, names in os.walk(root)
        for path in (os.path.join(folder, name) for name in folders + names)
    )
