"""Verification: whole datasets pass, and whatever is broken in them is named, all at once."""

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkeras.acquire import verify as module
from asdkeras.acquire.verify import verify
from asdkeras.corpus import mini_plan
from asdkeras.corpus.mini import generate
from asdkeras.data import years
from asdkeras.data.manifest import ClipCount, Dataset, Manifest, read_manifest
from asdkeras.data.truth import Truth, TruthRow, read_truth
from asdkeras.errors import DataError
from tests.real_data import real_data

RATE_HZ = 16000
LENGTH = 1600


def record(path, length=LENGTH, rate_hz=RATE_HZ, num_channels=1, seed=None):
    """Write noise that is another one for each path, or for each seed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = list(os.fspath(path).encode()) if seed is None else seed
    noise = np.random.default_rng(seed).normal(0, 0.1, (length, num_channels))
    soundfile.write(path, noise, rate_hz, subtype="PCM_16")
    return path


def counts_of(part, machine_type, section="00", test=(2, 1), train=(4, 2)):
    """Counts of a machine type: in each domain, training clips and normal, anomalous ones."""
    for domain, num_train in zip(("source", "target"), train, strict=True):
        yield ClipCount(part, machine_type, section, "train", domain, num_train, 0)
        yield ClipCount(part, machine_type, section, "test", domain, *test)


def manifest_of(*counts, name="dcase2023", num_channels=1, longest_clip_s=18.0):
    dataset = Dataset(
        name=name,
        year=int(name[5:]),
        title="",
        sample_rate_hz=RATE_HZ,
        num_channels=num_channels,
        hours=None,
        longest_clip_s=longest_clip_s,
        records=(),
        archives=(),
        clip_counts=counts,
        truth=(),
    )
    return Manifest(Path("manifest.yaml"), {name: dataset})


MANIFEST = manifest_of(*counts_of("dev", "fan"), *counts_of("eval", "bandsaw"))


def train_name(domain, number):
    return f"section_00_{domain}_train_normal_{number:04d}_vel_6.wav"


def test_name(domain, label, number):
    return f"section_00_{domain}_test_{label}_{number:04d}_vel_6.wav"


test_name.__test__ = False


def names_of_training():
    for domain, count in (("source", 4), ("target", 2)):
        yield from (train_name(domain, number) for number in range(count))


def names_of_test():
    for domain in ("source", "target"):
        for label, count in (("normal", 2), ("anomaly", 1)):
            yield from (test_name(domain, label, number) for number in range(count))


@pytest.fixture
def tree(tmp_path):
    """A whole dataset of 2023 by MANIFEST: `fan` is for development, `bandsaw` for evaluation."""
    root = tmp_path / "dcase2023"
    for name in names_of_training():
        record(root / "fan" / "train" / name)
        record(root / "bandsaw" / "train" / name)
    for name in names_of_test():
        record(root / "fan" / "test" / name)
    for number in range(6):
        record(root / "bandsaw" / "test" / f"section_00_{number:04d}.wav")
    return root


@pytest.fixture
def truth():
    """Of the evaluation set of `tree`; the numbers in labeled names count from the other end."""
    names = zip(range(6), names_of_test(), strict=True)
    rows = [
        TruthRow(
            name=f"section_00_{number:04d}.wav",
            labeled_name=name,
            section="00",
            domain="target" if "target" in name else "source",
            is_anomalous="anomaly" in name,
            attributes="vel_6",
        )
        for number, name in names
    ]
    return Truth("dcase2023", {"bandsaw": rows})


def check(root, manifest=MANIFEST, **options):
    return verify(root, manifest=manifest, **options)


def found(verification, root=None):
    """Kinds and texts of the findings, with paths below the root."""
    start = f"{root}{os.sep}"
    return [(each.kind, each.text.replace(start, "")) for each in verification.findings]


def texts(verification, root=None):
    return [text for _, text in found(verification, root)]


@pytest.mark.parametrize("decode", [False, True])
def test_whole_dataset_is_as_expected(tree, truth, decode):
    verification = check(tree, truth=truth, decode=decode)

    assert verification.findings == ()
    assert verification.is_ok
    assert (verification.dataset, verification.num_clips) == ("dcase2023", 24)
    assert verification.notes == ()
    assert [row.is_as_expected for row in verification.counts] == [True] * 8


def test_counts_come_by_machine_type_section_split_and_domain(tree, truth):
    rows = [tuple(row) for row in check(tree, truth=truth).counts]

    assert rows[:4] == [
        ("bandsaw", "00", "test", "source", 2, 1, 0, 2, 1),
        ("bandsaw", "00", "test", "target", 2, 1, 0, 2, 1),
        ("bandsaw", "00", "train", "source", 4, 0, 0, 4, 0),
        ("bandsaw", "00", "train", "target", 2, 0, 0, 2, 0),
    ]
    assert [row[0] for row in rows] == ["bandsaw"] * 4 + ["fan"] * 4


def test_without_truth_raw_clips_are_counted_all_together(tree):
    verification = check(tree)

    assert verification.is_ok
    assert tuple(verification.counts[0]) == (
        *("bandsaw", "00", "test", None),
        *(0, 0, 6, 4, 2),
    )
    assert "No ground truth here" in verification.notes[0]


def test_missing_training_clip_shows_in_the_count(tree, truth):
    (tree / "fan" / "train" / train_name("source", 2)).unlink()

    verification = check(tree, truth=truth)

    assert found(verification) == [("count", "fan section 00 train source: 3 normal, expected 4")]
    assert not verification.is_ok


def test_missing_test_clips_show_by_domain_and_label(tree, truth):
    (tree / "fan" / "test" / test_name("source", "normal", 0)).unlink()
    (tree / "fan" / "test" / test_name("target", "anomaly", 0)).unlink()

    assert found(check(tree, truth=truth)) == [
        ("count", "fan section 00 test source: 1 normal, expected 2"),
        ("count", "fan section 00 test target: 0 anomalous, expected 1"),
    ]


def test_missing_evaluation_clip_is_named_by_the_truth(tree, truth):
    (tree / "bandsaw" / "test" / "section_00_0002.wav").unlink()

    assert found(check(tree, truth=truth)) == [
        ("missing clip", "bandsaw section 00 test: section_00_0002.wav missing"),
        ("count", "bandsaw section 00 test source: 0 anomalous, expected 1"),
    ]


def test_missing_evaluation_clip_is_counted_without_truth(tree):
    (tree / "bandsaw" / "test" / "section_00_0002.wav").unlink()

    assert found(check(tree)) == [("count", "bandsaw section 00 test: 5 clips, expected 6")]


def test_clip_too_many_shows_in_the_count(tree, truth):
    record(tree / "fan" / "train" / train_name("target", 2))

    assert found(check(tree, truth=truth), tree) == [
        ("count", "fan section 00 train target: 3 normal, expected 2")
    ]


def test_domains_are_counted_together_if_a_clip_does_not_state_its_own(tree, truth):
    old = tree / "fan" / "train" / train_name("source", 3)
    old.rename(old.with_name("section_00_train_normal_0003_vel_6.wav"))
    assert check(tree, truth=truth).is_ok
    (tree / "fan" / "train" / train_name("source", 2)).unlink()

    assert texts(check(tree, truth=truth)) == ["fan section 00 train: 5 normal, expected 6"]


def test_unknown_evaluation_clip_and_the_one_it_replaces_are_named(tree, truth):
    old = tree / "bandsaw" / "test" / "section_00_0005.wav"
    old.rename(old.with_name("section_00_0017.wav"))

    findings = found(check(tree, truth=truth), tree)

    assert [kind for kind, _ in findings] == ["missing clip", "count", "contradiction"]
    assert findings[0][1] == "bandsaw section 00 test: section_00_0005.wav missing"
    assert findings[1][1] == "bandsaw section 00 test target: 0 anomalous, expected 1"
    assert findings[2][1].startswith("bandsaw/test/section_00_0017.wav: ")


def test_clip_in_the_wrong_domain_is_one_too_few_and_one_too_many(tree, truth):
    old = tree / "fan" / "train" / train_name("source", 3)
    old.rename(old.with_name(train_name("target", 2)))

    assert texts(check(tree, truth=truth)) == [
        "fan section 00 train source: 3 normal, expected 4",
        "fan section 00 train target: 3 normal, expected 2",
    ]


def test_clip_with_the_wrong_label_is_found_where_the_number_is_right(tree, truth):
    old = tree / "fan" / "test" / test_name("source", "normal", 1)
    old.rename(old.with_name(test_name("source", "anomaly", 1)))

    assert texts(check(tree, truth=truth)) == [
        "fan section 00 test source: 1 normal, expected 2; 2 anomalous, expected 1"
    ]


def test_too_many_of_one_label_is_a_fault_even_if_others_are_unlabeled(tree):
    manifest = manifest_of(
        *counts_of("dev", "fan"),
        *counts_of("eval", "bandsaw", test=(0, 3)),
    )
    old = tree / "bandsaw" / "test" / "section_00_0005.wav"
    old.rename(old.with_name("section_00_source_test_normal_0005_vel_6.wav"))

    assert texts(check(tree, manifest))[0] == "bandsaw section 00 test: 1 normal, expected 0"


def test_absent_archives_are_notes(tree, truth):
    shutil.rmtree(tree / "fan")
    shutil.rmtree(tree / "bandsaw" / "test")

    verification = check(tree, truth=truth)

    assert verification.is_ok
    assert verification.notes == (
        "Not here, not checked: development clips of fan.",
        "Not here, not checked: evaluation test clips of bandsaw.",
    )
    assert {row.place for row in verification.counts} == {
        "bandsaw section 00 train source",
        "bandsaw section 00 train target",
    }


def test_half_of_an_archive_is_a_fault(tree, truth):
    """Training and test clips for development come in one archive."""
    shutil.rmtree(tree / "fan" / "train")

    assert texts(check(tree, truth=truth)) == [
        "fan section 00 train source: 0 normal, expected 4",
        "fan section 00 train target: 0 normal, expected 2",
    ]


def tree_of_2022(root, sections):
    for section in sections:
        for name in [*names_of_training(), *names_of_test()]:
            folder = "train" if "train" in name else "test"
            record(root / "bearing" / folder / name.replace("section_00", f"section_{section}"))
    return root


def test_section_nobody_knows_is_a_fault(tmp_path):
    tree_of_2022(tmp_path / "dcase2022", ["00", "01"])
    manifest = manifest_of(*counts_of("dev", "bearing"), name="dcase2022")

    assert texts(check(tmp_path / "dcase2022", manifest)) == [
        "bearing section 01 test source: 2 normal, expected 0; 1 anomalous, expected 0",
        "bearing section 01 test target: 2 normal, expected 0; 1 anomalous, expected 0",
        "bearing section 01 train source: 4 normal, expected 0",
        "bearing section 01 train target: 2 normal, expected 0",
    ]


def test_missing_section_is_a_fault_if_others_of_its_archive_are_here(tmp_path):
    tree_of_2022(tmp_path / "dcase2022", ["02"])
    counts = [
        *counts_of("dev", "bearing", section="02"),
        *counts_of("dev", "bearing", section="01"),
    ]

    verification = check(tmp_path / "dcase2022", manifest_of(*counts, name="dcase2022"))

    assert texts(verification)[0] == (
        "bearing section 01 test source: 0 normal, expected 2; 0 anomalous, expected 1"
    )
    assert len(verification.findings) == 4


def test_counts_nobody_knows_are_no_fault_unless_nothing_is_here(tmp_path):
    root = tmp_path / "dcase2020"
    for number in range(3):
        record(root / "fan" / "train" / f"normal_id_00_{number:08d}.wav")
        record(root / "fan" / "test" / f"normal_id_00_{number:08d}.wav")
        record(root / "fan" / "test" / f"normal_id_02_{number:08d}.wav")
    unknown = [
        ClipCount("dev", "fan", section, split, None, None, anomalous)
        for section in ("00", "02")
        for split, anomalous in (("train", 0), ("test", None))
    ]

    verification = check(root, manifest_of(*unknown, name="dcase2020"))

    assert texts(verification) == ["fan section 02 train: no clips, expected some"]
    assert [row.is_as_expected for row in verification.counts] == [None, None, None, False]


def test_split_that_is_not_listed_of_a_known_section_is_no_fault(tree):
    counts = [count for count in MANIFEST.datasets["dcase2023"].clip_counts]
    without_eval_test = [c for c in counts if (c.part, c.split) != ("eval", "test")]

    verification = check(tree, manifest_of(*without_eval_test))

    assert verification.is_ok
    assert verification.counts[0].is_as_expected is None


def test_supplemental_clips_are_counted_together(tmp_path):
    root = tmp_path / "dcase2025"
    for name in names_of_training():
        record(root / "BandSealer" / "train" / name)
    for number, kind in enumerate(["machine", "noise", "source_supplemental_machine"]):
        name = f"section_00_{kind}_{number:04d}_.wav"
        record(root / "BandSealer" / "supplemental" / name, 2 * LENGTH)
    training = [count for count in counts_of("eval", "BandSealer") if count.split == "train"]
    supplemental = ClipCount("eval", "BandSealer", "00", "supplemental", None, 3, None)
    manifest = manifest_of(*training, supplemental, name="dcase2025")

    assert check(root, manifest).is_ok

    record(root / "BandSealer" / "supplemental" / "section_00_noise_0007_.wav", 2 * LENGTH)

    assert texts(check(root, manifest), root) == [
        "BandSealer section 00 supplemental: 4 clips, expected 3"
    ]


@pytest.mark.parametrize("decode", [False, True])
def test_files_that_cannot_be_used_are_all_named(tree, truth, decode):
    files = sorted((tree / "fan" / "train").iterdir())[:3]
    files[0].write_bytes(b"")
    files[1].write_bytes(files[1].read_bytes()[:-300])
    files[2].write_bytes(b"no audio at all")

    findings = check(tree, truth=truth, decode=decode).findings

    assert [(each.kind, each.place) for each in findings] == [
        ("unusable file", os.fspath(path)) for path in files
    ]
    assert "is empty" in findings[0].text
    assert "cut off, 300 bytes" in findings[1].text
    assert "no WAV or FLAC audio" in findings[2].text
    assert [each.text.count(each.place) for each in findings] == [1, 1, 1]


def test_other_rate_and_channels_are_found(tree, truth):
    record(tree / "fan" / "train" / train_name("source", 0), LENGTH // 2, rate_hz=8000)
    record(tree / "fan" / "train" / train_name("source", 1), num_channels=2)

    assert found(check(tree, truth=truth), tree) == [
        ("sample rate", f"fan/train/{train_name('source', 0)}: 8000 Hz, expected 16000 Hz"),
        ("channels", f"fan/train/{train_name('source', 1)}: channels: 2, expected 1"),
    ]


def test_the_manifest_says_the_channels(tree, truth):
    counts = MANIFEST.datasets["dcase2023"].clip_counts

    findings = check(tree, manifest_of(*counts, num_channels=2), truth=truth).findings

    assert len(findings) == 24
    assert findings[0].text.endswith("channels: 1, expected 2")


def test_other_length_is_found(tree, truth):
    record(tree / "fan" / "train" / train_name("source", 0), LENGTH * 2)
    record(tree / "fan" / "train" / train_name("source", 1), LENGTH - 8)

    assert found(check(tree, truth=truth), tree) == [
        ("length", f"fan/train/{train_name('source', 0)}: length 0.20 s, others 0.10 s"),
        ("length", f"fan/train/{train_name('source', 1)}: length 0.099500 s, others 0.100000 s"),
    ]


def test_machine_types_may_differ_in_length(tree, truth):
    for path in (tree / "bandsaw").rglob("*.wav"):
        record(path, 3 * LENGTH)

    assert check(tree, truth=truth).is_ok


def test_both_sets_of_a_machine_type_may_differ_in_length(tmp_path):
    root = tree_of_2022(tmp_path / "dcase2022", ["00", "03"])
    for path in root.rglob("section_03*.wav"):
        record(path, 3 * LENGTH)
    counts = [*counts_of("dev", "bearing"), *counts_of("eval", "bearing", section="03")]

    assert check(root, manifest_of(*counts, name="dcase2022")).is_ok


def test_clips_longer_than_the_longest_of_the_year_are_found(tree, truth):
    counts = MANIFEST.datasets["dcase2023"].clip_counts
    record(tree / "fan" / "train" / train_name("source", 0), 2 * LENGTH)
    for path in (tree / "bandsaw").rglob("*.wav"):
        record(path, LENGTH + 160)

    lines = texts(check(tree, manifest_of(*counts, longest_clip_s=0.1), truth=truth), tree)

    assert len(lines) == 13
    assert "bandsaw/test/section_00_0000.wav: length 0.11 s, longest of the year 0.1 s" in lines[0]
    assert lines[12].endswith("length 0.20 s, others 0.10 s, longest of the year 0.1 s")


def test_dataset_without_a_usual_length_is_a_fault_of_the_machine_type(tree, truth):
    for number, path in enumerate(sorted((tree / "fan").rglob("*.wav"))):
        record(path, LENGTH * (1 + number % 2))

    assert found(check(tree, truth=truth)) == [
        ("length", "fan: clips last 0.10 to 0.20 s, no length is usual")
    ]


def test_same_audio_is_found_by_decoding_only(tree, truth):
    copy = tree / "fan" / "test" / test_name("target", "normal", 1)
    original = tree / "bandsaw" / "train" / train_name("source", 0)
    shutil.copy(original, copy)

    assert check(tree, truth=truth).is_ok
    assert found(check(tree, truth=truth, decode=True), tree) == [
        (
            "same audio",
            f"fan/test/{copy.name}: holds the same audio as bandsaw/train/{original.name}",
        )
    ]


def test_bad_samples_are_found_by_decoding_only(tree, truth):
    silent, constant = (tree / "fan" / "train" / train_name("source", n) for n in (0, 1))
    soundfile.write(silent, np.zeros(LENGTH), RATE_HZ)
    soundfile.write(constant, np.full(LENGTH, 0.5), RATE_HZ)

    assert check(tree, truth=truth).is_ok
    findings = check(tree, truth=truth, decode=True).findings
    assert [each.place for each in findings] == [os.fspath(silent), os.fspath(constant)]
    assert "silent" in findings[0].text
    assert "constant" in findings[1].text


def test_unusable_audio_of_another_rate_is_both(tree, truth):
    path = tree / "fan" / "train" / train_name("source", 0)
    soundfile.write(path, np.zeros(LENGTH // 2), 8000)

    findings = check(tree, truth=truth, decode=True).findings

    assert sorted(each.kind for each in findings) == ["sample rate", "unusable file"]


def test_unknown_files_are_found_and_companions_are_not(tree, truth):
    strange = ["fan/notes.txt", "fan/test/old/section_00_0000.wav", "fan/train/a.wav.zip"]
    known = [
        *("bandsaw/attributes_00.csv", "bandsaw/attributes_00_train_correspondence.csv"),
        *("fan/.DS_Store", "fan/train/Thumbs.db", "fan/train/.part-x.wav", "fan/.git/config"),
        *("__MACOSX/fan/x", "fan/__MACOSX/x", "README.md"),
    ]
    for name in [*strange, *known]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"x")

    verification = check(tree, truth=truth)

    assert found(verification, tree) == [
        ("unknown file", f"{name}: neither a clip nor a table of attributes") for name in strange
    ]


def test_copies_that_are_left_out_on_purpose_are_no_unknown_files(tree, truth):
    for name in names_of_test():
        record(tree / "bandsaw" / "test_rename" / name)

    assert check(tree, truth=truth).is_ok


def test_clips_in_folders_of_labels_are_no_unknown_files(tmp_path):
    for seed, name in enumerate(("Train/good/1", "Test/good/2", "Test/hole/3")):
        record(tmp_path / "press" / f"{name}.wav", seed=seed)

    assert check(tmp_path / "press").is_ok


def test_folder_linked_into_itself_is_walked_once(tree, truth):
    (tree / "fan" / "loop").symlink_to(tree / "fan", target_is_directory=True)
    (tree / "fan" / "notes.txt").touch()

    assert [each.kind for each in check(tree, truth=truth).findings] == ["unknown file"]


def test_machine_folder_may_lie_within_another(tmp_path):
    record(tmp_path / "own" / "train" / "a.wav")
    record(tmp_path / "own" / "press" / "train" / "b.wav")

    assert check(tmp_path / "own").is_ok


def test_loose_clip_is_unknown_whatever_its_machine_type_is_called(tmp_path):
    record(tmp_path / "test" / "train" / "a.wav")
    record(tmp_path / "test" / "b.wav")

    verification = check(tmp_path / "test")

    assert [each.place for each in verification.findings] == [
        os.fspath(tmp_path / "test" / "b.wav")
    ]


def test_contradictions_are_findings(tree, truth):
    old = tree / "fan" / "train" / train_name("source", 0)
    old.rename(tree / "fan" / "test" / old.name)

    findings = check(tree, truth=truth).findings

    assert [each.kind for each in findings] == ["count", "contradiction"]
    assert findings[1].place == os.fspath(tree / "fan" / "test" / old.name)
    assert findings[1].text.startswith(f"{findings[1].place}: ")


def test_everything_that_is_off_is_listed_by_machine_type_and_path(tree, truth):
    (tree / "fan" / "train" / train_name("source", 1)).unlink()
    (tree / "fan" / "train" / train_name("source", 0)).write_bytes(b"")
    record(tree / "fan" / "test" / test_name("source", "normal", 0), 2 * LENGTH)
    (tree / "bandsaw" / "zzz.txt").touch()

    assert [each.kind for each in check(tree, truth=truth).findings] == [
        *("unknown file", "count", "length", "unusable file")
    ]


def test_labeled_evaluation_names_are_joined_too(tree, truth):
    for row in truth.rows("bandsaw"):
        old = tree / "bandsaw" / "test" / row.name
        old.rename(old.with_name(row.labeled_name))

    assert check(tree, truth=truth).is_ok
    (tree / "bandsaw" / "test" / truth.rows("bandsaw")[4].labeled_name).unlink()
    assert texts(check(tree, truth=truth)) == [
        "bandsaw section 00 test: section_00_0004.wav missing",
        "bandsaw section 00 test target: 1 normal, expected 2",
    ]


def test_notes_of_the_truth_are_passed_on(tree, truth):
    first, *others = truth.rows("bandsaw")
    wrongly_listed = Truth("dcase2023", {"bandsaw": [first._replace(is_anomalous=True), *others]})
    for row in truth.rows("bandsaw"):
        old = tree / "bandsaw" / "test" / row.name
        old.rename(old.with_name(row.labeled_name))

    verification = check(tree, truth=wrongly_listed)

    assert verification.notes[0].startswith("6 test clips of bandsaw were renamed")


def test_training_clip_does_not_stand_for_a_test_clip_of_the_same_name(tmp_path):
    root = tmp_path / "dcase2020"
    record(root / "fan" / "train" / "normal_id_01_00000000.wav")
    record(root / "fan" / "test" / "id_01_00000001.wav")
    labeled = ["normal_id_01_00000000.wav", "anomaly_id_01_00000000.wav"]
    rows = [
        TruthRow(f"id_01_{number:08d}.wav", name, "01", None, name[0] == "a", None)
        for number, name in enumerate(labeled)
    ]
    manifest = manifest_of(
        ClipCount("eval", "fan", "01", "train", None, None, 0),
        ClipCount("eval", "fan", "01", "test", None, 1, 1),
        name="dcase2020",
    )

    assert texts(check(root, manifest, truth=Truth("dcase2020", {"fan": rows}))) == [
        "fan section 01 test: 0 normal, expected 1",
        "fan section 01 test: id_01_00000000.wav missing",
    ]


def test_absent_evaluation_clips_are_a_note_though_others_of_the_machine_type_are_here(tmp_path):
    root = tree_of_2022(tmp_path / "dcase2022", ["02"])
    counts = [
        *counts_of("dev", "bearing", section="02"),
        *counts_of("eval", "bearing", section="03"),
    ]
    row = TruthRow("section_03_0000.wav", train_name("source", 0), "03", "source", False, None)
    truth = Truth("dcase2022", {"bearing": [row]})

    verification = check(root, manifest_of(*counts, name="dcase2022"), truth=truth)

    assert verification.is_ok
    assert len(verification.notes) == 2


def test_own_folder_is_held_against_itself(tmp_path):
    record(tmp_path / "own" / "press" / "test" / "5.wav", rate_hz=44100)
    for number in range(5):
        record(tmp_path / "own" / "press" / "train" / f"{number}.wav", rate_hz=44100)
        record(tmp_path / "own" / "saw" / "train" / f"{number}.wav", num_channels=2)
    assert check(tmp_path / "own", decode=True).is_ok
    record(tmp_path / "own" / "press" / "train" / "1.wav", rate_hz=22050, length=LENGTH // 2)
    record(tmp_path / "own" / "press" / "train" / "3.wav", rate_hz=44100, length=LENGTH * 2)
    record(tmp_path / "own" / "saw" / "train" / "2.wav")

    verification = check(tmp_path / "own", decode=True)

    assert texts(verification, tmp_path / "own") == [
        "press/train/1.wav: 22050 Hz, others 44100 Hz",
        "press/train/3.wav: length 0.07 s, others 0.04 s",
        "saw/train/2.wav: channels: 1, others 2",
    ]
    assert [row.is_as_expected for row in verification.counts] == [None, None, None]
    assert verification.notes == ()


def test_own_folder_may_hold_clips_of_any_length(tmp_path):
    for number in range(1, 5):
        record(tmp_path / "press" / "train" / f"{number}.wav", number * LENGTH)

    verification = check(tmp_path)

    assert verification.is_ok
    assert verification.notes == ("press: clips last 0.10 to 0.40 s, no length is usual.",)


def test_clips_of_a_list_are_checked(tmp_path):
    record(tmp_path / "a.wav")
    (tmp_path / "b.wav").touch()
    table = tmp_path / "clips.csv"
    table.write_text("path,machine_type,split\na.wav,press,train\nb.wav,press,train\n")

    findings = check(table).findings

    assert [each.kind for each in findings] == ["unusable file"]


def test_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        check(tmp_path)


def test_progress_counts_every_file_once(tree):
    steps = []

    check(tree, jobs=2, on_progress=lambda done, total: steps.append((done, total)))

    assert steps == [(done, 24) for done in range(1, 25)]


def test_interruption_leaves_the_remaining_files_unread(tree, monkeypatch):
    started, is_stopped = [], threading.Event()

    def read_slowly(path, **options):
        started.append(path)
        if len(started) > 1:
            is_stopped.wait()
        return module._Recording(path)

    def shutdown(pool, wait=True, *, cancel_futures=False):
        stop(pool, wait=False, cancel_futures=cancel_futures)
        is_stopped.set()
        stop(pool, wait=wait)

    def interrupt(done, total):
        raise KeyboardInterrupt

    stop = ThreadPoolExecutor.shutdown
    monkeypatch.setattr(module, "_read", read_slowly)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shutdown)

    with pytest.raises(KeyboardInterrupt):
        check(tree, jobs=1, on_progress=interrupt)

    assert len(started) <= 2


@pytest.fixture(scope="module")
def official():
    return read_manifest()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Mini corpora by year, made once; tests copy what they break."""
    made = {}

    def corpus(year):
        if year not in made:
            made[year] = generate(
                tmp_path_factory.mktemp("mini") / "corpus",
                year=year,
                size="tiny",
                seed=0,
                machines=["fan", "slider"],
            )
        return made[year]

    return corpus


@pytest.fixture
def mini(corpora, tmp_path):
    return Path(shutil.copytree(corpora(2025), tmp_path / "corpus"))


@pytest.mark.parametrize("year", [2020, 2021, 2022, 2023, 2024, 2025])
def test_mini_corpus_is_as_expected(corpora, official, year):
    verification = check(corpora(year), official, decode=True)

    assert verification.findings == ()
    assert verification.dataset == f"mini{year}"
    assert all(row.is_as_expected for row in verification.counts)


@pytest.fixture
def with_additional_sections(tmp_path, monkeypatch):
    """Makes few clips of a corpus of size bench, which is verified with the same plan."""
    monkeypatch.setitem(mini_plan._AMOUNTS, "bench", mini_plan.Amounts((3, 3), (2, 1), 1, 1))

    def corpus(year):
        return generate(tmp_path / "corpus", year=year, size="bench", seed=0, machines=["fan"])

    return corpus


@pytest.mark.parametrize("year", [2020, 2021, 2022])
def test_additional_sections_are_expected_too(with_additional_sections, official, year):
    corpus = with_additional_sections(year)

    verification = check(corpus, official, decode=True)

    assert verification.findings == ()
    assert verification.dataset == f"bench{year}"
    assert all(row.is_as_expected for row in verification.counts)
    splits = Counter(row.split for row in verification.counts if row.domain != "target")
    assert splits == {"train": 6, "test": 3}


def test_missing_clip_of_an_additional_section_is_named(with_additional_sections, official):
    corpus = with_additional_sections(2021)
    gone = min((corpus / "eval_data/fan/train").glob("section_04_target_*.wav"))
    gone.unlink()

    lines = found(check(corpus, official, decode=True), corpus / "eval_data")

    assert sorted(lines) == [
        ("count", "fan section 04 train target: 0 normal, expected 1"),
        ("missing clip", f"fan/train/{gone.name}: missing, the card of the corpus has it"),
    ]
    assert found(check(corpus / "eval_data", official), corpus / "eval_data") == lines
    assert check(corpus / "dev_data", official, decode=True).is_ok


def test_corpus_of_another_version_is_refused_with_the_way_out(mini, official):
    card = mini / "mini_corpus.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps(content | {"asdkeras_mini_corpus": 1}))

    with pytest.raises(DataError, match=rf"{card}: .* format 1, .* format 2\. Generate the corpus"):
        check(mini, official)


def test_missing_and_extra_files_of_a_mini_corpus_are_named(mini, official):
    fan = mini / "dev_data" / "fan"
    gone = sorted((fan / "test").iterdir())[0]
    gone.unlink()
    (fan / "attributes_00.csv").unlink()
    shutil.rmtree(mini / "dev_data" / "slider" / "supplemental")
    record(fan / "train" / train_name("source", 99), 32000)

    lines = found(check(mini, official, decode=True), mini / "dev_data")

    assert (
        "missing clip",
        f"fan/test/{gone.name}: missing, the card of the corpus has it",
    ) in lines
    assert (
        "extra clip",
        f"fan/train/{train_name('source', 99)}: the card of the corpus has it not",
    ) in lines
    assert ("count", "fan section 00 test source: 3 anomalous, expected 4") in lines
    assert ("count", "fan section 00 train source: 9 normal, expected 8") in lines
    assert ("count", "slider section 00 supplemental: 0 clips, expected 4") in lines
    assert sum(kind == "missing file" for kind, _ in lines) == 1
    assert sum(kind == "missing clip" for kind, _ in lines) == 1 + 4
    assert len(lines) == 3 + 1 + 5 + 1


def test_absent_machine_type_of_a_mini_corpus_is_a_fault(mini, official):
    shutil.rmtree(mini / "dev_data" / "slider")

    kinds = [each.kind for each in check(mini, official).findings]

    assert sorted(set(kinds)) == ["count", "missing clip", "missing file"]


def test_folder_within_a_mini_corpus_is_checked_alone(mini, official):
    verification = check(mini / "dev_data" / "fan", official, decode=True)

    assert verification.is_ok
    assert {row.machine_type for row in verification.counts} == {"fan"}
    next((mini / "dev_data" / "fan" / "train").iterdir()).unlink()
    assert not check(mini / "dev_data" / "fan", official).is_ok
    (mini / "dev_data" / "fan" / "attributes_00.csv").unlink()
    assert check(mini / "dev_data" / "slider", official).is_ok


def test_two_mini_corpora_of_one_year_do_not_mix(tmp_path, official):
    for name in ("fan", "slider"):
        generate(tmp_path / "minis" / name, year=2023, size="tiny", seed=0, machines=[name])

    assert check(tmp_path / "minis", official, decode=True).is_ok


def test_folder_above_a_mini_corpus_is_checked_as_a_whole(mini, official):
    (mini / "dev_data" / "fan" / "attributes_00.csv").write_text("file_name\n")

    findings = check(mini.parent, official, decode=True).findings

    assert [each.kind for each in findings] == ["changed files"]


def test_missing_table_of_a_mini_corpus_is_one_finding(mini, official):
    (mini / "dev_data" / "fan" / "attributes_00.csv").unlink()

    findings = check(mini, official, decode=True).findings

    assert [each.kind for each in findings] == ["missing file"]


@pytest.mark.parametrize("kind", ["clip", "table"])
def test_changed_file_of_a_mini_corpus_is_found_by_decoding(mini, official, kind):
    if kind == "clip":
        record(next((mini / "dev_data" / "fan" / "train").iterdir()), 32000)
    else:
        (mini / "dev_data" / "fan" / "attributes_00.csv").write_text("file_name\n")

    assert check(mini, official).is_ok
    findings = check(mini, official, decode=True).findings
    assert [(each.kind, Path(each.place).name) for each in findings] == [
        ("changed files", "mini_corpus.json")
    ]


@pytest.mark.parametrize("key", ["size", "machines", "seed", "sha256"])
def test_damaged_card_of_a_mini_corpus_is_refused(mini, official, key):
    card = mini / "mini_corpus.json"
    content = json.loads(card.read_text())
    del content[key]
    card.write_text(json.dumps(content))

    with pytest.raises(DataError, match=rf"{card}: not the card .* Generate the corpus again"):
        check(mini, official)


def names_by_count(count, year):
    """Folder and file names of the clips of one count; where nobody knows how many, of some."""
    for label, amount in (("normal", count.normal), ("anomaly", count.anomalous)):
        if label == "anomaly" and count.split != "test":
            continue
        for number in range(7 if amount is None else amount):
            if count.split == "supplemental":
                yield "supplemental", f"section_{count.section}_machine_{number:04d}_.wav"
            elif year == 2020:
                yield count.split, f"{label}_id_{count.section}_{number:08d}.wav"
            else:
                is_2021 = year == 2021 and count.split == "test"
                folder = f"{count.domain}_test" if is_2021 else count.split
                stem = f"section_{count.section}_{count.domain}_{count.split}_{label}"
                is_withheld = count.machine_type in years.WITHHELD.get(year, ())
                attributes = "" if is_2021 else "_noAttribute" if is_withheld else "_vel_6"
                yield folder, f"{stem}_{number:04d}{attributes}.wav"


@pytest.mark.slow
@pytest.mark.parametrize("year", [2020, 2021, 2022, 2023, 2024, 2025])
def test_whole_official_tree_is_as_the_manifest_and_the_published_truth_say(
    tmp_path, official, year
):
    published = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in real_data("1_ground_truth").rglob("*.csv")
    }
    dataset = official.datasets[f"dcase{year}"]
    for source in dataset.truth:
        for file in source.files:
            copy = tmp_path / "truth" / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(published[file.sha256], copy)
    truth = read_truth(dataset, tmp_path / "truth")
    root = tmp_path / f"dcase{year}"
    places = set()
    for count in dataset.clip_counts:
        if (count.part, count.split) != ("eval", "test"):
            places |= {(count.machine_type, *each) for each in names_by_count(count, year)}
    for machine_type in truth.machine_types:
        for row in truth.rows(machine_type):
            folder = f"{row.domain}_test" if year == 2021 else "test"
            places.add((machine_type, folder, row.name))
    for machine_type, folder in {place[:2] for place in places}:
        record(tmp_path / "ones" / f"{machine_type}_{folder}.wav", 16)
        (root / machine_type / folder).mkdir(parents=True, exist_ok=True)
    for machine_type, folder, name in places:
        one = tmp_path / "ones" / f"{machine_type}_{folder}.wav"
        os.link(one, root / machine_type / folder / name)

    verification = check(root, official, truth=truth)

    assert verification.findings == ()
    assert (verification.dataset, verification.num_clips) == (dataset.name, len(places))
    assert verification.notes == ()
    gone = min(place for place in places if place[1].endswith("test"))
    (root / Path(*gone)).unlink()
    assert "count" in {each.kind for each in check(root, official, truth=truth).findings}
