"""Several labels: the same numbers as scikit-learn wherever both are defined, undefined where ours must be."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from audit.counting import count
from audit.errors import InputError
from audit.estimates import estimate, interval
from audit.gaps import extreme, group_values
from audit.label_sets import LabelSets, one_label
from audit.measuring import Asked, metric_rows
from audit.metrics.catalog import METRICS
from audit.metrics.multiclass import SET_METRICS
from audit.predictions import PredictionLog
from audit.rollup import Cells, Partition
from audit.run import run_audit
from audit.store import load_run, save_run
from audit.tally import Tally
from audit.views import view_of

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=25)
LABELS = ["a", "b", "c", "d"]
ROWS = st.lists(
    st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS), st.sampled_from("xy")), min_size=1, max_size=60
)


def log_of(y, p, g, **options):
    frame = pa.table({"y": pa.array(list(y), pa.string()), "p": list(p), "g": list(g)})
    options = {"labels": LABELS, **options}
    return PredictionLog.from_frame(
        frame, y_true="y", y_pred="p", sensitive_features=["g"], task="multiclass", **options
    )


def draw(n, seed=0, noise=0.4, labels=LABELS):
    random = np.random.default_rng(seed)
    y = random.choice(labels, n, p=np.arange(len(labels), 0, -1) / np.arange(1, len(labels) + 1).sum())
    p = np.where(random.random(n) < noise, random.choice(labels, n), y)
    return y, p, random.choice(["x", "y", "z"], n)


# scikit-learn's value; None where our definition divides 0 by 0 (scikit-learn puts 0 there, or leaves the label out).
EXPECTED = {
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p) if set(y) == set(LABELS) else None,
    "macro_precision": lambda y, p: sk.precision_score(y, p, average="macro") if set(p) == set(LABELS) else None,
    "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro") if {*y, *p} == set(LABELS) else None,
    "cohen_kappa": lambda y, p: sk.cohen_kappa_score(y, p) if len({*y, *p}) > 1 else None,
    "matthews_corrcoef": lambda y, p: sk.matthews_corrcoef(y, p) if len(set(y)) > 1 and len(set(p)) > 1 else None,
    "accuracy": sk.accuracy_score,
}


def test_every_metric_over_labels_has_an_independent_value():
    assert set(EXPECTED) == {*SET_METRICS["multiclass"], "accuracy"}


@REPEATABLE
@given(ROWS)
def test_values_agree_with_scikit_learn_in_every_slice_and_undefined_is_null_with_a_reason(rows):
    y, p, g = (np.array(column) for column in zip(*rows, strict=True))
    result = run_audit(log_of(y, p, g))
    for group, name in product([None, *sorted(set(g))], EXPECTED):
        inside = np.full(len(g), fill_value=True) if group is None else g == group
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = EXPECTED[name](y[inside], p[inside])
        found = result.find(name, None if group is None else {"g": group})
        if expected is None:
            assert found.value is None
            assert found.reason.startswith("no ")
        else:
            assert found.value == pytest.approx(expected, abs=1e-12)


@REPEATABLE
@given(ROWS)
def test_one_label_against_the_rest_is_the_binary_audit_of_that_label(rows):
    y, p, g = (np.array(column) for column in zip(*rows, strict=True))
    result = run_audit(log_of(y, p, g))
    for label in LABELS:
        frame = pa.table({"y": (y == label).astype(int), "p": (p == label).astype(int), "g": g})
        binary = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
        at_label = [row for row in result.measurements if row.at == (("class", label),)]
        expected = {row.key(): row for row in binary.measurements if row.metric != "count"}
        assert {row.key().replace(f'{{"class":"{label}"}}', "{}") for row in at_label} == set(expected)
        for row in at_label:
            other = expected[row.key().replace(f'{{"class":"{label}"}}', "{}")]
            assert (row.value, row.low, row.high, row.n) == (other.value, other.low, other.high, other.n)


def test_the_confusion_matrix_is_scikit_learns_by_group():
    y, p, g = draw(500)
    result = run_audit(log_of(y, p, g))
    for group in [None, "x", "y", "z"]:
        inside = np.full(500, fill_value=True) if group is None else g == group
        matrix = sk.confusion_matrix(y[inside], p[inside], labels=LABELS)
        for (i, true), (j, predicted) in product(enumerate(LABELS), enumerate(LABELS)):
            slice_ = () if group is None else (("g", group),)
            at = (("class", true), ("predicted", predicted))
            cell = {row.metric: row for row in result.measurements if row.at == at and row.slice == slice_}
            assert cell["confusion_count"].value == matrix[i, j]
            assert cell["confusion_rate"].value == pytest.approx(matrix[i, j] / matrix[i].sum())
            assert cell["confusion_rate"].n == matrix[i].sum()
            assert cell["confusion_rate"].low <= cell["confusion_rate"].value <= cell["confusion_rate"].high


def test_of_many_labels_only_the_cells_that_hold_rows_are_written():
    labels = [f"label {place:02}" for place in range(30)]
    y = np.repeat(labels, 3)
    p = np.where(np.arange(90) % 3 == 0, np.roll(y, 3), y)
    frame = pa.table({"y": y, "p": p})
    result = run_audit(
        PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"), metrics=["confusion_count"]
    )
    cells = [row for row in result.measurements if row.metric == "confusion_count"]
    assert len(cells) == 60
    assert sum(row.value for row in cells) == 90


@pytest.mark.parametrize("name", sorted(SET_METRICS["multiclass"]))
def test_integer_weights_are_repeated_rows(name):
    y, p, g = draw(200, seed=1)
    times = np.random.default_rng(2).integers(1, 5, 200)
    frame = pa.table({"y": y, "p": p, "w": times})
    weighted = PredictionLog.from_frame(
        frame, y_true="y", y_pred="p", sample_weight="w", weights="frequency", task="multiclass"
    )
    one = run_audit(weighted, metrics=[name]).find(name)
    two = run_audit(log_of(np.repeat(y, times), np.repeat(p, times), np.repeat(g, times)), metrics=[name]).find(name)
    assert (one.value, one.low, one.high, one.n) == pytest.approx((two.value, two.low, two.high, two.n))


@pytest.mark.parametrize("name", sorted(SET_METRICS["multiclass"]))
def test_a_cluster_of_equal_rows_is_one_row_of_their_weight(name):
    y, p, _ = draw(150, seed=3)
    who = np.arange(150)
    twice = pa.table({"y": np.repeat(y, 2), "p": np.repeat(p, 2), "who": np.repeat(who, 2)})
    once = pa.table({"y": y, "p": p, "w": np.full(150, 2.0)})
    clustered = PredictionLog.from_frame(twice, y_true="y", y_pred="p", cluster="who", task="multiclass")
    weighted = PredictionLog.from_frame(once, y_true="y", y_pred="p", sample_weight="w", task="multiclass")
    one, two = (run_audit(each, metrics=[name]).find(name) for each in (clustered, weighted))
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))
    independent = PredictionLog.from_frame(twice, y_true="y", y_pred="p", task="multiclass")
    narrow = run_audit(independent, metrics=[name]).find(name)
    assert one.high - one.low > 1.3 * (narrow.high - narrow.low)


@pytest.mark.parametrize("name", sorted(SET_METRICS["multiclass"]))
def test_the_standard_error_is_that_of_a_jackknife(name):
    y, p, _ = draw(400, seed=4)
    row = run_audit(log_of(y, p, ["x"] * 400), metrics=[name], level=0.6827).find(name)
    left_out = [EXPECTED[name](np.delete(y, i), np.delete(p, i)) for i in range(400)]
    jackknife = np.sqrt(399 / 400 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert (row.high - row.low) / 2 == pytest.approx(jackknife, rel=0.05)


def test_macro_metrics_of_two_labels_are_those_of_the_binary_audit():
    y, p, g = draw(300, seed=5, labels=["0", "1"])
    several = run_audit(log_of(y, p, g, labels=None))
    two = run_audit(
        PredictionLog.from_frame(pa.table({"y": y, "p": p, "g": g}), y_true="y", y_pred="p", sensitive_features=["g"])
    )
    for name in ("accuracy", "balanced_accuracy", "matthews_corrcoef"):
        one, other = several.find(name, {"g": "x"}), two.find(name, {"g": "x"})
        assert (one.value, one.n) == pytest.approx((other.value, other.n))
        # Matthews' coefficient: from the accuracy here, from prevalence and both rates there.
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.02)


def test_the_rest_and_the_reference_are_compared():
    y, p, g = draw(600, seed=6)
    result = run_audit(log_of(y, p, g), reference={"g": "x"}, metrics=["macro_f1"], all_pairs=True)
    rows = [row for row in result.measurements if row.metric == "macro_f1_difference"]
    kinds = [row.against["kind"] for row in rows]
    assert sorted(kinds) == ["groups", "rest", "rest", "rest", "slice", "slice", "slice"]
    rest = next(row for row in rows if row.against == {"kind": "rest"} and row.slice == (("g", "y"),))
    inside = g == "y"
    expected = EXPECTED["macro_f1"](y[inside], p[inside]) - EXPECTED["macro_f1"](y[~inside], p[~inside])
    assert rest.value == pytest.approx(expected)
    assert rest.low < rest.value < rest.high


def test_a_label_that_lacks_in_a_group_makes_its_means_undefined_and_is_named():
    y = ["a", "b", "c"] * 10 + ["a", "b"] * 10
    result = run_audit(log_of(y, y, ["x"] * 30 + ["y"] * 20, labels=["a", "b", "c"]))
    row = result.find("balanced_accuracy", {"g": "y"})
    assert (row.value, row.reason) == (None, "no true rows of 'c' in slice")
    assert result.find("macro_precision", {"g": "y"}).reason == "no predictions of 'c' in slice"
    assert result.find("macro_f1", {"g": "y"}).reason == "no true or predicted rows of 'c' in slice"
    gap = next(
        row for row in result.measurements if row.metric == "macro_f1_difference" and row.against["kind"] == "groups"
    )
    assert gap.value is None
    assert "fewer than two groups" in gap.reason


def test_tallies_add_up_and_are_saved(tmp_path):
    y, p, g = draw(300, seed=7)
    whole = count(log_of(y, p, g))
    parts = count(log_of(y[:100], p[:100], g[:100])) + count(log_of(y[100:], p[100:], g[100:]))
    assert parts.digest() == whole.digest()
    whole.write(tmp_path / "tally.parquet")
    read = Tally.read(tmp_path / "tally.parquet")
    assert (read.task, read.labels, read.positive, read.digest()) == ("multiclass", tuple(LABELS), None, whole.digest())
    binary = one_label(whole, "a")
    with pytest.raises(ValueError, match="differ in positive: None and '1'; task: 'multiclass' and 'binary'"):
        whole + binary
    folder = save_run(run_audit(log_of(y, p, g)), tmp_path / "runs")
    assert load_run(folder).tally.labels == tuple(LABELS)


def test_a_baseline_is_compared_label_by_label():
    y, p, g = draw(400, seed=8)
    then = run_audit(log_of(y, p, g))
    now = run_audit(log_of(y, y, g), baseline=then, metrics=["accuracy", "macro_f1"])
    rows = [row for row in now.measurements if row.against and row.against["kind"] == "reference"]
    assert {row.at for row in rows} == {(), *(((("class", label),)) for label in LABELS)}
    everyone = next(row for row in rows if row.metric == "macro_f1_difference" and not row.slice)
    assert everyone.value == pytest.approx(1 - EXPECTED["macro_f1"](y, p))
    assert everyone.against["digest"] == then.tally.digest()


def test_a_policy_rolls_up_one_label_and_the_means():
    y, p, g = draw(900, seed=9)
    tally = count(log_of(y, p, g))
    view = view_of(tally, "true_positive_rate", at=(("class", "b"),))
    worst = extreme(view.tally, "true_positive_rate", features=["g"], compare="value", end="min", level=0.95)
    recalls = [sk.recall_score(y[g == group], p[g == group], labels=["b"], average="macro") for group in "xyz"]
    assert worst.value == pytest.approx(min(recalls))
    values = group_values(tally, "macro_f1", features=["g"], level=0.95)
    assert [row.value for row in values] == pytest.approx([EXPECTED["macro_f1"](y[g == k], p[g == k]) for k in "xyz"])


def test_metrics_of_two_labels_are_refused_on_several():
    tally = count(log_of(*draw(50)))
    with pytest.raises(ValueError, match="unknown metric 'precision'"):
        group_values(tally, "precision", features=[], level=0.95)
    with pytest.raises(ValueError, match="precision is a metric of two labels and these counts have several"):
        metric_rows(tally, [METRICS["precision"]], asked=Asked(0.95))


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        (["a", "b"], ["a", "C"], {"labels": None}, r"y_pred has labels that y_true never has: 'C'; mend them, declare"),
        (["a", "b"], ["a", "C"], {"labels": ["a", "b"]}, "y_pred has labels that are not among those declared: 'C'"),
        (["a", "b"], ["A", "B"], {"labels": None}, "y_true and y_pred share no label: y_true has 'a', 'b', y_pred has"),
        (["a", "a"], ["a", "a"], {"labels": None}, "expected at least two labels; found y_true has 'a'"),
        (["a", "b"], ["a", None], {"labels": None}, "y_pred: 1 rows have none; expected one in every row"),
        ([None, None], ["a", "b"], {}, "every label is missing"),
        (["a", "b"], ["a", "b"], {"labels": ["a", "a"]}, "labels must differ from each other"),
        (["a", "b"], ["a", "b"], {"labels": "ab"}, "labels must be a list; got 'ab'"),
        (["a", "b"], ["a", "b"], {"labels": ["a", ""]}, "labels must be texts or numbers, none of them empty"),
        (
            ["a", "b"],
            ["a", "b"],
            {"positive": "a"},
            "positive is given in vain: it means nothing for the task 'multiclass'",
        ),
        (["a", "b"], ["a", "b"], {"threshold": 0.5}, "threshold is given in vain"),
        (["a", "b"], ["a", "b"], {"separator": ";"}, "separator is given in vain"),
        (["a", "b"], ["a", "b"], {"abstain": "a"}, "abstain is 'a', which is one of the labels"),
        (["a", "b"], ["a", "b"], {"labels": None, "abstain": "a"}, "abstain is 'a', which y_true has as a label"),
        (["a", "b"], ["a", "b"], {"y_score": "y"}, "y_score is given in vain: multiclass audits rest on y_pred"),
    ],
)
def test_bad_labels_and_options_are_refused(y, p, options, message):
    with pytest.raises(InputError, match=message):
        run_audit(log_of(y, p, ["x", "x"], **options))


def test_an_unknown_task_is_refused():
    with pytest.raises(
        InputError, match="task must be one of binary, multiclass, multilabel, regression, ranking, watch; got 'x'"
    ):
        PredictionLog.from_frame(pa.table({"y": ["a"], "p": ["a"]}), y_true="y", y_pred="p", task="x")


def test_too_many_labels_are_refused_with_the_limit():
    y = [f"label {place}" for place in range(101)]
    with pytest.raises(InputError, match="y_true has 101 labels, more than 100; merge labels that belong together"):
        run_audit(log_of(y, y, ["x"] * 101, labels=None))


def test_hostile_labels_are_data():
    labels = ["<script>alert(1)</script>", "=1+1", "a\nb", "\u202ertl", '"},{"']
    y, p, g = draw(400, seed=10, labels=labels)
    result = run_audit(log_of(y, p, g, labels=None))
    assert result.tally.labels == tuple(sorted(labels))
    again = type(result).from_json(result.to_json())
    assert again == result
    at = {dict(row.at).get("class") for row in result.measurements} - {None}
    assert at == set(labels)


def test_numbers_and_booleans_are_labels_in_one_spelling():
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "p": ["1", "2", "2"]})
    result = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"))
    assert result.tally.labels == ("1", "2", "3")
    assert result.find("accuracy").value == pytest.approx(2 / 3)


def test_unlabelled_rows_count_and_rest_on_nothing_else():
    y, p, g = draw(200, seed=11)
    some = np.where(np.arange(200) < 50, None, y)
    result = run_audit(log_of(some, p, g))
    assert result.find("count").value == 200
    assert result.find("macro_f1").value == pytest.approx(EXPECTED["macro_f1"](y[50:], p[50:]))
    assert sum(row.value for row in result.measurements if row.metric == "confusion_count" and not row.slice) == 150


POPULATIONS = {
    "mixed": np.array([[30, 6, 3, 1], [5, 20, 4, 1], [2, 3, 14, 1], [1, 1, 2, 6]]) / 100,
    "a rare label": np.array([[60, 4, 2], [3, 20, 2], [1, 1, 7]]) / 100,
    "forty of a label": np.array([[4500, 480, 5], [400, 4600, 5], [0.5, 0.5, 39]]) / 10_030,
    "nearly all right": 0.9 * np.diag([0.5, 0.3, 0.15, 0.05]) + 0.025 * np.array([[0.5], [0.3], [0.15], [0.05]]),
}


def coverage(name, population, n, runs, seed=0):
    """Return how often the interval holds the value of the population, where there is an interval."""
    shares = POPULATIONS[population]
    size = len(shares)
    true, predicted = np.indices((size, size)).reshape(2, size * size)
    metric = SET_METRICS["multiclass"][name]

    def estimates(counts):
        number = counts.ravel()
        sides = [np.tile(np.eye(size, dtype=bool)[side], (len(counts), 1)) for side in (true, predicted)]
        sets = LabelSets(tuple("abcd"[:size]), *sides, np.ones(number.size, dtype=bool))
        weight = number.astype(float)
        cells = Cells(np.full(number.size, -1), number, weight, weight, None, 0, False, {}, False, None, sets)
        samples = tuple((str(place),) for place in range(len(counts)))
        return estimate(metric, cells, Partition(("sample",), samples, np.repeat(np.arange(len(counts)), size * size)))

    truth = estimates(np.rint(shares.reshape(1, -1) * 1_000_000).astype(int)).value[0]
    drawn = estimates(np.random.default_rng(seed).multinomial(n, shares.ravel() / shares.sum(), size=runs))
    low, high = interval(metric, drawn, level=0.95)
    known = np.isfinite(low)
    assert known.sum() > 0.99 * np.isfinite(drawn.value).sum()  # only where a label lacks
    return float(((low <= truth) & (truth <= high))[known].mean())


@pytest.mark.parametrize(
    ("population", "n"),
    [(name, n) for name in sorted(POPULATIONS) for n in ([10_030] if name == "forty of a label" else [60, 200])],
)
@pytest.mark.parametrize("name", sorted(SET_METRICS["multiclass"]))
def test_intervals_cover(name, population, n):
    assert coverage(name, population, n, runs=800) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 60, 100, 200, 500, 2000])
@pytest.mark.parametrize("population", sorted(POPULATIONS))
@pytest.mark.parametrize("name", sorted(SET_METRICS["multiclass"]))
def test_intervals_cover_at_their_level(name, population, n):
    assert coverage(name, population, n if population != "forty of a label" else 10_030, runs=20_000) >= 0.93
