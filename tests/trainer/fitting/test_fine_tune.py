import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.fitting.heads import replace_head
from trainer.fitting.layers import LayerSettings
from trainer.history import Recipe
from trainer.learner import Learner, Saving
from trainer.networks.images import CNNSettings

SMALL = CNNSettings(widths=(8, 16, 32))


@pytest.fixture(scope="module")
def body(make_digits):
    """A network that has learnt to tell the digits 0 to 4."""
    learner = Learner(make_digits(some=range(5)), network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(8, 1e-2, batch_size=32)
    assert learner.validate("test").accuracy > 0.97
    return learner.model


@pytest.fixture(scope="module")
def few(make_digits):
    """The digits 5 to 9, with 40 images to learn from."""
    rows = np.random.default_rng(0).permutation(len(make_digits(some=range(5, 10)).frame))
    return make_digits(some=range(5, 10), train=rows[:40], test=rows[40:])


def test_a_pretrained_body_learns_new_digits_faster_than_a_new_one(body, few):
    # Faster, not better: with four epochs it leads whatever the rate of the other; with ten it no longer does.
    def accuracy(network, seed, lr, *, tuned):
        learner = Learner(few, network=network, seed=seed, device="cpu")
        if tuned:
            learner.fine_tune(2, lr, batch_size=8, freeze_epochs=2)
        else:
            learner.fit_one_cycle(4, lr, batch_size=8)
        return learner.validate("test").accuracy

    heads = [replace_head(body, n_outputs=5, seed=seed) for seed in range(3)]
    tuned = np.mean([accuracy(heads[seed], seed, 0.03, tuned=True) for seed in range(3)])
    scratch = [np.mean([accuracy(SMALL, seed, lr, tuned=False) for seed in range(3)]) for lr in (0.01, 0.03, 0.1)]
    assert tuned > max(scratch) + 0.1


def test_the_body_keeps_its_bits_while_it_is_frozen(body, few):
    learner = Learner(few, network=replace_head(body, n_outputs=5), device="cpu")
    seen = []

    def note(row):
        state = learner.model.state_dict()
        seen.append(
            {name: torch.equal(state[name], value) for name, value in body.state_dict().items() if "head" not in name}
        )
        assert row.train_loss is not None

    rows = learner.fine_tune(1, 1e-2, batch_size=8, freeze_epochs=2, on_epoch=note)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert all(seen[0].values())
    assert all(seen[1].values())
    assert not any(same for name, same in seen[2].items() if name.startswith("body"))


def test_the_cycles_record_the_rule(few):
    learner = Learner(few, network=SMALL, device="cpu")
    learner.fine_tune(2, 0.01, freeze_epochs=3, recipe=Recipe(smoothing=0.1))
    first, second = learner.cycles
    assert (first.epochs, first.lr, first.recipe.layers) == (3, 0.01, LayerSettings(frozen=-1))
    assert (second.epochs, second.lr, second.recipe.layers) == (2, 0.005, LayerSettings(factor=0.01))
    assert first.recipe.smoothing == second.recipe.smoothing == 0.1


def test_groups_of_ones_own_and_no_frozen_stage(few):
    layers = LayerSettings(factor=0.1, groups=[["body.0"], ["body.2", "body.5"], ["head"]])
    learner = Learner(few, network=SMALL, device="cpu")
    learner.fine_tune(1, 0.01, freeze_epochs=0, recipe=Recipe(layers=layers))
    assert [cycle.recipe.layers for cycle in learner.cycles] == [layers]


@pytest.mark.parametrize("models", [None, 2])
def test_a_frozen_cycle_resumes_bit_for_bit(few, tmp_path, models):
    recipe = Recipe(layers=LayerSettings(frozen=-1))
    whole = Learner(few, network=SMALL, models=models, device="cpu")
    whole.fit_one_cycle(2, 0.01, batch_size=8, recipe=recipe)
    stopped = Learner(few, network=SMALL, models=models, device="cpu")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.fit_one_cycle(2, 0.01, batch_size=8, recipe=recipe, saving=Saving(tmp_path, every=3), on_epoch=stop)
    resumed = Learner.load(tmp_path, data=few, device="cpu")
    resumed.resume()
    assert resumed.model_version == whole.model_version


def test_a_tuned_network_is_saved_and_read_back(body, few, tmp_path):
    network = replace_head(body, n_outputs=5)
    learner = Learner(few, network=network, device="cpu")
    learner.fine_tune(1, 0.01, batch_size=8)
    learner.save(tmp_path)
    again = Learner.load(tmp_path, network=network, device="cpu")
    pixels = few.resident.inputs[0][:9, 0].numpy()
    assert (again.predict_proba(pixels) == learner.predict_proba(pixels)).all()


def test_a_negative_number_of_frozen_epochs_is_refused(few):
    with pytest.raises(InputError, match="freeze_epochs must be at least 0; came -1"):
        Learner(few, network=SMALL, device="cpu").fine_tune(1, freeze_epochs=-1)
