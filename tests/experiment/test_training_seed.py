"""What a training draws from: variants that ensembles add are independent, others start alike."""

import dataclasses

import keras
import numpy as np
import pytest
import soundfile

from asdkeras import systems
from asdkeras.config import build_config
from asdkeras.experiment import open_run as opening
from asdkeras.experiment import run as runner
from asdkeras.experiment import training
from asdkeras.experiment.open_run import open_run
from asdkeras.experiment.recipe import papers_recipe
from asdkeras.experiment.run import train, training_seed
from asdkeras.systems.system import Ensemble, System

TINY = ("config.clip_length=4096", "config.batch_size=16", "config.epochs=1")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(opening, "known_truth", lambda dataset: None)  # Whatever is fetched.
    # The real one cannot be undone: TensorFlow stays in that state for all tests behind.
    monkeypatch.setattr(training, "make_repeatable", keras.utils.set_random_seed)


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start of a training by the runner: all weights of its network, and its first batch."""
    for section in ("00", "01"):
        for number in range(6):
            name = f"section_{section}_source_train_normal_{number:04d}.wav"
            path = tmp_path / "data" / "fan" / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = 0.1 * np.random.default_rng([int(section), number]).normal(size=4096)
            soundfile.write(path, noise, 16000)

    def started(system, variant, seed=0, overrides=()):
        found = []

        def stop_at_fit(self, build, batches, **_):
            network = build().get_layer("network").get_weights()
            inputs, _ = next(iter(batches(0)))
            found.extend([network, inputs["waveform"].numpy(), inputs["weight"].numpy()])
            raise KeyboardInterrupt

        monkeypatch.setattr(training.TaskContext, "fit", stop_at_fit)
        run = open_run(
            system,
            tmp_path / "data",
            variant=variant,
            recipe="mini",
            overrides=[*TINY, *overrides, f"seeds=[{seed}]"],
            runs=tmp_path / f"runs{len(list(tmp_path.iterdir()))}",
        )
        with pytest.raises(KeyboardInterrupt):
            train(run)
        return found

    return started


def are_alike(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def kernels(network):
    return [each for each in network if each.ndim > 1]


def test_members_of_an_ensemble_start_from_other_kernels_and_read_in_another_order(started):
    keep = ["config.keep_epochs=[1]"]
    network, clips, weights = started("wilkinghoff2021", "one_head_s1", 0, keep)
    other_network, other_clips, other_weights = started("wilkinghoff2021", "one_head_s2", 0, keep)

    pairs = zip(kernels(network), kernels(other_network), strict=True)
    assert not any(np.array_equal(one, other) for one, other in pairs)
    assert not np.array_equal(clips, other_clips)
    assert not np.array_equal(weights, other_weights)
    assert {row.tobytes() for row in clips} == {row.tobytes() for row in other_clips}

    again = started("wilkinghoff2021", "one_head_s1", 0, keep)
    assert are_alike(network, again[0])
    assert are_alike([clips, weights], again[1:])

    trial = started("wilkinghoff2021", "one_head_s1", 1, keep)
    assert not are_alike(kernels(network), kernels(trial[0]))


def test_variants_that_are_compared_start_alike(started):
    network, *batch = started("wilkinghoff2024", "adaproj_j1")
    other_network, *other_batch = started("wilkinghoff2024", "adaproj_j2")

    assert are_alike(network, other_network)
    assert are_alike(batch, other_batch)


class Noted(System):
    """A system that takes down its seeds and trains nothing."""

    main_score = "none"
    scope = "all"

    def train(self, clips, context):
        self.seeds = (context.seed, clips.seed, context.all_training_clips.seed)
        raise KeyboardInterrupt

    def represent(self, models):
        raise AssertionError("represented")

    def section_scorer(self, normal):
        raise AssertionError("scored")


@pytest.mark.parametrize("combines", [False, True])
def test_the_runner_gives_one_seed_to_all_of_a_task(started, tmp_path, monkeypatch, combines):
    system = Noted(None)
    monkeypatch.setattr(system, "combines_variants", combines, raising=False)
    monkeypatch.setattr(runner, "system_of", lambda run: system)
    drawn = []
    monkeypatch.setattr(training, "make_repeatable", drawn.append)
    run = open_run(
        "wilkinghoff2021",
        tmp_path / "data",
        recipe="mini",
        overrides=["seeds=[3]"],
        runs=tmp_path / "runs",
    )
    with pytest.raises(KeyboardInterrupt):
        train(run)

    expected = training_seed(system, run.recipe.variant, 3)
    assert (expected != 3) == combines
    assert {*system.seeds, *drawn} == {expected}


def test_a_seed_of_its_own_depends_on_trial_and_variant_alone_and_never_changes(monkeypatch):
    system = Noted(None)
    monkeypatch.setattr(system, "combines_variants", True, raising=False)

    seeds = {
        training_seed(system, variant, seed)
        for variant in ("one_head_s1", "two_heads_s1", "two_heads_s16")
        for seed in (0, 1, 16, 10)
    }

    assert len(seeds) == 12
    assert all(0 <= seed < 2**31 for seed in seeds)
    # By hand from sha256 of "0 one_head_s1": a stopped task must find it again.
    assert training_seed(system, "one_head_s1", 0) == 170079498


@pytest.mark.parametrize("name", systems.names())
def test_systems_whose_ensembles_add_variants_say_so_and_no_others(name):
    config = build_config(systems.load(name).Config, papers_recipe(name)["config"], "here")
    created = {
        variant: systems.create(name, dataclasses.replace(config, variant=variant))
        for variant in systems.variants(name)
    }

    ensembles = [each for each in created.values() if isinstance(each, Ensemble)]
    added = {
        member for ensemble in ensembles if len(ensemble.members) > 1 for member in ensemble.members
    }
    for variant, each in created.items():
        if not isinstance(each, Ensemble):
            assert each.combines_variants or variant not in added, variant
            assert bool(added) == each.combines_variants, variant
