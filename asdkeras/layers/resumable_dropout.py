"""Dropout that goes on where a saved model stood."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class ResumableDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` whose random generator is saved and loaded with the model.

    Keras saves weights but not the states of generators, so a training that goes on from a
    file would drop what it dropped at its beginning, and end in other numbers than one that
    was never stopped.

    Args:
        rate: float in [0, 1), see `keras.layers.Dropout`, as are all others.
    """

    def save_own_variables(self, store):
        if self.rate > 0:
            store["generator"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        if self.rate > 0:
            self.seed_generator.state.assign(store["generator"])
