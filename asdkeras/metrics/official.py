"""How each year of the challenge reads scores: one frozen rule set per year.

The conventions of the papers stand in `asdkeras/published`, in the same form.

Until 2021 the AUC of a domain sets its normal clips against its own anomalies. From
2022 on it sets them against the anomalies of both domains, and the pAUC is taken once
per section over all clips. Results of the two kinds must not be compared.
"""

import dataclasses
import re
import sys
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdkeras.errors import DataError

MAX_FPR = 0.1

_GENERATED = re.compile(r"(?:mini|bench)(?P<year>20[0-9][0-9])")

Part = Literal["dev", "eval"]

Reading = Literal["within", "mixed", "all"]
"""Which anomalies a domain's normal clips meet: those of their own domain, or of both; or `all`,
which forgets domains. Papers and years differ in it, and figures of two readings must not be
compared."""


@dataclasses.dataclass(frozen=True)
class RuleSet:
    """The rules of one year.

    Attributes:
        name: such as `dcase2021`; `plain` for data without rules of its own.
        rows: the domains a section is measured on; `all` is every clip of the section.
        auc_domains: rows whose AUC enters the means.
        pauc_domains: rows whose pAUC is defined and enters the means.
        decision_domains: rows whose precision, recall and F1 enter the means.
        anomalies: whether a domain's normal clips meet the anomalies of their `own`
            domain or of `both`.
        mean: how values are averaged. Only harmonic rules have an official score.
        evaluation: (machine type, section) pairs of the evaluation set; `*` stands for
            any. Everything else is the development set.
        joint_mean: where AUC and pAUC are averaged together. `official`: once over
            everything, the official score; `machine_types`: for each of them as well;
            `everywhere`: for each domain as well.
        rows_apart: whether the row `all` stands beside the domains in a summary. If not,
            `all` is the mean over all rows that count.
        hides_domains: whether the domain of a test clip may not be used to score it.
        trial_ddof: what the spread over seeds takes from their number: 1, or 0 where a
            paper prints the standard deviation of its trials as a population.
    """

    name: str
    rows: tuple[str, ...]
    auc_domains: tuple[str, ...]
    pauc_domains: tuple[str, ...]
    decision_domains: tuple[str, ...]
    anomalies: Literal["own", "both"]
    mean: Literal["arithmetic", "harmonic"]
    evaluation: frozenset[tuple[str, str]]
    joint_mean: Literal["none", "official", "machine_types", "everywhere"] = "none"
    rows_apart: bool = False
    hides_domains: bool = False
    trial_ddof: Literal[0, 1] = 1

    def domains_of(self, metric: str) -> tuple[str, ...]:
        """The rows whose value of a metric enters the means."""
        by_metric = {"auc": self.auc_domains, "pauc": self.pauc_domains}
        return by_metric.get(metric, self.decision_domains)

    def averaged_rows(self, metric: str, domain: str) -> tuple[str, ...]:
        """The rows that a mean of a metric runs over, none if the rules print no such mean.

        `metric` is `auc`, `pauc` or one of the decision metrics; `domain` may be `all`.
        """
        counted = self.domains_of(metric)
        if domain == "all" and not self.rows_apart:
            return counted
        return (domain,) if domain in counted else ()

    def has_joint_mean(self, machine_type: str, domain: str) -> bool:
        """Whether AUC and pAUC are averaged together, for a machine type or `all` of them."""
        widths = ("none", "official", "machine_types", "everywhere")
        needed = 3 if domain != "all" else 2 if machine_type != "all" else 1
        return widths.index(self.joint_mean) >= needed

    def part_of(self, machine_type: str, section: str) -> Part:
        """Whether a section belongs to the development or to the evaluation set."""
        keys = {(machine_type, section), (machine_type, "*"), ("*", section)}
        return "eval" if keys & self.evaluation else "dev"

    def average(self, values: ArrayLike) -> float:
        """The mean of the rules."""
        if self.mean == "harmonic":
            return harmonic_mean(values)
        return float(np.mean(_checked_values(values)))


def harmonic_mean(values: ArrayLike) -> float:
    """Harmonic mean with each value first raised to the machine epsilon, the official way.

    Args:
        values: float, `(values,)`, not negative. NaN makes the mean NaN.

    Raises:
        ValueError: if there are no values or one is negative.

    Examples:
        >>> harmonic_mean([0.5, 1.0])
        0.6666666666666666
        >>> harmonic_mean([0.0, 1.0]) < 1e-15
        True
    """
    floored = np.maximum(_checked_values(values), sys.float_info.epsilon)
    return float(len(floored) / np.sum(1.0 / floored))


def clips_in_reading(
    reading: Reading,
    domain: str,
    is_anomalous: NDArray[np.bool_],
    domains: NDArray[np.str_],
) -> NDArray[np.bool_]:
    """The clips of one section that a metric of a domain is taken from, bool `(clips,)`.

    Args:
        domain: `source` or `target`; not read for `all`.
        is_anomalous: bool, `(clips,)`.
        domains: text, `(clips,)`, `source` or `target`; not read for `all`.

    Raises:
        ValueError: if there is no such reading or domain, or a clip has another domain.

    Examples:
        >>> is_anomalous = np.array([False, True, False, True])
        >>> domains = np.array(["source", "source", "target", "target"])
        >>> clips_in_reading("within", "source", is_anomalous, domains).tolist()
        [True, True, False, False]
        >>> clips_in_reading("mixed", "source", is_anomalous, domains).tolist()
        [True, True, False, True]
        >>> clips_in_reading("all", "source", is_anomalous, domains).tolist()
        [True, True, True, True]
    """
    if reading not in ("within", "mixed", "all"):
        raise ValueError(
            f"`reading` must be `within`, `mixed` or `all`. Received: reading={reading!r}"
        )
    if reading == "all":
        return np.ones(len(is_anomalous), dtype=bool)
    unknown = sorted({domain, *np.unique(domains).tolist()} - {"source", "target"})
    if unknown:
        raise ValueError(f"a domain must be `source` or `target`. Received: {unknown}")
    of_domain: NDArray[np.bool_] = np.asarray(domains == domain, dtype=bool)
    return of_domain | is_anomalous if reading == "mixed" else of_domain


def compared_clips(
    rules: RuleSet, domain: str, is_anomalous: NDArray[np.bool_], domains: NDArray[np.str_]
) -> NDArray[np.bool_]:
    """The clips of one section that enter the ROC curve of one row, bool `(clips,)`.

    Args:
        domain: one of `rules.rows`.
        is_anomalous: bool, `(clips,)`.
        domains: text, `(clips,)`: `source` or `target`; not read for the row `all`.

    Examples:
        >>> is_anomalous = np.array([False, True, False, True])
        >>> domains = np.array(["source", "source", "target", "target"])
        >>> compared_clips(RULES["dcase2021"], "source", is_anomalous, domains).tolist()
        [True, True, False, False]
        >>> compared_clips(RULES["dcase2022"], "source", is_anomalous, domains).tolist()
        [True, True, False, True]
    """
    if domain not in rules.rows:
        raise ValueError(
            f"`domain` must be one of {rules.rows} under the rules {rules.name}. "
            f"Received: domain={domain!r}"
        )
    readings: dict[str, Reading] = {"own": "within", "both": "mixed"}
    reading = "all" if domain == "all" else readings[rules.anomalies]
    return clips_in_reading(reading, domain, is_anomalous, domains)


def rules_for(dataset: str) -> RuleSet:
    """The rules of a dataset by its name in the clip table; `plain` for own folders.

    Examples:
        >>> rules_for("mini2021").name
        'dcase2021'
        >>> rules_for("my_pumps").name
        'plain'
    """
    year = challenge_year(dataset)
    return RULES["plain" if year is None else f"dcase{year}"]


def challenge_year(dataset: str) -> int | None:
    """The challenge year whose layout and rules a dataset follows, None for own folders.

    Raises:
        DataError: if the name is that of a challenge year without rules here.
    """
    name = official_name(dataset)
    if not re.fullmatch(r"dcase20[0-9][0-9]", name):
        return None
    if name not in RULES:
        raise DataError(
            "there are challenge rules for 2020 to 2025 only. "
            f"Received: dataset={dataset!r}. Rename the folder to treat it as your own data."
        )
    return int(name[5:])


def official_name(dataset: str) -> str:
    """Name of the challenge's dataset that a generated one is laid out like; others stay.

    Examples:
        >>> official_name("bench2021"), official_name("dcase2020"), official_name("my_pumps")
        ('dcase2021', 'dcase2020', 'my_pumps')
    """
    match = _GENERATED.fullmatch(dataset)
    return f"dcase{match['year']}" if match else dataset


def is_generated(dataset: str) -> bool:
    """Whether a dataset is a generated corpus by its name in the clip table."""
    return _GENERATED.fullmatch(dataset) is not None


def generated_name(size: str, year: int) -> str:
    """Name of a generated corpus in the clip table; a tiny one is a mini corpus of fewer clips.

    Examples:
        >>> generated_name("tiny", 2021), generated_name("bench", 2021)
        ('mini2021', 'bench2021')
    """
    return f"bench{year}" if size == "bench" else f"mini{year}"


def _checked_values(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype="float64")
    if array.ndim != 1 or len(array) == 0 or (array < 0).any():
        raise ValueError(
            f"a mean needs a vector of values, none below 0. Received: {array.tolist()}"
        )
    return array


_PLAIN = RuleSet(
    name="plain",
    rows=("all",),
    auc_domains=("all",),
    pauc_domains=("all",),
    decision_domains=("all",),
    anomalies="own",
    mean="arithmetic",
    evaluation=frozenset(),
)
_BY_DOMAIN = dataclasses.replace(
    _PLAIN,
    rows=("source", "target"),
    auc_domains=("source", "target"),
    pauc_domains=("source", "target"),
    decision_domains=("source", "target"),
    mean="harmonic",
    joint_mean="official",
)
_FROM_2022 = dataclasses.replace(
    _BY_DOMAIN,
    rows=("source", "target", "all"),
    pauc_domains=("all",),
    anomalies="both",
    hides_domains=True,
)
_ODD_IDS = [(name, f"0{n}") for name in ("fan", "pump", "slider", "valve") for n in (1, 3, 5)]
_TOY_IDS = [("ToyCar", f"0{n}") for n in (5, 6, 7)] + [("ToyConveyor", f"0{n}") for n in (4, 5, 6)]
_LATE_SECTIONS = [("*", "03"), ("*", "04"), ("*", "05")]
_NEW_MACHINE_TYPES = {
    "dcase2023": "bandsaw grinder shaker ToyDrone ToyNscale ToyTank Vacuum",
    "dcase2024": "3DPrinter AirCompressor BrushlessMotor HairDryer HoveringDrone RoboticArm "
    "Scanner ToothBrush ToyCircuit",
    "dcase2025": "AutoTrash BandSealer CoffeeGrinder HomeCamera Polisher ScrewFeeder ToyPet "
    "ToyRCCar",
}

RULES: dict[str, RuleSet] = {
    name: dataclasses.replace(rules, name=name, evaluation=frozenset(evaluation))
    for name, rules, evaluation in (
        ("plain", _PLAIN, []),
        ("dcase2020", _PLAIN, _ODD_IDS + _TOY_IDS),
        ("dcase2021", _BY_DOMAIN, _LATE_SECTIONS),
        ("dcase2022", _FROM_2022, _LATE_SECTIONS),
        *(
            (year, _FROM_2022, [(machine_type, "*") for machine_type in machine_types.split()])
            for year, machine_types in _NEW_MACHINE_TYPES.items()
        ),
    )
}
