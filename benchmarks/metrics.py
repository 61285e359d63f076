"""AUC and pAUC of 10,000 sections of 200 clips: all at once, and one by one, in one run.

    python -m benchmarks.metrics

Prints sections per second of `section_metrics`, of our `auc` and `partial_auc` in a loop, and
of scikit-learn in a loop, the loops over a part of the same sections, in turn with the whole.
Stops if the values differ by more than 1e-12. Then the time of the intervals at the size of
the 2022 evaluation set, 21 sections of 200 clips.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.bootstrap import bootstrap_official_score
from asdkeras.metrics.intervals import pooled_intervals
from asdkeras.metrics.official import RULES
from asdkeras.metrics.sections import section_metrics

NUM_CLIPS = 200
ROUNDS = 3


def main():
    """Print the rates, their ratio, and the times of the intervals."""
    options = _options()
    rng = np.random.default_rng(0)
    labels = rng.random((options.sections, NUM_CLIPS)) < 0.5
    scores = np.round(rng.normal(size=labels.shape) + labels, 3)  # With ties.
    some = range(min(options.loop, options.sections))
    ways = {
        "section_metrics": lambda: vectorized(scores, labels),
        "auc, partial_auc": lambda: [
            (auc(scores[row], labels[row]), partial_auc(scores[row], labels[row])) for row in some
        ],
        "scikit-learn": lambda: [
            (
                roc_auc_score(labels[row], scores[row]),
                roc_auc_score(labels[row], scores[row], max_fpr=0.1),
            )
            for row in some
        ],
    }
    rates = {name: [] for name in ways}
    for _ in range(ROUNDS):
        values = {}
        for name, way in ways.items():
            seconds, values[name] = timed(way)
            rates[name].append(len(values[name]) / seconds)
        for name, value in values.items():
            difference = np.abs(np.array(value)[some] - np.array(values["scikit-learn"])).max()
            assert difference < 1e-12, f"{name} differs from scikit-learn by {difference}"
    print(f"{options.sections} sections of {NUM_CLIPS} clips, loops over {len(some)} of them")
    for name, rate in rates.items():
        ratio = statistics.median(rate) / statistics.median(rates["scikit-learn"])
        spread = f"{min(rate):,.0f} to {max(rate):,.0f}"
        print(f"{name:18} {statistics.median(rate):10,.0f} sections/s ({spread}), {ratio:.1f} x")
    _print_intervals(scores[:21], labels[:21])


def vectorized(scores, labels):
    """Rows of AUC and pAUC, of all sections at once."""
    sections = np.repeat(np.arange(len(scores)), scores.shape[1])
    return np.stack(section_metrics(scores.ravel(), labels.ravel(), sections), axis=1)


def timed(way):
    """Seconds and result."""
    start = time.perf_counter()
    result = way()
    return time.perf_counter() - start, result


def _print_intervals(scores, labels):
    seconds, _ = timed(lambda: pooled_intervals(scores.ravel(), labels.ravel()))
    print(f"pooled_intervals of {scores.size} clips: {seconds:.2f} s")
    domains = np.tile(np.repeat(["source", "target"], NUM_CLIPS // 2), len(scores))
    sections = np.repeat(np.arange(len(scores)), NUM_CLIPS)
    case = scores.ravel(), labels.ravel(), domains, sections
    seconds, _ = timed(lambda: bootstrap_official_score(*case, RULES["dcase2022"], seed=0))
    print(f"bootstrap_official_score of {scores.size} clips, 1000 resamples: {seconds:.2f} s")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", type=int, default=10_000, help="at least 21")
    parser.add_argument("--loop", type=int, default=500, help="sections of the loops")
    return parser.parse_args()


if __name__ == "__main__":
    main()
