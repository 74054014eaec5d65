"""What is refused of a state of training, each thing alone."""

import hashlib
import json

import pytest
import safetensors.torch
import torch
from torch import nn

from audit.measurement import canonical_json
from trainer.checkpoint import CheckpointError
from trainer.fitting.kept import generator_violations, standing_of, unlike
from trainer.fitting.layers import freeze
from trainer.history import Recipe, Saving
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(8,), frequencies=4, periodic=4)


class PowerCutError(Exception):
    pass


def stopped(learner, folder, *, batches, recipe=None):
    """Train until the first save, after so many batches of 15 in an epoch."""

    def cut(path):
        Learner.save(learner, path)
        raise PowerCutError

    learner.save = cut
    with pytest.raises(PowerCutError):
        learner.fit_one_cycle(2, 5e-3, batch_size=64, recipe=recipe, saving=Saving(folder, batches))


def rewrite(folder, change):
    """Change the state and recompute every digest, as a careful forger would."""
    (path,) = folder.glob("state-*.safetensors")
    state = safetensors.torch.load(path.read_bytes())
    change(state)
    raw = safetensors.torch.save(state)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / f"state-{digest[:16]}.safetensors").write_bytes(raw)
    config = json.loads((folder / "config.json").read_text())
    config["state"] = digest
    body = {key: config[key] for key in ("model", "training", "state")}
    config["digest"] = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


MOMENT = "optimizer.dense.0.weight.exp_avg"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.update({MOMENT: torch.zeros(1)}), f"'{MOMENT}' has the shape (1,); expected (8, "),
        (lambda state: state.update({MOMENT: state[MOMENT].double()}), f"'{MOMENT}' holds torch.float64"),
        (lambda state: state.update({MOMENT: state[MOMENT] * float("nan")}), f"'{MOMENT}' holds NaN"),
        (lambda state: state.pop(MOMENT), f"'{MOMENT}' is missing"),
        (lambda state: state.update({"optimizer.7.exp_avg": torch.zeros(1)}), "'optimizer.7.exp_avg' is not known"),
        (lambda state: state.update({"optimizer.dense.0.weight.step": torch.zeros(8)}), "has the shape (8,)"),
        (lambda state: state.update({"course.step": torch.tensor([999])}), "step 999 does not go with epoch 0"),
        (lambda state: state.update({"course.totals": torch.zeros(2)}), "'course.totals' has the shape (2,)"),
        (lambda state: state.pop("course.taken"), "'course.taken' is missing"),
        (lambda state: state.update({"place": torch.tensor([0, 15, 0])}), "batch 15 is not one of 0 to 14"),
        (lambda state: state.update({"place": torch.tensor([-1, 4, 0])}), "epoch -1 is not one of 0 to 1"),
        (lambda state: state.update({"place": torch.tensor([0, 4, -8])}), "'place' counts -8 epochs"),
        (lambda state: state.update({"place": torch.tensor([0, 4])}), "'place' has the shape (2,)"),
        (lambda state: state.pop("place"), "'place' has the shape (0,)"),
        (lambda state: state.update({"generator.cpu": torch.zeros(3, dtype=torch.uint8)}), "'cpu' has the shape (3,)"),
        (lambda state: state["generator.cpu"].fill_(255), "no state of a generator"),
        (lambda state: state.pop("generator.cpu"), "'cpu' is missing"),
        (lambda state: state.update({"objective.q": torch.zeros(1)}), "'objective.q' is not known here"),
    ],
)
def test_a_made_up_state_is_refused(table, tmp_path, change, reason):
    stopped(Learner(table, network=SMALL, device="cpu"), tmp_path, batches=4)
    assert Learner.load(tmp_path, data=table, device="cpu").resume()[-1].epoch == 2
    rewrite(tmp_path, change)
    with pytest.raises(CheckpointError, match="the state of training does not fit") as caught:
        Learner.load(tmp_path, data=table, device="cpu")
    assert reason in str(caught.value)


def test_all_that_is_wrong_is_listed():
    wanted = {name: torch.zeros(2) for name in "abc"}
    found = {"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.int64)}
    assert len(unlike(found, wanted)) == 3


def test_a_state_of_cuda_is_not_looked_at_on_a_cpu():
    kept = {"cpu": torch.get_rng_state(), "cuda": torch.zeros(16, dtype=torch.uint8)}
    assert generator_violations(kept, device=torch.device("cpu"), within=True) == []
    assert generator_violations(kept, device=torch.device("cpu"), within=False) != []


def test_where_a_cycle_stands_is_read_back():
    assert standing_of({"place": torch.tensor([2, 5, 8])}) == (2, 5, 8)


class Filters(nn.Module):
    """A network whose weights lie in another order than their shape says."""

    def __init__(self):
        super().__init__()
        self.filters = nn.Conv2d(2, 6, 3, padding=1)
        self.filters.weight.data = self.filters.weight.data.to(memory_format=torch.channels_last)
        self.head = nn.Linear(6, 2)

    def forward(self, codes, numbers):
        del codes
        square = numbers[:, :2, None, None].expand(-1, -1, 3, 3)
        return self.head(self.filters(square).relu().mean(dim=(2, 3)))


def test_moments_lie_as_their_parameters_do(table, tmp_path):
    whole = Learner(table, network=Filters(), device="cpu")
    whole.fit_one_cycle(2, 5e-3, batch_size=64)
    first = Learner(table, network=Filters(), device="cpu")
    first.model.load_state_dict(Learner(table, network=whole.network, device="cpu").model.state_dict())
    stopped(first, tmp_path, batches=4)
    resumed = Learner.load(tmp_path, data=table, network=Filters(), device="cpu")
    adamw = resumed._run.stepper.optimizer._adamw
    for parameter, held in adamw.state.items():
        assert held["exp_avg"].stride() == held["exp_avg_sq"].stride() == parameter.stride()
    resumed.resume()
    assert resumed.model_version == whole.model_version


@pytest.mark.parametrize("recipe", [None, Recipe(ema=0.9)])
@pytest.mark.parametrize("models", [None, 2])
def test_what_was_frozen_stays_frozen_and_training_goes_on_bit_by_bit(table, tmp_path, models, recipe):
    whole, broken = (Learner(table, network=SMALL, models=models, device="cpu", seed=3) for _ in range(2))
    for learner in (whole, broken):
        freeze(learner.model)
    learning = [item.requires_grad for item in whole.model.parameters()]
    assert set(learning) == {True, False}
    whole.fit_one_cycle(2, 5e-3, batch_size=64, recipe=recipe)
    stopped(broken, tmp_path, batches=4, recipe=recipe)
    resumed = Learner.load(tmp_path, data=table, device="cpu")
    assert [item.requires_grad for item in resumed.model.parameters()] == learning
    resumed.resume()
    assert resumed.model_version == whole.model_version
