import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.errors import InputError
from audit.result import Result
from trainer.evidence.disagreement import DISAGREEMENT, decisions_of, differs
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, models=3, seed=1, device="cpu")
    learner.fit_one_cycle(3, 1e-2, batch_size=64)
    return learner


def test_it_counts_whom_another_seed_would_decide_otherwise(learner, table):
    result = learner.disagreement("test")
    labels = np.array([each[:, 1] >= 0.5 for each in learner.predict_each("test")])
    apart = np.array([len(set(column)) > 1 for column in labels.T])
    row = result.find(DISAGREEMENT)
    assert (row.value, row.n) == (pytest.approx(apart.mean()), len(table.split.test))
    assert 0 < row.value < 0.5
    women = (table.part("test")["sex"] == "f").to_numpy()
    of_women = result.find(DISAGREEMENT, {"sex": "f"})
    assert (of_women.value, of_women.n) == (pytest.approx(apart[women].mean()), women.sum())
    low, high = proportion_confint(apart[women].sum(), women.sum(), method="wilson")
    assert (of_women.low, of_women.high) == (pytest.approx(low), pytest.approx(high))
    assert Result.from_json(result.to_json()) == result
    assert result.provenance.given["seeds"] == [1, 2, 3]
    assert any(each.metric == f"{DISAGREEMENT}_difference" for each in result.measurements)


def test_models_that_are_the_same_do_not_disagree(learner):
    answers = learner.predict_each("test")[:1].repeat(4, axis=0)
    assert not differs(decisions_of(learner, answers, threshold=0.5)).any()


def test_the_threshold_decides(learner):
    answers = np.array([[[0.45, 0.55]], [[0.35, 0.65]]])
    assert not differs(decisions_of(learner, answers, threshold=0.5)).any()
    assert differs(decisions_of(learner, answers, threshold=0.6)).all()


def test_one_model_cannot_disagree(table, learner):
    with pytest.raises(InputError, match=r"one model cannot disagree with itself: train several, .*models=5"):
        Learner(table, network=SMALL, device="cpu").disagreement()
    with pytest.raises(InputError, match=r"(?s)column 'race'.*threshold must lie in \(0, 1\); came 0"):
        learner.disagreement("test", by="race", threshold=0.0)
    with pytest.raises(InputError, match="the frame has no rows"):
        learner.disagreement(learner.data.frame.iloc[:0])


@pytest.mark.slow
def test_on_adult_one_in_fourteen_depends_on_the_seed(adult):
    learner = Learner(adult, models=5, device="cpu")
    learner.fit_one_cycle()
    row = learner.disagreement("test").find(DISAGREEMENT)
    assert row.n == 16281
    assert 0.05 < row.value < 0.10
