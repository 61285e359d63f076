"""A few steps of training, as default tests of systems take, are done sooner without a graph."""

import pytest

# Trained with graphs by test_every_recipe (baseline2023) or their end-to-end tests, so not here.
_EAGER = {
    "test_baseline2023",
    "test_venkatesh2022",
    "test_nejjar2022",
    "test_kuroyanagi_classifier",
}


@pytest.fixture(autouse=True)
def _few_steps_without_graphs(request):
    if request.path.stem not in _EAGER or request.node.get_closest_marker("slow"):
        yield
        return
    from tests.trained_runs import eager_steps

    with eager_steps():
        yield
