"""Published systems for anomalous sound detection, reproduced with Keras."""

__version__ = "0.1.0.dev0"
