"""The error of one batch: by definition, in training, and behind saving."""

import keras
import numpy as np
import pytest

from asdkeras.losses.batch_squared_error import BatchSquaredError


def batches(count=3):
    generator = np.random.default_rng(0)
    return [generator.normal(size=(2, 4, 5)).astype("float32") for _ in range(count)]


def test_it_is_the_mean_of_the_squares_of_the_last_batch():
    metric = BatchSquaredError()
    assert float(metric.result()) == 0.0
    for true, predicted in batches():
        metric.update_state(true, predicted)
        total = sum(
            (float(p) - float(t)) ** 2 for p, t in zip(predicted.flat, true.flat, strict=True)
        )
        assert float(metric.result()) == pytest.approx(total / true.size, rel=1e-6)


def test_a_new_epoch_begins_at_zero():
    metric = BatchSquaredError()
    metric.update_state(*batches(1)[0])
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_what_is_logged_in_training_is_of_the_batch_and_not_of_the_epoch(tmp_path):
    vectors = np.array([[1.0], [2.0], [4.0]], "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=[BatchSquaredError()])
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    logged = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: logged.append(logs["batch_squared_error"])
    )
    model.fit(vectors, vectors, batch_size=1, shuffle=False, verbose=0, callbacks=[note])

    assert logged == [1.0, 4.0, 16.0]


def test_weights_of_samples_are_refused():
    with pytest.raises(ValueError, match="takes no weights of samples"):
        BatchSquaredError().update_state(*batches(1)[0], sample_weight=np.ones(4))
