"""FiniteTraining: what stops a training, and what the message says."""

import keras
import numpy as np
import pytest

from asdkeras.errors import TrainingError
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.finite_training import FiniteTraining, scales_of
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy

NUM_CLASSES, DIM = 3, 6


def compiled(head=None, **arguments):
    inputs, labels = keras.Input((DIM,)), keras.Input((NUM_CLASSES,))
    head = head or AdaProj(NUM_CLASSES, 2, scale_update="reference", name="sections")
    embedding = keras.layers.BatchNormalization()(keras.layers.Dense(DIM)(inputs))
    model = keras.Model([inputs, labels], head(embedding, labels))
    model.compile(keras.optimizers.SGD(0.0), MixedCrossEntropy(), **arguments)
    return model


def training_data(num_clips=8):
    rng = np.random.default_rng(0)
    labels = np.eye(NUM_CLASSES)[np.arange(num_clips) % NUM_CLASSES]
    return rng.normal(size=(num_clips, DIM)), labels


def fit(model, embeddings, labels, callback, **arguments):
    return model.fit(
        [embeddings, labels],
        labels,
        batch_size=2,
        shuffle=False,
        verbose=0,
        callbacks=[callback],
        **arguments,
    )


def test_training_that_stays_finite_is_left_alone():
    embeddings, labels = training_data()
    history = fit(compiled(), embeddings, labels, FiniteTraining(), epochs=2)
    assert len(history.history["loss"]) == 2


def test_first_step_whose_loss_is_not_finite_stops_with_all_there_is_to_know():
    embeddings, labels = training_data()
    embeddings[4] = np.nan

    with pytest.raises(TrainingError) as error:
        fit(compiled(), embeddings, labels, FiniteTraining())

    message = str(error.value)
    assert message.startswith("training diverged in epoch 1, step 3: loss no finite number (")
    assert "sections_scale=nan)" in message
    assert message.endswith(". Try a lower learning rate or another seed.")


def test_epoch_counts_from_the_first_of_the_training_not_of_this_call():
    embeddings, labels = training_data()
    embeddings[0] = np.inf

    with pytest.raises(TrainingError, match="in epoch 5, step 1: "):
        fit(compiled(), embeddings, labels, FiniteTraining(), initial_epoch=4, epochs=6)


@pytest.mark.parametrize("broken", ["attributes", "sections"])
def test_the_head_that_broke_is_named_and_the_other_is_not(broken):
    embeddings, labels = training_data()
    heads = ("sections", "attributes")
    inputs = [keras.Input((DIM,)) for _ in heads]
    dense = [keras.layers.Dense(NUM_CLASSES, name=name) for name in heads]
    outputs = {layer.name: layer(x) for layer, x in zip(dense, inputs, strict=True)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", dict.fromkeys(heads, MixedCrossEntropy()))
    data = [embeddings * (np.nan if name == broken else 1.0) for name in heads]

    with pytest.raises(TrainingError) as error:
        model.fit(data, dict.fromkeys(heads, labels), verbose=0, callbacks=[FiniteTraining()])

    # No layer has a scale, so nothing stands in brackets.
    assert f" {broken}_loss" in str(error.value)
    assert str(error.value).count("s_loss") == 1
    assert "(" not in str(error.value)


def test_metric_that_is_no_loss_stops_nothing():
    def not_a_number(y_true, y_pred):
        return keras.ops.sum(y_pred) * np.nan

    embeddings, labels = training_data()
    history = fit(compiled(metrics=[not_a_number]), embeddings, labels, FiniteTraining())
    assert np.isnan(history.history["not_a_number"][0])


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_scale_that_is_not_finite_stops_after_the_epoch_though_the_loss_is(number):
    model = compiled()
    head = model.get_layer("sections")
    breaks = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: head.scale.assign(number))

    with pytest.raises(TrainingError) as error:
        model.fit(
            training_data(),
            training_data()[1],
            batch_size=2,
            verbose=0,
            callbacks=[breaks, FiniteTraining()],
        )

    expected = f"epoch 1, step 4: sections_scale no finite number (sections_scale={number:g})"
    assert expected in str(error.value)


def test_infinite_scale_of_a_head_is_named():
    model = compiled()
    model.get_layer("sections").scale.assign(np.inf)

    with pytest.raises(TrainingError, match=r"loss no finite number \(sections_scale=(inf|nan)\)"):
        fit(model, *training_data(), FiniteTraining())


def test_watch_and_advice_are_what_the_message_shows():
    embeddings, labels = training_data()
    callback = FiniteTraining(lambda model: {"depth": len(model.layers)}, "Ask somebody.")

    with pytest.raises(TrainingError, match=r"\(depth=5\)\. Ask somebody\.$"):
        fit(compiled(), embeddings * np.nan, labels, callback)


def test_scales_are_those_of_adaptive_heads_also_in_a_model_inside_a_model():
    inner = compiled()  # Its batch normalization has an argument called scale.
    inputs, labels = keras.Input((DIM,)), keras.Input((NUM_CLASSES,))
    inner_logits = inner([keras.layers.Rescaling(0.5)(inputs), labels])
    head = AdaProj(NUM_CLASSES, 2, name="attributes")
    model = keras.Model([inputs, labels], [inner_logits, head(inputs, labels)])
    inner.get_layer("sections").scale.assign(3.0)

    scales = scales_of(model)

    assert scales == {"sections_scale": 3.0, "attributes_scale": float(head.scale)}
