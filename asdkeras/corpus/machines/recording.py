"""One clip of the corpus: a machine in a room, before a microphone, in a factory."""

import dataclasses
import importlib
import re
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import numpy.typing as npt

from asdkeras.corpus.machines.acoustics import cycles_of, factory, microphone, room, wander
from asdkeras.corpus.machines.exact import (
    Draws,
    FloatArray,
    at_level,
    convolve,
    from_decibels,
    sine,
)
from asdkeras.corpus.machines.machine import Attributes, Moment

_MACHINE_LEVEL = 0.035  # Of full scale: peaks of clicks stay below 1 after 16 bits.
_GAIN_DB = 4.0  # Distance of the microphone, drawn for each clip within +- this.
_SNR_DB = -4.0  # Of all machine types, beside their own.
_SNR_JITTER_DB = 1.5
_SEVERITIES = (0.25, 0.9)
_SQUEALING = {"squeal": 1.4}  # Beside what else is broken.
_SPREADS = {"source": 1.0, "target": 2.3}
_NOISE_LEVELS_DB = {"L1": 3.0, "L2": 0.0, "L3": -3.0, "L4": -6.0}


@dataclasses.dataclass(frozen=True)
class Scene:
    """Content of one clip."""

    machine_type: str
    section: str  # Two digits; each is another machine of its type.
    attributes: Attributes  # Operating condition.
    domain: str  # Clips of one condition differ more in the target domain.
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
    jitter_db = _SNR_JITTER_DB * _SPREADS[scene.domain]
    snr_db = _SNR_DB + machine_model(scene.machine_type).SNR_DB + clip.uniform(-1, 1) * jitter_db
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
        construction=(seed, scene.machine_type),
        unit=scene.section + attributes.get("id", attributes.get("car", "")),
        clip=clip,
        spread=_SPREADS[scene.domain],
        attributes=attributes,
        fault=_SQUEALING | list(model.FAULTS.values())[scene.fault] if scene.fault >= 0 else {},
        severity=clip.uniform(*_SEVERITIES),
        length=scene.length,
    )
    response = room(Draws("room", *place))
    for name in ("mic", "loc", "panel"):
        if name in attributes:
            response = convolve(np.pad(response, (0, 511)), microphone(attributes[name]))
    # The fault changes how a machine sounds, not how loud it is.
    return at_level(convolve(at_level(model.sound(moment)) + _squeal(moment), response))


def _squeal(moment: Moment) -> FloatArray:
    """Faint tones of parts that rub, hardly audible in a sound machine, `(samples,)`."""
    total = np.zeros(moment.length)
    for number in range(3):
        tone_hz = moment.value(f"squeal_{number}_hz", 2500.0, 7000.0) * moment.drift()
        slow = 1 + 0.004 * wander(moment.clip, moment.length, 2.0)
        total += sine(cycles_of(tone_hz * slow, moment.length, moment.clip.uniform()))
    return moment.value("squeal", 0.02, 0.03, unit=0.3) * total


def _surroundings(
    scene: Scene, seed: int, clip: Draws, attributes: Mapping[str, str]
) -> FloatArray:
    """The factory at unit level, `(samples,)`; attributes name the hall, else the section does."""
    halls = [f"{name}_{attributes[name]}" for name in ("f-n", "m-n", "noise") if name in attributes]
    hall = halls[0] if halls else f"{scene.machine_type}_{scene.section}"
    return factory(clip, f"{seed}_{hall}", scene.length, _SPREADS[scene.domain])
