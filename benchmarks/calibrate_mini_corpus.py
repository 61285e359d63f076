"""How hard the mini corpus is: loudness, the official autoencoder of 2021 and a nearest neighbor.

The demands: loudness alone tells nothing (AUC between 0.35 and 0.65 for every machine type),
and the official score of the autoencoder, the system `baseline2021` with its recipe for the
mini corpus, lies between 0.55 and 0.72 on the machine types that `asdkeras data mini` chooses.
A nearest neighbor on temporal statistics of the log-mel spectrogram stands beside it for
comparison.

    python -m benchmarks.calibrate_mini_corpus --out results/mini_corpus/calibration.csv

prints the table it writes and takes about two minutes per machine type and seed on two busy
cores; `--machines fan slider valve --seeds 0` measures the default alone. The bearing, which
2021 does not have, is measured on the corpus of 2022, and the conveyor, which 2020 alone
has, without domains.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile
from sklearn.metrics import roc_auc_score

from asdkeras.corpus.mini import generate
from asdkeras.corpus.mini_plan import MACHINES, default_machines
from asdkeras.experiment.open_run import open_run
from asdkeras.experiment.run import score
from asdkeras.score_files import read_trial

DEFAULT_MACHINES = default_machines(2021, "mini")
NUM_BANDS = 128


def log_mel(waveform):
    """Log-mel spectrogram of the baseline in dB, `(frames, 128)`."""
    power = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=1024, hop_length=512, n_mels=NUM_BANDS, pad_mode="reflect"
    )
    return 10 * np.log10(np.maximum(power, 2.220446e-16)).T.astype("float32")


def read(folder):
    """Paths, waveforms of one machine, in name order, training clips first."""
    paths = sorted(folder.glob("train/*.wav")) + sorted(folder.glob("*test/*.wav"))
    return paths, [soundfile.read(path, dtype="float32")[0] for path in paths]


def group_of(path):
    """Section and domain of a clip, from its name."""
    words = path.name.split("_")
    return (words[2], "all") if words[1] == "id" else (words[1], words[2])


def autoencoder_scores(paths, corpus, runs):
    """Anomaly score of every clip by the system `baseline2021`."""
    run = open_run("baseline2021", corpus, recipe="mini", runs=runs)
    score(run)
    trial = read_trial(run.folder.scores(run.recipe.seeds[0]))
    by_path = dict(zip(run.table["path"], trial.columns["squared_error"], strict=True))
    return np.array([by_path[str(path)] for path in paths])


def neighbor_scores(paths, spectrograms):
    """Distance to the nearest training clip of the section in mean, spread and modulation."""
    features = np.array(
        [
            np.concatenate(
                [
                    s.mean(0),
                    s.std(0),
                    np.log(np.abs(np.fft.rfft(s.mean(1) - s.mean()))[1:65] + 1.0),
                    np.percentile(s, 98, axis=0),
                ]
            )
            for s in spectrograms
        ]
    )
    sections = np.array([group_of(path)[0] for path in paths])
    train = np.array([path.parent.name == "train" for path in paths])
    features = (features - features[train].mean(0)) / (features[train].std(0) + 1e-6)
    scores = np.zeros(len(paths))
    for i, feature in enumerate(features):
        others = train & (sections == sections[i]) & (np.arange(len(paths)) != i)
        scores[i] = np.min(np.mean((features[others] - feature) ** 2, axis=1))
    return scores


def areas(paths, scores) -> Iterator[tuple[float, float]]:
    """AUC and pAUC of every section and domain."""
    test = [i for i, path in enumerate(paths) if path.parent.name != "train"]
    for group in sorted({group_of(paths[i]) for i in test}):
        own = [i for i in test if group_of(paths[i]) == group]
        labels = ["anomaly" in paths[i].name for i in own]
        yield (
            roc_auc_score(labels, scores[own]),
            roc_auc_score(labels, scores[own], max_fpr=0.1),
        )


def pooled_area(paths, scores):
    """AUC over all test clips of the machine type."""
    test = [i for i, path in enumerate(paths) if path.parent.name != "train"]
    return roc_auc_score(["anomaly" in paths[i].name for i in test], scores[test])


def harmonic_mean(values):
    """Harmonic mean as in the official rules."""
    return len(values) / np.sum(1 / np.maximum(values, np.finfo("float64").eps))


def measure(corpus, name):
    """One row of the table and the AUC and pAUC values behind its official score."""
    paths, waveforms = read(corpus / "dev_data" / name)
    spectrograms = [log_mel(waveform) for waveform in waveforms]
    loudness = np.array([np.sqrt(np.mean(np.square(w, dtype="float64"))) for w in waveforms])
    by_error = np.array(list(areas(paths, autoencoder_scores(paths, corpus, corpus / "runs"))))
    by_neighbor = np.array(list(areas(paths, neighbor_scores(paths, spectrograms))))
    by_loudness = np.array(list(areas(paths, loudness)))[:, 0]
    row = {
        "rms_auc": pooled_area(paths, loudness),
        "rms_auc_lowest": by_loudness.min(),
        "rms_auc_highest": by_loudness.max(),
        "ae_auc": by_error[:, 0].mean(),
        "ae_pauc": by_error[:, 1].mean(),
        "ae_score": harmonic_mean(by_error.ravel()),
        "nn_auc": by_neighbor[:, 0].mean(),
        "nn_score": harmonic_mean(by_neighbor.ravel()),
    }
    return row, by_error.ravel(), by_neighbor.ravel()


def main():
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--machines", nargs="+")
    arguments = parser.parse_args()
    chosen = {name: 2021 for name in MACHINES[2021]} | {"bearing": 2022, "ToyConveyor": 2020}
    names = arguments.machines or sorted(chosen, key=lambda n: n not in DEFAULT_MACHINES)
    rows = []
    for seed in arguments.seeds:
        default_errors, default_neighbors = [], []
        for name in names:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                generate(Path(folder), year=chosen[name], size="mini", seed=seed, machines=[name])
                row, errors, neighbors = measure(Path(folder), name)
            if name in DEFAULT_MACHINES:
                default_errors.append(errors)
                default_neighbors.append(neighbors)
            rows.append({"seed": seed, "year": chosen[name], "machine_type": name} | row)
            show(rows[-1], time.perf_counter() - start)
        if default_errors:
            total = {"seed": seed, "year": 2021, "machine_type": "default machines"}
            total["ae_score"] = harmonic_mean(np.concatenate(default_errors))
            total["nn_score"] = harmonic_mean(np.concatenate(default_neighbors))
            rows.append(total)
            show(total, 0.0)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        with arguments.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow({key: rounded(value) for key, value in row.items()})


def rounded(value):
    """Four decimals of a number, anything else as it is."""
    return f"{value:.4f}" if isinstance(value, float) else value


def show(row, seconds):
    """Print one row."""
    numbers = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
    print(f"{row['seed']} {row['machine_type']:17s} {numbers}  ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
