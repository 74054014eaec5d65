import pytest

from audit.result import Result
from trainer.evidence.group_weights import group_weight_rows
from trainer.evidence.training_rows import training_result
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings


def test_weights_stand_at_the_epochs_of_their_own_cycle(table):
    learner = Learner(table, network=MLPSettings(hidden=(8,)), models=2, device="cpu")
    dro = Recipe(objective=ObjectiveSettings(kind="group_dro", groups=("ill", "sex")))
    learner.fit_one_cycle(1)
    assert group_weight_rows(learner) == ()
    learner.fit_one_cycle(2, recipe=dro)
    rows = group_weight_rows(learner)
    assert [dict(row.at)["round"] for row in rows] == [2] * 4 + [3] * 4
    for epoch in (2, 3):
        of_epoch = [row for row in rows if dict(row.at)["round"] == epoch]
        assert sum(row.value for row in of_epoch) == pytest.approx(1.0, abs=1e-5)
        assert sum(row.n for row in of_epoch) == len(table.split.train)
    women = (table.part("train")["sex"] == "f") & (table.part("train")["ill"] == 1)
    row = next(row for row in rows if dict(row.slice) == {"ill": "1", "sex": "f"})
    assert row.n == women.sum()
    result = training_result(learner)
    assert set(rows) <= set(result.measurements)
    assert Result.from_json(result.to_json()) == result
