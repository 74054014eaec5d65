import time
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from scipy.stats import binom, spearmanr
from sklearn.metrics import mean_absolute_error, precision_score, roc_auc_score

from audit.errors import InputError
from audit.inference.bootstrap import Replicates, bca, needed, replicates
from audit.inference.bootstrap import difference as difference_of
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.tasks.custom_metrics import MetricColumns, custom_metric_rows, run_custom_metric


def plain(rows, name, **where):
    (row,) = (r for r in rows if r.metric == name and r.against is None and dict(r.slice) == where)
    return row


def gap(rows, name):
    (row,) = (r for r in rows if r.metric == name and r.against and r.against["kind"] == "groups")
    return row


def spread(rows=240, seed=0, groups="ab"):
    random = np.random.default_rng(seed)
    y = random.normal(size=rows)
    return pd.DataFrame({"y": y, "p": y + random.normal(size=rows), "g": random.choice([*groups], rows)})


def mean_prediction(y, p):
    return float(np.mean(p))


def test_the_users_guide_of_fairlearn():
    # Counts behind the guide's printed rates: (rows, true positives, positives, false positives, negatives).
    counts = {"a": (4, 1, 2, 2, 2), "b": (6, 3, 5, 0, 1), "c": (8, 2, 5, 2, 3)}
    frames = []
    for group, (_, tp, positives, fp, negatives) in counts.items():
        y = [1] * positives + [0] * negatives
        p = [1] * tp + [0] * (positives - tp) + [1] * fp + [0] * (negatives - fp)
        frames.append(pd.DataFrame({"y": y, "p": p, "g": group}))
    frame = pd.concat(frames, ignore_index=True)
    expected = {
        "true_positive_rate": ({"a": 0.5, "b": 0.6, "c": 0.4}, 0.2),
        "false_positive_rate": ({"a": 1.0, "b": 0.0, "c": 2 / 3}, 1.0),
        "selection_rate": ({"a": 0.75, "b": 0.5, "c": 0.5}, 0.25),
    }
    functions = {f.__name__: f for f in (true_positive_rate, false_positive_rate, selection_rate)}
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    ours = run_audit(log)
    for name, (values, difference) in expected.items():
        theirs = MetricFrame(
            metrics=functions[name], y_true=frame["y"], y_pred=frame["p"], sensitive_features=frame["g"]
        )
        rows = custom_metric_rows(
            frame, functions[name], name=f"my_{name}", columns=MetricColumns("y", "p", ("g",)), n_boot=0
        )
        for group, value in values.items():
            assert plain(rows, f"my_{name}", g=group).value == pytest.approx(value)
            assert ours.find(name, {"g": group}).value == pytest.approx(value)
            assert theirs.by_group[group] == pytest.approx(value)
        assert theirs.difference() == pytest.approx(difference)
        largest = next(
            r for r in ours.measurements if r.metric == f"{name}_difference" and r.against["kind"] == "groups"
        )
        assert largest.value == pytest.approx(difference)


def test_values_are_those_of_the_metric_with_weights_and_intersections():
    frame = spread(groups="abc").assign(h=np.tile([True, False], 120), w=np.random.default_rng(1).uniform(1, 3, 240))
    columns = MetricColumns("y", "p", ("g", "h"), sample_weight="w")
    rows = custom_metric_rows(frame, mean_absolute_error, name="mine", columns=columns, n_boot=0)
    for (g, h), part in frame.groupby(["g", "h"]):
        theirs = mean_absolute_error(part["y"], part["p"], sample_weight=part["w"])
        assert plain(rows, "mine", g=g, h=str(h).lower()).value == pytest.approx(theirs)
    assert plain(rows, "mine").value == pytest.approx(
        mean_absolute_error(frame["y"], frame["p"], sample_weight=frame["w"])
    )


def test_what_fairlearn_says_0_of_is_undefined_here():
    frame = pd.DataFrame({"y": [1, 1, 0, 0] * 10, "p": [1, 0, 0, 0] * 10, "g": ["a", "a", "b", "b"] * 10})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MetricFrame(
            metrics=precision_score, y_true=frame["y"], y_pred=frame["p"], sensitive_features=frame["g"]
        )
    assert theirs.by_group["b"] == 0
    assert theirs.difference() == 1
    rows = custom_metric_rows(frame, precision_score, name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=100)
    row = plain(rows, "mine", g="b")
    assert row.value is None
    assert "warned that it is undefined" in row.reason
    assert gap(rows, "mine_difference").value is None
    assert (
        "1 group undefined" in gap(rows, "mine_difference").reason
        or "fewer than two" in gap(rows, "mine_difference").reason
    )


def test_a_missing_group_is_shown_where_fairlearn_refuses_it():
    frame = spread().assign(g=["a", None] * 120)
    with pytest.raises(ValueError, match=r"."):
        MetricFrame(metrics=mean_absolute_error, y_true=frame["y"], y_pred=frame["p"], sensitive_features=frame["g"])
    rows = custom_metric_rows(
        frame, mean_absolute_error, name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=0
    )
    assert plain(rows, "mine", g=None).n == 120


def test_the_gap_of_equal_groups_may_be_0_where_fairlearns_interval_excludes_it():
    random = np.random.default_rng(5)
    ours = 0
    for seed in range(3):
        frame = pd.DataFrame({"y": 1.0, "p": random.normal(size=300), "g": np.repeat([*"abc"], 100)})
        rows = custom_metric_rows(
            frame, mean_prediction, name="mine", columns=MetricColumns("y", "p", ("g",)), random_state=seed
        )
        ours += gap(rows, "mine_difference").low <= 0
        frame_of = MetricFrame(
            metrics=mean_prediction, y_true=frame["y"], y_pred=frame["p"], sensitive_features=frame["g"], n_boot=100,
            ci_quantiles=[0.025, 0.975], random_state=1,
        )  # fmt: skip
        assert frame_of.difference_ci()[0] > 0
    assert ours >= 2  # how often it holds is the next test


def largest_low(values, random):
    """Return the lower end of the largest gap of means, of the intervals that the rows are made of."""
    drawn = [
        replicates(lambda places, own=own: float(own[places].mean()), np.arange(len(own)),
                   n_boot=needed(0.95, 3), random_state=random, value=float(own.mean()))
        for own in values
    ]  # fmt: skip
    bounds = [bca(difference_of(one, two), level=0.95, comparisons=3) for one, two in combinations(drawn, 2)]
    return max(max(float(low), -float(high)) for low, high in bounds)


@pytest.mark.parametrize("repeats", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_largest_gap_of_equal_groups_is_above_0_in_one_of_twenty_samples(repeats):
    """Where the error is .06, as the bootstrap of 60 rows has it, so many misses come once in a thousand tests."""
    random = np.random.default_rng(6)
    missed = sum(largest_low(random.normal(size=(3, 60)), random) > 0 for _ in range(repeats))
    assert missed <= binom.isf(1e-3, repeats, 0.06)


@pytest.mark.parametrize("repeats", [150, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("statistic", ["mean", "spearman", "auc"])
def test_coverage_of_the_bootstrap_interval(statistic, repeats):
    random = np.random.default_rng(11)
    rank = 6 / np.pi * np.arcsin(np.sqrt(0.5) / 2)
    truth = {"mean": 1.0, "spearman": rank, "auc": 0.7602499}[statistic]
    covered = 0
    for _ in range(repeats):
        if statistic == "mean":
            z = random.exponential(1, 60)
            function = lambda places, z=z: float(z[places].mean())  # noqa: E731
        elif statistic == "spearman":
            x = random.normal(size=60)
            ranks = np.stack([x, x + random.normal(size=60)])
            function = lambda places, r=ranks: _spearman(r[:, places])  # noqa: E731
        else:
            y = np.repeat([0, 1], 40)
            s = random.normal(y.astype(float), 1)
            function = lambda places, y=y, s=s: _auc(y[places], s[places])  # noqa: E731
        n = 80 if statistic == "auc" else 60
        found = replicates(function, np.arange(n), n_boot=800, random_state=random, value=function(np.arange(n)))
        low, high = bca(found, level=0.95)
        covered += low <= truth <= high
    assert covered / repeats >= (0.92 if repeats > 500 else 0.89)


def _spearman(pair):
    """Return 1 - 6 sum d^2 / (n (n^2 - 1)), d the differences of ranks; rows drawn twice rank as they were drawn."""
    n = pair.shape[1]
    one, two = np.argsort(np.argsort(pair + 1e-9 * np.arange(n), axis=1), axis=1)
    return 1 - 6 * float(((one - two) ** 2).sum()) / (n * (n**2 - 1))


def _auc(y, s):
    up, down = s[y == 1], s[y == 0]
    if not len(up) or not len(down):
        return float("nan")
    return float((up[:, None] > down).mean() + (up[:, None] == down).mean() / 2)


def test_clusters_are_drawn_whole():
    random = np.random.default_rng(2)
    person = random.normal(size=40).repeat(10)
    frame = pd.DataFrame({"y": 0.0, "p": person, "g": "a", "who": np.arange(40).repeat(10)})
    widths = []
    for cluster in (None, "who"):
        rows = custom_metric_rows(
            frame, mean_prediction, name="mine", columns=MetricColumns("y", "p", ("g",), cluster=cluster)
        )
        row = plain(rows, "mine")
        widths.append(row.high - row.low)
    assert 2.5 < widths[1] / widths[0] < 3.8  # sqrt(10) = 3.16


def test_bca_agrees_with_scipy():
    from scipy.stats import bootstrap

    z = np.random.default_rng(3).exponential(size=50)
    theirs = bootstrap((z,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    found = replicates(
        lambda places: float(z[places].mean()), np.arange(50), n_boot=9999, random_state=np.random.default_rng(1),
        value=float(z.mean()),
    )  # fmt: skip
    low, high = bca(found, level=0.95)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_the_seed_is_recorded_and_decides():
    frame = spread()
    one, two, other = (
        run_custom_metric(
            frame, mean_absolute_error, name="mine", columns=MetricColumns("y", "p", ("g",)), random_state=seed
        )
        for seed in (4, 4, 5)
    )
    assert one == two
    assert one.provenance.seed == 4
    assert other.measurements != one.measurements
    assert Result.from_json(one.to_json()) == one


def test_groups_too_small_to_draw_from_have_no_interval():
    frame = pd.concat([spread(), spread(15, seed=1).assign(g="tiny")])
    rows = custom_metric_rows(frame, mean_absolute_error, name="mine", columns=MetricColumns("y", "p", ("g",)))
    row = plain(rows, "mine", g="tiny")
    assert row.value is not None
    assert row.low is None
    assert row.level is None
    assert "fewer than 20 rows" in row.reason
    assert "1 group undefined" in gap(rows, "mine_difference").reason


def test_simultaneous_pairs_say_how_many_and_too_few_replicates_say_so():
    rows = custom_metric_rows(
        spread(600, groups="abc"), mean_absolute_error, name="m", columns=MetricColumns("y", "p", ("g",))
    )
    pairs = [r for r in rows if r.against and r.against["kind"] == "slice"]
    assert len(pairs) == 3
    assert {r.method for r in pairs} == {"bca, difference, simultaneous over 3"}
    few = custom_metric_rows(
        spread(600, groups="abc"), mean_absolute_error, name="m", columns=MetricColumns("y", "p", ("g",)), n_boot=900
    )
    assert plain(few, "m", g="a").low is not None
    pair = next(r for r in few if r.against and r.against["kind"] == "slice")
    assert pair.reason == "no interval: this level over 3 pairs needs 2,400 replicates (n_boot)"


def no_number(value):
    return lambda y, _: value if y is not None else None


def raising(y, p):
    msg = "only one class"
    raise ValueError(msg)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (raising, "cannot be computed for everyone: the metric raised ValueError: only one class"),
        (lambda y, p: y - p, r"must return one number; it returned Series|it returned ndarray of shape \(240,\)"),
        (no_number("good"), "must return one number; it returned str"),
        (no_number(None), "must return one number; it returned NoneType"),
        (no_number(True), "must return one number; it returned bool"),
        (no_number(1j), "must return one number; it returned complex"),
    ],
)
def test_a_callable_that_is_no_metric_is_refused(metric, text):
    with pytest.raises(InputError, match=text):
        custom_metric_rows(spread(), metric, name="mine", columns=MetricColumns("y", "p", ("g",)))


def test_nan_and_errors_in_one_group_are_undefined_there():
    frame = spread().assign(y=lambda f: np.where(f["g"] == "a", 1.0, f["y"]))
    rows = custom_metric_rows(frame, lambda y, p: spearmanr(y, p).statistic if np.ptp(y) else float("nan"), name="mine",
                              columns=MetricColumns("y", "p", ("g",)), n_boot=50)  # fmt: skip
    assert plain(rows, "mine", g="a").reason == "the metric returned nan"

    def fails(y, p):
        return roc_auc_score(y, p) if len(set(y)) > 1 else raising(y, p)

    labels = spread().assign(y=lambda f: ((f["y"] > 0) & (f["g"] == "b")).astype(int))
    rows = custom_metric_rows(labels, fails, name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=0)
    assert plain(rows, "mine", g="a").reason == "the metric raised ValueError: only one class"
    assert plain(rows, "mine", g="b").value is not None


def test_bad_tables():
    with pytest.raises(InputError) as error:
        custom_metric_rows(spread().iloc[:0], max, name="accuracy", columns=MetricColumns("y", "q", ("h",)), level=1)
    text = str(error.value)
    for part in ("column 'q' is missing", "column 'h' is missing", "no rows", "may not be called 'accuracy'", "level"):
        assert part in text
    frame = spread().assign(w=-1.0)
    frame.loc[3, "y"] = np.nan
    with pytest.raises(InputError, match="1 rows have no value") as error:
        custom_metric_rows(frame, max, name="m", columns=MetricColumns("y", "p", ("g",), sample_weight="w"))
    assert "240 rows hold no finite number >= 0" in str(error.value)


def test_hostile_names_reach_no_engine():
    names = ["<script>", "=1+1", "a\nb", "\u202egnp", "true", "value"]
    frame = spread().assign(g=names * 40)
    rows = custom_metric_rows(
        frame, mean_absolute_error, name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=0
    )
    assert {dict(r.slice).get("g") for r in rows if r.against is None} == {None, *names}


def test_constant_values_have_no_interval_and_say_so():
    frame = spread().assign(p=lambda f: f["y"])
    row = plain(custom_metric_rows(frame, mean_absolute_error, name="m", columns=MetricColumns("y", "p", ("g",))), "m")
    assert (row.value, row.low) == (0, None)
    assert row.reason == "no interval: the bootstrap replicates show no spread"
    nearly = Replicates(1.0, np.where(np.arange(1000) < 100, np.nan, np.arange(1000.0)), np.ones(3))
    assert np.isnan(bca(nearly, level=0.95).low)


def test_a_hundred_thousand_rows_take_seconds():
    frame = spread(100_000, groups="abcd")
    start = time.perf_counter()
    custom_metric_rows(
        frame, lambda y, p: float(np.abs(y - p).mean()), name="m", columns=MetricColumns("y", "p", ("g",)), n_boot=20
    )
    assert time.perf_counter() - start < 20


class MineError(Exception):
    """What only its author knows."""


class MuteError(Exception):
    def __str__(self):
        raise LookupError


def fails_for_group_a(error):
    def metric(y, p):
        if np.ptp(y) == 0:
            raise error
        return mean_prediction(y, p)

    return metric


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MineError("too few of them"), "the metric raised MineError: too few of them"),
        (OSError(2, "gone", "model.bin"), "the metric raised FileNotFoundError: [Errno 2] gone: 'model.bin'"),
        (StopIteration(), "the metric raised StopIteration: "),
        (MineError("red\x1b[31m\nline \u202eback"), "the metric raised MineError: red [31m line  back"),
        (MineError("x" * 5000), "the metric raised MineError: " + "x" * 120),
        (MuteError(), "the metric raised MuteError: (its message raised LookupError)"),
        (type("Odd\x1b", (Exception,), {})("why"), "the metric raised Odd : why"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_metric_raises_is_a_reason_and_the_other_groups_go_on(error, reason):
    frame = spread().assign(y=lambda f: np.where(f["g"] == "a", 1.0, f["y"]))
    metric = fails_for_group_a(error)
    rows = custom_metric_rows(frame, metric, name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=0)
    failed = plain(rows, "mine", g="a")
    assert (failed.value, failed.reason) == (None, reason)
    part = frame[frame["g"] == "b"]
    assert plain(rows, "mine", g="b").value == pytest.approx(part["p"].mean())


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_who_stops_the_audit_stops_it(leaving):
    frame = spread().assign(y=lambda f: np.where(f["g"] == "a", 1.0, f["y"]))
    with pytest.raises(leaving):
        custom_metric_rows(
            frame, fails_for_group_a(leaving()), name="mine", columns=MetricColumns("y", "p", ("g",)), n_boot=0
        )
