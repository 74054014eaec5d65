"""The paired Brier score: against the rows, scipy and statsmodels, and coverage by simulation."""

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scipy.stats import ttest_rel
from sklearn.metrics import brier_score_loss
from statsmodels.stats.weightstats import DescrStatsW

from audit.errors import InputError
from audit.inference.intervals import quantile
from audit.metrics.catalog import METRICS
from audit.paired.comparison import run_compare
from audit.paired.paired import change, change_interval, change_method
from audit.paired.paired_gaps import paired_changes
from audit.paired.paired_log import count_together
from audit.paired.paired_losses import loss_change
from audit.paired.paired_models import Model, Models, joint_cells
from audit.paired.paired_tables import Asked
from audit.rollup import partition
from evenhanded.commands.compare import command

BRIER = METRICS["brier_score"]


def world(rng, size, *, base=0.5, cluster=1):
    """Return labels and the scores of two models that see nearly the same."""
    shared = np.repeat(rng.normal(0, 0.7, size // cluster + 1), cluster)[:size]
    signal = rng.normal(size=size) + shared
    y = (rng.random(size) < 1 / (1 + np.exp(base - signal))).astype(int)
    old = signal + rng.normal(0, 0.8, size)
    new = 0.4 * signal + 0.6 * old + rng.normal(0, 0.3, size)
    return {"y": y, "new": 1 / (1 + np.exp(base - 0.1 - new)), "old": 1 / (1 + np.exp(base - old))}


def rare_changes(rng, size, share=0.02):
    """Return deciles of a model, and a candidate that differs from it in few rows, but there by much."""
    y = (rng.random(size) < 0.3).astype(int)
    old = rng.integers(0, 10, size) / 10 + 0.05
    new = np.where(rng.random(size) < share, 1 - old, old)
    return {"y": y, "new": new, "old": old}


def losses(columns):
    return (columns["new"] - columns["y"]) ** 2 - (columns["old"] - columns["y"]) ** 2


def found_in(columns, features=(), **asked):
    question = Asked("y", ("new",), "old", features, (), None, 0.5, **asked)
    counted = count_together(pa.table(dict(columns)), None, question)
    cells = joint_cells(counted.tally, counted.models, scores=True)
    return change(BRIER, cells[0], cells[-1], partition(cells[0], features))


def replicated(make, reps, size, seed, **how):
    names = pa.array([f"r{place}" for place in range(reps)])
    columns = make(np.random.default_rng(seed), reps * size, **how)
    return {**columns, "rep": names.take(pa.array(np.repeat(np.arange(reps), size)))}


def coverage(columns, true, *, level=0.95, comparisons=1, **asked):
    low, high = change_interval(found_in(columns, ("rep",), **asked), level=level, comparisons=comparisons)
    return float(np.mean((low <= true) & (true <= high)))


def test_the_value_is_that_of_the_rows():
    columns = world(np.random.default_rng(0), 3000)
    sides = [brier_score_loss(columns["y"], columns[name]) for name in ("new", "old")]
    found = found_in(columns)
    assert found.value[0] == pytest.approx(sides[0] - sides[1], abs=1e-12)
    assert [found.left.value[0], found.right.value[0]] == pytest.approx(sides, abs=1e-12)


def test_a_group_is_off_by_less_than_a_hundredth_of_its_standard_error():
    columns = world(np.random.default_rng(1), 6000)
    columns["g"] = np.where(np.arange(6000) % 20 == 0, "few", "many")
    found = found_in(columns, ("g",))
    for place, group in enumerate(("few", "many")):
        own = losses(columns)[columns["g"] == group]
        error = own.std() / np.sqrt(len(own))
        assert abs(found.value[place] - own.mean()) < 0.05 * error, group


def test_interval_agrees_with_scipy_and_statsmodels():
    columns = world(np.random.default_rng(2), 4000)
    low, high = (float(end[0]) for end in change_interval(found_in(columns), level=0.95))
    one, two = ((columns[name] - columns["y"]) ** 2 for name in ("new", "old"))
    theirs = ttest_rel(one, two).confidence_interval(0.95)
    width = theirs.high - theirs.low
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)
    assert (low, high) == pytest.approx(DescrStatsW(one - two).tconfint_mean(), abs=0.02 * width)


def test_weighted_rows_agree_with_statsmodels():
    rng = np.random.default_rng(3)
    columns = world(rng, 4000)
    weight = rng.lognormal(0, 0.7, 4000)
    found = found_in({**columns, "w": weight}, sample_weight="w")
    assert found.value[0] == pytest.approx(DescrStatsW(losses(columns), weights=weight).mean, abs=2e-5)
    d, share = losses(columns), weight / weight.sum()
    linearised = np.sqrt(np.sum((share * (d - share @ d)) ** 2))
    assert np.sqrt(found.losses.variance[0]) == pytest.approx(linearised, rel=0.01)


def test_clusters_that_change_at_once_widen_it():
    rng = np.random.default_rng(4)
    columns = rare_changes(rng, 4000, share=0.0)
    hit = np.repeat(rng.random(400) < 0.1, 10)
    columns["new"] = np.where(hit, 0.5, columns["old"])
    columns["y"] = np.where(hit, 1, columns["y"])
    plain, robust = found_in(columns), found_in({**columns, "k": np.arange(4000) // 10}, cluster="k")
    sums = (losses(columns) - losses(columns).mean()).reshape(400, 10).sum(axis=1)
    by_hand = np.sqrt((sums**2).sum() * 400 / 399) / 4000
    assert np.sqrt(robust.losses.variance[0]) == pytest.approx(by_hand, rel=0.01)
    widths = [float(np.diff(change_interval(found, level=0.95), axis=0)[0, 0]) for found in (plain, robust)]
    assert widths[1] > 1.5 * widths[0]
    assert change_method(robust) == "paired_t, cluster-robust"


def test_scores_of_0_and_1_are_predictions():
    rng = np.random.default_rng(5)
    y, old = rng.integers(0, 2, (2, 300))
    new = np.where(rng.random(300) < 0.1, 1 - old, old)
    found = found_in({"y": y, "new": new * 1.0, "old": old * 1.0})
    gained, lost = np.sum((new != y) & (old == y)), np.sum((new == y) & (old != y))
    assert found.value[0] == pytest.approx((gained - lost) / 300)
    centre = (gained - lost) / 302
    half = quantile(0.95, df=299) * np.sqrt(((gained + lost + 2) / 302 - centre**2) / 302)
    low, high = change_interval(found, level=0.95)
    assert (low[0], high[0]) == pytest.approx((centre - half, centre + half))


def test_the_same_model_twice_differs_by_0_and_never_for_certain():
    columns = world(np.random.default_rng(6), 500)
    found = found_in({**columns, "new": columns["old"]})
    low, high = change_interval(found, level=0.95)
    assert found.value[0] == 0
    assert low[0] < 0 < high[0]
    deciles = rare_changes(np.random.default_rng(6), 100, share=0.0)
    low, high = change_interval(found_in(deciles), level=0.95)
    assert (low[0], high[0]) == pytest.approx((-0.0275, 0.0275), abs=1e-4)  # 1.984 sqrt(2) / 102


@pytest.mark.parametrize("size", [30, 100, 400])
def test_coverage_where_every_row_changes(size):
    true = losses(world(np.random.default_rng(99), 2_000_000)).mean()
    columns = replicated(world, 900, size, size)
    assert coverage(columns, true) >= 0.935
    naive = coverage({**columns, "new": columns["old"]}, true)  # as sure of another value
    assert naive < 0.8 or size == 30


@pytest.mark.parametrize(("size", "share"), [(50, 0.05), (200, 0.02), (200, 0.07), (400, 0.005), (400, 0.02)])
def test_coverage_where_few_rows_change(size, share):
    true = losses(rare_changes(np.random.default_rng(98), 4_000_000, share=share)).mean()
    columns = replicated(rare_changes, 900, size, size, share=share)
    assert coverage(columns, true) >= 0.93
    if size * share < 3:
        d = losses(columns).reshape(900, size)
        error = d.std(axis=1, ddof=1) / np.sqrt(size)
        assert np.mean(np.abs(d.mean(axis=1) - true) <= 1.96 * error) < 0.93  # the textbook's


def test_coverage_at_the_level_of_several_groups():
    true = losses(world(np.random.default_rng(99), 2_000_000)).mean()
    columns = replicated(world, 900, 60, 12)
    assert coverage(columns, true, comparisons=6) >= 0.985  # .9917 promised


def test_coverage_of_rare_events_within_few_score_bins():
    how = {"base": 5.0}
    true = losses(world(np.random.default_rng(97), 4_000_000, **how)).mean()
    columns = replicated(world, 300, 1500, 13, **how)
    assert coverage(columns, true) >= 0.92


@pytest.mark.parametrize("how", ["weights", "clusters"])
def test_coverage_under_weights_and_clusters(how):
    cluster = 8 if how == "clusters" else 1
    true = losses(world(np.random.default_rng(96), 2_000_000, cluster=cluster)).mean()
    columns = replicated(world, 400, 320, 14, cluster=cluster)
    rows = len(columns["y"])
    if how == "weights":
        columns["w"] = np.random.default_rng(15).lognormal(0, 0.8, rows)
        assert coverage(columns, true, sample_weight="w") >= 0.93
    else:
        columns["k"] = np.arange(rows) // 8
        assert coverage(columns, true, cluster="k") >= 0.93


def test_rows_without_a_label_say_nothing():
    columns = world(np.random.default_rng(7), 400)
    known = np.arange(400) % 2 == 0
    half = {name: values[known] for name, values in columns.items()}
    hidden = {**columns, "y": pa.array(columns["y"], mask=~known)}
    whole, part = found_in(hidden), found_in(half)
    assert whole.n[0] == part.n[0] == 200
    assert whole.value[0] == pytest.approx(part.value[0], abs=1e-12)


def test_one_row_and_one_row_per_group_have_no_interval():
    columns = {"y": [1, 0], "new": [0.9, 0.2], "old": [0.8, 0.2], "g": ["a", "b"]}
    low, high = change_interval(found_in(columns, ("g",)), level=0.95)
    assert np.isnan([*low, *high]).all()


def test_rows_of_the_result_and_the_gate_agree():
    columns = world(np.random.default_rng(8), 800)
    columns["g"] = np.where(np.arange(800) % 3 == 0, "<script>", "b")
    result = run_compare(
        pa.table(columns), y_true="y", candidate="new", baseline="old", threshold=0.5, sensitive_features=["g"],
        metrics=["brier_score"],
    )  # fmt: skip
    row = next(row for row in result.measurements if row.metric == "brier_score_difference" and not row.slice)
    assert row.method == "paired_t"
    assert row.n == 800
    models = Models.from_json(result.provenance.given["models"])
    again = paired_changes(result.tally, models, "brier_score", [])
    assert again.value[0] == row.value
    names = {row.metric for row in result.measurements}
    assert {"brier_score_difference_group_max", "brier_score_change_difference"} <= names


@pytest.mark.parametrize("metric", ["average_precision", "calibration_slope", "expected_calibration_error"])
def test_what_is_no_mean_over_rows_is_refused_with_the_reason(metric):
    with pytest.raises(InputError, match=f"{metric} has no paired interval: it is no mean over rows"):
        run_compare(pa.table(world(np.random.default_rng(9), 50)), y_true="y", candidate="new", baseline="old",
                    threshold=0.5, metrics=[metric])  # fmt: skip


def test_scores_that_are_missing_and_records_of_an_earlier_version_are_said():
    frame = pa.table({"y": [1, 0], "new": [1, 1], "old": [0, 1]})
    with pytest.raises(InputError, match="brier_score needs scores; name a column of scores for each model"):
        run_compare(frame, y_true="y", candidate="new", baseline="old", metrics=["brier_score"])
    cells = joint_cells(count_together(frame, None, Asked("y", ("new",), "old")).tally, Models((Model("new"),),
                        Model("old", prediction="old"), ()))  # fmt: skip
    with pytest.raises(ValueError, match="without"):
        loss_change(cells[0], cells[1], partition(cells[0], ()))
    found = count_together(frame, None, Asked("y", ("new",), "old", threshold=0.5))
    earlier = Models.from_json(
        {**found.models.to_json(), "candidates": [{"name": "new"}]}  # without moments, as once written
    )
    with pytest.raises(ValueError, match="compare the models again"):
        paired_changes(found.tally, earlier, "brier_score", [])


def test_the_command_prints_it(tmp_path):
    columns = world(np.random.default_rng(10), 500)
    names = list(columns)
    lines = [",".join(names), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    data = tmp_path / "scored.csv"
    data.write_text("\n".join([lines[0] + ",g", *(f"{line},{'ab'[i % 2]}" for i, line in enumerate(lines[1:]))]))
    done = CliRunner().invoke(
        command, [str(data), "--y-true", "y", "--candidate", "new", "--baseline", "old", "--threshold", "0.5",
               "--sensitive", "g", "--metrics", "brier_score"]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Brier score" in done.output
