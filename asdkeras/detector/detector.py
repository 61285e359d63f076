"""A detector: fitted to normal clips, asked about others, with the habits of scikit-learn."""

import contextlib
import copy
import dataclasses
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data.audio import Channel, read_header
from asdkeras.data.normal_clips import learned_from, normal_clips
from asdkeras.detector import stream
from asdkeras.detector.clip_inputs import machine_of, read_clips
from asdkeras.detector.decision_lines import COLUMNS
from asdkeras.detector.file import read_file, read_model, save_file
from asdkeras.detector.fitted_machine import Machine
from asdkeras.detector.pcm import Block, Gap
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.fallbacks import with_able_variant
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.open_run import open_finished, run_on_clips
from asdkeras.experiment.recipe import held_out_overrides
from asdkeras.experiment.run import one_trial
from asdkeras.experiment.run import score as score_run
from asdkeras.progress import say

if TYPE_CHECKING:
    import keras

    from asdkeras.detector.export_check import Graph
    from asdkeras.detector.exports import Exported
    from asdkeras.experiment.open_run import RunFiles

DEFAULT_SYSTEM = "baseline2023"
"""Content with one machine and nothing known about its clips."""

DEFAULT_FALSE_ALARM_RATE = 0.1

_AT_ONCE = 8  # Clips of one length.


class Detector:
    """Says of a recording of a machine how anomalous it is, and whether it is.

    It learns from normal recordings alone. Scores are those of a published system; a clip is called
    anomalous if its score lies above a threshold from normal clips that were held out of the fit,
    or, by a paper's rule, from those learned from. Every clip is scored as one of unknown domain.

    Of a longer clip the network takes the beginning or the end, as the system's paper has it
    (`machines[...].clip_length` and `keep`); shorter ones are repeated. For longer recordings there
    is `stream`.

    Args:
        system: name of the system, see `asdkeras list`.
        variant: of the system; None takes the recipe's.
        recipe: YAML file, or name of one of the system's; None chooses by the data.
        overrides: `key=value` changes of the recipe, such as `config.ae.epochs=20`.
        false_alarm_rate: share of normal clips that may be called anomalous; the threshold comes
            from normal clips that are held out of the fit, see `asdkeras.experiment.held_out`.
            None takes the rule of the recipe, which is the paper's on the data of a challenge.

    Attributes:
        machines: name -> `asdkeras.detector.fitted_machine.Machine`.
        story: how it was made: system, variant, recipe, environment, number of training clips,
            difference of each graph from scikit-learn, and notes on the scores.

    Examples:
        ```
        detector = Detector(system="baseline2023").fit("my_press/")
        detector.save("press.asd")
        Detector.load("press.asd").predict(["monday.wav", "tuesday.wav"])
        ```
    """

    def __init__(
        self,
        system: str = DEFAULT_SYSTEM,
        *,
        variant: str | None = None,
        recipe: str | None = None,
        overrides: Sequence[str] = (),
        false_alarm_rate: float | None = DEFAULT_FALSE_ALARM_RATE,
    ) -> None:
        self.system = system
        self.variant = variant
        self.recipe = recipe
        self.overrides = (*held_out_overrides(false_alarm_rate), *overrides)
        self.machines: dict[str, Machine] = {}
        self.story: dict[str, Any] = {}
        self._models: dict[str, keras.Model] = {}
        self._file: Path | None = None
        self._as_loaded = ""  # What stood in the file beside the graphs.
        self._scorers: dict[str, Graph] = {}
        self._is_moved = False

    def fit(
        self,
        data: str | os.PathLike[str],
        *,
        machines: Sequence[str] | None = None,
        work: str | os.PathLike[str] | None = None,
        jobs: int | None = None,
        is_in_process: bool | None = None,
    ) -> "Detector":
        """Train the system on normal clips, and make a graph for each machine.

        Args:
            data: folder of normal WAV or FLAC files, folder of such folders (one machine each), or
                a dataset, whose training clips are used; see `asdkeras.data.normal_clips`.
            machines: machine types to use; None means all.
            work: folder in which an interrupted fit goes on; None takes a temporary one.
            jobs: models trained at once, each in a process of its own; None: the system decides.
            is_in_process: train all models in this process, one after the other. Other processes
                import the main module of the program, which must guard its work by
                `if __name__ == "__main__":`. None: True unless `jobs` is given.

        Returns:
            self.

        Raises:
            RecipeError: if system, variant or recipe is not understood, or the system has
                nothing to learn from such clips.
            DataError: if there are no clips, or some are damaged.
            TrainingError: if training diverges.
        """
        with contextlib.ExitStack() as stack:
            if work is None:
                work = stack.enter_context(tempfile.TemporaryDirectory(prefix="asdkeras_fit_"))
            table, notes, _ = normal_clips(Path(data), machines)
            for note in notes:
                say(f"note: {note}")
            say(learned_from(table))
            run = run_on_clips(
                self.system,
                table,
                Path(data),
                variant=self.variant,
                recipe=self.recipe,
                overrides=self.overrides,
                runs=Path(work),
                jobs=jobs,
            )
            in_process = jobs is None if is_in_process is None else is_in_process
            run = with_able_variant(dataclasses.replace(run, is_in_process=in_process))
            from asdkeras.detector.graph import require_graphs  # Keras is imported now.

            require_graphs(run)
            run = one_trial(run)
            # Another recipe and other recordings of the same names do not go on with this one's.
            path = Path(work) / run.folder.digest[:12] / run.folder.path.relative_to(work)
            run = dataclasses.replace(run, folder=dataclasses.replace(run.folder, path=path))
            score_run(run)
            self._take(run)
            numbers = pd.Series(run.store.num_channels).groupby(table["machine_type"].to_numpy())
            self.story["num_channels"] = {str(name): int(own.max()) for name, own in numbers}
        return self

    @classmethod
    def of_run(
        cls, folder: str | os.PathLike[str], *, machines: Sequence[str] | None = None
    ) -> "Detector":
        """The detector of a finished run, of its first trial.

        Args:
            folder: such as `runs/wilkinghoff2024/adaproj/dcase2023`; its dataset is not read.
            machines: machine types (`fan`) or sections (`fan_00`) to take; None means all.

        Raises:
            RecipeError: if run, machine or scores are missing, a score depends on other clips, or
                the networks of the run were left untrained.
        """
        run = open_finished(Path(folder))
        detector = cls(run.recipe.system, variant=run.recipe.variant, recipe=str(run.source))
        detector._take(run, machines)
        return detector

    def at_false_alarm_rate(self, false_alarm_rate: float) -> "Detector":
        """This detector with the thresholds of another share of normal clips, without a fit.

        Raises:
            RecipeError: if a machine has no scores of held-out normal clips.
        """
        self._require_fit()
        other = copy.copy(self)
        other.machines = {
            name: machine.at_rate(false_alarm_rate) for name, machine in self.machines.items()
        }
        other._scorers, other._is_moved, other._models = {}, True, {}
        for name, model in self._models.items():
            from asdkeras.detector.decision import decided_anew

            other._models[name] = decided_anew(model, other.machines[name])
        return other

    def _take(self, run: "RunFiles", machines: Sequence[str] | None = None) -> None:
        import_keras()
        from asdkeras.detector.fit import fit_machines, metadata_of

        self.machines, self._models, self._file, self._scorers = {}, {}, None, {}
        differences = {}
        for each, model, difference in fit_machines(run, run.recipe.seeds[0], machines=machines):
            self.machines[each.name], self._models[each.name] = each, model
            differences[each.name] = difference
        self.story = {**metadata_of(run), "largest_differences": differences}
        self.variant = run.recipe.variant
        for note in self.story["notes"]:
            say(f"note: {note}")

    @property
    def precision(self) -> str:
        """What its networks compute in, see `precision` of recipes; all else is in float32."""
        return str(self.story.get("precision", "float32"))

    @property
    def channel(self) -> Channel:
        """Which channel of a recording it takes: from 0, or `mean`."""
        channel: Channel = self.story.get("recipe", {}).get("audio", {}).get("channel", "mean")
        return channel

    def decisions(
        self,
        clips: Any,
        machine: str | None = None,
        *,
        resample_up: bool = False,
        on_error: Callable[[DataError], None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Score and decision of clips, one after the other.

        Args:
            clips: see `asdkeras.detector.clip_inputs.read_clips`: paths, folders or arrays.
            machine: that they are of; None goes by folder and file name if there are several.
            resample_up: whether files of a lower sample rate are accepted.
            on_error: called with the error of each clip that cannot be used; None raises the first.

        Yields:
            dict of `clip`, `machine`, `anomaly_score`, `threshold`, `is_anomalous`, `embedding`.

        Raises:
            DataError: if a clip cannot be used, or it is not clear which machine it is of.
            RecipeError: if there is no such machine.
        """
        self._require_fit()
        if machine is not None:
            self._only(machine)
        heard = self._heard(clips, machine, resample_up, on_error)
        for (name, _), group in itertools.groupby(heard, key=lambda one: (one[1], len(one[2]))):
            while batch := list(itertools.islice(group, _AT_ONCE)):
                outputs = self.scorer(name)(np.stack([waveform for _, _, waveform in batch]))
                for row, (clip, _, _) in enumerate(batch):
                    yield {
                        "clip": clip,
                        "machine": name,
                        "anomaly_score": float(outputs["anomaly_score"][row]),
                        "threshold": self.machines[name].threshold,
                        "is_anomalous": bool(outputs["is_anomalous"][row]),
                        "embedding": outputs["embedding"][row],
                    }

    def detect(
        self,
        clips: Any,
        machine: str | None = None,
        *,
        resample_up: bool = False,
        on_error: Callable[[DataError], None] | None = None,
    ) -> pd.DataFrame:
        """The results of `decisions` as a data frame, one row per clip, without embeddings."""
        rows = self.decisions(clips, machine, resample_up=resample_up, on_error=on_error)
        return pd.DataFrame(list(rows), columns=list(COLUMNS))

    def score(self, clips: Any, machine: str | None = None) -> npt.NDArray[np.float64]:
        """Anomaly scores, higher is more anomalous; float64 `(clips,)`. See `decisions`."""
        return np.array([row["anomaly_score"] for row in self.decisions(clips, machine)])

    def predict(self, clips: Any, machine: str | None = None) -> npt.NDArray[np.bool_]:
        """Whether clips are anomalous; bool `(clips,)`. See `decisions`."""
        return np.array([row["is_anomalous"] for row in self.decisions(clips, machine)], bool)

    def embed(self, clips: Any, machine: str | None = None) -> npt.NDArray[np.float32]:
        """Embeddings of clips of one machine; float32 `(clips, dim)`. See `decisions`."""
        return np.stack([row["embedding"] for row in self.decisions(clips, machine)])

    def stream(
        self,
        blocks: Iterable[Block | Gap],
        *,
        machine: str | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> Iterator[stream.WindowScore]:
        """Score a sliding window over endless audio; see `asdkeras.detector.stream`.

        Args:
            blocks: arrays `(samples,)` of any sizes at the machine's rate, float or int16, or what
                `asdkeras.detector.pcm.read_blocks` yields.
            machine: needed if there are several.
            window_s: None takes the clip length.
            hop_s: from window to window; None takes half a window.
        """
        name = self._only(machine)
        yield from stream.score_stream(
            blocks, self.scorer(name), machine=self.machines[name], window_s=window_s, hop_s=hop_s
        )

    def model(self, machine: str | None = None) -> "keras.Model":
        """The graph of a machine; `machine` is needed if there are several.

        Returns:
            model from waveforms float32 `(batch, samples)` to a dict of `anomaly_score` float32
            `(batch,)`, `is_anomalous` bool `(batch,)`, `embedding` float32 `(batch, dim)`. A clip
            with NaN or an infinite sample anywhere has the score NaN and is anomalous.
        """
        name = self._only(machine)
        if name not in self._models and self._file is not None:
            if repr(read_file(self._file)) != self._as_loaded:
                raise DataError(
                    f"{self._file}: holds another detector than when it was loaded. Load it again."
                )
            import_keras()
            from asdkeras.detector.decision import decided_anew, with_decision

            decide = decided_anew if self._is_moved else with_decision
            self._models[name] = decide(read_model(self._file, name), self.machines[name])
        return self._models[name]

    def scorer(self, machine: str | None = None) -> "Graph":
        """The graph of a machine as a function of NumPy arrays, compiled once for all shapes.

        Takes and gives the same as `model`.
        """
        name = self._only(machine)
        if name not in self._scorers:
            model = self.model(name)
            from asdkeras.detector.export_formats import as_numpy_function

            self._scorers[name] = as_numpy_function(model)
        return self._scorers[name]

    def export(
        self, path: str | os.PathLike[str], format: str, machine: str | None = None
    ) -> "Exported":
        """Write the graph of a machine for use without this package; see `exports`.

        Args:
            path: file, or folder of a SavedModel.
            format: `keras`, `saved_model`, `onnx` or `litert`.
        """
        import_keras()
        from asdkeras.detector import exports

        name = self._only(machine)
        return exports.export_model(self.model(name), Path(path), format, self.machines[name])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all graphs into one file, which `load` reads in another process."""
        self._require_fit()
        models = {name: self.model(name) for name in self.machines}
        save_file(path, self.story, self.machines, models)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Detector":
        """Read a detector; its graphs are loaded when they are asked for.

        Raises:
            DataError: if the file is missing, damaged, foreign, or from a newer version.
        """
        story, machines = read_file(path)
        detector = cls(str(story.get("system")), variant=story.get("variant"))
        detector._as_loaded = repr((story, machines))
        detector.machines, detector.story, detector._file = machines, story, Path(path)
        return detector

    def _heard(
        self,
        clips: Any,
        machine: str | None,
        resample_up: bool,
        on_error: Callable[[DataError], None] | None,
    ) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
        said: set[str] = set()
        rates = {each.sample_rate_hz for each in self.machines.values()}
        read = read_clips(
            clips, rates.pop(), self.channel, resample_up=resample_up, on_error=on_error, said=said
        )
        for clip, waveform in read:
            try:
                name = machine or machine_of(clip, self.machines)
            except DataError as error:
                if on_error is None:
                    raise
                on_error(error)
                continue
            self._note_length(clip, len(waveform), self.machines[name], said)
            if self.channel == "mean":
                self._note_channels(clip, self.machines[name], said)
            yield clip, name, waveform

    def _note_channels(self, clip: str, machine: Machine, said: set[str]) -> None:
        """Say once of each machine that clips have other channels than it was fitted to."""
        fitted = self.story.get("num_channels", {}).get(machine.machine_type)
        key = f"channels of {machine.name}"
        if fitted is None or key in said or not os.path.isfile(clip):
            return
        if (given := read_header(Path(clip)).num_channels) != fitted:
            said.add(key)
            say(
                f"note: {clip} has {given} channels, and {machine.name} was fitted to clips with "
                f"{fitted}: means of other channels may differ in level, and so in score"
            )

    def _note_length(self, clip: str, num_samples: int, machine: Machine, said: set[str]) -> None:
        """Say once of each machine that longer clips are not used whole."""
        if num_samples > machine.clip_length and machine.name not in said:
            said.add(machine.name)
            part = "first" if machine.keep == "start" else "last"
            seconds = f"{machine.clip_length / machine.sample_rate_hz:g} s"
            say(
                f"note: of clips longer than {seconds}, such as {clip}, {machine.name} uses the "
                f"{part} {seconds}; a stream is used whole"
            )

    def _only(self, machine: str | None) -> str:
        """The name of a machine, which may be left out if it is the only one."""
        self._require_fit()
        if machine is None and len(self.machines) == 1:
            return next(iter(self.machines))
        if machine is None or machine not in self.machines:
            received = "none" if machine is None else machine
            raise RecipeError(
                f"`machine` must be one of {', '.join(self.machines)}. Received: {received}. On "
                "the command line, say --machine NAME."
            )
        return machine

    def _require_fit(self) -> None:
        if not self.machines:
            raise RecipeError("this detector is not fitted. Call `fit`, or `Detector.load`.")
