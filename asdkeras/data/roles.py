"""What the name of a folder or a file says of its clips: their split, domain and label.

The one table of such words, for all that reads names. Case, digits and separators do not count,
and words count whole: `abnormal` does not say normal, `not_ok` and `fault-free` are understood.
"""

import functools
import os
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

_SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("test", "tests", "testing", "testset", "eval", "evaluation"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    "supplemental": "supplemental",
}
_NORMAL = re.compile(
    r"normals?|ok|okay|good|healthy|accept|accepted|inliers?|benign|nominal|pass|passed|intact|faultless|flawless|"
    r"(?:non?|un)(?:anomal|fault|defect|damag|broken)\w*|(?:fault|defect|damage|anomaly)free"
)
_ANOMALOUS = re.compile(
    r"anom|anomal\w*|(?:ab|a|un|non?|not)normal\w*|ng|nok|bad|broken|faults?|faulty|defect\w*|"
    r"damaged?|fail|fails|failed|failing|failures?|(?:un|non?|not)(?:healthy|ok|okay|good)|"
    r"malfunction\w*|rejects?|rejected|errors?|erroneous|outliers?|"
    r"crack|cracks|cracked|worn|leak|leaks|leaky|leaking|leakage|unbalanced?|misalign\w*"
)
# Of several words these mean something else, such as a positive displacement pump.
_ALONE = {"positive": True, "negative": False}
_NEGATIONS = {"no", "not", "non", "un", "ab", "without"}
_FILLER = re.compile(
    r"data(?:set)?|sets?|clips?|files?|audio|sounds?|wavs?|flac|samples?|recordings?|parts?|only|"
    r"copy|rename|and|class|state|condition|label"
)


class Said(NamedTuple):
    """What one or several names say, None where they are silent."""

    split: str | None = None  # train, test, validation or supplemental.
    domain: str | None = None  # source or target.
    is_anomalous: bool | None = None
    rest: str = ""  # Words that say none of these, in lower case.

    @property
    def is_role(self) -> bool:
        """Whether the name says what the clips are, and nothing of the machine."""
        return not self.rest and self != Said()


@functools.lru_cache(maxsize=1 << 16)
def said(name: str) -> Said:
    """What the words of a name say.

    >>> said("Training").split, said("NG_3").is_anomalous, said("abnormal").is_anomalous
    ('train', True, True)
    >>> said("source_test").is_role, said("not OK").is_anomalous, said("fan_ok").rest
    (True, True, 'fan')
    """
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[.']", "", name)))
    words = [word.casefold() for word in words]
    values: dict[str, str | bool] = {}
    rest, negation = [], ""
    for word in words:
        label = _label(word) if len(words) > 1 else _ALONE.get(word, _label(word))
        if label is not None:  # Of several labels, anomalous is what matters.
            label = label != bool(negation)
            values["is_anomalous"] = label or values.get("is_anomalous", False)
            negation = ""
            continue
        rest += [negation] * bool(negation)
        negation = word if word in _NEGATIONS else ""
        if word == "free" and "is_anomalous" in values:
            values["is_anomalous"] = False
        elif word in _SPLITS:
            values["split"] = _SPLITS[word]
        elif word in ("source", "target"):
            values["domain"] = word
        elif not negation and not _FILLER.fullmatch(word):
            rest.append(word)
    rest += [negation] * bool(negation)
    return Said(**values, rest=" ".join(rest))  # type: ignore[arg-type]


def label_of(name: str) -> bool | None:
    """Whether a name calls its clip anomalous or normal: by all of its words, or by the first.

    >>> [label_of(name) for name in ("NG 3.wav", "Normal_fan_2.WAV", "normally_on.wav", "7.wav")]
    [True, False, None, None]
    """
    stem = _stem(name)
    own = said(stem)
    if own.rest:
        first = re.match(r"[^\W\d_]*", stem)
        own = said(first[0]) if first and re.match("(?i)normal|anomal|abnorm", stem) else Said()
    return own.is_anomalous


def odd_names(file_names: Sequence[str]) -> set[str]:
    """Those among the names of training files that look like anomalous or test clips.

    Words beside others count where some files of a folder have them and some have not.
    """
    own = {name: said(_stem(name)) for name in file_names}
    odd = {name for name in own if label_of(name)}
    partly = {name for name in own if own[name].is_anomalous}
    odd |= partly if len(partly) < len(own) else set()
    if any(each.split == "train" for each in own.values()):
        odd |= {name for name, each in own.items() if each.split in ("test", "validation")}
    return odd


def place_of(folder: str, tops: Collection[str]) -> tuple[str, Said]:
    """The folder of the machine whose clips lie in `folder`, and what the folders below it say.

    These are the folders up to the next that names something else, or states again what one below
    it has stated. Folders of `tops` say nothing.

    >>> place_of("data/fan/Train/good", ["data"])
    ('data/fan', Said(split='train', domain=None, is_anomalous=False, rest=''))
    """
    known = Said()
    while folder not in tops:
        above, name = os.path.split(folder)
        own = said(name)
        if not own.is_role or any(
            None not in pair for pair in zip(own[:3], known[:3], strict=True)
        ):
            break
        stated = {key: value for key, value in own._asdict().items() if value is not None}
        known, folder = known._replace(**stated), above
    return folder, known


def _label(word: str) -> bool | None:
    return False if _NORMAL.fullmatch(word) else True if _ANOMALOUS.fullmatch(word) else None


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]
