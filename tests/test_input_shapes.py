"""No layer, loss or metric lets inputs of a wrong shape broadcast, with and without a graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import asdkeras.keras_objects  # noqa: F401
from asdkeras.layers.mix_with_reversed import MixWithReversed
from asdkeras.losses.ada_proj import AdaProj
from asdkeras.losses.arc_face import ArcFaceCrossEntropy
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from asdkeras.losses.negative_evidence import gaussian_divergence, gaussian_negative_log_likelihood
from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos
from asdkeras.shapes import check_shapes
from tests.object_examples import CLASSES, DIM, EXAMPLES, NAMES, drawn


def without_and_with_an_axis(example):
    """(number of the input, its shape with an axis missing or too many)."""
    for number, shape in enumerate(example.shapes):
        if (number, None) not in example.free:
            yield number, shape[:-1]
            yield number, (*shape, 2)


def other_sizes(example):
    """(number of the input, its shape with another size of one axis)."""
    for number, shape in enumerate(example.shapes):
        for axis, size in enumerate(shape):
            for other in {1, size - 1, size + 1} - {0, size}:
                if not example.is_free(number, axis):
                    yield number, (*shape[:axis], other, *shape[axis + 1 :])


def wrong_shapes(example):
    for number, shape in [*without_and_with_an_axis(example), *other_sizes(example)]:
        yield [*example.shapes[:number], shape, *example.shapes[number + 1 :]]


def made(example):
    each = example.make()
    example(each, example.inputs())  # Sizes that the first call fixes are fixed.
    return each


def test_there_is_an_example_of_every_layer_loss_and_metric():
    kinds = (keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric)
    registered = keras.saving.get_custom_objects().items()
    ours = {
        each.__name__
        for name, each in registered
        if name.startswith("asdkeras>") and issubclass(each, kinds)
    }

    assert set(NAMES) == ours


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_inputs_of_a_wrong_shape_are_refused(example):
    each = made(example)
    for shapes in wrong_shapes(example):
        with pytest.raises(ValueError, match=r"[Rr]eceived|found"):
            pytest.fail(f"{shapes} gave {example(each, drawn(shapes))}")


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_they_are_refused_in_a_graph_for_batches_of_any_size(example):
    each = made(example)
    refusals = (ValueError, tf.errors.InvalidArgumentError)  # While traced; when it runs.
    for shapes in wrong_shapes(example):
        inputs = [tf.constant(values) for values in drawn(shapes)]
        signature = [tf.TensorSpec((None, *shape[1:]), tf.float32) for shape in shapes]
        graph = tf.function(lambda *inputs: example(each, inputs), input_signature=signature)
        with pytest.raises(refusals):
            pytest.fail(f"{shapes} gave {graph(*inputs)}")


def int_labels():
    classes = np.arange(8) % CLASSES
    return [pytest.param(classes, id="(8,)"), pytest.param(classes[:, None], id="(8, 1)")]


@pytest.mark.parametrize("labels", int_labels())
@pytest.mark.parametrize(
    "make", [MixedCrossEntropy, lambda: MixedCrossEntropy("reference"), ArcFaceCrossEntropy]
)
def test_a_loss_says_what_to_do_with_integer_labels(make, labels):
    message = (
        (
            r"`\w+` needs y_true of shape \(batch, classes\), y_pred of shape \(batch, classes\)\. "
            rf"Received: y_true of shape {tuple(labels.shape)}, y_pred of shape \(8, 4\)\. "
            r".*keras\.utils\.to_categorical"
        )
        .replace("(8,)", r"\(8,\)")
        .replace("(8, 1)", r"\(8, 1\)")
    )

    with pytest.raises(ValueError, match=message):
        make()(labels, np.zeros((8, CLASSES), "float32"))


@pytest.mark.parametrize("labels", int_labels())
@pytest.mark.parametrize("make", [AdaProj, SubClusterAdaCos])
def test_integer_labels_stop_a_training_and_move_no_scale(make, labels):
    embedding, label = keras.Input((DIM,)), keras.Input(labels.shape[1:])
    head = make(CLASSES, 2)
    head.build((None, DIM))
    before = float(head.scale)
    embeddings = np.random.default_rng(0).normal(size=(8, DIM)).astype("float32")

    with pytest.raises(
        ValueError, match=rf"call\(\)\.\s+\S+ `{head.name}` needs .*labels of shape \(batch, 4\)"
    ):
        head(embedding, label)
    with pytest.raises(ValueError, match=r"labels of shape \(8,.*to_categorical"):
        head(embeddings, labels, training=True)
    assert float(head.scale) == before


@pytest.mark.parametrize("make", [AdaProj, SubClusterAdaCos])
def test_training_without_labels_is_refused_and_inference_is_not(make):
    head, embeddings = make(CLASSES, 2), np.ones((8, DIM), "float32")

    with pytest.raises(ValueError, match="needs labels in training"):
        head(embeddings, None, training=True)
    assert head(embeddings, None).shape == (8, CLASSES)


def test_a_batch_of_one_label_stops_a_training_whose_batches_have_any_size():
    embedding, label = keras.Input((DIM,)), keras.Input((CLASSES,))
    model = keras.Model(
        [embedding, label], AdaProj(CLASSES, 2, trainable_centers=True)(embedding, label)
    )
    model.compile("sgd", "mse")
    rows = {size: np.ones((size, DIM), "float32") for size in (1, 8)}
    whole = tf.data.Dataset.from_tensors(((rows[8], rows[1][:, :CLASSES]), rows[8][:, :CLASSES]))
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(whole),
        output_signature=(
            (tf.TensorSpec((None, DIM)), tf.TensorSpec((None, CLASSES))),
            tf.TensorSpec((None, CLASSES)),
        ),
    )

    with pytest.raises(tf.errors.InvalidArgumentError, match="needs embeddings of shape"):
        model.fit(unknown, shuffle=False, verbose=0)


def test_what_may_be_exported_has_no_assertion_in_its_graph():
    head, layer = AdaProj(CLASSES, 2), MixWithReversed()
    head.build((None, DIM))

    def operations(training):
        signature = [tf.TensorSpec((None, size)) for size in (DIM, CLASSES, 1)]
        graph = tf.function(
            lambda x, y, weight: head(layer(x, weight, training=training), y, training=training),
            input_signature=signature,
        )
        return {each.type for each in graph.get_concrete_function().graph.get_operations()}

    assert "Assert" in str(operations(training=True))
    assert "Assert" not in str(operations(training=False))


def check(first, second, axes=("batch dim", "batch dim")):
    check_shapes("a loss", "Do so.", first=(first, axes[0]), second=(second, axes[1]))


def test_what_fits_passes_as_far_as_it_is_known():
    some = np.zeros((3, 2))
    check(some, some)
    check(some, None)
    check(keras.Input((2,)), some)
    check(keras.Input((None,)), keras.Input((2,)))
    check(some, np.zeros((3, 7, 5)), ("batch dim", "batch ..."))
    check(some, np.zeros((3, 2, 2)), ("...", "... 2"))
    check([[1.0, 2.0]], np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("first", "second", "axes"),
    [
        ((3, 2), (3, 1), ("batch dim", "batch dim")),
        ((3, 2), (1, 2), ("batch dim", "batch dim")),
        ((3, 2), (3,), ("batch dim", "batch dim")),
        ((3, 2), (3, 2), ("batch 4", "batch dim")),
        ((3, 2), (3,), ("batch dim", "batch 2 ...")),
        ((3, 2), (2, 2, 2), ("...", "... 2")),
        ((3, 2), (3, 2), ("...", "... 2")),
        ((3, 2), (3, 2, 3), ("...", "... 2")),
        ((3,), (1, 3, 2), ("...", "... 2")),
    ],
)
def test_what_does_not_fit_is_named(first, second, axes):
    with pytest.raises(ValueError, match=r"^a loss needs") as error:
        check(np.zeros(first), np.zeros(second), axes)

    words = [", ".join(each.split()) for each in axes]
    assert str(error.value) == (
        f"a loss needs first of shape ({words[0]}), second of shape ({words[1]}). "
        f"Received: first of shape {first}, second of shape {second}. Do so."
    )


def test_the_functions_of_a_neural_process_let_nothing_broadcast():
    with pytest.raises(ValueError, match="the likelihood needs values"):
        gaussian_negative_log_likelihood(np.ones((8, 5)), np.ones((8, 1, 2)))
    with pytest.raises(ValueError, match="the divergence needs first"):
        gaussian_divergence(np.ones((8, 3, 2)), np.ones((1, 3, 2)))
