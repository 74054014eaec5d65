import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.paired.comparison import run_compare
from audit.result import Result
from audit.run import run_audit
from trainer.data.columns import Columns
from trainer.data.splits import split_groups, split_rows
from trainer.data.table import Table
from trainer.evidence.prices import prices
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4, dropout=0.0)
BY = ("paid", "sex")


@pytest.fixture(scope="module")
def wages():
    """Women are paid well less often, hours tell who is a woman, and what decides shows only in part."""
    rng, n = np.random.default_rng(0), 6000
    sex = rng.choice(["f", "m"], n, p=[0.35, 0.65])
    skill = rng.normal(size=n)
    score = skill + np.where(sex == "m", 0.0, -1.0) + rng.normal(size=n)
    frame = pd.DataFrame({"skill": skill, "hours": rng.normal(np.where(sex == "m", 1.0, -1.0)), "sex": sex})
    frame["paid"] = np.where(score > 1.0, "yes", "no")
    columns = Columns(y="paid", features=["skill", "hours"], sensitive_features=["sex"], positive="yes")
    return Table.from_frame(frame, columns=columns, split=split_rows(n, valid=0.1, test=0.4, seed=1))


def fitted(table, *, seed=0, kind="mean", groups=(), **settings):
    learner = Learner(table, network=SMALL, seed=seed, device="cpu")
    objective = ObjectiveSettings(kind=kind, groups=groups, **settings)
    learner.fit_one_cycle(6, 1e-2, batch_size=128, recipe=Recipe(objective=objective))
    return learner


@pytest.fixture(scope="module")
def learners(wages):
    return {
        "erm": fitted(wages),
        "balanced": fitted(wages, kind="class_balanced"),
        "dro": fitted(wages, kind="group_dro", groups=BY),
        "parity": fitted(wages, kind="demographic_parity", groups=("sex",), strength=20.0),
    }


@pytest.fixture(scope="module")
def told(learners):
    return prices(learners, by=BY)


def gap(result, metric, name):
    for row in result.measurements:
        against = row.against or {}
        if (
            row.metric == f"{metric}_difference"
            and row.at == (("model_version", name),)
            and against.get("kind") == "groups"
        ):
            return row
    raise KeyError(metric)


def of(result, metric, name):
    for row in result.measurements:
        if row.metric == metric and row.at == (("model_version", name),) and not row.slice:
            return row
    raise KeyError(metric)


def test_each_objective_buys_what_it_is_for_and_costs_accuracy(told):
    worst = {name: of(told, "accuracy_group_min", name) for name in ("erm", "balanced", "dro")}
    assert worst["dro"].value > worst["erm"].value + 0.15
    assert worst["dro"].low > worst["erm"].high
    assert worst["erm"].reason == "yes & f"
    selected = {name: gap(told, "selection_rate", name).value for name in ("erm", "balanced", "parity")}
    assert selected["balanced"] > selected["erm"] + 0.04
    assert selected["parity"] < selected["erm"] - 0.05
    accuracy = {name: of(told, "accuracy", name).value for name in ("erm", "balanced", "dro", "parity")}
    assert accuracy["dro"] < accuracy["erm"]
    assert accuracy["balanced"] < accuracy["erm"]
    assert of(told, "expected_calibration_error", "dro").value > of(told, "expected_calibration_error", "erm").value


def test_the_penalty_within_classes_draws_scores_together(learners, wages):
    odds = fitted(wages, kind="equalized_odds", groups=("sex",), strength=20.0)
    test = wages.part("test")

    def apart(learner):
        scores = pd.Series(learner.predict_proba("test")[:, 1], index=test.index)
        means = scores.groupby([test["paid"], test["sex"]]).mean().unstack()
        return ((means["m"] - means["f"]) ** 2).mean()

    assert apart(odds) < apart(learners["erm"]) / 4


def test_the_numbers_are_those_of_the_audits(told, learners):
    for name, learner in learners.items():
        audited = run_audit(learner.predict_log("test"))
        for metric in ("selection_rate", "true_positive_rate", "expected_calibration_error", "roc_auc"):
            row, other = of(told, metric, name), audited.find(metric)
            assert (row.value, row.low, row.high, row.n) == (other.value, other.low, other.high, other.n)
        by_hand = pd.Series(learner.predict("test") == learner.data.part("test")["paid"].to_numpy())
        test = learner.data.part("test").reset_index()
        worst = by_hand.groupby([test["paid"], test["sex"]]).mean().min()
        assert of(told, "accuracy_group_min", name).value == pytest.approx(worst)


def test_differences_are_paired(told, learners, wages):
    frame = wages.part("test").assign(**{name: learners[name].predict("test") for name in ("erm", "dro")})
    alone = run_compare(frame, y_true="paid", candidate="dro", baseline="erm", positive="yes", metrics=["accuracy"])
    expected = next(row for row in alone.measurements if row.metric == "accuracy_difference")
    row = next(
        row
        for row in told.measurements
        if row.metric == "accuracy_difference" and row.at == (("model_version", "dro"),) and not row.slice
        and (row.against or {}).get("kind") == "model"
    )  # fmt: skip
    assert (row.value, row.low, row.high) == pytest.approx((expected.value, expected.low, expected.high))
    alone_wide = of(told, "accuracy", "erm").high - of(told, "accuracy", "erm").low
    assert row.high - row.low < 2 * alone_wide


def test_the_result_is_saved_and_says_what_it_compared(told, learners):
    assert Result.from_json(told.to_json()) == told
    given = told.provenance.given
    assert given["baseline"] == "erm"
    assert given["models"]["dro"]["objective"] == ["group_dro"]
    assert given["models"]["dro"]["model_version"] == learners["dro"].model_version
    assert all(row.n >= 0 for row in told.measurements)


def test_two_models_and_another_baseline(learners):
    few = {name: learners[name] for name in ("erm", "dro")}
    found = prices(few, by=["sex"], baseline="dro")
    row = next(row for row in found.measurements if (row.against or {}).get("kind") == "model" and not row.slice)
    assert row.against["model_version"] == "dro"


def test_what_cannot_be_compared_is_refused(learners, wages):
    erm = learners["erm"]
    with pytest.raises(InputError, match=r"(?s)at least two models.*baseline 'no' is none.*by must be a list"):
        prices({"erm": erm}, by="sex", baseline="no")
    with pytest.raises(InputError, match="'sex' is the name of a model and of a column: rename the model"):
        prices({"erm": erm, "sex": learners["dro"]}, by=["sex"])
    with pytest.raises(InputError, match="column 'race' is missing from the rows"):
        prices({"erm": erm, "dro": learners["dro"]}, by=["race"])
    frame = wages.frame
    other = Table.from_frame(frame, columns=wages.spec.columns, split=split_rows(len(frame), seed=9))
    moved = Learner(other, network=SMALL, device="cpu")
    with pytest.raises(InputError, match='their part "test" is not the same rows; pass a frame'):
        prices({"erm": erm, "moved": moved}, by=["sex"])
    assert prices({"erm": erm, "moved": moved}, by=["sex"], rows=wages.part("test")).measurements


@pytest.mark.parametrize("name", ["<script>", "=1+1", "true label", "score of erm", "a\nb"])
def test_hostile_names_of_models_are_names_like_others(learners, name):
    found = prices({"erm": learners["erm"], name: learners["dro"]}, by=["sex"])
    assert of(found, "accuracy", name).value == of(prices({"erm": learners["erm"], "b": learners["dro"]}, by=["sex"]),
                                                   "accuracy", "b").value  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_on_adult_the_directions_are_those_of_the_study(adult, seed):
    groups = ("income", "sex")
    settings = {"erm": {}, "class": {"kind": "class_balanced"}, "dro": {"kind": "group_dro", "groups": groups}}
    learners = {}
    for name, options in settings.items():
        learners[name] = Learner(adult, seed=seed, device="cpu")
        learners[name].fit_one_cycle(recipe=Recipe(objective=ObjectiveSettings(**options)))
    found = prices(learners, by=groups)
    for metric in ("selection_rate", "true_positive_rate"):
        assert gap(found, metric, "class").value > gap(found, metric, "erm").value + 0.03
    assert of(found, "accuracy_group_min", "dro").value > of(found, "accuracy_group_min", "erm").value + 0.15
    assert of(found, "accuracy", "erm").value - 0.06 < of(found, "accuracy", "dro").value
    assert of(found, "accuracy", "dro").value < of(found, "accuracy", "erm").value - 0.02
    assert of(found, "expected_calibration_error", "dro").value > 0.06


def test_prices_of_clustered_rows_are_those_of_an_audit_that_knows_the_clusters():
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"x": rng.normal(size=150), "sex": rng.choice(["f", "m"], 150), "cluster": range(150)})
    people["paid"] = (people["x"] + rng.normal(size=150) > 0).astype(int)
    frame = people.loc[np.repeat(people.index, 8)].reset_index(drop=True)
    columns = Columns(y="paid", features=["x"], sensitive_features=["sex"], cluster="cluster")
    split = split_groups(frame["cluster"], seed=1, valid=0.2, test=0.4)
    table = Table.from_frame(frame, columns=columns, split=split)
    learners = {name: fitted(table, seed=seed) for seed, name in enumerate(["one", "other"])}
    found = prices(learners, by=["sex"])
    for slice in ({}, {"sex": "f"}):
        audited = run_audit(learners["one"].predict_log("test"), metrics=["accuracy"]).find("accuracy", slice)
        row = found.find("accuracy", slice, at={"model_version": "one"})
        assert (row.value, row.low, row.high) == pytest.approx((audited.value, audited.low, audited.high), abs=1e-9)
        assert "cluster" in row.method
