"""Any number of labels per row: scikit-learn's numbers, none of the above made visible, one row one observation."""

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.preprocessing import MultiLabelBinarizer

from audit.counting import count
from audit.errors import InputError
from audit.label_sets import NONE_OF_THE_ABOVE
from audit.metrics.multiclass import SET_METRICS
from audit.predictions import PredictionLog
from audit.run import run_audit

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=15)
LABELS = ["a", "b", "c"]
SETS = st.frozensets(st.sampled_from(LABELS)).map(sorted)
ROWS = st.lists(st.tuples(SETS, SETS, st.sampled_from("xy")), min_size=1, max_size=40)


def log_of(y, p, g=None, **options):
    kind = pa.list_(pa.string())
    frame = pa.table({"y": pa.array(y, kind), "p": pa.array(p, kind), "g": ["x"] * len(y) if g is None else list(g)})
    options = {"labels": LABELS, "sensitive_features": ["g"], **options}
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multilabel", **options)


def flags(sets):
    return MultiLabelBinarizer(classes=LABELS).fit_transform(sets)


def draw(n, seed=0):
    random = np.random.default_rng(seed)
    true = random.random((n, 3)) < [0.5, 0.3, 0.2]
    wrong = random.random((n, 3)) < 0.15
    sets = [
        [[name for name, flag in zip(LABELS, row, strict=True) if flag] for row in rows]
        for rows in (true, true ^ wrong)
    ]
    return *sets, random.choice(["x", "y"], n)


# scikit-learn's value of indicator matrices; None where our definition divides 0 by 0.
EXPECTED = {
    "accuracy": sk.accuracy_score,
    "hamming_loss": sk.hamming_loss,
    "micro_f1": lambda y, p: sk.f1_score(y, p, average="micro") if (y | p).any() else None,
    "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro") if (y | p).any(axis=0).all() else None,
    "macro_precision": lambda y, p: sk.precision_score(y, p, average="macro") if p.any(axis=0).all() else None,
}


def test_every_metric_has_an_independent_value():
    assert set(EXPECTED) == {*SET_METRICS["multilabel"], "accuracy"}


@REPEATABLE
@given(ROWS)
def test_values_agree_with_scikit_learn_in_every_slice(rows):
    y, p, g = (list(column) for column in zip(*rows, strict=True))
    result = run_audit(log_of(y, p, g))
    for group, name in product([None, *sorted(set(g))], EXPECTED):
        inside = [group in {None, each} for each in g]
        expected = EXPECTED[name](flags(y)[inside], flags(p)[inside])
        found = result.find(name, None if group is None else {"g": group})
        assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-12))
        assert found.value is not None or found.reason.startswith("no ")


@REPEATABLE
@given(ROWS)
def test_each_label_and_none_of_the_above_is_audited_against_the_rest(rows):
    y, p, g = (list(column) for column in zip(*rows, strict=True))
    result = run_audit(log_of(y, p, g), metrics=["true_positive_rate"])
    for label in [*LABELS, NONE_OF_THE_ABOVE]:
        held = [[not row if label == NONE_OF_THE_ABOVE else label in row for row in side] for side in (y, p)]
        expected = sk.recall_score(*held, zero_division=np.nan)
        row = next(
            row
            for row in result.measurements
            if row.at == (("class", label),) and row.metric == "true_positive_rate" and not row.slice
        )
        assert row.value == (None if np.isnan(expected) else pytest.approx(expected))


def test_text_and_list_columns_are_read_alike():
    y, p, g = draw(200)
    texts = pd.DataFrame({"y": ["|".join(row) for row in y], "p": [" | ".join(row[::-1]) for row in p], "g": g})
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"], "task": "multilabel"}
    one = run_audit(PredictionLog.from_frame(texts, **options))
    two = run_audit(PredictionLog.from_frame(pd.DataFrame({"y": y, "p": p, "g": g}), **options))
    assert one.measurements == two.measurements
    assert one.tally.labels == (NONE_OF_THE_ABOVE, "a", "b", "c")


def test_a_file_with_another_separator_is_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("y,p\na;b,a\n,b\nb,\n", encoding="utf-8")
    result = run_audit(PredictionLog.from_file(path, y_true="y", y_pred="p", task="multilabel", separator=";"))
    assert result.find("count").value == 3
    assert result.find("hamming_loss").value == pytest.approx(3 / 6)
    none = next(row for row in result.measurements if row.at == (("class", NONE_OF_THE_ABOVE),))
    assert none.n == 3


def test_null_in_a_list_column_is_no_label_yet():
    result = run_audit(log_of([["a"], None, []], [["a"], ["b"], []]))
    assert result.find("accuracy").n == 2
    assert result.find("accuracy").value == 1
    with pytest.raises(InputError, match="y_pred: 1 rows have none"):
        run_audit(log_of([["a"], ["b"]], [["a"], None]))


def test_the_standard_error_takes_a_row_as_one_observation():
    y, p, _ = draw(200, seed=2)
    both = flags(y), flags(p)
    for name in SET_METRICS["multilabel"]:
        row = run_audit(log_of(y, p), metrics=[name], level=0.6827).find(name)
        left_out = [EXPECTED[name](np.delete(both[0], i, axis=0), np.delete(both[1], i, axis=0)) for i in range(200)]
        jackknife = np.sqrt(199 / 200 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
        assert (row.high - row.low) / 2 == pytest.approx(jackknife, rel=0.05)


def test_copied_labels_do_not_narrow_the_interval():
    y, p, _ = draw(300, seed=3)
    one = (
        [[label for label in row if label == "a"] for row in y],
        [[label for label in row if label == "a"] for row in p],
    )
    copied = [[[name for label in row for name in (label, label + "2", label + "3")] for row in side] for side in one]
    narrow = run_audit(log_of(*copied, labels=["a", "a2", "a3"]), metrics=["micro_f1"]).find("micro_f1")
    plain = run_audit(log_of(*one, labels=["a"]), metrics=["micro_f1"]).find("micro_f1")
    assert (narrow.value, narrow.low, narrow.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_gaps_between_groups_are_written():
    y, p, g = draw(300, seed=4)
    result = run_audit(log_of(y, p, g))
    inside = g == "x"
    wanted = EXPECTED["hamming_loss"](flags(y)[inside], flags(p)[inside])
    wanted -= EXPECTED["hamming_loss"](flags(y)[~inside], flags(p)[~inside])
    row = next(
        row
        for row in result.measurements
        if row.metric == "hamming_loss_difference" and row.slice == (("g", "x"),) and row.against == {"kind": "rest"}
    )
    assert row.value == pytest.approx(wanted)
    assert row.low <= row.value <= row.high


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        (["a"], ["zebra"], {"labels": None}, "y_true and y_pred share no label"),
        (["a|b"], ["a|zebra"], {"labels": None}, "y_pred has labels that y_true never has: 'zebra'"),
        (["a|zebra"], ["a"], {}, "y_true has labels that are not among those declared: 'zebra'"),
        (["a|(none of the above)"], ["a"], {}, "stands beside other labels; a row has either: mend it"),
        (["a"], ["a"], {"separator": ""}, "separator must be a text such as '|'; got ''"),
        (["a"], ["a"], {"abstain": "b"}, "abstain is given in vain"),
        (["a"], ["a"], {"positive": "a"}, "positive is given in vain"),
    ],
)
def test_bad_sets_and_options_are_refused(y, p, options, message):
    with pytest.raises(InputError, match=message.replace("|", r"\|").replace("(", r"\(").replace(")", r"\)")):
        run_audit(
            PredictionLog.from_frame(
                pd.DataFrame({"y": y, "p": p}),
                y_true="y",
                y_pred="p",
                task="multilabel",
                **{"labels": LABELS, **options},
            )
        )


def test_a_list_is_no_label_of_two():
    with pytest.raises(InputError, match="expected text, numbers, booleans or dates"):
        count(PredictionLog.from_frame(pa.table({"y": [["a"]], "p": [["a"]]}), y_true="y", y_pred="p"))


def test_the_label_none_of_the_above_may_be_written_out():
    result = run_audit(log_of([[NONE_OF_THE_ABOVE], ["a"]], [[], ["a"]]))
    assert result.find("accuracy").value == 1


def test_hostile_labels_are_data():
    y = [["<script>", "=1+1"], ['"],["'], ["\u202e"]] * 30
    result = run_audit(log_of(y, y, labels=None))
    assert result.tally.labels == tuple(sorted({NONE_OF_THE_ABOVE, "<script>", "=1+1", '"],["', "\u202e"}))
    assert type(result).from_json(result.to_json()) == result
