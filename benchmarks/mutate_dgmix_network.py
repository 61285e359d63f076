"""Break DG-Mix's networks and SpecAugment in known ways.

Run: `python benchmarks/mutate_dgmix_network.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/dgmix_mobilenet_v2.py", "networks/test_dgmix_mobilenet_v2.py"): {
        "image of frames by bands": (
            "ops.transpose(windows, (0, 2, 1))",
            "ops.reshape(windows, (-1, *windows.shape[:0:-1]))",
        ),
        "padding of Keras": (
            "(layers.ZeroPadding2D(1)(x))",
            "(layers.ZeroPadding2D(((0, 1),) * 2)(x))",
        ),
        "padding of Keras in the stem": (
            "        x = layers.ZeroPadding2D(1)(x)\n",
            "        x = layers.ZeroPadding2D(((0, 1),) * 2)(x)\n",
        ),
        "stride in the last block": ("block == 0", "block == num_blocks - 1"),
        "addition forgotten": ("return layers.Add()([x, inside])", "return inside"),
        "activation behind the projection": (
            "    inside = _convolution(inside, channels, (1, 1))\n",
            "    inside = _relu6(_convolution(inside, channels, (1, 1)))\n",
        ),
        "activation without upper end": ("layers.ReLU(max_value=6.0)", "layers.ReLU()"),
        "no activation before the last layer": (
            "_relu6(_convolution(x, _EMBEDDING_DIM, x.shape[1:3]))",
            "_convolution(x, _EMBEDDING_DIM, x.shape[1:3])",
        ),
        "epsilon of Keras": ("epsilon=1e-5", "epsilon=1e-3"),
        "momentum turned round": ("momentum=0.9,", "momentum=0.1,"),
        "fan out of a depthwise kernel without its channels": (
            "_fan_out_initializer((3, 3), x.shape[-1])",
            "_fan_out_initializer((3, 3), 1)",
        ),
        "limit of Glorot": ("1.0 / math.sqrt(x.shape[-1])", "math.sqrt(6 / (x.shape[-1] + units))"),
        "biases start at zero": (
            "bias_initializer=keras.initializers.RandomUniform(-limit, limit)",
            'bias_initializer="zeros"',
        ),
        "forms exchanged": ('2 if form == "released" else 3', '3 if form == "released" else 2'),
        "activation of the classifier forgotten": (
            "_linear(layers.ReLU()(_linear(embeddings, _HIDDEN_UNITS)), num_classes)",
            "_linear(_linear(embeddings, _HIDDEN_UNITS), num_classes)",
        ),
    },
    ("layers/spec_augment.py", "layers/test_spec_augment.py"): {
        "widest mask never drawn": ("_integers_below(width + 1,", "_integers_below(width,"),
        "last place never drawn": ("length + 1 - widths", "length - widths"),
        "places beyond the end": ("length + 1 - widths", "length + 1 - 0 * widths"),
        "one draw for the batch": ("(num_examples, num_masks, 1))", "(1, num_masks, 1))"),
        "masks reach one further": ("positions < starts + widths", "positions <= starts + widths"),
        "mean of the frame": ("axis=(1, 2), keepdims", "axis=2, keepdims"),
        "mean in half precision": (
            'ops.mean(ops.cast(spectrograms, "float32"), axis',
            "(1 / 4096) * ops.sum(0.5 * spectrograms, axis",
        ),
        "masks at inference": ("training or self.at_inference", "True"),
        "state of the generator not loaded": (
            'self._generator.state.assign(store["generator"])',
            "pass",
        ),
        "same seed for widths and places": ("seed=self._generator)", "seed=self.seed)"),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
