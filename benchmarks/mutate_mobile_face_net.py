"""Break MobileFaceNet and the embeddings of its chunks in known ways.

Run: `python benchmarks/mutate_mobile_face_net.py` (some minutes). Exit code 1 if a mutant
survives.
"""

import sys

from mutants import try_changes

_CHANGES = {  # (file, tests): {mistake: (text to replace, replacement)}
    ("networks/mobile_face_net.py", "networks/test_mobile_face_net.py"): {
        "padding of Keras": (
            "        x = layers.ZeroPadding2D(size // 2)(x)",
            "        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)",
        ),
        "every block strides": ("stride if block == 0 else 1", "stride"),
        "stride in the last block": ("block == 0", "block == num_blocks - 1"),
        "addition wherever the stride is 1": (
            "if stride == 1 and x.shape[-1] == channels:",
            "if x.shape[-1] == channels and stride == 2:",
        ),
        "activation behind the projection": (
            "    inside = _convolution(inside, channels, 1)\n",
            "    inside = _activation(_convolution(inside, channels, 1))\n",
        ),
        "slopes by position": (", shared_axes=[1, 2]", ", shared_axes=[1]"),
        "slopes start at zero": ("Constant(0.25)", "Constant(0.0)"),
        "epsilon of Keras": ("epsilon=1e-5", "epsilon=1e-3"),
        "momentum turned round": ("momentum=0.9,", "momentum=0.1,"),
        "kernel size left out of the deviation": (
            "math.prod(kernel_size) * channels",
            "channels",
        ),
        "truncated initial values": ("RandomNormal(", "TruncatedNormal("),
    },
    ("networks/folded_mobile_face_net.py", "networks/test_chunk_embeddings.py"): {
        "border rows taken for shared": (
            "(self.begin + stride) // stride, (self.end - 2)",
            "(self.begin + stride - 1) // stride, (self.end - 2)",
        ),
        "last rows taken for shared": ("(self.end - 2) // stride", "(self.end - 1) // stride"),
        "neighbors of shared rows": ("dilation_rate=(distance, 1)", "dilation_rate=1"),
        "bins not strided": ("maps[:, :, :: self.stride]", "maps[:, :, 1 :: self.stride]"),
        "slopes above 1 as they are": ("ops.where(slopes > 1.0, -1.0, 1.0)", "ops.sign(1.0)"),
        "sign not taken back": ("input_signs * ops", "1.0 * ops"),
        "epsilon forgotten": ("normalization.moving_variance + normalization.epsilon", "0.9"),
        "first frame forgotten": ("* inner - self.first", "* inner"),
        "addition forgotten": ("maps + inside if project.adds_input else inside", "inside"),
        "short chunks": ("_LEAST_FRAMES = 16", "_LEAST_FRAMES = 2"),
        "layers before the stem": ('_ORDER = r"IE', '_ORDER = r"I.*E'),
    },
    ("networks/chunk_embeddings.py", "networks/test_chunk_embeddings.py"): {
        "last group not early": ("num_chunks - size)\n", "num_chunks)\n"),
        "clips mixed up": ("(index // num_groups, start", "(0 * index, start"),
        "hop ignored in the groups": ("ops.take(self.hop * starts", "ops.take(starts"),
        "groups of any size": ("-(-num_chunks // self.chunks_at_once)", "1"),
        "batch normalization trains": (
            "return self.network(chunks, training=False)",
            "return self.network(chunks, training=True)",
        ),
    },
}


if __name__ == "__main__":
    sys.exit(try_changes(_CHANGES))
