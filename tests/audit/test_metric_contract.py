"""What every metric of the catalog promises, one test each: adding a metric needs one row in `EXPECTED` and no more."""

from functools import lru_cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.run import run_audit

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=30)
NAMES = sorted(METRICS)
EVERY = pytest.mark.parametrize("name", NAMES)


def only(defined, value):
    return value() if defined else None


def likelihood_ratio(y, p, *, flagged):
    (tn, fp), (fn, tp) = sk.confusion_matrix(y, p, labels=[0, 1])
    above, below = (tp, fp) if flagged else (fn, tn)
    return only(tp + fn > 0 and below > 0, lambda: (above / (tp + fn)) / (below / (fp + tn)))


def log_odds(t):
    score = np.clip(t.s, 0.001, 0.999)
    return np.log(score / (1 - score))


def slope(t):
    x = log_odds(t)
    sides = [x[t.y == label] for label in (0, 1)]
    if not all(map(len, sides)) or any(one.max() <= two.min() for one, two in (sides, sides[::-1])):
        return None  # a threshold parts the labels
    return sm.Logit(t.y, sm.add_constant(x)).fit(method="newton", tol=1e-13, maxiter=200, disp=False).params[1]


def intercept(t):
    if set(t.y) != {0, 1}:
        return None
    return sm.GLM(t.y, np.ones(len(t.y)), sm.families.Binomial(), offset=log_odds(t)).fit(tol=1e-13).params[0]


def bin_errors(t):
    frame = pd.DataFrame({"y": t.y, "s": t.s, "bin": np.minimum(np.round(t.s * 100).astype(int) // 10, 9)})
    means = frame.groupby("bin")[["y", "s"]].mean()
    return (means["y"] - means["s"]).abs(), frame["bin"].value_counts(normalize=True).sort_index()


# scikit-learn's or statsmodels' value of a table; None where the metric's definition divides 0 by 0.
EXPECTED = {
    "selection_rate": lambda t: t.p.mean(),
    "prevalence": lambda t: t.y.mean(),
    "accuracy": lambda t: sk.accuracy_score(t.y, t.p),
    "true_positive_rate": lambda t: only(1 in t.y, lambda: sk.recall_score(t.y, t.p)),
    "false_negative_rate": lambda t: only(1 in t.y, lambda: 1 - sk.recall_score(t.y, t.p)),
    "true_negative_rate": lambda t: only(0 in t.y, lambda: sk.recall_score(t.y, t.p, pos_label=0)),
    "false_positive_rate": lambda t: only(0 in t.y, lambda: 1 - sk.recall_score(t.y, t.p, pos_label=0)),
    "precision": lambda t: only(1 in t.p, lambda: sk.precision_score(t.y, t.p)),
    "false_discovery_rate": lambda t: only(1 in t.p, lambda: 1 - sk.precision_score(t.y, t.p)),
    "negative_predictive_value": lambda t: only(0 in t.p, lambda: sk.precision_score(t.y, t.p, pos_label=0)),
    "false_omission_rate": lambda t: only(0 in t.p, lambda: 1 - sk.precision_score(t.y, t.p, pos_label=0)),
    "balanced_accuracy": lambda t: only(set(t.y) == {0, 1}, lambda: sk.balanced_accuracy_score(t.y, t.p)),
    "f1": lambda t: only(1 in t.y or 1 in t.p, lambda: sk.f1_score(t.y, t.p)),
    "matthews_corrcoef": lambda t: only(set(t.y) == set(t.p) == {0, 1}, lambda: sk.matthews_corrcoef(t.y, t.p)),
    "positive_likelihood_ratio": lambda t: likelihood_ratio(t.y, t.p, flagged=True),
    "negative_likelihood_ratio": lambda t: likelihood_ratio(t.y, t.p, flagged=False),
    "roc_auc": lambda t: only(set(t.y) == {0, 1}, lambda: sk.roc_auc_score(t.y, t.s)),
    "average_precision": lambda t: only(1 in t.y, lambda: sk.average_precision_score(t.y, t.s)),
    "brier_score": lambda t: sk.mean_squared_error(t.y, t.s),
    "calibration_in_the_large": lambda t: t.s.mean() - t.y.mean(),
    "calibration_intercept": intercept,
    "calibration_slope": slope,
    "expected_calibration_error": lambda t: (bin_errors(t)[0] * bin_errors(t)[1]).sum(),
    "maximum_calibration_error": lambda t: bin_errors(t)[0].max(),
}
LOOSE = {"calibration_intercept", "calibration_slope"}  # found by iteration


def near(name, expected):
    return pytest.approx(expected, abs=1e-7, rel=1e-6) if name in LOOSE else pytest.approx(expected, abs=1e-12)


ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 100), st.sampled_from("ab")), min_size=1, max_size=40
)


@lru_cache(maxsize=64)
def audited(rows, weights=None, kind="sampling"):
    """Return the audit with every metric; the tests of one table share it."""
    return run_audit(log(rows, weights, kind), all_pairs=True)


def rows_of(result, name):
    return [row for row in result.measurements if row.metric in {name, f"{name}_difference", f"{name}_ratio"}]


def log(rows, weights=None, kind="sampling"):
    y, p, s, g = zip(*rows, strict=True)
    columns = {"y": pa.array(y, pa.int64()), "p": p, "s": np.array(s) / 100, "g": g}
    roles = {"y_true": "y", "y_pred": "p", "y_score": "s"}
    if weights is not None:
        columns["w"] = pa.array(weights, pa.float64())
        roles["sample_weight"] = "w"
    return PredictionLog.from_frame(pa.table(columns), sensitive_features=["g"], weights=kind, **roles)


def table(rows):
    y, p, s = (np.array(column) for column in list(zip(*rows, strict=True))[:3])
    return SimpleNamespace(y=y, p=p, s=s / 100)


def many(n, seed=0):
    random = np.random.default_rng(seed)
    score = random.integers(0, 101, n)
    y, p = (random.random(n) < score / 150 + 0.15, random.random(n) < score / 120 + 0.1)
    columns = y.astype(int).tolist(), p.astype(int).tolist(), score.tolist(), random.choice([*"abc"], n).tolist()
    return tuple(zip(*columns, strict=True))


def test_every_metric_has_an_independent_value():
    assert set(EXPECTED) == set(METRICS)


@EVERY
def test_facts_of_the_catalog(name):
    metric = METRICS[name]
    assert metric.range[0] < metric.range[1]
    assert metric.source
    assert "20" in metric.source or "19" in metric.source  # a year
    assert metric.function.__doc__
    assert ">>>" in metric.function.__doc__


@REPEATABLE
@given(ROWS)
def test_values_agree_with_scikit_learn_in_every_slice_and_undefined_is_null_with_a_reason(rows):
    result = run_audit(log(rows))
    for group, name in product([None, *sorted({row[3] for row in rows})], NAMES):
        expected = EXPECTED[name](table([row for row in rows if group in {None, row[3]}]))
        found = result.find(name, None if group is None else {"g": group})
        low, high = METRICS[name].range
        if expected is None:
            assert (found.value, found.low, found.high) == (None, None, None)
            assert found.reason.startswith("no ")
        else:
            assert found.value == near(name, expected)
            assert low <= found.value <= high
            assert found.low is None or low <= found.low <= found.value + 1e-12
            assert found.high is None or found.value - 1e-12 <= found.high <= high
            assert (None not in {found.low, found.high}) or found.reason


@EVERY
def test_the_order_of_rows_is_irrelevant(name):
    rows = many(300)
    shuffled = tuple(rows[place] for place in np.random.default_rng(1).permutation(len(rows)))
    one, two = audited(rows), audited(shuffled)
    assert rows_of(one, name) == rows_of(two, name)
    assert len(rows_of(one, name)) > 10
    assert one.provenance.tally == two.provenance.tally


@EVERY
def test_frequency_weights_are_repeated_rows(name):
    rows = many(200)
    weights = np.random.default_rng(2).integers(0, 4, len(rows))
    repeated = tuple(row for row, weight in zip(rows, weights, strict=True) for _ in range(weight))
    weighed = audited(rows, tuple(weights.tolist()), "frequency")
    assert rows_of(weighed, name) == rows_of(audited(repeated), name)


@EVERY
def test_sampling_weights_of_one_change_no_value_and_hardly_an_interval(name):
    rows = many(600)
    plain, weighed = rows_of(audited(rows), name), rows_of(audited(rows, (1.0,) * 600), name)
    for one, two in zip(plain, weighed, strict=True):
        assert one.key() == two.key()
        assert two.value == pytest.approx(one.value, abs=1e-9)
        assert two.n == one.n
        width = None if one.low is None or one.high is None else one.high - one.low
        if width is not None and "largest" not in one.method:
            # Of the emptiest bin, a handful of rows, Student's t says how unsure a variance estimated from them is.
            share = 0.25 if name == "maximum_calibration_error" else 0.12
            assert [two.low, two.high] == pytest.approx([one.low, one.high], abs=share * width)


@EVERY
def test_sampling_weights_scale_out(name):
    rows = many(300)
    weights = np.random.default_rng(3).lognormal(0, 0.7, 300)
    one, two = (rows_of(audited(rows, tuple((weights * scale).tolist())), name) for scale in (1.0, 1000.0))
    for small, large in zip(one, two, strict=True):
        numbers = [(small.value, large.value), (small.low, large.low), (small.high, large.high)]
        assert all(a == b or a == pytest.approx(b, rel=1e-6) for a, b in numbers)


# y_true, y_pred, score and group of tables in which something is missing; group b is always sound.
SOUND = [(1, 1, 90, "b"), (1, 0, 40, "b"), (0, 1, 60, "b"), (0, 0, 10, "b")] * 3
POOR = {
    "only positives": [(1, 1, 80, "a"), (1, 0, 30, "a")] * 5,
    "only negatives": [(0, 1, 80, "a"), (0, 0, 30, "a")] * 5,
    "never flagged": [(1, 0, 20, "a"), (0, 0, 20, "a")] * 5,
    "always flagged": [(1, 1, 90, "a"), (0, 1, 90, "a")] * 5,
    "one row": [(1, 1, 90, "a")],
    "labels missing": [(None, 1, 90, "a"), (None, 0, 20, "a")] * 5,
}


@pytest.mark.parametrize("case", POOR)
@EVERY
def test_poor_groups_give_null_and_a_reason_or_the_true_value_never_an_invented_number(name, case):
    rows = POOR[case]
    result = audited((*rows, *SOUND))
    labelled = [row for row in rows if row[0] is not None] if name != "selection_rate" else [(0, *r[1:]) for r in rows]
    expected = None
    if labelled:
        expected = EXPECTED[name](table(labelled))
    found = result.find(name, {"g": "a"})
    gap = next(row for row in rows_of(result, name) if row.against is not None and row.against["kind"] == "groups")
    assert found.value == (None if expected is None else near(name, expected))
    if expected is None:
        assert found.reason.startswith("no ")
        assert (found.low, found.high) == (None, None)
    assert (gap.value is None) == (expected is None)
    if expected is None:
        assert gap.reason == "fewer than two groups can be compared"
    assert result.find(name, {"g": "b"}).value is not None
