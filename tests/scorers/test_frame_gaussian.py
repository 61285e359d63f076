"""FrameGaussian: the restated numbers, scikit-learn, streams, offsets, and leaving out."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from asdkeras.scorers.frame_gaussian import FrameGaussian, pool_frames
from tests.golden import load_golden

GOLDEN = load_golden("kuroyanagi/gaussian")
POOLINGS = {"mean": "mean", "maximum": "max", "median": "median"}


@pytest.fixture
def errors():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 11, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4)


def rows_of(errors):
    return errors.reshape(-1, errors.shape[-1])


def assert_same_gaussian(found, expected, rtol=1e-9):
    assert found.num_frames == expected.num_frames
    np.testing.assert_allclose(found.mean, expected.mean, rtol=rtol)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=rtol, atol=rtol)


def test_frame_scores_are_the_restated_ones():
    gaussian = FrameGaussian().partial_fit(GOLDEN["err_train"][None])
    scores = gaussian.frame_scores(GOLDEN["err_test"])
    np.testing.assert_allclose(scores, GOLDEN["gaussian_frame_nll"], rtol=1e-10)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooled_scores_are_the_restated_ones(pooling):
    gaussian = FrameGaussian().partial_fit(GOLDEN["err_train"][None])
    scores = pool_frames(gaussian.frame_scores(GOLDEN["err_test"]), pooling)
    np.testing.assert_allclose(scores, GOLDEN[f"gaussian_{POOLINGS[pooling]}_score"], rtol=1e-10)


@pytest.mark.parametrize("reg_covar", [1e-6, 1e-3, 0.5])
def test_gaussian_is_that_of_one_component_of_scikit_learn(errors, reg_covar):
    gaussian = FrameGaussian(reg_covar).partial_fit(errors)

    mixture = GaussianMixture(1, covariance_type="full", reg_covar=reg_covar).fit(rows_of(errors))
    np.testing.assert_allclose(gaussian.mean, mixture.means_[0], rtol=1e-9)
    np.testing.assert_allclose(gaussian.covariance, mixture.covariances_[0], rtol=1e-9, atol=1e-12)
    expected = -mixture.score_samples(rows_of(errors)).reshape(7, 11)
    np.testing.assert_allclose(gaussian.frame_scores(errors), expected, rtol=1e-9)


def test_score_is_the_negative_logarithm_of_the_density(errors):
    gaussian = FrameGaussian().partial_fit(errors)
    scores = gaussian.frame_scores(errors[:2])
    normal = multivariate_normal(gaussian.mean, gaussian.covariance)
    for clip, frame in np.ndindex(2, 11):
        expected = -normal.logpdf(errors[clip, frame])
        assert scores[clip, frame] == pytest.approx(expected, rel=1e-9)


def test_score_grows_with_the_distance_from_the_mean(errors):
    gaussian = FrameGaussian().partial_fit(errors)
    steps = np.linspace(0, 5, 6)[:, None] * np.ones(4)
    assert np.all(np.diff(gaussian.frame_scores((gaussian.mean + steps)[None])[0]) > 0)


@pytest.mark.parametrize("cuts", [[3], [1, 2, 3, 4, 5, 6], [0, 7]])
def test_batches_do_not_matter(errors, cuts):
    gaussian = FrameGaussian()
    for batch in np.split(errors, cuts):
        assert gaussian.partial_fit(batch) is gaussian
    assert gaussian.num_frames == 77
    assert_same_gaussian(gaussian, FrameGaussian().partial_fit(errors))


def test_batches_may_have_clips_of_other_lengths(errors):
    gaussian = FrameGaussian().partial_fit(errors[:, :3]).partial_fit(errors[:, 3:])
    assert_same_gaussian(gaussian, FrameGaussian().partial_fit(errors))


@pytest.mark.parametrize("num_batches", [1, 7])
def test_large_offset_costs_no_digits_that_matter(errors, num_batches):
    far = errors + 1e6
    gaussian = FrameGaussian(reg_covar=1e-12)
    for batch in np.split(far, num_batches):
        gaussian.partial_fit(batch)
    expected = np.cov(rows_of(far), rowvar=False, bias=True)
    np.testing.assert_allclose(gaussian.covariance, expected, rtol=1e-6)
    np.testing.assert_allclose(gaussian.covariance, np.cov(rows_of(errors).T, bias=True), rtol=1e-6)


def test_batches_that_drift_far_apart_are_brought_together(errors):
    drifting = errors + 1e3 * np.arange(7)[:, None, None]
    gaussian = FrameGaussian(reg_covar=1e-12)
    for batch in drifting:
        gaussian.partial_fit(batch[None])
    expected = np.cov(rows_of(drifting), rowvar=False, bias=True)
    np.testing.assert_allclose(gaussian.covariance, expected, rtol=1e-9)


def test_float32_errors_are_fitted_in_float64(errors):
    single = errors.astype("float32")
    gaussian = FrameGaussian().partial_fit(single)
    assert_same_gaussian(gaussian, FrameGaussian().partial_fit(single.astype("float64")), 1e-15)
    assert gaussian.frame_scores(single).dtype == np.float64


@pytest.mark.parametrize("left_out", [[0], [6], [1, 4, 5]])
def test_leaving_clips_out_is_fitting_to_the_others(errors, left_out):
    gaussian = FrameGaussian(1e-3).partial_fit(errors[:2]).partial_fit(errors[2:])

    rest = gaussian.without(errors[left_out])

    expected = FrameGaussian(1e-3).partial_fit(np.delete(errors, left_out, axis=0))
    assert_same_gaussian(rest, expected)
    assert_same_gaussian(gaussian, FrameGaussian(1e-3).partial_fit(errors))


def test_leaving_out_and_adding_again_gives_the_whole(errors):
    gaussian = FrameGaussian().partial_fit(errors)
    again = gaussian.without(errors[2:4]).partial_fit(errors[2:4])
    assert_same_gaussian(again, gaussian)


def test_leaving_nothing_out_changes_nothing(errors):
    gaussian = FrameGaussian().partial_fit(errors)
    rest = gaussian.without(errors[:0])
    assert_same_gaussian(rest, gaussian, 0.0)
    rest.partial_fit(errors)
    assert gaussian.num_frames == 77


def test_regularization_makes_frames_in_a_plane_usable():
    rng = np.random.default_rng(0)
    flat = np.abs(rng.normal(size=(2, 3, 12)))
    gaussian = FrameGaussian(reg_covar=1e-3).partial_fit(flat)
    assert np.linalg.matrix_rank(gaussian.covariance - 1e-3 * np.eye(12), tol=1e-9) == 5
    assert np.all(np.isfinite(gaussian.frame_scores(flat)))


def test_scores_of_a_clip_do_not_depend_on_the_others(errors):
    gaussian = FrameGaussian().partial_fit(errors)
    alone = np.concatenate([gaussian.frame_scores(clip[None]) for clip in errors])
    np.testing.assert_allclose(alone, gaussian.frame_scores(errors), rtol=1e-12)


@pytest.mark.parametrize("pooling", ["mean", "maximum", "median"])
def test_pooling_is_over_the_frames(pooling):
    scores = np.array([[0.0, 10.0, 1.0, 3.0], [5.0, 5.0, 5.0, 6.0]])
    expected = {"mean": [3.5, 5.25], "maximum": [10.0, 6.0], "median": [2.0, 5.0]}[pooling]
    np.testing.assert_array_equal(pool_frames(scores, pooling), expected)


def test_unknown_pooling_is_refused():
    message = r"one of mean, maximum, median\. Received: pooling='max'"
    with pytest.raises(ValueError, match=message):
        pool_frames(np.zeros((1, 2)), "max")


@pytest.mark.parametrize("reg_covar", [0.0, -1.0, float("nan")])
def test_regularization_of_nothing_is_refused(reg_covar):
    with pytest.raises(ValueError, match=r"`reg_covar` must be above 0.*Received: reg_covar="):
        FrameGaussian(reg_covar)


@pytest.mark.parametrize(
    "use",
    [
        lambda gaussian, errors: gaussian.mean,
        lambda gaussian, errors: gaussian.covariance,
        lambda gaussian, errors: gaussian.frame_scores(errors),
        lambda gaussian, errors: gaussian.without(errors),
    ],
    ids=["mean", "covariance", "frame_scores", "without"],
)
def test_gaussian_without_frames_is_refused(errors, use):
    gaussian = FrameGaussian().partial_fit(errors[:0])
    assert gaussian.num_frames == 0
    with pytest.raises(ValueError, match=r"no frames yet; call `partial_fit`"):
        use(gaussian, errors)


METHODS = ["partial_fit", "without", "frame_scores"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_errors_that_are_not_finite_are_refused(errors, method, value):
    gaussian = FrameGaussian().partial_fit(errors)
    broken = errors.copy()
    broken[3, 2, 1] = value
    with pytest.raises(ValueError, match=r"`errors` must be finite\. Received: "):
        getattr(gaussian, method)(broken)
    assert gaussian.num_frames == 77


@pytest.mark.parametrize("method", METHODS)
def test_errors_of_other_bands_are_refused(errors, method):
    gaussian = FrameGaussian().partial_fit(errors)
    with pytest.raises(ValueError, match=r"must have 4 bands.*Received: .*\(7, 11, 3\)"):
        getattr(gaussian, method)(errors[..., :3])


@pytest.mark.parametrize("shape", [(11, 4), (2, 0, 4), (2, 11, 0)])
def test_errors_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(clips, frames, bands\).*Received: errors of shape"):
        FrameGaussian().partial_fit(np.zeros(shape))


@pytest.mark.parametrize("times", [1, 2])
def test_leaving_out_as_much_as_there_is_is_refused(errors, times):
    gaussian = FrameGaussian().partial_fit(errors)
    message = rf"must leave some of the frames.*Received: {77 * times} frames of 77"
    with pytest.raises(ValueError, match=message):
        gaussian.without(np.concatenate([errors] * times))
