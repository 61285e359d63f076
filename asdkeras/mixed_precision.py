"""Networks in half precision, and all around them in single precision.

A network is what the functions of `asdkeras.networks` build. Front ends, heads, losses and scorers
need more digits, or a larger range, than half precision has.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

_POLICY = contextvars.ContextVar[str | None]("policy_of_networks", default=None)


@contextlib.contextmanager
def networks_in(policy: str) -> Iterator[None]:
    """Build networks under a dtype policy of Keras, in this thread and until the block ends.

    Args:
        policy: such as `mixed_bfloat16`. Weights are float32 in all that are mixed.
    """
    token = _POLICY.set(policy)
    try:
        yield
    finally:
        _POLICY.reset(token)


def network(build: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function from tensors to a tensor, the output of a network.

    Its layers are built under the policy of `networks_in`, elsewhere under the global one, and
    what comes out is float32 whatever they compute in.
    """

    @functools.wraps(build)
    def built(*args: Any, **kwargs: Any) -> Any:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(_POLICY.get() or before)
        try:
            output = build(*args, **kwargs)
        finally:
            keras.config.set_dtype_policy(before)
        is_single = keras.backend.standardize_dtype(output.dtype) == "float32"
        return output if is_single else ops.cast(output, "float32")

    return built


def dtype_without_bound() -> str | None:
    """The `dtype` of layers whose values have no bound, in a function that builds a network.

    It is float32 where others compute in float16, which ends at 65504, and else as theirs.
    """
    return "float32" if keras.config.dtype_policy().compute_dtype == "float16" else None


def dtype_in_place_of_half() -> str | None:
    """The `dtype` of layers that cannot compute in half precision: float32 there, else theirs."""
    is_half = keras.config.dtype_policy().compute_dtype in ("float16", "bfloat16")
    return "float32" if is_half else None


def in_float32(model: keras.Model) -> keras.Model:
    """A model of the same layers and weights, all of which compute in float32 or more."""
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(_without_policies(config))
    copy.set_weights(model.get_weights())
    return copy


def _without_policies(config: Any) -> Any:
    """The configuration of a model, with float32 in place of every mixed policy."""
    if isinstance(config, list | tuple):
        return type(config)(map(_without_policies, config))
    if not isinstance(config, dict):
        return config
    name = config["config"].get("name") if config.get("class_name") == "DTypePolicy" else None
    if name is not None and name.startswith("mixed_"):
        return {**config, "config": {"name": "float32"}}
    return {key: _without_policies(value) for key, value in config.items()}


class Float32Layer(keras.layers.Layer):
    """A layer that computes in float32 under any policy: its inputs come as they are."""

    def __init__(self, *, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, **kwargs)
