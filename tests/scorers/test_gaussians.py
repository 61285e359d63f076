"""Log-likelihoods against SciPy and the reference."""

import numpy as np
from scipy.stats import multivariate_normal

from asdkeras.scorers.gaussians import log_likelihoods
from tests.golden import load_golden


def test_log_likelihoods_are_those_of_the_density():
    rng = np.random.default_rng(0)
    embeddings, means = rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    factors = rng.normal(size=(2, 3, 3))
    covariances = factors @ factors.swapaxes(1, 2) + 0.1 * np.eye(3)

    likelihoods = log_likelihoods(embeddings, means, covariances)

    for component in range(2):
        density = multivariate_normal(means[component], covariances[component])
        np.testing.assert_allclose(
            likelihoods[:, component], density.logpdf(embeddings), rtol=1e-10
        )


def test_weighted_likelihoods_of_all_components_add_up_to_that_of_the_mixture():
    golden = load_golden("wilkinghoff_backend/backend")
    likelihoods = log_likelihoods(golden["test"], golden["gmm_means"], golden["gmm_covs"])
    total = -np.log(np.exp(likelihoods) @ golden["gmm_weights"])
    np.testing.assert_allclose(total, golden["gmm_score_samples"], rtol=1e-8)
