"""Break the two-branch network and its front ends in known ways.

Run: `python benchmarks/mutate_two_branch.py` (about half an hour). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/wilkinghoff_two_branch.py", "networks/test_wilkinghoff_two_branch.py"): {
        "halves in the other order": (
            '(name="embedding")(halves)',
            '(name="embedding")(halves[::-1])',
        ),
        "half of the dimension": ("embedding_dim // 2, decay", "embedding_dim // 4, decay"),
        "wiring not as released by default": (
            'first_block_norm="shortcut"',
            'first_block_norm="residual"',
        ),
        "wirings swapped": ('first_block_norm == "residual"', 'first_block_norm != "residual"'),
        "halves normalized": (
            "return layers.Concatenate(name",
            "halves = [layers.UnitNormalization()(x) for x in halves]\n"
            "    return layers.Concatenate(name",
        ),
        "default dimension": ("embedding_dim=512", "embedding_dim=256"),
        "default window": ("window_length=1024", "window_length=512"),
        "default hop": ("hop_length=512", "hop_length=256"),
        "window and hop ignored": (
            "MagnitudeSpectrogram(window_length, hop_length, name",
            "MagnitudeSpectrogram(name",
        ),
        "default decay": ("weight_decay=1e-5", "weight_decay=1e-4"),
        "decay ignored": ("regularizers.L2(weight_decay)", "regularizers.L2(1e-5)"),
        "decay of the first norm": ("regularizers.L2(", "regularizers.L1("),
        "normalization between the spectrum convolutions": (
            "        x = layers.ReLU()(x)\n    x = layers.Flatten",
            "        x = layers.ReLU()(_normalization(x))\n    x = layers.Flatten",
        ),
        "no activation of the spectrum convolutions": (
            "        x = layers.ReLU()(x)\n    x = layers.Flatten",
            "    x = layers.Flatten",
        ),
        "bias of the convolutions": ('"use_bias": False', '"use_bias": True'),
        "padding of the convolutions": ('"padding": "same"', '"padding": "valid"'),
        "no decay on the convolutions": (
            '"kernel_regularizer": decay}',
            '"kernel_regularizer": None}',
        ),
        "strides of the spectrum": ("(64, 32)", "(64, 16)"),
        "kernels of the spectrum": ("(16, 4))", "(8, 4))"),
        "logarithm of the spectrum": (
            "ops.expand_dims(spectrum,",
            "ops.expand_dims(ops.log1p(spectrum),",
        ),
        "one dense layer less": ("_SPECTRUM_DENSE_LAYERS = 4", "_SPECTRUM_DENSE_LAYERS = 3"),
        "activation before normalization": (
            "layers.ReLU()(_normalization(_dense(x, _SPECTRUM_UNITS, decay)))",
            "_normalization(layers.ReLU()(_dense(x, _SPECTRUM_UNITS, decay)))",
        ),
        "mean over frequency": ("axis=1, keepdims=True", "axis=2, keepdims=True"),
        "mean not removed": (
            "spectrogram - ops.mean(spectrogram, axis=1, keepdims=True)",
            "spectrogram",
        ),
        "mean added": ("spectrogram - ops.mean", "spectrogram + ops.mean"),
        "spectrogram normalized as one channel": (
            "ops.expand_dims(_normalization(x), axis=-1)",
            "_normalization(ops.expand_dims(x, axis=-1))",
        ),
        "stride of the stem": ("7, strides=2", "7, strides=1"),
        "kernel of the stem": ("_STAGE_FILTERS[0], 7, st", "_STAGE_FILTERS[0], 5, st"),
        "activation before normalization in the stem": (
            "layers.ReLU()(_normalization(x))\n    x = layers.MaxPooling2D",
            "_normalization(layers.ReLU()(x))\n    x = layers.MaxPooling2D",
        ),
        "first pooling keeps the border": (
            "MaxPooling2D(3, strides=2)",
            'MaxPooling2D(3, strides=2, padding="same")',
        ),
        "mean over the remaining time": ("ops.max(x, axis=1)", "ops.mean(x, axis=1)"),
        "maximum over frequency": ("ops.max(x, axis=1)", "ops.max(x, axis=2)"),
        "no normalization before the embedding": ("return _normalization(x)", "return x"),
        "second unit like the others": (
            "_normalization(layers.ReLU()(residual))",
            "layers.ReLU()(_normalization(residual))",
        ),
        "no activation at the first unit": (
            "_convolution(layers.ReLU()(x), filters, 3, decay)\n    if",
            "_convolution(x, filters, 3, decay)\n    if",
        ),
        "activated shortcut": (
            "    x = _normalization(x)\n    residual",
            "    x = layers.ReLU()(_normalization(x))\n    residual",
        ),
        "no normalization at the entry": (
            "    x = _normalization(x)\n    residual",
            "    residual",
        ),
        "shortcut not normalized": (
            "    x = _normalization(x)\n"
            "    residual = _convolution(layers.ReLU()(x), filters, 3, decay, str",
            "    residual = _convolution(layers.ReLU()(_normalization(x)), filters, 3, decay, str",
        ),
        "activation before normalization in a unit": (
            "layers.ReLU()(_normalization(residual))\n    residual = _convolution(residual",
            "_normalization(layers.ReLU()(residual))\n    residual = _convolution(residual",
        ),
        "mean pooling of the shortcut": ("MaxPooling2D(2,", "AveragePooling2D(2,"),
        "stride at the second convolution": (
            "strides=2 if is_halving else 1)",
            "strides=1)",
        ),
        "bias of the dense layers": ("(units, use_bias=False", "(units, use_bias=True"),
        "no decay on the dense layers": (
            "use_bias=False, kernel_regularizer=decay, name",
            "use_bias=False, name",
        ),
        "epsilon of the normalization": ("epsilon=1e-3", "epsilon=1e-5"),
        "momentum of the normalization": ("momentum=0.99", "momentum=0.9"),
        "odd dimension not refused": (
            "embedding_dim < 2 or embedding_dim % 2",
            "embedding_dim < 2",
        ),
        "short clip not refused": ("samples < least", "samples < least - 1"),
        "clip of unknown length not refused": ("samples is None or samples", "samples and samples"),
        "short window not refused": ("window_length < 8", "window_length < 7"),
    },
    ("layers/blockwise_conv2d.py", "layers/test_blockwise_conv2d.py"): {
        "zeros on the other side": ("length, 0) // 2", "length + 1, 0) // 2"),
        "zeros before only": ("return (before, behind),", "return (before + behind, 0),"),
        "kernel filled up before": (
            "(0, kernel_blocks * stride - kernel_length)\n",
            "(kernel_blocks * stride - kernel_length, 0)\n",
        ),
        "blocks in another order": ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 2, 4, 5)"),
        "rows and columns swapped": (
            "height // strides[0], width // strides[1]",
            "height // strides[1], width // strides[0]",
        ),
        "first axis for both": (
            "kernel.shape[1], self.strides[1]",
            "kernel.shape[0], self.strides[1]",
        ),
        "padding not checked": ('("padding", "same"),', ""),
        "groups not checked": ('("groups", 1),', ""),
        "dilation not checked": ('("dilation_rate", (1, 1)),', ""),
        "layout not checked": ('("data_format", "channels_last"),', ""),
        "unknown height not refused": ("input_shape[1:3]", "input_shape[2:3]"),
        "unknown width not refused": ("input_shape[1:3]", "input_shape[1:2]"),
    },
    ("layers/magnitude_spectrogram.py", "layers/test_magnitude_spectrogram.py"): {
        "symmetric window": ("sym=False", "sym=True"),
        "another window": (
            "hann(window_length, sym=False)",
            "hann(window_length, sym=False) ** 0.5",
        ),
        "half precision": (
            "super().__init__(autocast=False, **kwargs)",
            "super().__init__(**kwargs)",
        ),
        "default window": ("window_length=1024", "window_length=512"),
        "default hop": ("hop_length=512", "hop_length=256"),
        "window of one sample": (
            '("window_length", window_length, 2)',
            '("window_length", window_length, 1)',
        ),
        "hop of no sample": ('("hop_length", hop_length, 1)', '("hop_length", hop_length, 0)'),
    },
    ("layers/magnitude_spectrum.py", "layers/test_magnitude_spectrum.py"): {
        "half precision": (
            "super().__init__(autocast=False, **kwargs)",
            "super().__init__(**kwargs)",
        ),
        "scaled": (', "float32"))', ', "float32")) / 2.0'),
    },
    ("dsp/spectrograms.py", "dsp/test_spectrograms.py"): {
        "power": (
            "return ops.sqrt(ops.square(real) + ops.square(imaginary))",
            "return ops.square(real) + ops.square(imaginary)",
        ),
        "real part only": ("ops.sqrt(ops.square(real) + ops.square(imaginary))", "ops.abs(real)"),
        "centered frames": (
            "window=window, center=False)\n    )\n\n\ndef magnitude_spectrum",
            "window=window, center=True)\n    )\n\n\ndef magnitude_spectrum",
        ),
        "short clip not refused": ("samples < window_length", "samples < window_length - 1"),
        "bin at half the sample rate kept": ("[:, : samples // 2]", ""),
        "bin at zero left out": ("[:, : samples // 2]", "[:, 1 : samples // 2 + 1]"),
        "one sample not refused": ("samples is None or samples < 2", "samples is None"),
        "unknown length not refused": ("samples is None or samples < 2", "samples and samples < 2"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
