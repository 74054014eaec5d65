"""Advice on retraining from two logs: what mix it finds, whom it speaks of, and what it says without evidence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.counts.reference import make_reference
from monitors.shift.retraining import MixSettings
from monitors.shift.retraining_advice import retraining_advice

START = datetime(2026, 1, 5, tzinfo=UTC)
FEW = MixSettings(shares=(0.0, 0.5, 1.0), repeats=2)


def log_of(rows=600, *, turned=False, labelled=None, seed=0, missing=0.0, positive=None, **more):
    """Return a log whose label follows a text and a number; turned round where asked."""
    rng = np.random.default_rng(seed)
    kind, size = rng.choice(["n", "s", ""], rows, p=[0.45, 0.45, 0.1]), rng.normal(size=rows)
    y = ((kind == "n") == (size > 0)) ^ turned
    labels = np.where(y, "yes", "no") if positive else y.astype(int).astype(str)
    labels = np.where(np.arange(rows) < (rows if labelled is None else labelled), labels, None)
    size = np.where(rng.random(rows) < missing, np.nan, size)
    columns = {"y": labels.tolist(), "p": ["0"] * rows, "kind": kind.tolist(), "size": size.tolist(),
               "g": rng.choice(["a", "b"], rows).tolist(),
               "t": [START + timedelta(hours=row) for row in range(rows)]}  # fmt: skip
    order = rng.permutation(rows)
    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", **more}
    table = pa.table(columns).take(pa.array(order))
    if positive:
        table = table.set_column(1, "p", pa.array(["no"] * rows))
    return PredictionLog.from_frame(table, features=["kind", "size"], sensitive_features=["g"], positive=positive,
                                    **roles)  # fmt: skip


def best(found, of=()):
    return next(row for row in found.rows if row.metric == "retraining_best_share" and row.slice == of)


def test_labels_that_turned_round_are_found_for_everyone_and_each_group():
    found = retraining_advice(log_of(), log_of(turned=True, seed=1), settings=FEW)
    assert best(found).value == 1.0
    errors = {dict(row.at)["k"]: row.value for row in found.rows if row.metric == "retraining_error" and not row.slice}
    assert errors[0] > 0.8
    assert errors[100] < 0.2
    assert {row.slice for row in found.rows} == {(), (("g", "a"),), (("g", "b"),)}


def test_where_nothing_changed_no_mix_is_best_and_numbers_are_the_same_in_any_order():
    found = retraining_advice(log_of(), log_of(seed=1), settings=FEW)
    assert best(found).value is None
    assert found == retraining_advice(log_of(), log_of(seed=1), settings=FEW)


def test_named_labels_and_missing_values_are_read():
    found = retraining_advice(
        log_of(positive="yes", missing=0.3), log_of(positive="yes", turned=True, missing=0.3, seed=1), settings=FEW
    )
    assert best(found).value == 1.0


def test_only_rows_with_labels_count_and_few_of_them_say_so():
    found = retraining_advice(log_of(), log_of(labelled=150, seed=1), settings=FEW)
    (row,) = found.rows
    assert (row.value, row.n, row.method) == (None, 150, "not_checked")
    assert row.reason == "600 old and 150 new rows have labels; expected 200 of each"
    enough = retraining_advice(log_of(), log_of(labelled=400, seed=1), settings=FEW)
    assert best(enough).n == round(0.3 * 400)


def test_at_most_so_many_rows_are_used_and_of_the_new_ones_the_newest():
    found = retraining_advice(log_of(), log_of(seed=1, turned=True), most=300, settings=FEW)
    assert best(found).n == round(0.3 * 300)


def test_without_evidence_it_says_why():
    frozen = make_reference(log_of())
    reasons = [retraining_advice(frozen, log_of()).rows[0].reason]
    watch = PredictionLog.from_frame(pa.table({"p": ["1"], "t": [START]}), task="watch", y_pred="p", timestamp="t")
    reasons.append(retraining_advice(log_of(), watch).rows[0].reason)
    table = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "c"], "t": [START] * 3})
    several = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", task="multiclass")
    reasons.append(retraining_advice(several, several).rows[0].reason)
    assert "frozen counts" in reasons[0]
    assert "no labels" in reasons[1]
    assert "multiclass" in reasons[2]


def test_what_is_wrong_is_told_at_once():
    other = PredictionLog.from_frame(
        pa.table({"y": ["1", "0"], "p": ["1", "0"], "x": [1.0, 2.0]}), y_true="y", y_pred="p", features=["x"]
    )
    with pytest.raises(InputError, match=r"(?s)same features.*no timestamp.*most must be at least"):
        retraining_advice(log_of(), other, most=5)
