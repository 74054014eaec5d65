import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.run import run_audit
from trainer.data.columns import Columns
from trainer.data.splits import split_groups, split_rows
from trainer.data.table import Table
from trainer.evidence.abstain import ABSTAINS, choose_band
from trainer.evidence.prices import prices
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(6, 1e-2, batch_size=64)
    return learner


def test_the_accuracy_wanted_is_reached_as_often_as_said():
    rng, missed, chosen = np.random.default_rng(0), 0, 0
    grid = np.linspace(0.5, 1.0, 20001)
    for _ in range(400):
        confidence = rng.uniform(0.5, 1.0, 500)
        band = choose_band(confidence, rng.uniform(size=500) < 0.35 + 0.6 * confidence, wanted=0.85, level=0.9)
        if band.confidence is not None:
            chosen += 1
            missed += (0.35 + 0.6 * grid[grid >= band.confidence]).mean() < 0.85
    assert chosen > 200
    assert missed / 400 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)


def test_a_surer_band_decides_fewer_rows(learner):
    bands = [learner.abstain(wanted) for wanted in (0.6, 0.8, 0.9)]
    decided = [band.decided for band in bands]
    assert decided == sorted(decided, reverse=True)
    assert decided[0] == bands[0].n
    assert all(band.low >= band.wanted for band in bands if band.confidence is not None)


def test_where_nothing_is_sure_all_is_left_to_people(learner):
    band = learner.abstain(0.9999)
    assert band.confidence is None
    assert (band.decided, band.low) == (0, None)
    assert "no band of 20 is shown to be right in 0.9999 of its rows (n = 300): all are left" in band.reason
    result = run_audit(band.log(learner, "test"))
    assert result.find("deferral_rate").value == 1.0
    assert result.find("decided_accuracy").value is None


def test_the_audit_counts_what_was_left_by_group(learner, table):
    band = learner.abstain(0.9)
    result = run_audit(band.log(learner, "test"))
    answers, test = learner.predict_proba("test"), table.part("test")
    kept = answers.max(axis=1) >= band.confidence
    right = learner.predict("test") == test["ill"].to_numpy()
    assert 0 < kept.mean() < 1
    for group in ({}, {"sex": "f"}, {"sex": "m"}):
        among = np.ones(len(test), bool) if not group else (test["sex"] == group["sex"]).to_numpy()
        assert result.find("deferral_rate", group).value == pytest.approx(1 - kept[among].mean())
        assert result.find("decided_accuracy", group).value == pytest.approx(right[among & kept].mean())
        assert result.find("accuracy", group).value == pytest.approx((right & kept)[among].mean())


@pytest.mark.parametrize("labels", [[True, False], ["yes", "no"], [ABSTAINS, "no"], [1.5, 2.5]])
def test_labels_of_any_kind_stand_beside_the_word_for_none(frame, labels):
    named = frame.assign(ill=[labels[0] if ill else labels[1] for ill in frame["ill"]])
    columns = Columns(y="ill", features=["angle"], sensitive_features=["sex"], positive=labels[0])
    table = Table.from_frame(named, columns=columns, split=split_rows(len(frame), seed=3))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(1)
    result = run_audit(learner.abstain(0.5).log(learner, "test"))
    right = (learner.predict("test") == table.part("test")["ill"].to_numpy()).mean()
    lower, upper = result.find("accuracy").value, result.find("accuracy_if_deferred_right").value
    assert lower <= right <= upper


def test_several_classes_can_be_left_too(frame):
    named = frame.assign(kind=pd.cut(frame["angle"], 3, labels=["a", "b", "c"]).astype(str))
    columns = Columns(y="kind", features=["angle"], sensitive_features=["sex"])
    table = Table.from_frame(named, columns=columns, split=split_rows(len(frame), seed=3))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(4, 1e-2, batch_size=64)
    result = run_audit(learner.abstain(0.7).log(learner, "test"))
    assert result.find("decided_accuracy").value > 0.6


def test_settings_out_of_range_are_refused(learner):
    with pytest.raises(
        InputError, match=r"(?s)accuracy must lie in \(0, 1\); came 1.*level must lie in \(0, 1\); came 0"
    ):
        learner.abstain(1.0, level=0.0)


def clustered(rng, *, clusters, rows, accuracy, alike):
    """Return confidence, rightness and cluster; a share `alike` of each cluster's rows are right or wrong together."""
    cluster = np.repeat(np.arange(clusters), rows)
    own, each = rng.uniform(size=clusters) < accuracy, rng.uniform(size=len(cluster)) < accuracy
    right = np.where(rng.uniform(size=len(cluster)) < alike, own[cluster], each)
    return np.repeat(rng.uniform(0.5, 1.0, clusters), rows), right, cluster


@pytest.mark.parametrize(("accuracy", "alike"), [(0.75, 1.0), (0.799, 1.0), (0.899, 0.8), (0.949, 0.3)])
def test_rows_of_one_cluster_do_not_promise_what_only_independent_rows_could(accuracy, alike):
    found = {"rows": 0, "clusters": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        confidence, right, cluster = clustered(rng, clusters=40, rows=10, accuracy=accuracy, alike=alike)
        wanted = accuracy + 0.001
        found["rows"] += choose_band(confidence, right, wanted=wanted, level=0.95).confidence is not None
        band = choose_band(confidence, right, wanted=wanted, level=0.95, cluster=cluster)
        found["clusters"] += band.confidence is not None
        assert band.clusters == 40
    assert found["clusters"] <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)
    assert found["rows"] > 60 or alike < 0.5, "taken for independent, a promise is broken far more often"


def test_clusters_of_one_row_are_rows():
    rng = np.random.default_rng(0)
    confidence, right = rng.uniform(0.5, 1.0, 300), rng.uniform(size=300) < 0.9
    alone = choose_band(confidence, right, wanted=0.8, level=0.95)
    single = choose_band(confidence, right, wanted=0.8, level=0.95, cluster=np.arange(300))
    assert (single.confidence, single.low) == (alone.confidence, pytest.approx(alone.low, rel=1e-9))


def test_a_learner_knows_who_belongs_together(frame):
    columns = Columns(y="ill", features=["angle", "site"], cluster="person")
    split = split_groups(frame["person"], seed=3)
    learner = Learner(Table.from_frame(frame, columns=columns, split=split), network=SMALL, device="cpu")
    learner.fit_one_cycle(1)
    band = learner.abstain(0.99)
    assert band.clusters == frame["person"].iloc[split.valid].nunique()
    assert f"(n = {len(split.valid)} in {band.clusters} clusters)" in band.reason


def test_a_part_in_the_place_of_a_number_is_named(learner):
    with pytest.raises(InputError, match=r"accuracy must lie in \(0, 1\); came 'test'"):
        learner.abstain("test")
    with pytest.raises(InputError, match=r"alpha must lie in \(0, 1\); came 'test'"):
        learner.conformal("test")


def test_several_labels_per_row_are_refused_clearly(frame, learner):
    flags = frame.assign(old=frame["age"] > 50, sure=frame["angle"] > 0)
    columns = Columns(labels=["old", "sure"], features=["angle"], sensitive_features=["sex"])
    table = Table.from_frame(flags, columns=columns, split=split_rows(len(frame), seed=3))
    several = Learner(table, network=SMALL, device="cpu")
    several.fit_one_cycle(1)
    band, limits = learner.abstain(0.5), learner.conformal(0.2)
    asks = [lambda: several.abstain(0.5), several.conformal, lambda: band.log(several)]
    asks += [lambda: limits.audit(several), lambda: limits.sets(several, "test")]
    for ask in asks:
        with pytest.raises(InputError, match="needs one class per row; this model answers labels"):
            ask()
    with pytest.raises(InputError, match="model 'one' has no two classes with a positive one"):
        prices({"one": several, "other": several}, by=["sex"])
