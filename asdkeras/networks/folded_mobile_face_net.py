"""MobileFaceNet in inference: fewer passes over its maps, and rows that chunks share.

Inference is bound by memory more than by arithmetic. Here a batch normalization is part of its
convolution and a PReLU one maximum. Of chunks that overlap, the first maps agree in all rows
that are so far from both ends of a chunk that no zero of the padding is among what they see;
these rows are computed once per frame of the spectrogram instead of once per chunk. Values
are those of the network up to the rounding of the type it computes in. Only to fold the batch
normalizations, as `folded_for_inference` does for other networks, takes 1.6 times as long.
"""

import dataclasses
import re

import keras
import numpy as np
from keras import ops

_LETTERS = {
    "InputLayer": "I",
    "ExpandDims": "E",
    "ZeroPadding2D": "Z",
    "Conv2D": "C",
    "DepthwiseConv2D": "D",
    "BatchNormalization": "B",
    "FusedBatchNormalization": "B",
    "PReLU": "P",
    "Add": "A",
    "Flatten": "F",
}
# Stem; bottlenecks, the first without an addition; widening and weighing; anything behind.
_ORDER = r"IEZCBPZDBPCBPZDBPCB(CBPZDBPCBA?)*CBPDBF.*"
_LEAST_FRAMES = 16  # In shorter chunks the first bottleneck may have no row far from both ends.


def is_mobile_face_net(network):
    """Whether it is what `mobile_face_net` builds, with any layers behind the features.

    Chunks of less than 16 frames and a first bottleneck that adds its input do not count.
    """
    operations = getattr(network, "operations", ())  # Functional models have them.
    letters = "".join(_LETTERS.get(type(each).__name__, "?") for each in operations)
    return re.fullmatch(_ORDER, letters) is not None and network.input_shape[1] >= _LEAST_FRAMES


def chunks_embedded(network, frames, num_chunks, hop):
    """What the network makes of overlapping chunks of a piece of a spectrogram.

    Args:
        network: Keras model, one for which `is_mobile_face_net`.
        frames: float, `((num_chunks - 1) * hop + num_frames, bins)`.
        num_chunks: int.
        hop: int, frames from one chunk to the next.

    Returns:
        `(num_chunks, dim)`.
    """
    convolutions, features = _folded(network)
    stem, stem_depthwise, expand, depthwise, project, *rest = convolutions
    frames = ops.cast(frames, stem.layer.compute_dtype)
    rows = _Rows.of_frames(frames, num_chunks, hop, network.input_shape[1])
    rows = rows.convolved(stem).convolved(stem_depthwise)
    maps = rows.mapped(expand).convolved(depthwise).mapped(project).assembled()
    while len(rest) > 2:
        expand, depthwise, project, *rest = rest
        inside = project(depthwise(expand(maps)))
        maps = maps + inside if project.adds_input else inside
    widen, weigh = rest
    behind = keras.Model(features, network.output)
    return behind(ops.squeeze(weigh(widen(maps)), axis=(1, 2)), training=False)


@dataclasses.dataclass(frozen=True)
class _Convolution:
    """A convolution that has taken over its batch normalization, and the slopes behind it.

    Attributes:
        kernel: float, `(height, width, channels, filters)`, `(height, width, channels, 1)` if
            depthwise.
        offset: float, `(filters,)`.
        slopes: float, `(filters,)`, or None where no activation follows.
        layer: the Keras layer.
        is_padded: bool, whether one zero stands on each side.
        adds_input: bool, whether the input of the bottleneck that it ends is added.
    """

    kernel: object
    offset: object
    slopes: object
    layer: keras.layers.Layer
    is_padded: bool
    adds_input: bool

    @property
    def stride(self):
        return self.layer.strides[0]

    def __call__(self, maps):
        if self.is_padded:
            maps = ops.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
        return self.of_padded(maps)

    def of_padded(self, maps):
        """Of maps that have their zeros, if any, already."""
        return self._finished(self._convolve(maps, strides=self.stride))

    def at_every_row(self, maps, distance):
        """The same with every row as a center, its neighbors being `distance` rows away."""
        maps = self._convolve(maps, dilation_rate=(distance, 1))
        # Strides that differ in time and frequency do not exist for depthwise convolutions.
        return self._finished(maps[:, :, :: self.stride])

    def _convolve(self, maps, **arguments):
        is_depthwise = isinstance(self.layer, keras.layers.DepthwiseConv2D)
        convolve = ops.depthwise_conv if is_depthwise else ops.conv
        return convolve(
            maps, self.kernel, padding="valid", data_format="channels_last", **arguments
        )

    def _finished(self, maps):
        maps = maps + self.offset
        return maps if self.slopes is None else ops.maximum(maps, self.slopes * maps)


def _folded(network):
    """The convolutions up to the features, and the tensor of the features."""
    found, features, is_padded = [], None, False
    for layer in network.layers:
        kind = _LETTERS.get(type(layer).__name__)
        if kind in ("C", "D"):
            found.append({"C": layer, "Z": is_padded, "A": None, "P": None})
        elif kind in ("B", "P", "A"):
            found[-1][kind] = layer
        elif kind == "F":
            features = layer.output
            break
        is_padded = kind == "Z"
    convolutions, signs = [], 1.0
    for layers in found:
        convolution, signs = _fold(layers, signs)
        convolutions.append(convolution)
    return convolutions, features


def _fold(layers, input_signs):
    """One `_Convolution`, and the signs that its output has against the network's.

    The maximum of x and a x is the PReLU of slope a if a is at most 1, and the negative PReLU
    of -x if it is above. So channels of such slopes go on with the other sign, which the next
    convolution takes back.
    """
    normalization, slopes, signs = layers["B"], None, 1.0
    scale = normalization.gamma / ops.sqrt(normalization.moving_variance + normalization.epsilon)
    offset = normalization.beta - normalization.moving_mean * scale
    if layers["P"] is not None:
        slopes = ops.cast(ops.reshape(layers["P"].alpha, (-1,)), "float32")
        signs = ops.where(slopes > 1.0, -1.0, 1.0)
    kernel = ops.cast(layers["C"].kernel, "float32")
    kernel = kernel * ops.reshape(input_signs * ops.ones(kernel.shape[2]), (-1, 1))
    is_depthwise = isinstance(layers["C"], keras.layers.DepthwiseConv2D)
    factors = ops.reshape(scale * signs, (-1, 1) if is_depthwise else (1, -1))
    dtype = layers["C"].compute_dtype
    return _Convolution(
        kernel=ops.cast(kernel * factors, dtype),
        offset=ops.cast(offset * signs, dtype),
        slopes=None if slopes is None else ops.cast(slopes, dtype),
        layer=layers["C"],
        is_padded=layers["Z"],
        adds_input=layers["A"] is not None,
    ), signs


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The rows of the maps of overlapping chunks, in three parts.

    Attributes:
        shared: float, `(1, rows, bins, channels)`, what a row is in the midst of a chunk, for
            every frame as its center.
        first: int, frame at the center of the first of these.
        distance: int, frames between the centers of neighboring rows of a chunk.
        num_chunks: int.
        hop: int, frames from one chunk to the next.
        length: int, rows of a chunk.
        begin, end: int. The rows from `begin` to before `end` are in the midst of the chunk.
        top: float, `(num_chunks, begin, bins, channels)`, the rows before them, or None.
        bottom: float, `(num_chunks, length - end, bins, channels)`, those behind, or None.
    """

    shared: object
    first: int
    distance: int
    num_chunks: int
    hop: int
    length: int
    begin: int
    end: int
    top: object = None
    bottom: object = None

    @classmethod
    def of_frames(cls, frames, num_chunks, hop, length):
        return cls(frames[None, :, :, None], 0, 1, num_chunks, hop, length, 0, length)

    def mapped(self, function):
        """The rows after a function of each of them alone."""
        parts = {"shared": self.shared, "top": self.top, "bottom": self.bottom}
        parts = {name: function(part) for name, part in parts.items() if part is not None}
        return dataclasses.replace(self, **parts)

    def convolved(self, convolution):
        """The rows after a 3x3 convolution with one zero on each side."""
        stride = convolution.stride
        length = (self.length - 1) // stride + 1
        begin, end = (self.begin + stride) // stride, (self.end - 2) // stride + 1
        top = convolution.of_padded(self._padded(-1, begin * stride - stride + 2))
        bottom = None
        if end < length:
            rows = self._padded(end * stride - 1, length * stride - stride + 2)
            bottom = convolution.of_padded(rows)
        shared = ops.pad(self.shared, [(0, 0), (0, 0), (1, 1), (0, 0)])
        shared = convolution.at_every_row(shared, self.distance)
        return dataclasses.replace(
            self,
            shared=shared,
            first=self.first + self.distance,
            distance=self.distance * stride,
            length=length,
            begin=begin,
            end=end,
            top=top,
            bottom=bottom,
        )

    def assembled(self):
        """`(num_chunks, length, bins, channels)`."""
        return self._of_chunks(0, self.length)

    def _padded(self, begin, end):
        """Rows of every chunk with zeros around the bins, and above row 0 and below the last."""
        zeros = (int(begin < 0), int(end > self.length))
        rows = self._of_chunks(max(begin, 0), min(end, self.length))
        return ops.pad(rows, [(0, 0), zeros, (1, 1), (0, 0)])

    def _of_chunks(self, begin, end):
        parts = []
        if begin < self.begin:
            parts.append(self.top[:, begin : min(end, self.begin)])
        inner = np.arange(max(begin, self.begin), min(end, self.end))
        if len(inner) > 0:
            starts = self.hop * np.arange(self.num_chunks)[:, None]
            parts.append(ops.take(self.shared[0], starts + self.distance * inner - self.first, 0))
        if end > self.end:
            parts.append(self.bottom[:, max(begin, self.end) - self.end : end - self.end])
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
