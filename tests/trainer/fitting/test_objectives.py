from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.resident import Batch
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.fitting.balance import BalancedLoss
from trainer.fitting.cycle import CycleRun
from trainer.fitting.graph import GraphSteps
from trainer.fitting.objective_settings import OBJECTIVES, ObjectiveSettings
from trainer.fitting.objectives import MeanLoss, prepare_objective
from trainer.history import Cycle, Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4, dropout=0.1)
GROUPED = {"group_balanced": ("sex",), "group_dro": ("ill", "sex"), "demographic_parity": ("sex",)}
GROUPED |= {"equalized_odds": ("site",)}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]
EACH = pytest.mark.parametrize("kind", [kind for kind in OBJECTIVES if kind != "mean"])


def settings_of(kind):
    return ObjectiveSettings(kind=kind, groups=GROUPED.get(kind, ()))


def test_balanced_weights_give_each_group_the_same_total(table):
    found = prepare_objective(ObjectiveSettings(kind="group_balanced", groups=("site", "sex")), table, table.resident)
    codes = found.source.groups[torch.tensor(table.split.train)]
    weight = found.objective.weights[codes].double()
    totals = torch.zeros(6, dtype=torch.float64).index_add(0, codes, weight)
    assert weight.mean().item() == pytest.approx(1.0)
    assert totals.numpy() == pytest.approx(len(codes) / 6, rel=1e-5)


def test_class_balanced_weights_are_those_of_scikit_learn(table):
    from sklearn.utils.class_weight import compute_class_weight

    labels = table.part("train")["ill"].to_numpy()
    theirs = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    found = prepare_objective(ObjectiveSettings(kind="class_balanced"), table, table.resident)
    assert found.objective.weights.numpy() == pytest.approx(theirs, rel=1e-6)


def test_balanced_totals_count_the_weights_of_rows(frame):
    weighed = frame.assign(w=np.where(frame["sex"] == "f", 3.0, 1.0))
    columns = Columns(y="ill", features=["angle"], sample_weight="w")
    table = Table.from_frame(weighed, columns=columns, split=split_rows(len(frame), seed=3))
    found = prepare_objective(ObjectiveSettings(kind="group_balanced", groups=("sex",)), table, table.resident)
    rows = torch.tensor(table.split.train)
    joint = table.resident.weights[rows] * found.objective.weights[found.source.groups[rows]]
    women = torch.tensor((table.part("train")["sex"] == "f").to_numpy())
    assert joint[women].sum().item() == pytest.approx(joint[~women].sum().item(), rel=1e-5)


@EACH
def test_k_models_at_once_are_k_models(kind, table):
    recipe = Recipe(objective=settings_of(kind))
    network = replace(SMALL, dropout=0.0)
    together = Learner(table, network=network, models=2, seed=5, device="cpu")
    together.fit_one_cycle(2, 1e-2, batch_size=100, recipe=recipe)
    for place, seed in enumerate((5, 6)):
        alone = Learner(table, network=network, seed=seed, device="cpu")
        alone.fit_one_cycle(2, 1e-2, batch_size=100, recipe=recipe)
        assert together.predict_each("test")[place] == pytest.approx(alone.predict_proba("test"), abs=1e-4)


@EACH
@pytest.mark.parametrize("models", [None, 2])
def test_stopped_and_gone_on_with_is_as_if_it_had_not_stopped(kind, models, table, tmp_path):
    recipe = Recipe(objective=settings_of(kind))
    options = {"network": SMALL, "models": models, "seed": 5, "device": "cpu"}
    whole = Learner(table, **options)
    whole.fit_one_cycle(2, 1e-2, batch_size=200, recipe=recipe)

    class StopError(Exception):
        pass

    def stop(_row):
        raise StopError

    part = Learner(table, **options)
    with pytest.raises(StopError):
        part.fit_one_cycle(
            2, 1e-2, batch_size=200, recipe=recipe, saving=Saving(tmp_path / "m", every=3), on_epoch=stop
        )
    rest = Learner.load(tmp_path / "m", data=table, device="cpu")
    assert rest.cycles[-1].recipe.objective == recipe.objective
    rest.resume()
    assert rest.model_version == whole.model_version
    assert rest.history[-1].group_weights == whole.history[-1].group_weights


def test_the_weights_of_groups_are_kept_by_epoch(table, tmp_path):
    learner = Learner(table, network=SMALL, models=2, seed=5, device="cpu")
    learner.fit_one_cycle(2, 1e-2, recipe=Recipe(objective=settings_of("group_dro")))
    for row in learner.history:
        assert set(row.group_weights) == {"ill=0, sex=f", "ill=0, sex=m", "ill=1, sex=f", "ill=1, sex=m"}
        assert sum(row.group_weights.values()) == pytest.approx(1.0, abs=1e-5)
    assert learner.history[0].group_weights != learner.history[1].group_weights
    learner.save(tmp_path)
    assert Learner.load(tmp_path, device="cpu").history == learner.history


def test_data_that_are_streamed_bring_their_groups(table):
    versions = set()
    for streamed_rows in (None, 200):
        learner = Learner(table, network=SMALL, seed=5, device="cpu", streamed_rows=streamed_rows)
        learner.fit_one_cycle(1, 1e-2, batch_size=64, recipe=Recipe(objective=settings_of("group_dro")))
        versions.add(learner.model_version)
    assert len(versions) == 1


def test_no_objective_but_dro_has_weights_that_move(table):
    learner = Learner(table, network=SMALL, device="cpu")
    assert learner.fit_one_cycle(1)[0].group_weights is None


def test_settings_say_all_that_is_wrong():
    with pytest.raises(InputError, match=r"one of mean, .*; came 'dro'"):
        ObjectiveSettings(kind="dro")
    with pytest.raises(InputError, match=r"(?s)looks at no groups.*'sex' twice.*eta must be above 0.*strength must be"):
        ObjectiveSettings(groups=("sex", "sex"), eta=0.0, strength=float("nan"))
    with pytest.raises(
        InputError, match=r"(?s)eta must be above 0 and at most 1e\+06.*strength must be from 0 to 1e\+06"
    ):
        ObjectiveSettings(kind="group_dro", groups=("sex",), eta=1e308, strength=10**400)
    with pytest.raises(InputError, match=r"came the text 'sex': \['sex'\]"):
        ObjectiveSettings(kind="group_dro", groups="sex")
    with pytest.raises(InputError, match="compares groups of a whole batch, which cannot be cut: accumulate must be 1"):
        Recipe(accumulate=2, objective=settings_of("group_dro"))
    assert Recipe(accumulate=2, objective=settings_of("group_balanced")).accumulate == 2


def test_data_that_do_not_fit_are_refused(table, frame):
    def prepared(settings, data=table):
        return prepare_objective(settings, data, data.resident)

    with pytest.raises(InputError, match=r"column 'race' \(groups\) is missing; the data has 'angle'"):
        prepared(ObjectiveSettings(kind="group_dro", groups=("race", "sex")))
    rows = np.arange(len(frame))
    split = split_given(train=rows, valid=[], test=[])
    every = Table.from_frame(frame, columns=Columns(y="ill", features=["age"]), split=split)
    with pytest.raises(InputError, match=r"make 1,500 groups, more than 1,000: put numbers into ranges"):
        prepared(ObjectiveSettings(kind="group_dro", groups=("angle",)), every)
    women = Table.from_frame(
        frame,
        columns=Columns(y="ill", features=["angle"]),
        split=split_given(train=rows[frame["sex"] == "f"], valid=[], test=rows[frame["sex"] == "m"]),
    )
    with pytest.raises(InputError, match=r"all of one group of \['sex'\]"):
        prepared(ObjectiveSettings(kind="group_balanced", groups=("sex",)), women)


def test_hostile_and_missing_values_are_groups_like_others():
    values = ["<script>", "=1+1", None, "a\nb", "\u202eabc", "<script>"]
    frame = pd.DataFrame({"x": range(6), "g": values, "y": [0, 1] * 3})
    table = Table.from_frame(
        frame, columns=Columns(y="y", features=["x"]), split=split_given(train=range(6), valid=[], test=[])
    )
    found = prepare_objective(ObjectiveSettings(kind="group_dro", groups=("g",)), table, table.resident)
    assert len(found.objective.names) == 5
    assert "g missing" in found.objective.names
    assert found.source.groups[0] == found.source.groups[5]


def test_the_mean_needs_no_groups(table):
    found = prepare_objective(ObjectiveSettings(), table, table.resident)
    assert isinstance(found.objective, MeanLoss)
    assert found.source is table.resident


def test_a_batch_without_groups_is_refused():
    with pytest.raises(ValueError, match="looks at groups and the batch has none"):
        BalancedLoss(np.ones(2))(torch.zeros(1), torch.zeros(1, 2), Batch((), torch.zeros(1), None, None))


@EACH
@pytest.mark.parametrize("device", DEVICES)
def test_captured_steps_are_steps_taken_one_by_one(kind, device, table):
    ends = []
    for replayed in (False, True):
        learner = Learner(table, network=replace(SMALL, dropout=0.0), seed=2, device=device)
        cycle = Cycle(epochs=2, lr=1e-2, batch_size=16, recipe=Recipe(objective=settings_of(kind)))
        run = CycleRun(learner.model, learner.plan(cycle))
        capture = None if device == "cuda" else lambda work: work
        run._steps = GraphSteps(run.stepper, capture=capture) if replayed else run.stepper
        for _ in range(2):
            run.advance()
        ends.append({**learner.model.state_dict(), **run.stepper.objective.state_dict()})
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-3, atol=1e-4)


@EACH
@pytest.mark.parametrize("models", [None, 2])
def test_a_step_with_groups_never_waits_for_the_host(kind, models, table, never_waiting):
    prepared = prepare_objective(settings_of(kind), table, table.resident, models=models)
    rows = torch.arange(64) if models is None else torch.arange(128).view(2, 64)
    batch = prepared.source.take(rows)
    output = torch.randn(*batch.target.shape, 2, requires_grad=True)
    losses = table.spec.target.losses(output, batch.target)
    with never_waiting() as watch:
        prepared.objective(losses, output, batch).backward()
    assert watch.operations > 5
