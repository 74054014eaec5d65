import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_groups, split_rows
from trainer.data.table import Table
from trainer.evidence.conformal import Conformal, limits_of, rows_needed
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)


def simulated(rng, n):
    """Three classes of unequal size; the model is sure and often wrong in the smaller group."""
    group = (rng.uniform(size=n) < 0.3).astype(int)
    truth = rng.choice(3, p=[0.6, 0.3, 0.1], size=n)
    output = rng.normal(size=(n, 3)) + 2.0 * np.eye(3)[truth] * np.where(group, 0.3, 1.5)[:, None]
    shares = np.exp(1.5 * output)
    return group, truth, shares / shares.sum(axis=1, keepdims=True)


def covered(rng, *, by_group, by_class, alpha=0.1, n=300):
    """Return which of 1,000 new rows are covered, and their groups and classes."""
    group, truth, shares = simulated(rng, n)
    cells = (group if by_group else 0 * group) * 3 + truth if by_class else (group if by_group else 0 * group)
    limits, counts = limits_of(1 - shares[np.arange(n), truth], cells, alpha=alpha, n_cells=6 if by_class else 2)
    found = Conformal(
        alpha=alpha,
        by=("g",) if by_group else (),
        by_class=by_class,
        groups=(("0",), ("1",)),
        limits=np.broadcast_to(limits.reshape(2, -1), (2, 3)),
        n=np.broadcast_to(counts.reshape(2, -1), (2, 3)),
        model_version="",
    )
    group, truth, shares = simulated(rng, 1000)
    held = found.members(shares, group if by_group else 0 * group)
    return held[np.arange(1000), truth], group, truth


def coverages(*, by_group, by_class, splits):
    """Return the coverage of each split: over all, of each group, of each class."""
    rows = []
    for seed in range(splits):
        held, group, truth = covered(np.random.default_rng(seed), by_group=by_group, by_class=by_class)
        rows.append(
            [held.mean(), *(held[group == g].mean() for g in (0, 1)), *(held[truth == c].mean() for c in range(3))]
        )
    found = np.array(rows)
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(splits)


def test_overall_coverage_is_as_promised_and_a_group_is_not():
    mean, error = coverages(by_group=False, by_class=False, splits=200)
    assert 0.9 - 3 * error[0] <= mean[0] <= 0.9 + 1 / 301 + 3 * error[0]
    assert mean[2] < 0.8
    assert mean[1] > 0.9


def test_coverage_holds_in_each_group():
    mean, error = coverages(by_group=True, by_class=False, splits=200)
    assert (mean[1:3] >= 0.9 - 3 * error[1:3]).all()
    assert (mean[1:3] <= 0.9 + 0.02 + 3 * error[1:3]).all()


def test_coverage_holds_in_each_class():
    mean, error = coverages(by_group=False, by_class=True, splits=200)
    assert (mean[3:] >= 0.9 - 3 * error[3:]).all()
    assert (mean[3:] <= 0.9 + 0.04 + 3 * error[3:]).all()


def test_the_limit_is_the_order_statistic_of_the_definition():
    rng = np.random.default_rng(0)
    for alpha in (0.05, 0.1, 0.2, 0.5):
        for n in (1, 5, 9, 10, 19, 20, 99, 100):
            scores = rng.uniform(size=n)
            limits, _ = limits_of(scores, np.zeros(n, dtype=int), alpha=alpha, n_cells=1)
            ordered = [*np.sort(scores), np.inf]
            enough = (n + 1) * (1 - alpha) - 1e-9
            holding = [s for s in ordered if np.isinf(s) or (scores <= s).sum() >= enough]
            assert limits[0] == holding[0]
            assert np.isinf(limits[0]) == (n < rows_needed(alpha))


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, models=2, seed=1, device="cpu")
    learner.fit_one_cycle(4, 1e-2, batch_size=64)
    return learner


@pytest.mark.parametrize("by", [None, "sex", "ill", ["sex", "ill"]])
def test_sets_of_a_model_hold_the_truth_on_new_rows(learner, table, by):
    found = learner.conformal(0.2, by=by)
    result = found.audit(learner, "test")
    cover = result.find("prediction_set_coverage")
    assert cover.n == len(table.split.test)
    assert cover.high >= 0.8
    sets = found.sets(learner, "test")
    truth = table.part("test")["ill"].tolist()
    assert cover.value == pytest.approx(np.mean([y in each for y, each in zip(truth, sets.labels, strict=True)]))
    assert {row.slice for row in result.measurements} >= {(("sex", "f"),), (("ill", "1"),)}
    assert result.provenance.given["model_version"] == learner.model_version
    assert result.provenance.given["calibration_rows"] == len(table.split.valid)
    assert set(sets.reasons) == {None}


def test_too_few_rows_give_the_full_set_and_say_so(frame):
    rare = frame.assign(sex=np.where(np.arange(len(frame)) % 300 == 0, "x", frame["sex"]))
    split = split_rows(len(frame), seed=3)
    table = Table.from_frame(rare, columns=Columns(y="ill", features=["angle"]), split=split)
    learner = Learner(table, network=SMALL, device="cpu")
    found = learner.conformal(0.1, by="sex")
    rows = pd.DataFrame({"angle": [0.1] * 3, "sex": ["f", "x", "<script>"]})
    sets = found.sets(learner, rows)
    few = int((rare["sex"].iloc[split.valid] == "x").sum())
    assert 0 < few < 9
    assert sets.labels[1] == sets.labels[2] == (0, 1)
    assert sets.reasons == (
        None,
        f"sex=x: {few} calibration rows, 9 needed: the full set",
        "calibration met nobody of this group: the full set",
    )
    assert "all rows: " in str(learner.conformal(0.001).sets(learner, rows).reasons[0])


def test_what_cannot_be_calibrated_is_refused(learner, table):
    with pytest.raises(InputError, match=r"alpha must lie in \(0, 1\); came 1"):
        learner.conformal(1.0)
    with pytest.raises(InputError, match="column 'race'"):
        learner.conformal(by="race")
    found = learner.conformal()
    other = Learner(table, network=SMALL, models=2, seed=9, device="cpu")
    with pytest.raises(InputError, match="belong to another model"):
        found.sets(other, "test")
    with pytest.raises(InputError, match="column 'sex'"):
        learner.conformal(by="sex").sets(learner, table.part("test").drop(columns="sex"))


def test_the_audit_of_clustered_rows_is_as_wide_as_clusters_make_it():
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"x": rng.normal(size=200), "s": rng.choice(["a", "b"], 200), "p": range(200)})
    people["y"] = (people["x"] + rng.normal(size=200) > 0).astype(int)
    frame = people.loc[np.repeat(people.index, 10)].reset_index(drop=True)
    found = {}
    for cluster in (None, "p"):
        columns = Columns(y="y", features=["x"], sensitive_features=["s"], cluster=cluster)
        split = split_groups(frame["p"], seed=1, valid=0.3, test=0.3)
        learner = Learner(Table.from_frame(frame, columns=columns, split=split), network=SMALL, device="cpu")
        learner.fit_one_cycle(1)
        result = learner.conformal(0.2).audit(learner, "test")
        found[cluster] = result.find("prediction_set_coverage")
        assert result.provenance.given.get("cluster") == cluster
    assert found["p"].value == found[None].value
    assert found["p"].high - found["p"].low > 2 * (found[None].high - found[None].low)
    assert "cluster" in found["p"].method
