"""What to record, and to tell, of the heads that tune their own scale."""

from asdkeras.losses.adaptive_scale import AdaptiveScaleHead
from asdkeras.replicas import number_of


def scale_values(model):
    """Scales and guarded updates of a model, for its training log.

    Args:
        model: keras.Model.

    Returns:
        dict of `<head>_scale` and `<head>_scale_clamped` to float, for every head that
        tunes its scale.
    """
    values = {}
    for head in _heads(model):
        values[f"{head.name}_scale"] = number_of(head.scale)
        values[f"{head.name}_scale_clamped"] = number_of(head.scale_clamped)
    return values


def guard_notes(model):
    """A line for every head whose guard has changed updates.

    Args:
        model: keras.Model.

    Returns:
        list of str.
    """
    return [
        f"the scale of the head `{head.name}` met its floor or ceiling in "
        f"{number_of(head.scale_clamped):.0f} updates: from there on this is not the reference"
        for head in _heads(model)
        if number_of(head.scale_clamped) > 0
    ]


def _heads(model):
    return [layer for layer in model.layers if isinstance(layer, AdaptiveScaleHead)]
