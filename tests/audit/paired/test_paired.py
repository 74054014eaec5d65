"""Changes from one model to another: against row-level formulas, the unpaired intervals, and coverage by simulation."""

import numpy as np
import pyarrow as pa
import pytest

from audit.estimates import interval
from audit.inference.gap_intervals import agresti_caffo, square_and_add
from audit.inference.intervals import quantile
from audit.metrics.catalog import METRICS
from audit.paired.paired import change, change_interval, growth, growth_interval, same_denominator
from audit.paired.paired_log import count_together
from audit.paired.paired_models import joint_cells
from audit.paired.paired_tables import Asked
from audit.rollup import partition

SAME_ROWS = ("selection_rate", "accuracy", "true_positive_rate", "false_positive_rate")
OTHERS = ("precision", "false_omission_rate", "f1", "matthews_corrcoef", "balanced_accuracy")


def rows_of(rng, size, *, agree=0.3, cluster=1):
    """Return labels and the scores of two models that see nearly the same."""
    signal = rng.normal(size=size) + np.repeat(rng.normal(0, 0.7, size // cluster + 1), cluster)[:size]
    y = (rng.random(size) < 1 / (1 + np.exp(0.5 - signal))).astype(int)
    old = signal + rng.normal(0, 0.8, size)
    new = 0.4 * signal + 0.6 * old + rng.normal(0, agree, size)
    return {"y": y, "old": 1 / (1 + np.exp(0.5 - old)), "new": 1 / (1 + np.exp(0.4 - new))}


def counted(columns, *, features=(), scores=False, **asked):
    table = {**columns, "n": (columns["new"] >= 0.5).astype(int), "o": (columns["old"] >= 0.5).astype(int)}
    return count_together(
        pa.table(table),
        None,
        Asked(
            y_true="y",
            candidates=("n",),
            baseline="o",
            features=features,
            scores=("new", "old") if scores else (),
            **asked,
        ),
    )


def changes(found, metric, features=()):
    cells = joint_cells(found.tally, found.models, scores=METRICS[metric].kind == "ranked")
    return change(METRICS[metric], cells[0], cells[-1], partition(cells[0], features))


def replicates(count, size, seed=0, **how):
    """Return rows of many replicates, the replicate being a feature."""
    columns = rows_of(np.random.default_rng(seed), count * size, **how)
    names = pa.array([f"r{place}" for place in range(count)])
    return {**columns, "rep": names.take(pa.array(np.repeat(np.arange(count), size)))}


@pytest.fixture(scope="module")
def truth():
    """Return the true change of each metric: that of two million rows."""
    plain = counted(rows_of(np.random.default_rng(9), 2_000_000))
    found = {name: float(changes(plain, name).value[0]) for name in (*SAME_ROWS, *OTHERS)}
    scored = counted(rows_of(np.random.default_rng(9), 300_000), scores=True)
    return {**found, "roc_auc": float(changes(scored, "roc_auc").value[0])}


def covered(bounds, value):
    return float(np.mean((bounds.low <= value) & (value <= bounds.high)))


@pytest.mark.parametrize("size", [40, 250])
def test_coverage_of_independent_rows(truth, size):
    found = counted(replicates(900, size), features=("rep",))
    for metric in (*SAME_ROWS, *OTHERS):
        bounds = change_interval(changes(found, metric, ["rep"]), level=0.95)
        known = np.isfinite(bounds.low)
        assert known.mean() > 0.95
        missed = ((bounds.low > truth[metric]) | (bounds.high < truth[metric]))[known].mean()
        assert missed <= 0.06, metric  # .94 with the spread of 900 replicates: .95 - 1.4 standard errors


def test_coverage_of_the_auc(truth):
    found = counted(replicates(300, 150, seed=4), features=("rep",), scores=True)
    estimated = changes(found, "roc_auc", ["rep"])
    bounds = change_interval(estimated, level=0.95)
    assert covered(bounds, truth["roc_auc"]) >= 0.93
    alone = [interval(METRICS["roc_auc"], side, level=0.95) for side in (estimated.left, estimated.right)]
    apart = square_and_add(estimated.left.value, alone[0], estimated.right.value, alone[1])
    assert (bounds.high - bounds.low).mean() < 0.8 * (apart.high - apart.low).mean()


@pytest.mark.parametrize("how", ["weights", "clusters"])
def test_coverage_under_weights_and_clusters(truth, how):
    rng = np.random.default_rng(3)
    columns = replicates(400, 320, seed=2, cluster=8 if how == "clusters" else 1)
    rows = len(columns["y"])
    true = truth
    if how == "weights":
        found = counted({**columns, "w": rng.lognormal(0, 0.8, rows)}, features=("rep",), sample_weight="w")
    else:
        found = counted({**columns, "k": np.arange(rows) // 8}, features=("rep",), cluster="k")
        large = counted(rows_of(np.random.default_rng(9), 1_000_000, cluster=8))
        true = {name: float(changes(large, name).value[0]) for name in (*SAME_ROWS, *OTHERS)}
    for metric in (*SAME_ROWS, *OTHERS):
        assert covered(change_interval(changes(found, metric, ["rep"]), level=0.95), true[metric]) >= 0.93, metric


def test_rare_events_and_few_discordant_rows():
    rng = np.random.default_rng(5)
    size, reps = 400, 600
    y = rng.random(size * reps) < 0.1
    old = np.where(rng.random(size * reps) < 0.01, 0.9, 0.1)
    new = np.where(rng.random(size * reps) < 0.004, 1 - old, old)
    names = pa.array([f"r{place}" for place in range(reps)]).take(pa.array(np.repeat(np.arange(reps), size)))
    found = counted({"y": y.astype(int), "old": old, "new": new, "rep": names}, features=("rep",))
    true = 0.004 * 0.98
    bounds = change_interval(changes(found, "selection_rate", ["rep"]), level=0.95)
    assert covered(bounds, true) >= 0.94
    assert (bounds.high > bounds.low).all()


def test_a_paired_interval_is_much_narrower_than_an_unpaired_one():
    found = counted(rows_of(np.random.default_rng(1), 20_000, agree=0.1))
    for metric in SAME_ROWS:
        estimated = changes(found, metric)
        ours = change_interval(estimated, level=0.95)
        sides = [side for one in (estimated.left, estimated.right) for side in (one.successes, one.trials)]
        apart = agresti_caffo(*sides, critical=quantile(0.95))
        assert (ours.high - ours.low) < 0.7 * (apart.high - apart.low), metric
    for metric in OTHERS:
        estimated = changes(found, metric)
        ours = change_interval(estimated, level=0.95)
        alone = [interval(METRICS[metric], side, level=0.95) for side in (estimated.left, estimated.right)]
        apart = square_and_add(estimated.left.value, alone[0], estimated.right.value, alone[1])
        assert (ours.high - ours.low) < 0.75 * (apart.high - apart.low), metric


def test_identical_models_differ_by_0_and_never_for_certain():
    columns = rows_of(np.random.default_rng(2), 500)
    found = counted({**columns, "new": columns["old"]}, scores=True)
    for metric in (*SAME_ROWS, *OTHERS, "roc_auc"):
        estimated = changes(found, metric)
        bounds = change_interval(estimated, level=0.95)
        assert estimated.value[0] == 0
        assert bounds.low[0] < 0 < bounds.high[0], metric


def jackknife(columns, statistic):
    """Return the jackknife variance of a statistic of the rows: an independent way to the linearised one."""
    rows = len(columns["y"])
    keep = ~np.eye(rows, dtype=bool)
    values = np.array([statistic({name: array[mask] for name, array in columns.items()}) for mask in keep])
    return (rows - 1) / rows * ((values - values.mean()) ** 2).sum()


def auc(y, score):
    positive, negative = score[y == 1][:, None], score[y == 0]
    return ((positive > negative) + 0.5 * (positive == negative)).mean()


def test_the_variance_of_differences_agrees_with_the_jackknife():
    columns = rows_of(np.random.default_rng(7), 400)
    columns["new"], columns["old"] = columns["new"].round(2), columns["old"].round(2)
    found = counted(columns, scores=True)

    def precision(rows):
        said = [rows[name] >= 0.5 for name in ("new", "old")]
        return rows["y"][said[0]].mean() - rows["y"][said[1]].mean()

    def aucs(rows):
        return auc(rows["y"], rows["new"]) - auc(rows["y"], rows["old"])

    for metric, statistic in (("precision", precision), ("roc_auc", aucs)):
        estimated = changes(found, metric)
        assert estimated.value[0] == pytest.approx(statistic(columns))
        alone = [
            (side.error if side.error is not None else np.sqrt(side.value * (1 - side.value) / side.trials))[0]
            for side in (estimated.left, estimated.right)
        ]
        covariance = estimated.correlation[0] * alone[0] * alone[1] + 0.5 / estimated.n[0] ** 2
        variance = alone[0] ** 2 + alone[1] ** 2 - 2 * covariance
        assert variance == pytest.approx(jackknife(columns, statistic), rel=0.06), metric


def test_weights_are_linearised_row_by_row():
    rng = np.random.default_rng(8)
    columns = {**rows_of(rng, 3000), "w": rng.lognormal(0, 0.8, 3000).round(4)}
    estimated = changes(counted(columns, sample_weight="w"), "accuracy")
    right = [(columns[name] >= 0.5) == columns["y"] for name in ("new", "old")]
    d, w = right[0].astype(float) - right[1], columns["w"]
    value = (w @ d) / w.sum()
    assert estimated.value[0] == pytest.approx(value)
    variance = ((w * (d - value)) ** 2).sum() / w.sum() ** 2
    shares = (estimated.gained + estimated.lost)[0] / estimated.trials[0]
    assert (shares - value**2) / estimated.trials[0] == pytest.approx(variance, rel=2e-3)


def test_growth_covers_by_simulation():
    """Two groups; the candidate harms one of them only."""
    rng = np.random.default_rng(11)
    reps, size = 500, 160
    columns = replicates(reps, size, seed=11)
    second = np.tile(np.arange(size) % 2 == 1, reps)
    y = columns["y"]
    old = (columns["old"] >= 0.5).astype(float)
    missed = second & (y == 1) & (old == 1) & (rng.random(len(y)) < 0.2)
    columns |= {"old": old, "new": np.where(missed, 0.0, old), "g": np.where(second, "b", "a")}
    found = counted(columns, features=("rep", "g"))
    estimated = changes(found, "true_positive_rate", ["rep", "g"])
    places = np.arange(0, 2 * reps, 2)
    bounds = growth_interval(estimated, places + 1, places, level=0.95)
    large = counted({**{k: v for k, v in columns.items() if k != "rep"}}, features=("g",))
    true = growth(changes(large, "true_positive_rate", ["g"]), [1], [0])[0]
    assert true < -0.1
    assert covered(bounds, true) >= 0.94
    alone = [interval(METRICS["true_positive_rate"], side, level=0.95) for side in (estimated.left, estimated.right)]
    half = np.sqrt(sum((side.high - side.low) ** 2 for side in alone))
    assert (bounds.high - bounds.low).mean() < 0.75 * np.hypot(half[places], half[places + 1]).mean()


def test_which_rates_share_their_rows():
    assert {name for name, metric in METRICS.items() if same_denominator(metric)} >= {*SAME_ROWS, "prevalence"}
    assert not any(same_denominator(METRICS[name]) for name in OTHERS)


def test_undefined_under_one_model():
    columns = {"y": np.array([1, 0, 1]), "new": np.array([0.0, 0.0, 0.0]), "old": np.array([1.0, 1.0, 0.0])}
    estimated = changes(counted(columns), "precision")
    assert np.isnan(estimated.value[0])
    assert np.isnan(change_interval(estimated, level=0.95).low[0])
