"""The manifest has all that is known of every year, and says nothing else."""

import csv
import hashlib
import re
from collections import Counter

import pytest

from asdkeras.data.manifest import archive_part, read_manifest
from asdkeras.data.years import MACHINE_TYPES, WITHHELD
from asdkeras.metrics.official import RULES
from tests.real_data import real_data

YEARS = range(2020, 2027)
FIRST_MACHINES = "fan pump slider valve ToyCar ToyConveyor"
MACHINES_2021 = "fan gearbox pump slider ToyCar ToyTrain valve"
MACHINES_2022 = "bearing fan gearbox slider ToyCar ToyTrain valve"
MACHINES = {
    2020: (FIRST_MACHINES, FIRST_MACHINES),
    2021: (MACHINES_2021, MACHINES_2021),
    2022: (MACHINES_2022, MACHINES_2022),
    2023: (MACHINES_2022, "bandsaw grinder shaker ToyDrone ToyNscale ToyTank Vacuum"),
    2024: (
        MACHINES_2022,
        "3DPrinter AirCompressor BrushlessMotor HairDryer HoveringDrone RoboticArm Scanner "
        "ToothBrush ToyCircuit",
    ),
    2025: (
        MACHINES_2022,
        "AutoTrash BandSealer CoffeeGrinder HomeCamera Polisher ScrewFeeder ToyPet ToyRCCar",
    ),
    2026: (
        "ToyCar ToyCarEmu bearingEmu fan gearboxEmu sliderEmu valveEmu",
        "ToyDrone ToothBrush SewingMachine BlowerDustCollector Sander",
    ),
}
RECORDS = {
    2020: {"dev": 3678171, "additional_training": 3727685, "eval_test": 3841772, "truth": 3951620},
    2021: {"dev": 4562016, "additional_training": 4660992, "eval_test": 4884786, "truth": 5257674},
    2022: {"dev": 6355122, "additional_training": 6462969, "eval_test": 6586456},
    2023: {"dev": 7882613, "additional_training": 7830345, "eval_test": 7860847},
    2024: {"dev": 10902294, "additional_training": 11259435, "eval_test": 11363076},
    2025: {"dev": 15097779, "additional_training": 15392814, "eval_test": 15519362},
    2026: {"dev": 19336329, "additional_training": 20151556},
}
FILES = {
    2020: ("dev_data_{}.zip", "eval_data_train_{}.zip", "eval_data_test_{}.zip"),
    2021: ("dev_data_{}.zip", "eval_data_{}_train.zip", "eval_data_{}_test.zip"),
}
LATER_FILES = ("dev_{}.zip", "eval_data_{}_train.zip", "eval_data_{}_test.zip")
REPLACEMENTS = {
    (2024, "eval_data_3DPrinter_train_r2.zip"): "eval_data_3DPrinter_train.zip",
    (2024, "eval_data_RoboticArm_train_r2.zip"): "eval_data_RoboticArm_train.zip",
    (2026, "dev_ToyCar_r2.zip"): "dev_ToyCar.zip",
}
DIGEST_OF_THE_KNOWN_MD5S = "818df93cbebae4eea5cacc193e4245197db57200c799bef05a5218629b542039"
EVAL_TOTALS = {2020: 7103, 2021: 8635, 2022: 4200, 2023: 1400, 2024: 1800, 2025: 1600}
DEV_TOTALS = {2021: 8621, 2022: 4200, 2023: 1400, 2024: 1400, 2025: 1400, 2026: 1400}
SECTIONS_2020 = {
    **dict.fromkeys(("fan", "pump", "slider", "valve"), ("00 02 04 06", "01 03 05")),
    "ToyCar": ("01 02 03 04", "05 06 07"),
    "ToyConveyor": ("01 02 03", "04 05 06"),
}
SECTIONS = {2021: ("00 01 02", "03 04 05"), 2022: ("00 01 02", "03 04 05")}


@pytest.fixture(scope="module")
def datasets():
    return {dataset.year: dataset for dataset in read_manifest().datasets.values()}


def of_source(dataset, role):
    return [
        (source, file) for source in dataset.truth if source.role == role for file in source.files
    ]


def test_every_year_is_there_under_its_name(datasets):
    names = list(read_manifest().datasets)

    assert names == [f"dcase{year}" for year in YEARS]
    assert set(datasets) == set(YEARS) == set(MACHINE_TYPES)
    assert {f"dcase{year}" for year in YEARS} - set(RULES) == {"dcase2026"}


def test_a_record_belongs_to_one_year(datasets):
    numbers = [record.number for dataset in datasets.values() for record in dataset.records]

    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("year", YEARS)
def test_rows_do_not_contradict_each_other(datasets, year):
    dataset = datasets[year]
    parts = {record.number: record.part for record in dataset.records}
    files = {archive.file for archive in dataset.archives}
    archives = {(archive.part, archive.machine_type) for archive in dataset.archives}
    machine_types = {machine_type for _, machine_type in archives}
    truth_files = [file for source in dataset.truth for file in source.files]

    assert len(files) == len(archives) == len(dataset.archives)
    assert not files & {archive.replaces for archive in dataset.archives}
    assert {(a.record, a.part) for a in dataset.archives} == {
        (number, part) for number, part in parts.items() if part != "truth"
    }
    assert archives >= {
        (archive_part(c.part, c.split), c.machine_type) for c in dataset.clip_counts
    }
    assert len({file.name for file in truth_files}) == len(truth_files)
    assert all(source.files for source in dataset.truth)
    for file in truth_files:
        is_list = file.kind == "names" and file.machine_type is None
        assert is_list or file.machine_type in machine_types


@pytest.mark.parametrize("year", YEARS)
def test_every_machine_type_has_its_archives(datasets, year):
    dev, evaluation = (set(names.split()) for names in MACHINES[year])
    by_part = {"dev": dev, "additional_training": evaluation, "eval_test": evaluation}
    if year == 2026:  # Not known yet.
        del by_part["eval_test"]

    found = Counter((archive.part, archive.machine_type) for archive in datasets[year].archives)

    assert found == Counter((part, name) for part, names in by_part.items() for name in names)
    assert dev | evaluation == MACHINE_TYPES[year]


@pytest.mark.parametrize("year", YEARS)
def test_every_archive_lies_in_its_record_under_its_name(datasets, year):
    patterns = dict(
        zip(("dev", "additional_training", "eval_test"), FILES.get(year, LATER_FILES), strict=True)
    )

    for archive in datasets[year].archives:
        first_name = patterns[archive.part].format(archive.machine_type)
        assert archive.dataset == f"dcase{year}"
        assert archive.record == RECORDS[year][archive.part]
        assert archive.replaces == REPLACEMENTS.get((year, archive.file))
        assert (archive.replaces or archive.file) == first_name
        assert archive.url == f"https://zenodo.org/records/{archive.record}/files/{archive.file}"


def test_silently_broken_archives_are_replaced(datasets):
    replaced = {
        (year, archive.file): archive.replaces
        for year, dataset in datasets.items()
        for archive in dataset.archives
        if archive.replaces
    }

    assert replaced == REPLACEMENTS


@pytest.mark.parametrize("year", YEARS)
def test_every_record_is_there_with_its_license(datasets, year):
    records = datasets[year].records

    assert {record.part: record.number for record in records} == RECORDS[year]
    for record in records:
        is_stated = year in (2020, 2023) and record.part != "truth"
        assert ("CC BY-NC-SA 4.0" in record.license) == is_stated
        assert "non-commercial" in record.license
        assert record.page == f"https://zenodo.org/records/{record.number}"
        assert record.api == f"https://zenodo.org/api/records/{record.number}"


def test_all_known_checksums_are_there_and_no_others(datasets):
    lines = sorted(
        f"{year} {archive.file} {archive.md5}\n"
        for year, dataset in datasets.items()
        for archive in dataset.archives
        if archive.md5
    )

    assert len(lines) == 39
    assert "2020 dev_data_fan.zip 649bdfc06263ae7a838963f43b6641e6\n" in lines
    assert "2023 eval_data_Vacuum_test.zip a32524fd8c45b574a560685b38acc4e1\n" in lines
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == DIGEST_OF_THE_KNOWN_MD5S


@pytest.mark.parametrize("year", YEARS)
def test_sound_is_described(datasets, year):
    dataset = datasets[year]
    hours = {2020: 153, 2021: 165, 2022: 139, 2023: 50, 2024: 49, 2025: 45}
    longest = {2020: 11, 2021: 10, 2022: 10, 2023: 18, 2024: 12, 2025: 12}

    assert dataset.title == f"DCASE {year} Challenge Task 2"
    assert dataset.sample_rate_hz == 16000
    assert dataset.num_channels == (2 if year == 2026 else 1)
    assert (dataset.hours, dataset.longest_clip_s) == (hours.get(year), longest.get(year))


@pytest.mark.parametrize("year", YEARS)
def test_every_machine_type_has_its_sections(datasets, year):
    wanted = {
        (part, machine_type, section)
        for part, names, index in zip(("dev", "eval"), MACHINES[year], (0, 1), strict=True)
        for machine_type in names.split()
        for section in (
            SECTIONS_2020[machine_type] if year == 2020 else SECTIONS.get(year, ("00", "00"))
        )[index].split()
    }

    counts = datasets[year].clip_counts

    assert {(count.part, count.machine_type, count.section) for count in counts} == wanted
    rules = RULES.get(f"dcase{year}")
    assert rules is None or all(
        rules.part_of(count.machine_type, count.section) == count.part for count in counts
    )


@pytest.mark.parametrize("year", YEARS)
def test_every_section_has_its_splits_and_domains(datasets, year):
    domains = [None] if year == 2020 else ["source", "target"]
    sections = {}
    for count in datasets[year].clip_counts:
        key = (count.part, count.machine_type, count.section)
        sections.setdefault(key, []).append((count.split, count.domain))

    for (part, _, _), splits in sections.items():
        has_test = year != 2026 or part == "dev"
        has_supplement = year == 2025 and part == "eval"
        wanted = [("train", domain) for domain in domains]
        wanted += [("test", domain) for domain in domains if has_test]
        wanted += [("supplemental", None)] if has_supplement else []
        assert sorted(splits, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize("year", YEARS)
def test_training_clips_are_counted(datasets, year):
    wanted = {None: None, "source": 990, "target": 10}
    if year == 2021:
        wanted = {"source": None, "target": 3}

    for count in datasets[year].clip_counts:
        if count.split == "train":
            assert (count.normal, count.anomalous) == (wanted[count.domain], 0)
        elif count.split == "supplemental":
            assert (count.normal, count.anomalous) == (100, None)


def total(dataset, part):
    return sum(
        count.normal + count.anomalous
        for count in dataset.clip_counts
        if count.part == part and count.split == "test"
    )


@pytest.mark.parametrize(("year", "clips"), EVAL_TOTALS.items())
def test_evaluation_test_clips_add_up(datasets, year, clips):
    assert total(datasets[year], "eval") == clips


@pytest.mark.parametrize(("year", "clips"), DEV_TOTALS.items())
def test_development_test_clips_add_up(datasets, year, clips):
    assert total(datasets[year], "dev") == clips


@pytest.mark.parametrize("year", [2022, 2024, 2025, 2026])
def test_test_clips_are_balanced_since_2022(datasets, year):
    counts = [count for count in datasets[year].clip_counts if count.split == "test"]

    assert {(count.normal, count.anomalous) for count in counts} == {(50, 50)}


def test_development_test_clips_of_2020_are_counted_but_for_two_machine_types(datasets):
    counts = [count for count in datasets[2020].clip_counts if count.split == "test"]

    unknown = {count.machine_type for count in counts if count.normal is None}
    assert unknown == {"valve", "ToyConveyor"}
    for count in counts:
        is_unknown = count.machine_type in unknown and count.part == "dev"
        assert (count.normal is None) == (count.anomalous is None) == is_unknown
    # Typed from the fact sheet: no file lists these.
    assert {
        (count.section, count.normal, count.anomalous)
        for count in counts
        if count.machine_type == "ToyCar" and count.part == "dev"
    } == {("01", 350, 264), ("02", 350, 265), ("03", 350, 265), ("04", 350, 265)}


@pytest.mark.parametrize("year", YEARS)
def test_every_year_has_its_truth(datasets, year):
    sections = Counter(
        (source.repository, source.role, file.kind)
        for source in datasets[year].truth
        for file in source.files
    )

    ntt = "nttcslab/dcase2023_task2_baseline_ae"
    lists = {(ntt, "primary", "names"): 1}
    kinds = ("names", "labels", "domains")
    assert (
        sections
        == {
            2020: lists,
            2021: {**lists, ("y-kawagu/dcase2021_task2_evaluator", "alternate", "labels"): 42},
            2022: {
                **lists,
                ("Kota-Dohi/dcase2022_evaluator", "primary", "labels"): 21,
                ("Kota-Dohi/dcase2022_evaluator", "primary", "domains"): 21,
            },
            2023: {
                **lists,
                **{("nttcslab/dcase2023_task2_evaluator", "alternate", kind): 7 for kind in kinds},
            },
            2024: {
                **lists,
                **{("nttcslab/dcase2024_task2_evaluator", "alternate", kind): 9 for kind in kinds},
                ("nttcslab/dcase2024_task2_evaluator", "released_attributes", "attributes"): 3,
            },
            2025: {**lists, (ntt, "released_attributes", "attributes"): 7},
            2026: {},
        }[year]
    )


def test_sources_have_the_commit_and_the_license_of_their_repository(datasets):
    sources = {
        (source.repository, source.commit[:7], source.license)
        for dataset in datasets.values()
        for source in dataset.truth
    }

    own = "NTT and Hitachi's own, a PDF in the repository"
    assert sources == {
        ("nttcslab/dcase2023_task2_baseline_ae", "9b64dc4", own),
        ("y-kawagu/dcase2021_task2_evaluator", "1787468", "MIT"),
        ("Kota-Dohi/dcase2022_evaluator", "de8719b", "MIT"),
        ("nttcslab/dcase2023_task2_evaluator", "3aa8a9f", own),
        ("nttcslab/dcase2024_task2_evaluator", "b5d17f6", own),
    }


@pytest.mark.parametrize("year", YEARS)
def test_files_of_one_machine_type_are_named_after_it(datasets, year):
    files = [file for source in datasets[year].truth for file in source.files]

    for file in files:
        if file.machine_type is None:
            assert file.name == f"primary/datasets/eval_data_list_{year}.csv"
        else:
            assert re.search(rf"[/_]{file.machine_type}[/_]", file.name)
    assert len({file.name for file in files}) == len(files)


def test_only_withheld_attributes_were_released(datasets):
    released = {
        year: {file.machine_type for _, file in of_source(datasets[year], "released_attributes")}
        for year in WITHHELD
    }

    # BrushlessMotor has training clips alone; the development set is not in the evaluator.
    assert released[2024] == WITHHELD[2024] - {"BrushlessMotor", "gearbox", "slider", "ToyTrain"}
    assert released[2025] == WITHHELD[2025]


def test_digests_and_paths_are_those_of_the_files(datasets):
    table = real_data("1_ground_truth").parent / "manifest.csv"
    with table.open(encoding="utf-8") as file:
        rows = {
            (row["source_repo"], row["source_commit"], row["source_path"]): row["path"]
            for row in csv.DictReader(file)
        }
    raw = "https://raw.githubusercontent.com"

    for dataset in datasets.values():
        for source in dataset.truth:
            for file in source.files:
                path = file.name.removeprefix(f"{source.role}/")
                assert file.url == f"{raw}/{source.repository}/{source.commit}/{path}"
                content = (table.parent / rows[source.repository, source.commit, path]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == file.sha256


def test_no_file_with_truth_was_forgotten(datasets):
    folder = real_data("1_ground_truth")
    known = {
        file.sha256
        for dataset in datasets.values()
        for source in dataset.truth
        for file in source.files
    }

    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.csv")
    }

    left_out = {name for name, digest in files.items() if digest not in known}
    assert set(files.values()) >= known
    assert {re.sub(r"/\w+/attributes_0\d", "/*", name) for name in left_out} == {
        "dcase2022_evaluator/ground_truth_attributes/*.csv",  # Says what the list says.
        "dcase2023_evaluator/official_score_paper_table.csv",
        "dcase2024_evaluator/official_score_paper_table.csv",
    }


def stated(dataset, part):
    """{(machine type, section, domain): (normal, anomalous)} of the test clips."""
    return {
        (count.machine_type, count.section, count.domain): (count.normal, count.anomalous)
        for count in dataset.clip_counts
        if count.part == part and count.split == "test"
    }


def counted(clips):
    """The same of (machine type, section, domain, whether anomalous)."""
    table = {}
    for *key, is_anomalous in clips:
        table.setdefault(tuple(key), [0, 0])[is_anomalous] += 1
    return {key: tuple(both) for key, both in table.items()}


def said_by(machine_type, name):
    section = re.search(r"(?:section|id)_(\d\d)", name)[1]
    domain = re.search(r"_(source|target)_", name)
    return machine_type, section, domain and domain[1], "anomaly_" in name


def listed_names(path):
    """(machine type, raw name, labeled name) of the lines of a list."""
    machine_type = None
    for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        if len(row) == 1:
            machine_type = row[0]
        elif row:
            yield machine_type, *row[:2]


@pytest.mark.parametrize("year", [2020, 2021, 2023, 2024, 2025])
def test_evaluation_counts_are_those_of_the_list(datasets, year):
    path = real_data("1_ground_truth/eval_data_list") / f"eval_data_list_{year}.csv"

    clips = [said_by(machine_type, labeled) for machine_type, _, labeled in listed_names(path)]

    assert counted(clips) == stated(datasets[year], "eval")


def test_evaluation_counts_of_2022_are_those_of_the_scored_tables(datasets):
    folder = real_data("1_ground_truth/dcase2022_evaluator")
    tables = {"ground_truth_data": {}, "ground_truth_domain": {}}
    for kind, table in tables.items():
        for path in (folder / kind).glob("*.csv"):
            machine_type, section = re.search(r"truth_(\w+)_section_(\d\d)", path.name).groups()
            for name, value in csv.reader(path.read_text(encoding="utf-8").splitlines()):
                table[machine_type, section, name] = int(float(value))
    labels, domains = tables.values()

    clips = [
        (*key[:2], ("source", "target")[domains[key]], bool(label)) for key, label in labels.items()
    ]

    assert len(clips) == len(domains)
    assert counted(clips) == stated(datasets[2022], "eval")


@pytest.mark.parametrize(
    ("year", "folder", "num_machine_types"),
    [
        (2020, "dev2020_izorin_ae", 3),
        (2021, "dev2021_jeff_ae", 7),
        (2022, "dev2022_returncode13_ae", 7),
        (2023, "dev2023_anas_MSE", 7),
    ],
)
def test_development_counts_are_those_of_a_published_run(datasets, year, folder, num_machine_types):
    clips = []
    for path in real_data(f"2_scores/{folder}").glob("anomaly_score_*.csv"):
        name = re.match(r"anomaly_score_(?:DCASE20\d\dT2)?([^_]+)_", path.name)[1]
        lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
        clips += [said_by(name, row[0]) for row in lines]
    counts = counted(clips)

    machine_types = {machine_type for machine_type, _, _ in counts}
    assert len(machine_types) == num_machine_types
    assert counts == {
        key: both for key, both in stated(datasets[year], "dev").items() if key[0] in machine_types
    }
