"""SelectiveMahalanobis: the definition row by row, the recorded values, batches, refusals."""

import numpy as np
import pytest

from asdkeras.scorers.selective_mahalanobis import SelectiveMahalanobis
from tests.golden import load_golden

FRAMES, BANDS = 5, 8
COVARIANCES, FORMS = ("released", "textbook"), ("mean_residual", "framewise")
GOLDEN = "official_networks/mahalanobis_2023"


def batches_of(sizes=(16, 12, 9), seed=0, bands=BANDS):
    """Training batches whose domains differ in mean and covariance, as do the batches."""
    rng = np.random.default_rng(seed)
    mixing = {domain: rng.normal(size=(bands, bands)) for domain in (False, True)}
    batches = []
    for size in sizes:
        is_target = np.arange(size) % 3 == 1
        residuals = np.stack(
            [rng.normal(size=(FRAMES, bands)) @ mixing[target] + target for target in is_target]
        )
        batches.append((residuals + rng.normal(size=bands), is_target))
    return batches


def fitted(batches=None, **arguments):
    scorer = SelectiveMahalanobis(**arguments)
    for residuals, is_target in batches_of() if batches is None else batches:
        scorer.partial_fit(residuals, is_target)
    return scorer


def rows_of_clips(clips=6, rows=10, seed=1):
    """Residual rows of test clips with a mean of their own, `(clips, rows, bands)`."""
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(clips, rows, BANDS)) + rng.normal(size=(clips, 1, BANDS))


def scored(rows, form):
    """What `anomaly_score` takes of the rows of each clip."""
    if form == "mean_residual":
        return np.array([sum(clip) / len(clip) for clip in rows])
    return np.array([sum(np.outer(row, row) for row in clip) / len(clip) for clip in rows])


def covariance(batches, domain, kind):
    """One outer product after the other, as the fact sheet describes it."""
    own = [
        [row for vector, target in zip(*batch, strict=True) if target == domain for row in vector]
        for batch in batches
    ]
    vectors = sum(int(np.sum(is_target == domain)) for _, is_target in batches)
    rows = [row for batch in own for row in batch]
    total = np.zeros((BANDS, BANDS))
    for batch in own:
        of_all = batch if kind == "released" else rows
        for row in batch:
            centered = row - sum(of_all) / len(of_all)
            total += np.outer(centered, centered)
    return total / ((vectors if kind == "released" else len(rows)) - 1)


def golden_scorer(**arguments):
    golden = load_golden(GOLDEN)
    residuals = golden["X_train"].astype(np.float64) - golden["recon_train"]
    residuals = residuals.reshape(-1, FRAMES, BANDS)
    ends = np.cumsum(golden["batch_sizes"])[:-1]
    batches = zip(np.split(residuals, ends), np.split(golden["is_target"], ends), strict=True)
    return fitted(batches, **arguments)


def golden_rows():
    golden = load_golden(GOLDEN)
    return (golden["X_test"].astype(np.float64) - golden["recon_test"]).reshape(1, -1, BANDS)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_a_covariance_is_the_sum_over_centered_rows_of_its_domain(kind):
    scorer = fitted(covariance=kind)
    for name, is_target in (("source", False), ("target", True)):
        expected = covariance(batches_of(), is_target, kind)
        actual = getattr(scorer, f"covariance_{name}_")
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(
            getattr(scorer, f"precision_{name}_") @ expected, np.eye(BANDS), atol=1e-8
        )


@pytest.mark.parametrize("kind", COVARIANCES)
def test_a_term_is_the_mahalanobis_form_of_the_mean_residual(kind):
    rows, scorer = rows_of_clips(), fitted(covariance=kind)

    terms = scorer.terms(scored(rows, "mean_residual"))

    assert list(terms) == ["source", "target"]
    for name, is_target in (("source", False), ("target", True)):
        inverse = np.linalg.inv(covariance(batches_of(), is_target, kind))
        expected = [np.mean(clip, axis=0) @ inverse @ np.mean(clip, axis=0) for clip in rows]
        np.testing.assert_allclose(terms[name], expected, rtol=1e-9)


def test_the_form_of_the_mean_residual_is_the_mean_over_all_pairs_of_rows():
    rows, scorer = rows_of_clips(), fitted()
    terms = scorer.terms(scored(rows, "mean_residual"))
    for name in ("source", "target"):
        inverse = getattr(scorer, f"precision_{name}_")
        for clip, term in zip(rows, terms[name], strict=True):
            pairs = [one @ inverse @ other for one in clip for other in clip]
            assert len(pairs) == 100
            assert term == pytest.approx(sum(pairs) / len(pairs), rel=1e-9)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_framewise_is_the_mean_of_the_forms_of_the_rows(kind):
    rows, scorer = rows_of_clips(), fitted(covariance=kind, form="framewise")

    terms = scorer.terms(scored(rows, "framewise"))

    for name, is_target in (("source", False), ("target", True)):
        inverse = np.linalg.inv(covariance(batches_of(), is_target, kind))
        expected = [sum(row @ inverse @ row for row in clip) / len(clip) for clip in rows]
        np.testing.assert_allclose(terms[name], expected, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_score_is_the_smaller_term(form):
    clips = scored(rows_of_clips(clips=40), form)
    scorer = fitted(covariance="textbook", form=form)

    terms = scorer.terms(clips)
    scores = scorer.anomaly_score(clips)

    assert 0 < np.count_nonzero(terms["source"] < terms["target"]) < 40
    for score, source, target in zip(scores, terms["source"], terms["target"], strict=True):
        assert score == min(source, target)


def test_covariances_and_their_inverses_are_those_of_the_released_code():
    golden, scorer = load_golden(GOLDEN), golden_scorer()
    for name in ("source", "target"):
        for ours, theirs in (("covariance", "cov"), ("precision", "inv")):
            expected = golden[f"{theirs}_{name}"]
            np.testing.assert_allclose(
                getattr(scorer, f"{ours}_{name}_"), expected, atol=1e-6 * np.abs(expected).max()
            )


def test_textbook_covariances_are_the_recorded_ones():
    golden, scorer = load_golden(GOLDEN), golden_scorer(covariance="textbook")
    for name in ("source", "target"):
        np.testing.assert_allclose(
            getattr(scorer, f"covariance_{name}_"),
            golden[f"cov_{name}_textbook"],
            rtol=1e-6,
            atol=1e-7,
        )


def test_scores_are_those_of_the_released_code():
    recorded = load_golden(f"{GOLDEN}.json")
    clip, scorer = scored(golden_rows(), "mean_residual"), golden_scorer()

    terms = scorer.terms(clip)

    assert terms["source"] == pytest.approx(recorded["code_source"], rel=1e-6)
    assert terms["target"] == pytest.approx(recorded["code_target"], rel=1e-6)
    assert scorer.anomaly_score(clip) == pytest.approx(recorded["code_score"], rel=1e-6)
    assert terms["source"] == pytest.approx(0.26625614, rel=1e-6)


def test_framewise_scores_are_those_of_the_paper_with_the_released_covariance():
    recorded = load_golden(f"{GOLDEN}.json")
    terms = golden_scorer(form="framewise").terms(scored(golden_rows(), "framewise"))
    for name in ("source", "target"):
        expected = recorded[f"paper_mean_of_framewise_{name}"]
        assert terms[name] == pytest.approx(expected, rel=1e-6)


def test_the_released_form_is_the_default():
    scorer = SelectiveMahalanobis()
    assert (scorer.covariance, scorer.form) == ("released", "mean_residual")


def test_the_released_covariance_is_textbook_times_rows_less_one_over_vectors_less_one():
    (residuals, is_target), *_ = batches_of(sizes=(40,))
    released, textbook = (
        fitted([(residuals, is_target)], covariance=kind).covariance_source_ for kind in COVARIANCES
    )
    vectors = np.count_nonzero(~is_target)
    factor = (FRAMES * vectors - 1) / (vectors - 1)
    np.testing.assert_allclose(released, factor * textbook, rtol=1e-10)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_the_order_of_the_batches_does_not_matter(kind):
    one, other = fitted(covariance=kind), fitted(batches_of()[::-1], covariance=kind)
    for name in ("source", "target"):
        np.testing.assert_allclose(
            getattr(one, f"covariance_{name}_"), getattr(other, f"covariance_{name}_"), rtol=1e-11
        )


def test_batches_matter_to_the_released_covariance_alone():
    whole = [tuple(np.concatenate(parts) for parts in zip(*batches_of(), strict=True))]
    released, textbook = (
        [fitted(batches, covariance=kind).covariance_source_ for batches in (batches_of(), whole)]
        for kind in COVARIANCES
    )
    np.testing.assert_allclose(textbook[0], textbook[1], rtol=1e-10, atol=1e-12)
    assert np.abs(released[0] - released[1]).max() > 0.1


def test_a_large_common_residual_does_not_spoil_the_textbook_covariance():
    far = [(residuals + 1e6, is_target) for residuals, is_target in batches_of()]
    np.testing.assert_allclose(
        fitted(far, covariance="textbook").covariance_source_,
        fitted(covariance="textbook").covariance_source_,
        rtol=1e-7,
        atol=1e-7,
    )


@pytest.mark.parametrize("form", FORMS)
def test_without_target_vectors_the_source_term_stands_alone(form):
    batches = [(residuals, np.zeros_like(is_target)) for residuals, is_target in batches_of()]
    clips = scored(rows_of_clips(), form)
    scorer = fitted(batches, form=form)

    terms = scorer.terms(clips)

    assert scorer.covariance_target_ is None
    assert scorer.precision_target_ is None
    assert np.isnan(terms["target"]).all()
    assert np.isfinite(terms["source"]).all()
    np.testing.assert_array_equal(scorer.anomaly_score(clips), terms["source"])
    np.testing.assert_allclose(scorer.layer()(clips), terms["source"], rtol=1e-9)


def test_a_batch_of_one_domain_leaves_the_other_as_it_is():
    residuals, is_target = batches_of(seed=3)[0]
    scorer = fitted()
    before = scorer.covariance_target_

    scorer.partial_fit(residuals[~is_target], is_target[~is_target])

    np.testing.assert_array_equal(scorer.covariance_target_, before)


@pytest.mark.parametrize("form", FORMS)
def test_three_times_the_residuals_score_nine_times_as_much(form):
    rows, scorer = rows_of_clips(), fitted(form=form)
    scores = scorer.anomaly_score(scored(rows, form))
    assert scores.min() > 0
    larger = scorer.anomaly_score(scored(3 * rows, form))
    np.testing.assert_allclose(larger, 9 * scores, rtol=1e-9)


def test_partial_fit_returns_the_scorer_and_leaves_the_batch_as_it_is():
    residuals, is_target = batches_of()[0]
    residuals.setflags(write=False)
    is_target.setflags(write=False)
    scorer = SelectiveMahalanobis()
    assert scorer.partial_fit(residuals, is_target) is scorer


def test_what_was_fitted_does_not_change_with_the_batch_it_was_fitted_to():
    residuals, is_target = batches_of()[0]
    scorer = fitted([(residuals, is_target)])
    before = scorer.covariance_source_.copy()

    residuals[:] = 0.0
    scorer.partial_fit(*batches_of()[1])

    batches = [batches_of()[0], batches_of()[1]]
    np.testing.assert_array_equal(fitted(batches[:1]).covariance_source_, before)
    np.testing.assert_array_equal(fitted(batches).covariance_source_, scorer.covariance_source_)


def test_single_precision_is_fitted_and_scored_in_double():
    single = [(residuals.astype(np.float32), target) for residuals, target in batches_of()]
    double = [(residuals.astype(np.float64), target) for residuals, target in single]
    clips = scored(rows_of_clips(), "mean_residual").astype(np.float32)
    scores = fitted(single).anomaly_score(clips)
    np.testing.assert_array_equal(scores, fitted(double).anomaly_score(clips.astype(np.float64)))


@pytest.mark.parametrize("form", FORMS)
def test_kept_covariances_score_like_the_fit_they_come_from(form):
    scorer, kept = fitted(form=form), SelectiveMahalanobis(form=form)
    kept.covariance_source_ = scorer.covariance_source_
    kept.covariance_target_ = scorer.covariance_target_
    clips = scored(rows_of_clips(), form)
    np.testing.assert_array_equal(kept.anomaly_score(clips), scorer.anomaly_score(clips))
    np.testing.assert_array_equal(kept.layer()(clips), scorer.layer()(clips))


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda residuals: residuals[:1, :, :], 5),  # Fewer rows than bands, a single vector.
        (lambda residuals: np.concatenate([residuals[..., :-1], residuals[..., :1]], -1), 125),
        (lambda residuals: np.concatenate([residuals[..., :-1], 0 * residuals[..., :1]], -1), 125),
    ],
    ids=["few rows", "band twice", "constant band"],
)
def test_a_singular_covariance_is_refused_with_its_counts(kind, change, rows):
    residuals = batches_of(sizes=(25,))[0][0].astype(np.float32)
    residuals = change(residuals)
    scorer = SelectiveMahalanobis(kind).partial_fit(residuals, np.zeros(len(residuals), bool))

    message = f"source domain must not be singular.*{rows} residual rows of 8 bands.*Fit to clips"
    with pytest.raises(ValueError, match=message):
        scorer.anomaly_score(np.ones((2, BANDS)))


@pytest.mark.parametrize("bands", [1, 3])
def test_one_vector_of_many_frames_has_no_released_covariance(bands):
    residuals = np.random.default_rng(0).normal(size=(1, FRAMES, bands))
    scorer = SelectiveMahalanobis().partial_fit(residuals, np.array([False]))
    with pytest.raises(ValueError, match="source domain must not be singular"):
        scorer.anomaly_score(np.ones((2, bands)))


def test_a_singular_target_covariance_is_refused_too():
    scorer = fitted()
    scorer.covariance_target_ = np.ones((BANDS, BANDS))
    with pytest.raises(ValueError, match="target domain must not be singular"):
        scorer.anomaly_score(np.ones((2, BANDS)))


def test_bands_of_very_different_size_are_not_singular():
    scale = np.logspace(-1, 1, BANDS)
    batches = [(residuals * scale, is_target) for residuals, is_target in batches_of()]
    clips = scored(rows_of_clips(), "mean_residual")
    np.testing.assert_allclose(
        fitted(batches).anomaly_score(clips * scale), fitted().anomaly_score(clips), rtol=1e-6
    )


def test_a_score_needs_source_vectors():
    batches = [(residuals, np.ones_like(is_target)) for residuals, is_target in batches_of()]
    with pytest.raises(ValueError, match=r"source domain.*Received: 0 source vectors"):
        fitted(batches).anomaly_score(np.ones((2, BANDS)))


@pytest.mark.parametrize(
    ("residuals", "is_target", "message"),
    [
        (np.ones((4, 8)), np.ones(4, bool), r"\(vectors, frames, bands\).*Received.*\(4, 8\)"),
        (np.ones((4, 0, 8)), np.ones(4, bool), r"none of them 0.*Received.*\(4, 0, 8\)"),
        (np.ones((0, 5, 8)), np.ones(0, bool), "0 sample"),
        (np.ones((4, 5, 8)), np.ones(3, bool), r"one for each.*shape \(3,\) for 4 vectors"),
        (np.ones((4, 5, 8)), np.ones(4, int), "must be bool.*Received: is_target of int64"),
        (np.full((4, 5, 8), np.nan), np.ones(4, bool), "NaN"),
        (np.full((4, 5, 8), np.inf), np.ones(4, bool), "infinity"),
        (np.ones((4, 5, 7)), np.ones(4, bool), r"8 bands of the batches before.*\(4, 5, 7\)"),
    ],
)
def test_a_wrong_batch_is_refused_and_changes_nothing(residuals, is_target, message):
    scorer = fitted()
    before = scorer.covariance_source_
    with pytest.raises(ValueError, match=message):
        scorer.partial_fit(residuals, is_target)
    np.testing.assert_array_equal(scorer.covariance_source_, before)


@pytest.mark.parametrize(
    ("form", "clips", "message"),
    [
        ("mean_residual", np.ones((2, 8, 8)), r"\(clips, bands\).*Received.*\(2, 8, 8\)"),
        ("mean_residual", np.ones((2, 7)), r"8 bands.*Received.*\(2, 7\)"),
        ("mean_residual", np.full((2, 8), np.nan), "NaN"),
        ("framewise", np.ones((2, 8)), r"\(clips, bands, bands\).*Received.*\(2, 8\)"),
        ("framewise", np.ones((2, 10, 8)), r"\(clips, bands, bands\).*Received.*\(2, 10, 8\)"),
        ("framewise", np.ones((2, 7, 7)), r"8 bands.*Received.*\(2, 7, 7\)"),
        ("framewise", np.full((2, 8, 8), np.nan), "NaN"),
    ],
)
def test_wrong_clips_are_refused_with_the_reason(form, clips, message):
    with pytest.raises(ValueError, match=message):
        fitted(form=form).anomaly_score(clips)


@pytest.mark.parametrize("name", ["covariance", "form"])
def test_an_unknown_choice_is_refused(name):
    message = f"`{name}` must be one of.*Received: {name}='official'"
    with pytest.raises(ValueError, match=message):
        SelectiveMahalanobis(**{name: "official"}).partial_fit(*batches_of()[0])
    with pytest.raises(ValueError, match=message):
        fitted().set_params(**{name: "official"}).anomaly_score(np.ones((2, BANDS)))
