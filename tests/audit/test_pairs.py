"""Pairs of slices: shared clusters, the missing group, and what a few clusters cost."""

import numpy as np
import pyarrow as pa
import pytest

from audit.inference.intervals import quantile
from audit.predictions import PredictionLog
from audit.run import run_audit


def clustered(rates, *, clusters, per_group, seed):
    """Rows of two groups in the same clusters, whose shared effect correlates them."""
    rng = np.random.default_rng(seed)
    effect = rng.uniform(0.2, 1.8, clusters)
    rows = {"c": [], "g": [], "p": []}
    for group, rate in rates.items():
        flagged = rng.random((clusters, per_group)) < np.clip(rate * effect, 0, 1)[:, None]
        rows["c"].append(np.repeat(np.arange(clusters), per_group))
        rows["g"].append(np.full(clusters * per_group, group))
        rows["p"].append(flagged.ravel().astype(int))
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def audited(rows, **options):
    table = pa.table({"y": np.ones(len(rows["p"]), dtype=int), **rows})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"], **options)
    return run_audit(log, metrics=["selection_rate"], reference={"g": "b"})


def against_b(result, metric):
    (row,) = (r for r in result.measurements if r.metric == metric and (r.against or {}).get("kind") == "slice")
    return row


def sandwich(rows, *, clusters, log):
    """Standard error of a difference, or log ratio, of two rates from totals per cluster: the delta method by hand."""
    influence = np.zeros(clusters)
    for group, sign in (("a", 1.0), ("b", -1.0)):
        mine = rows["g"] == group
        rate = rows["p"][mine].mean()
        residual = (rows["p"][mine] - rate) / mine.sum() / (rate if log else 1.0)
        influence += sign * np.bincount(rows["c"][mine], weights=residual, minlength=clusters)
    return float(np.sqrt((influence**2).sum()))


@pytest.mark.parametrize("rates", [{"a": 0.5, "b": 0.05}, {"a": 0.3, "b": 0.2}], ids=["far apart", "close"])
def test_clusters_that_span_both_groups_enter_ratio_and_difference(rates):
    rows = clustered(rates, clusters=2000, per_group=2, seed=1)
    result = audited(rows, cluster="c")
    critical = float(quantile(0.95, df=1999))
    ratio = against_b(result, "selection_rate_ratio")
    half = np.log(ratio.high / ratio.low) / 2 / critical
    # never more effective rows than rows: as wide as the truth, or a little wider, never narrower
    assert 0.97 * sandwich(rows, clusters=2000, log=True) <= half <= 1.1 * sandwich(rows, clusters=2000, log=True)
    difference = against_b(result, "selection_rate_difference")
    half = (difference.high - difference.low) / 2 / critical
    assert half >= 0.97 * sandwich(rows, clusters=2000, log=False)


def test_few_clusters_widen_the_interval_by_their_degrees_of_freedom():
    rows = clustered({"a": 0.4}, clusters=6, per_group=200, seed=2)
    few = run_audit(
        PredictionLog.from_frame(
            pa.table({"y": np.ones(1200, dtype=int), **rows}), y_true="y", y_pred="p", cluster="c"
        ),
        metrics=["selection_rate"],
    ).find("selection_rate")
    totals = rows["p"].reshape(6, 200).mean(axis=1)
    error = totals.std(ddof=1) / np.sqrt(6)  # the textbook standard error of a mean of six
    assert (few.high - few.low) / 2 == pytest.approx(float(quantile(0.95, df=5)) * error, rel=0.12)


def test_a_missing_group_takes_part_in_no_gap_and_costs_no_level():
    table = {"y": [1] * 800, "p": [1, 0, 0, 0] * 100 + [1, 0] * 200, "g": ["a"] * 400 + ["b"] * 400}
    whole = run_audit(PredictionLog.from_frame(pa.table(table), y_true="y", y_pred="p", sensitive_features=["g"]),
                      reference={"g": "b"})  # fmt: skip
    more = {"y": [*table["y"], 1], "p": [*table["p"], 1], "g": [*table["g"], None]}
    with_one = run_audit(PredictionLog.from_frame(pa.table(more), y_true="y", y_pred="p", sensitive_features=["g"]),
                         reference={"g": "b"})  # fmt: skip
    for metric in ("selection_rate_difference", "selection_rate_ratio"):
        assert against_b(with_one, metric) == against_b(whole, metric)
    compared = [row.slice for row in with_one.measurements if row.against is not None]
    assert (("g", None),) not in compared
    assert with_one.find("selection_rate", {"g": None}).n == 1


def test_an_auc_that_bins_cannot_tell_is_not_shown():
    rng = np.random.default_rng(3)
    y = rng.random(2000) < 0.3
    score = np.where(y, 0.003, 0.001) + rng.normal(0, 0.0005, 2000)
    table = pa.table({"y": y.astype(int), "s": np.clip(score, 0, 0.0039)})
    log = PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.002)
    assert run_audit(log, metrics=["roc_auc"]).find("roc_auc").value is None
    scaled = PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.5, score_max=0.0039)
    assert run_audit(scaled, metrics=["roc_auc"]).find("roc_auc").value > 0.97
