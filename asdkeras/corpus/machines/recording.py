"""One clip of the corpus: a machine in a room, before a microphone, in a factory."""

import dataclasses
import importlib
import re
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import numpy.typing as npt

from asdkeras.corpus.machines.acoustics import factory, microphone, room
from asdkeras.corpus.machines.exact import Draws, FloatArray, at_level, convolve, from_decibels
from asdkeras.corpus.machines.machine import Attributes, Moment

_MACHINE_LEVEL = 0.035  # Of full scale: peaks of clicks stay below 1 after 16 bits.
_GAIN_DB = 4.0  # Distance of the microphone, drawn for each clip within +- this.
_SNR_JITTER_DB = 1.5
_NOISE_LEVELS_DB = {"L1": 3.0, "L2": 0.0, "L3": -3.0, "L4": -6.0}


@dataclasses.dataclass(frozen=True)
class Scene:
    """Content of one clip."""

    machine_type: str
    section: str  # Two digits; each is another machine of its type.
    attributes: Attributes  # Operating condition.
    fault: int  # Index into the faults of the machine, or -1 for none.
    gain: float  # Of the distance, from 0 (far) to 1 (near).
    length: int  # Samples.
    contains: str = "all"  # Or only the "machine" or only the "noise" of the factory.


def machine_model(machine_type: str) -> ModuleType:
    """Import the model of a machine type (see `machine.py`), such as `toy_car.py` of `ToyCar`."""
    module = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", machine_type).lower()
    return importlib.import_module(f"asdkeras.corpus.machines.{module}")


def record(scene: Scene, seed: int, identity: str) -> npt.NDArray[np.int16]:
    """Samples of a clip, `(samples,)`, 16 kHz.

    Another `seed` of the corpus means other machines in other rooms; `identity` makes each clip
    of the corpus different.
    """
    clip = Draws(seed, "clip", identity)
    attributes = dict(scene.attributes)
    snr_db = machine_model(scene.machine_type).SNR_DB + clip.uniform(-1, 1) * _SNR_JITTER_DB
    snr_db += _NOISE_LEVELS_DB.get(attributes.get("n-lv", ""), 0.0)
    total = np.zeros(scene.length)
    if scene.contains != "noise":
        total += _machine(scene, seed, clip, attributes)
    if scene.contains != "machine":
        total += from_decibels(-snr_db) * _surroundings(scene, seed, clip, attributes)
    gain = _MACHINE_LEVEL * from_decibels((2 * scene.gain - 1) * _GAIN_DB)
    return np.clip(np.rint(total * (gain * 32768.0)), -32768, 32767).astype(np.int16)


def _machine(scene: Scene, seed: int, clip: Draws, attributes: Mapping[str, str]) -> FloatArray:
    """The machine at unit level as the microphone records it, `(samples,)`."""
    place = (seed, scene.machine_type, scene.section)
    model = machine_model(scene.machine_type)
    moment = Moment(
        instance=Draws("instance", *place),
        clip=clip,
        attributes=attributes,
        fault=model.FAULTS[scene.fault] if scene.fault >= 0 else "",
        fault_severity=clip.uniform(0.3, 1.0),
        length=scene.length,
    )
    response = room(Draws("room", *place))
    for name in ("mic", "loc", "panel"):
        if name in attributes:
            response = convolve(np.pad(response, (0, 511)), microphone(attributes[name]))
    # The fault changes how a machine sounds, not how loud it is.
    return at_level(convolve(model.sound(moment), response))


def _surroundings(
    scene: Scene, seed: int, clip: Draws, attributes: Mapping[str, str]
) -> FloatArray:
    """The factory at unit level, `(samples,)`; attributes name the hall, else the section does."""
    halls = [f"{name}_{attributes[name]}" for name in ("f-n", "m-n", "noise") if name in attributes]
    hall = halls[0] if halls else f"{scene.machine_type}_{scene.section}"
    return factory(clip, f"{seed}_{hall}", scene.length)
