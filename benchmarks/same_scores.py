"""Whether another commit trains, scores, decides and exports exactly as this checkout does.

    python -m benchmarks.same_scores --against COMMIT --work DIR --only nejjar2022 baseline2021:ae

Both run every variant of every system for a few steps on the same tiny corpora, from the command
line and in one thread, make a detector of each run, score clips with it, and export it. All that
they write is compared, of exported graphs what they say of two clips; other texts and what is
missing differ infinitely. A second call goes on where the first one stood; what is in DIR of a
system is made anew if its plan below or the code, which is copied first, has changed.
"""

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import yaml

_ROOT = Path(__file__).parents[1]
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
_FIXED = {"PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": "", "XDG_STATE_HOME": os.devnull}
_COMPARED = r"scores/.*/(\w+\.csv|DONE)|[a-r]\w+\.csv|.*/weights\w*\.keras|.*/representations\.npz"
_COMPARED += r"|steps/detect\.csv"  # And of each step its outcome; nothing that holds times.
# Of each system the year of its corpus, machine types, and what of `config` all rows change; then
# rows beside one for each variant. Of `together` runs and options of `asdkeras ensemble`.
_PLAN = yaml.safe_load("""
baseline2020: year=2020 ae.epochs=2 | ae year=2025 machines=fan
baseline2021: year=2021 machines=fan ae.epochs=2 mobilenetv2.epochs=1 mobilenetv2.num_frames=32
  mobilenetv2.test_hop=8 | mobilenetv2 mobilenetv2.score=released_2021 | ae year=2024
  machines=fan,valve
baseline2022: year=2022 machines=fan ae.epochs=2 mobilenetv2.epochs=1 mobilenetv2.num_frames=32
  mobilenetv2.test_hop=8 | mobilenetv2 mobilenetv2.threshold_score=released_2021 | ae year=2025
baseline2023: year=2023 machines=fan ae.epochs=2 | mse,mahalanobis mahalanobis.form=framewise |
  mse,mahalanobis threshold_data=batches | mse year=2024 machines=fan,slider | mse,mahalanobis
  mahalanobis.form=framewise threshold_data=batches
kuroyanagi2021: year=2021 machines=fan ae.num_blocks=1 ae.num_copies=2 ae.steps=2
  ae.steps_per_save=1 ae.batch_size=4 bc.hop_length=512 bc.num_frames=32 bc.num_windows=2
  bc.batch_size=8 bc.steps=2 bc.steps_per_save=2 bc.adaptation.steps=2
  bc.adaptation.steps_per_save=2 bc.adaptation.num_target=2 | ae year=2020 machines=fan,valve | ae
  year=2024 | ae_ensemble together.choice=oracle | ae_ensemble together.combine=rank | ae_ensemble
  together.combine=median together.normalize=section_and_domain | ae_ensemble
  together.combine=maximum together.normalize_on=test
nejjar2022: year=2022 machines=fan num_frames=32 pretraining.epochs=1 pretraining.warmup_epochs=0
  pretraining.batch_size=8 pretraining.expander_dim=32 fine_tuning.epochs=1 | dgmix year=2025
venkatesh2022: year=2022 machines=fan front_end.window_length=256 epochs=1 anp.epochs=1 | disent_cat
  epochs=2 checkpoint_interval=1 checkpoint=oracle section_weight=oracle merge=std | disent_wt
  section_weight=paper | msl_anp ensemble_weight=oracle | msl_anp ensemble_weight=paper | anp_boot
  year=2024 machines=fan,slider
wilkinghoff2021: year=2021 machines=fan epochs=2 keep_epochs=[1,2] clip_length=16000 | two_heads_s4
  machines=fan,valve | two_heads_s4 year=2020 | two_heads_s4 target_model=closed_form | two_heads_s4
  component_weights=false tmax_machines=[fan] | selected_20 year=2024 machines=fan,slider
  ensemble_subclusters=[1]
wilkinghoff2024: year=2023 epochs=1 clip_length=16000 kmeans_clusters=4 | adaproj year=2025 |
  adaproj_ensemble seeds=[0,1]
together: "| alike wilkinghoff2021/two_heads_s1 wilkinghoff2021/one_head_s4 --normalize none |
  snapshots wilkinghoff2021/two_heads_s4:epoch1 wilkinghoff2021/one_head_s4:epoch2 --combine sum |
  choices baseline2021/ae wilkinghoff2021/two_heads_s4:section --combine median | weighted
  baseline2021/mobilenetv2 wilkinghoff2021/two_heads_s4 --weights 1 2 | ranks baseline2021/ae
  wilkinghoff2021/one_head_s1 --combine rank --weights 1 0.5 | largest baseline2021/ae
  baseline2021/mobilenetv2 --combine maximum --normalize test | best baseline2021/ae
  baseline2021/mobilenetv2 wilkinghoff2021/one_head_s1 --oracle-best 1 2 | others nejjar2022/dgmix
  venkatesh2022/disent_cat:section --combine sum --oracle-best 1 | pooled baseline2021/ae
  baseline2021/mobilenetv2 --pool-trials"
""")
_ENSEMBLES = re.compile("ensemble|^mix|max_of_rows|_20|all_40|msl|disent_(wt|sec|att)")
_FULL = r"\w+:(ae|mobilenetv2|mahalanobis|bc|ae_ensemble|dgmix|disent_(cat|wt)|anp_boot|msl_anp|"
_FULL += r"all_40|two_heads_s4|adaproj)( \S+=framewise| \S+=median .*)?"  # Rows in all formats.


def main():
    """Run both sides and compare; the exit code, 1 if anything differs or failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", metavar="COMMIT", required=True)
    parser.add_argument("--only", nargs="+", default=[*_PLAN], metavar="SYSTEM[:VARIANT]")
    parser.add_argument("--work", type=Path, default=Path("runs/same_scores"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="TABLE.md")
    parser.add_argument("--no-exports", action="store_true")
    parser.add_argument("--fresh", action="store_true", help="run this checkout anew")
    options = parser.parse_args()
    there, here = _sides(options.work.resolve(), options.against)
    sys.path.insert(0, str(here / "code"))
    os.environ.update(_FIXED, **dict.fromkeys(_THREADS, "1"))
    lines = ["| run | compared | result |", "|---|---|---|"]
    for system in _PLAN:
        rows = list(_rows(system, here.parent, options))
        for side, is_fresh in ((there, False), (here, options.fresh)) if rows else ():
            _run(side, system, rows, is_fresh)
        for title, run, steps in rows:
            lines.append(_line(title, steps, there / run, here / run))
            print(lines[-1], flush=True)
    num_same = sum(line.endswith("| same |") for line in lines)
    lines += ["", f"{num_same} of {len(lines) - 2} runs are the same."]
    print(lines[-1])
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if 0 < num_same == len(lines) - 4 else 1


def _sides(work, against):
    """The folders of the other commit and of this checkout, each with its code."""
    git = ["git", "-C", str(_ROOT)]
    commit = subprocess.check_output([*git, "rev-parse", f"{against}^{{commit}}"], text=True)[:12]
    there, here = work / commit, work / "here"
    if not (there / "code").exists():
        subprocess.check_call([*git, "worktree", "add", "-f", "--detach", there / "code", commit])
    shutil.rmtree(here / "code", ignore_errors=True)
    for name in ("asdkeras", "recipes"):
        shutil.copytree(_ROOT / name, here / "code" / name)
    shutil.copy(_ROOT / "data_manifest.yaml", here / "code")
    return there, here


def _rows(system, work, options):
    """Title, folder and commands of each run, ensembles after what they are made of."""
    from asdkeras import systems
    from asdkeras.corpus.mini import generate

    shared, *more = (part.split() for part in _PLAN[system].split("|"))
    runs = [[name] for name in (systems.variants(system) if system != "together" else ())]
    runs += [[name, *extra] for names, *extra in more for name in names.split(",")]
    runs = [run for run in runs if {system, f"{system}:{run[0]}"} & {*options.only}]
    for variant, *extra in sorted(runs, key=lambda run: bool(_ENSEMBLES.search(run[0]))):
        given = dict(word.split("=", 1) for word in (*shared, *extra) if "=" in word)
        home = f"{system}/_" + re.sub(r"\W+", "_", " ".join(extra))
        year, title = given.pop("year", "2021"), " ".join([f"{system}:{variant}", *extra])
        run, corpus = f"{home}/{system}/{variant}/mini{year}", work / f"tiny{year}"
        generate(corpus, year=int(year), size="tiny", seed=0)
        words = ["eval", "--system", system, "--variant", variant, "--data", str(corpus)]
        words += ["--jobs", "1", "--runs", home]
        for key, value in given.items():
            change = f"{'' if key == 'seeds' else 'config.'}{key}={value}"
            words += ["--machines", value] if key == "machines" else ["--set", change]
        if system == "together":
            member = re.compile(r"(\w+)(\d{4})/(\w+)")
            members = [member.sub(r"\1\2/_/\1\2/\3/mini\2", word) for word in extra]
            words = ["ensemble", *members, "--out", run]
        asd, clips = f"{run}/steps/fan.asd", sorted(corpus.glob("*/fan/*test/*_00_*"))
        steps = {"eval": words, "fit": ["fit", "--run", run, "--machines", "fan_00", "--out", asd]}
        steps["detect"] = ["detect", asd, *map(str, clips[::3]), "--csv"]
        num_formats = 0 if options.no_exports else 4 if re.fullmatch(_FULL, title) else 1
        for form in ("keras", "saved_model", "onnx", "litert")[:num_formats]:
            out = f"{run}/steps/{form}" + ".keras" * (form == "keras")
            steps[form] = ["export", asd, "--format", form, "--out", out]
        yield title, run, steps


def _run(side, system, rows, is_fresh):
    """Let a process of its own do what is missing of a system."""
    digest = hashlib.sha256(str(_PLAN if system == "together" else _PLAN[system]).encode())
    for path in sorted((side / "code").rglob("*.*")):
        if path.suffix in (".py", ".yaml", ".csv"):
            digest.update(path.name.encode() + path.read_bytes())
    stamp = side / system / digest.hexdigest()
    if is_fresh or not stamp.exists():
        shutil.rmtree(stamp.parent, ignore_errors=True)
        stamp.mkdir(parents=True)
    os.environ.update(PYTHONPATH=str(side / "code"), ASDKERAS_CACHE=str(stamp.parent / "cache"))
    words, plan = [sys.executable, "-uP", __file__, "--worker"], json.dumps(rows).encode()
    with (stamp / "errors.txt").open("a", encoding="utf-8") as errors:
        subprocess.run(words, cwd=side, input=plan, stderr=errors)


def _work():
    """In a process of its own: all steps that are not done, of a run until it fails."""
    from asdkeras import __file__ as package
    from asdkeras.cli import main as command
    from asdkeras.detector.export_check import generated_clip

    if Path(package).parents[1] != Path("code").resolve():
        raise SystemExit(f"{package} is not the code of {Path.cwd()}")
    clips = np.stack([generated_clip(16000, 24000, seed) for seed in (0, 1)])
    for title, run, steps in json.load(sys.stdin):
        for step, words in steps.items():
            path, start = Path(run, "steps", f"{step}.txt"), sum(os.times()[:4])
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    code = command(words)
                    if code == 0 and words[0] == "export":
                        from asdkeras.detector.exports import load_exported

                        np.savez(path.with_suffix(".npz"), **load_exported(words[-1], step)(clips))
                except (Exception, SystemExit) as error:  # It is what the step has led to.
                    code = repr(error)
            errors = re.findall("^asdkeras: error: .*", err.getvalue(), re.MULTILINE)
            outcome = ", ".join([f"exit code {code}", *errors])
            took = f"{sum(os.times()[:4]) - start:.0f} s"
            print(f"{Path.cwd().name} {title} {step}: {outcome}, {took}")
            if code == 130 or (step == "eval" and code != 0):  # Stopped or failed: tried again.
                break
            path.with_suffix(".csv").write_text(out.getvalue() or "nothing", encoding="utf-8")
            path.write_text(outcome, encoding="utf-8")


def _line(title, steps, there, here):
    """A row of the table: the run, what was compared, and what has come of it."""
    names = {p.relative_to(side).as_posix() for side in (there, here) for p in side.rglob("*")}
    gaps, num_others = {}, 0
    compared = re.compile(rf"{_COMPARED}|steps/({'|'.join(steps)})\.(txt|npz)")
    for name in sorted({"steps/eval.txt", *filter(compared.fullmatch, names)}):
        olds, news = (_arrays(p) if p.exists() else {} for p in (there / name, here / name))
        shared, others = {*olds} & {*news}, {*olds} ^ {*news}
        gaps |= {f"{name}:{key}": _gap(olds[key], news[key]) for key in shared}
        if shared and name.endswith("representations.npz"):
            num_others += len(others)  # Of other names.
        elif others or not shared:
            gaps[f"{name}, which lacks something"] = np.inf
    refused = " ".join(p.stem for p in here.glob("steps/*.txt") if "code 0" not in p.read_text())
    text = f"{len(gaps)} arrays, {num_others} not; refused: {refused or 'nothing'}"
    where, gap = max(gaps.items(), key=lambda item: item[1])
    differs = f"differs: largest relative difference {gap:.0e} in {where}"
    return f"| {title} | {text} | {differs if gap else 'same'} |"


def _arrays(path):
    """What a file holds, by name."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name.rpartition("/")[2]: each for name, each in arrays.items()}
    if path.suffix == ".csv":
        header = None if path.name.startswith(("anomaly_score", "decision_result")) else 0
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, header=header)
        return {name: frame[name].replace("", "nan").to_numpy(str) for name in frame}
    if path.suffix != ".keras":
        return {"text": np.array(re.sub('"digest": .*', "", path.read_text(encoding="utf-8")))}
    found = []
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as weights:
        h5py.File(weights).visititems(lambda _, each: found.append(each))
        found = [np.array(each) for each in found if isinstance(each, h5py.Dataset)]
    return dict(enumerate(sorted(found, key=lambda a: (a.shape, a.mean(), a.tobytes()))))


def _gap(old, new):
    """0 if all bytes are the same, else the largest relative difference, infinite of texts."""
    if old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes():
        return 0.0
    try:
        old, new = old.astype(float), new.astype(float)
        gap = np.nanmax(np.abs(old - new) / np.maximum(np.abs(old), np.abs(new)))
    except ValueError:  # Other shapes, or texts.
        return np.inf
    return gap if gap > 0.0 and np.array_equal(np.isnan(old), np.isnan(new)) else np.inf


if __name__ == "__main__":
    sys.exit(_work() if sys.argv[1:] == ["--worker"] else main())
