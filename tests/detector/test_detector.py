"""A detector is fitted to folders of recordings, asked about others, saved and loaded."""

import copy
import dataclasses
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import asdkeras
from asdkeras.cli import main
from asdkeras.data.normal_clips import normal_clips
from asdkeras.data.store import ClipStore
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.open_run import run_on_clips
from asdkeras.experiment.run import score
from asdkeras.score_files import read_metadata, read_trial
from tests.trained_runs import eager_steps

RATE_HZ = 16_000
SHORT = (
    "config.ae.epochs=1",
    "config.ae.batch_size=64",
    "config.front_end.num_mel_bins=32",
)
COLUMNS = ["clip", "machine", "anomaly_score", "threshold", "is_anomalous"]


def sound(seed, pitch_hz, samples=RATE_HZ):
    random = np.random.default_rng(seed)
    tone = np.sin(2.0 * np.pi * pitch_hz * np.arange(samples) / RATE_HZ)
    return (0.1 * tone + 0.02 * random.normal(size=samples)).astype("float32")


def write(folder, name, waveform):
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, waveform, RATE_HZ)
    return folder / name


def factory(root, machines=("press", "saw"), num_clips=6):
    for pitch, machine in enumerate(machines, start=1):
        for number in range(num_clips):
            write(root / machine, f"monday_{number}.wav", sound(number, 300.0 * pitch))
    return root


@pytest.fixture(scope="module", autouse=True)
def _without_graphs():
    with eager_steps():
        yield


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    data = factory(tmp_path_factory.mktemp("factory"))
    detector = asdkeras.Detector("baseline2023", overrides=SHORT).fit(data)
    return detector, data


def test_each_folder_is_a_machine(fitted):
    detector, _ = fitted

    assert list(detector.machines) == ["press", "saw"]
    machine = detector.machines["saw"]
    assert (machine.machine_type, machine.section) == ("saw", "00")
    assert (machine.sample_rate_hz, machine.clip_length, machine.keep) == (
        RATE_HZ,
        RATE_HZ,
        "start",
    )
    assert detector.story["training_clips"] == {"press_00": 4, "saw_00": 4}
    assert detector.story["held_out_clips"] == {"press_00": 2, "saw_00": 2}
    assert machine.threshold == np.float32(max(machine.normal_scores))
    assert len(machine.normal_scores) == 2
    assert max(detector.story["largest_differences"].values()) < 1e-5


def test_files_and_arrays_score_alike(fitted, tmp_path):
    detector, _ = fitted
    waveforms = [sound(20, 300.0), sound(21, 900.0, 2 * RATE_HZ)]
    paths = [
        write(tmp_path / "press", f"{number}.wav", waveform)
        for number, waveform in enumerate(waveforms)
    ]

    of_files = detector.score(paths)
    of_arrays = detector.score(waveforms, machine="press")

    np.testing.assert_allclose(of_files, of_arrays, rtol=1e-2)  # Files have 16 bits.
    np.testing.assert_array_equal(detector.score(paths[0]), of_files[:1])
    np.testing.assert_array_equal(detector.score(paths, machine="press"), of_files)
    assert np.std(of_files) > 0


def test_predictions_compare_scores_with_the_threshold(fitted, tmp_path):
    detector, _ = fitted
    threshold = detector.machines["press"].threshold
    waveforms = [sound(30, 300.0), sound(31, 300.0), 1e-3 * sound(32, 300.0)]

    table = detector.detect(waveforms, machine="press")

    assert list(table.columns) == COLUMNS
    np.testing.assert_array_equal(table["is_anomalous"], table["anomaly_score"] > threshold)
    np.testing.assert_array_equal(
        detector.predict(waveforms, machine="press"), table["is_anomalous"]
    )
    assert table["is_anomalous"].tolist()[2]
    assert table["anomaly_score"].idxmax() == 2


def test_the_score_of_a_clip_does_not_depend_on_those_beside_it(fitted):
    detector, _ = fitted
    waveforms = [sound(seed, 300.0, RATE_HZ + seed % 3) for seed in range(12)]

    together = detector.score(waveforms, machine="press")

    alone = [detector.score(each, machine="press")[0] for each in waveforms]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_longer_clips_lose_their_end_and_shorter_ones_are_repeated(fitted):
    detector, _ = fitted
    whole = sound(40, 300.0, 2 * RATE_HZ)

    score = detector.score(whole, machine="press")

    np.testing.assert_allclose(detector.score(whole[:RATE_HZ], machine="press"), score, rtol=1e-6)
    graph = detector.scorer("press")
    half = whole[: RATE_HZ // 2]
    np.testing.assert_allclose(
        graph(half[None])["anomaly_score"],
        graph(np.concatenate([half, half])[None])["anomaly_score"],
        rtol=1e-6,
    )


def test_a_fit_says_what_it_learns_from(tmp_path, capsys):
    data = tmp_path / "factory"
    factory(data / "press", ("Train", "Test"))

    asdkeras.Detector("baseline2023", overrides=SHORT).fit(data)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "asdkeras: note: folders are taken so: Test (test), Train (train)."
    assert lines[1].startswith("asdkeras: note: 6 test clips are left out")
    assert lines[2] == "asdkeras: learning from: press (6 clips)"


def test_other_channels_than_those_it_was_fitted_to_are_said(fitted, tmp_path, capsys):
    detector, _ = fitted
    one = write(tmp_path / "press", "1.wav", sound(20, 300.0))
    two = write(tmp_path / "press", "2.wav", np.stack([sound(21, 300.0), sound(22, 300.0)], axis=1))

    detector.score([one, one])
    assert "channels" not in capsys.readouterr().err
    detector.score([two, two])

    said = f"{two} has 2 channels, and press was fitted to clips with 1"
    assert capsys.readouterr().err.count(said) == 1


def test_embeddings_are_one_row_per_clip(fitted):
    detector, _ = fitted

    embeddings = detector.embed([sound(1, 300.0), sound(2, 300.0)], machine="saw")

    assert embeddings.shape == (2, 32)
    assert embeddings.dtype == np.float32


def test_of_several_machines_one_must_be_clear(fitted, tmp_path):
    detector, _ = fitted
    clip = write(tmp_path / "elsewhere", "a.wav", sound(1, 300.0))

    with pytest.raises(DataError, match="detector knows press, saw"):
        detector.score(clip)
    with pytest.raises(RecipeError, match=r"must be one of press, saw. Received: drill"):
        detector.score(clip, machine="drill")
    with pytest.raises(RecipeError, match=r"must be one of press, saw. Received: none"):
        detector.model()


def test_clips_that_cannot_be_used_cost_no_results(fitted, tmp_path):
    detector, _ = fitted
    good = write(tmp_path / "press", "a.wav", sound(1, 300.0))
    bad = tmp_path / "press" / "b.wav"
    bad.write_text("no sound")
    lost = write(tmp_path / "elsewhere", "c.wav", sound(1, 300.0))
    errors = []

    table = detector.detect([bad, lost, good], on_error=errors.append)

    assert table["clip"].tolist() == [str(good)]
    assert [str(error).partition(":")[0] for error in errors] == [str(bad), str(lost)]
    with pytest.raises(DataError, match=r"b\.wav"):
        detector.detect([bad, good])


def test_a_saved_detector_says_the_same(fitted, tmp_path):
    detector, _ = fitted
    waveforms = [sound(seed, 300.0) for seed in range(3)]

    detector.save(tmp_path / "factory.asd")
    loaded = asdkeras.Detector.load(tmp_path / "factory.asd")

    assert loaded.machines == detector.machines
    assert loaded.story == detector.story
    assert loaded.system == "baseline2023"
    np.testing.assert_array_equal(
        loaded.score(waveforms, machine="saw"), detector.score(waveforms, machine="saw")
    )


def test_a_stream_is_scored_like_clips(fitted):
    detector, _ = fitted
    whole = sound(50, 300.0, 2 * RATE_HZ)
    blocks = np.array_split(whole, 7)

    found = list(detector.stream(blocks, machine="press", hop_s=0.5))

    assert [each.start_s for each in found] == [0.0, 0.5, 1.0]
    starts = [round(each.start_s * RATE_HZ) for each in found]
    windows = [whole[start : start + RATE_HZ] for start in starts]
    np.testing.assert_allclose(
        [each.anomaly_score for each in found], detector.score(windows, machine="press"), rtol=1e-6
    )


def test_a_detector_must_be_fitted_first(tmp_path):
    detector = asdkeras.Detector()

    for call in (
        lambda: detector.score(sound(1, 300.0)),
        lambda: detector.save(tmp_path / "none.asd"),
        lambda: detector.model(),
    ):
        with pytest.raises(RecipeError, match="not fitted"):
            call()


def test_an_interrupted_fit_goes_on_where_it_stood(tmp_path, monkeypatch):
    data = factory(tmp_path / "factory", machines=("press",))
    detector = asdkeras.Detector("baseline2023", overrides=SHORT)
    monkeypatch.setattr("asdkeras.detector.fit.fit_machines", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        detector.fit(data, work=tmp_path / "work")
    monkeypatch.undo()
    weights = next((tmp_path / "work").rglob("weights.keras"))
    written = weights.stat().st_mtime_ns

    detector.fit(data, work=tmp_path / "work")

    assert weights.stat().st_mtime_ns == written
    assert list(detector.machines) == ["press"]


def test_another_fit_in_the_same_folder_does_not_go_on_with_it(tmp_path, monkeypatch):
    data = factory(tmp_path / "factory", machines=("press",), num_clips=2)
    seen = []

    def note_folder(run):
        seen.append(run.folder.path)
        raise RecipeError("enough")

    monkeypatch.setattr("asdkeras.detector.detector.score_run", note_folder)

    def fit(*overrides):
        with pytest.raises(RecipeError, match="enough"):
            asdkeras.Detector(overrides=overrides).fit(data, work=tmp_path / "work")

    fit("config.ae.epochs=1")
    fit("config.ae.epochs=1")
    fit("config.ae.epochs=2")
    changed = write(data / "press", "tuesday.wav", sound(9, 300.0))
    fit("config.ae.epochs=2")
    before = changed.stat()
    write(data / "press", "tuesday.wav", sound(10, 300.0))
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    fit("config.ae.epochs=2")

    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


def test_graphs_of_a_replaced_file_do_not_meet_older_thresholds(fitted, tmp_path, monkeypatch):
    detector, _ = fitted
    detector.save(tmp_path / "a.asd")
    loaded = asdkeras.Detector.load(tmp_path / "a.asd")
    os.chmod(tmp_path / "a.asd", 0o600)
    loaded.model("press")
    another = dataclasses.replace(detector.machines["saw"], threshold=7.0)
    monkeypatch.setitem(detector.machines, "saw", another)
    detector.save(tmp_path / "a.asd")

    with pytest.raises(DataError, match=r"a\.asd: holds another detector than when it was loaded"):
        loaded.model("saw")


def test_a_run_is_no_detector_before_it_is_trained(tmp_path):
    with pytest.raises(RecipeError, match="no run"):
        asdkeras.Detector.of_run(tmp_path)


def test_one_machine_falls_back_to_what_needs_no_other(tmp_path, capsys):
    data = factory(tmp_path / "factory", machines=("press",), num_clips=4)
    detector = asdkeras.Detector("baseline2021", variant="mobilenetv2", overrides=SHORT)

    detector.fit(data)

    assert "falling back to --variant ae" in capsys.readouterr().err
    assert detector.variant == detector.story["variant"] == "ae"


@pytest.mark.parametrize("system", ["wilkinghoff2021", "wilkinghoff2024"])
def test_systems_without_a_fallback_say_what_else_to_take(tmp_path, system):
    data = factory(tmp_path / "factory", machines=("press",), num_clips=2)

    with pytest.raises(DataError, match=r"at least 2 classes.*baseline2023"):
        asdkeras.Detector(system).fit(data)


def test_the_package_gives_nothing_else():
    with pytest.raises(AttributeError, match="Detectors"):
        _ = asdkeras.Detectors


_ELSEWHERE = """
import sys
import keras
import numpy as np
import asdkeras.keras_objects
model = keras.saving.load_model(sys.argv[1])
outputs = model(np.load(sys.argv[2]))
np.savez(sys.argv[3], **{name: np.asarray(value) for name, value in outputs.items()})
assert not {"asdkeras.systems", "asdkeras.scorers"} & set(sys.modules)
"""


@pytest.mark.slow
def test_a_graph_loads_in_a_fresh_process_in_safe_mode(fitted, tmp_path):
    detector, _ = fitted
    waveforms = np.stack([sound(seed, 300.0) for seed in range(2)])
    np.save(tmp_path / "waveforms.npy", waveforms)
    detector.export(tmp_path / "press.keras", "keras", machine="press")

    paths = [tmp_path / name for name in ("press.keras", "waveforms.npy", "outputs.npz")]
    subprocess.run([sys.executable, "-c", _ELSEWHERE, *map(str, paths)], check=True)

    with np.load(tmp_path / "outputs.npz") as outputs:
        assert set(outputs) == {"anomaly_score", "is_anomalous", "embedding"}
        np.testing.assert_allclose(
            outputs["anomaly_score"], detector.score(waveforms, machine="press"), rtol=1e-6
        )


@pytest.fixture
def finished(tmp_path):
    """A run of one machine, whose dataset is gone."""
    return finished_run(tmp_path)


def finished_run(folder, *overrides):
    data = factory(folder / "factory", machines=("press",))
    table, _, _ = normal_clips(data)
    overrides = (*SHORT, *overrides)
    run = run_on_clips("baseline2023", table, data, overrides=overrides, runs=folder / "runs")
    score(dataclasses.replace(run, is_in_process=True))
    shutil.rmtree(data)
    return run.folder


def test_a_run_becomes_a_detector_without_its_dataset(finished, tmp_path, monkeypatch):
    monkeypatch.delattr(ClipStore, "read")

    assert main(["fit", "--run", str(finished.path), "--out", str(tmp_path / "press.asd")]) == 0

    detector = asdkeras.Detector.load(tmp_path / "press.asd")
    (threshold,) = set(read_trial(finished.scores(0)).thresholds)
    assert detector.machines["press"].threshold == pytest.approx(threshold)
    assert detector.story["notes"] == [*read_metadata(finished.scores(0)).notes]
    assert detector.score(sound(1, 300.0), machine="press") > 0.0


@pytest.mark.parametrize(("percentile", "is_noted"), [(1, True), (99, False)])
def test_a_threshold_of_a_paper_below_what_was_learned_from_is_said(
    percentile, is_noted, tmp_path, capsys
):
    """As that of `threshold_data: batches` is."""
    rule = ("thresholds.rule=paper", f"config.threshold_percentile={percentile}")
    run = finished_run(tmp_path, *rule)
    capsys.readouterr()

    detector = asdkeras.Detector.of_run(run.path)

    said = "than twice 10% of the normal clips that were learned from are anomalous: press "
    assert (said in capsys.readouterr().err) == is_noted
    assert any("`asdkeras fit DIR`" in note for note in detector.story["notes"]) == is_noted


def test_a_run_without_its_weights_is_no_detector(finished):
    task = finished.task("press_00", 0)

    (task / "weights.keras").unlink()
    with pytest.raises(RecipeError, match="the weights of a finished training are gone"):
        asdkeras.Detector.of_run(finished.path)

    (task / "DONE").unlink()
    with pytest.raises(RecipeError, match="press_00/seed0: holds no finished training"):
        asdkeras.Detector.of_run(finished.path)


def test_another_false_alarm_rate_moves_thresholds_and_decisions_alone(tmp_path):
    for number in range(30):
        write(tmp_path / "press", f"{number}.wav", sound(number, 300.0))
    detector = asdkeras.Detector(overrides=[*SHORT, "seeds=[3, 4]"]).fit(tmp_path / "press")
    detector.save(tmp_path / "press.asd")
    assert detector.story["recipe"]["seeds"] == [3]  # A detector is made of one trial.
    scores = np.sort(detector.machines["press"].normal_scores)
    assert len(scores) == 9

    for each in (detector, asdkeras.Detector.load(tmp_path / "press.asd")):
        strict = each.at_false_alarm_rate(0.5)

        threshold = np.float32(scores[4])  # ceil(10 x 0.5) = 5.
        assert strict.machines["press"].threshold == threshold
        rows = strict.detect(tmp_path / "press")
        assert set(rows["threshold"]) == {float(threshold)}
        assert (rows["is_anomalous"] == (rows["anomaly_score"] > float(threshold))).all()
        np.testing.assert_array_equal(rows["anomaly_score"], each.score(tmp_path / "press"))
        assert each.machines["press"].threshold == np.float32(scores[8])
        # The same in a file of it.
        strict.save(tmp_path / "strict.asd")
        again = asdkeras.Detector.load(tmp_path / "strict.asd").predict(tmp_path / "press")
        np.testing.assert_array_equal(again, rows["is_anomalous"])


def test_a_detector_without_held_out_scores_takes_no_other_rate(fitted, tmp_path):
    detector, _ = fitted
    machines = {
        name: dataclasses.replace(machine, normal_scores=())
        for name, machine in detector.machines.items()
    }
    other = copy.copy(detector)
    other.machines = machines

    with pytest.raises(RecipeError, match="press has no scores of held-out normal clips"):
        other.at_false_alarm_rate(0.02)
