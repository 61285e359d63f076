"""A small year with a typed truth, and folders of score files for it."""

import dataclasses

from asdkeras.data.manifest import ClipCount, Manifest
from tests.truth_files import dataset, pinned

MACHINES = ("ToyCar", "fan")
DEVELOPMENT = ("00", "01")
EVALUATION = ("03", "04")
NUM_CLIPS = 8  # Per section: two of each domain and label.


def truth_names(section):
    """(raw name, labeled name) of the evaluation clips of a section."""
    for n in range(NUM_CLIPS):
        domain, condition = ("source", "target")[n % 2], ("normal", "anomaly")[n // 2 % 2]
        labeled = f"section_{section}_{domain}_test_{condition}_{NUM_CLIPS - n:04d}_x_{n % 3}.wav"
        yield f"section_{section}_{n:04d}.wav", labeled


def development_names(section):
    for domain in ("source", "target"):
        for condition in ("normal", "anomaly"):
            for n in range(2):
                yield f"section_{section}_{domain}_test_{condition}_{n:04d}_x.wav"


def small_year(path, year=2022):
    """A manifest of one dataset, with machine types and sections as above."""
    counts = tuple(
        ClipCount("dev", machine_type, section, "test", domain, 2, 2)
        for machine_type in MACHINES
        for section in DEVELOPMENT
        for domain in ("source", "target")
    )
    content = dataset(year, ("primary", ("names", None, "list.csv")))
    content = dataclasses.replace(content, clip_counts=counts)
    content = pinned(content, path / "cache/truth" / content.name)
    return Manifest(path / "manifest.yaml", {content.name: content})


def write_truth(cache, year=2022):
    lines = []
    for machine_type in MACHINES:
        lines.append(machine_type)
        for section in EVALUATION:
            lines.extend(",".join(names) for names in truth_names(section))
    folder = cache / "truth" / f"dcase{year}"
    folder.mkdir(parents=True)
    (folder / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_values(folder, names, *, kind="anomaly_score", machine_type="fan", section="03"):
    """One file; the value of a clip hangs on its place, so that scores tie now and then."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}_{machine_type}_section_{section}_test.csv"
    values = [n * 3 % 5 if kind == "anomaly_score" else n % 2 for n in range(len(names))]
    lines = (f"{name},{value}" for name, value in zip(names, values, strict=True))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_evaluation(folder, *, labeled=False, machines=MACHINES, decisions=True):
    """A complete submission of the evaluation set."""
    for machine_type in machines:
        for section in EVALUATION:
            names = [names[labeled] for names in truth_names(section)]
            for kind in ("anomaly_score", "decision_result")[: 1 + decisions]:
                place = {"machine_type": machine_type, "section": section}
                write_values(folder, names, kind=kind, **place)


def write_development(folder, machines=MACHINES):
    for machine_type in machines:
        for section in DEVELOPMENT:
            names = list(development_names(section))
            for kind in ("anomaly_score", "decision_result"):
                place = {"machine_type": machine_type, "section": section}
                write_values(folder, names, kind=kind, **place)
