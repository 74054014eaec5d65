"""Profiles against a naive count; parts against the whole; order, threads and batches do not matter."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.values import canonical
from monitors.counts import batches, groups
from monitors.counts.binning import Binning
from monitors.counts.counting import count_profile
from monitors.counts.fitting import fit_binnings
from monitors.windows import Windows

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=25)
START = datetime(2026, 1, 5, tzinfo=UTC)
NUMBERS = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1.0, 2.0]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "True", "true", "<script>", "=1+1", "\u202ex", "a\nb"]))
ROWS = st.lists(st.tuples(NUMBERS, TEXTS, st.sampled_from(["F", "M", None]), st.integers(0, 70)), min_size=1)
DAYS = Windows(edges=tuple(START + timedelta(days=day) for day in range(3)), regular=True, complete=2)
LABELS = {"y_true": "y", "y_pred": "p"}


def log_of(rows, **options):
    numbers, texts, sexes, hours = zip(*rows, strict=True)
    table = pa.table(
        {
            "y": [0] * len(rows),
            "p": [1] * len(rows),
            "x": pa.array(numbers, pa.float64()),
            "c": pa.array(texts, pa.string()),
            "sex": pa.array(sexes, pa.string()),
            "time": pa.array([START + timedelta(hours=hour) for hour in hours], pa.timestamp("us", tz="UTC")),
        }
    )
    options = {"features": ["x", "c"], "sensitive_features": ["sex"], "timestamp": "time", **LABELS, **options}
    return PredictionLog.from_frame(table, **options)


def naive(rows, binnings):
    counts = {"x": Counter(), "c": Counter()}
    for x, text, sex, hour in rows:
        if hour >= 48:
            continue
        for slice_ in [(), (("sex", sex),)]:
            counts["x"][hour // 24, slice_, _number_bin(x, binnings["x"])] += 1
            counts["c"][hour // 24, slice_, _text_bin(canonical(text), binnings["c"])] += 1
    return counts


def _number_bin(value, binning):
    if value is None or np.isnan(value):
        return binning.size - 1
    return int(np.searchsorted(np.array(binning.edges), value, side="right"))


def _text_bin(text, binning):
    if text is None:
        return binning.size - 1
    return binning.categories.index(text) if text in binning.categories else binning.size - 2


def as_counter(profile, name):
    at = zip(*np.nonzero(profile.counts[name]), strict=True)
    return Counter({(int(w), profile.slices[s], int(b)): int(profile.counts[name][w, s, b]) for w, s, b in at})


def assert_same(one, other):
    assert (one.windows, one.slices, dict(one.binnings)) == (other.windows, other.slices, dict(other.binnings))
    np.testing.assert_array_equal(one.rows, other.rows)
    for name, counts in one.counts.items():
        np.testing.assert_array_equal(counts, other.counts[name])


BINNINGS = {
    "x": Binning(feature="x", kind="numeric", edges=(-1.0, 0.0, 1.0, 2.0)),
    "c": Binning(feature="c", kind="categorical", categories=("<script>", "a", "true")),
}


@REPEATABLE
@given(ROWS)
def test_counts_are_those_of_a_naive_count(rows):
    profile = count_profile(log_of(rows), BINNINGS, DAYS)
    expected = naive(rows, BINNINGS)
    assert as_counter(profile, "x") == expected["x"]
    assert as_counter(profile, "c") == expected["c"]
    assert profile.rows.sum(axis=0)[0] == sum(hour < 48 for *_, hour in rows)


@REPEATABLE
@given(ROWS, st.data())
def test_parts_add_up_to_the_whole_in_any_order(rows, data):
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(1, len(rows)))
    whole = count_profile(log_of(rows), BINNINGS, DAYS)
    found = count_profile(log_of(shuffled[:cut]), BINNINGS, DAYS)
    if cut < len(rows):
        found += count_profile(log_of(shuffled[cut:]), BINNINGS, DAYS)
    assert_same(found, whole)


@REPEATABLE
@given(ROWS, st.randoms(use_true_random=False))
def test_bins_do_not_depend_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert fit_binnings(log_of(rows), bins=7) == fit_binnings(log_of(shuffled), bins=7)


def test_many_batches_give_what_one_gives(monkeypatch):
    random = np.random.default_rng(0)
    rows = [(x, "ab"[i % 2], "FM"[i % 2], int(h)) for i, (x, h) in enumerate(random.uniform(0, 60, (5000, 2)))]
    binnings = fit_binnings(log_of(rows))
    whole = count_profile(log_of(rows), binnings, DAYS)
    monkeypatch.setattr(batches, "ROWS", 64)
    assert_same(count_profile(log_of(rows), binnings, DAYS), whole)
    assert fit_binnings(log_of(rows)) == binnings


def test_the_groups_that_appear_late_are_counted(monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 8)
    sexes = [None, *(f"group {i}" for i in range(40))]
    profile = count_profile(log_of([(1.0, "a", sex, 0) for sex in sexes for _ in range(3)]), BINNINGS)
    assert len(profile.slices) == 42
    assert profile.rows[0].tolist() == [123] + [3] * 41
    assert profile.slices[1] == (("sex", None),)


def test_intersections_on_request():
    rows = [(1.0, "a", "F", 0), (2.0, "b", "F", 0), (1.0, "a", "M", 0)]
    log = log_of(rows, sensitive_features=["sex", "c"], features=["x"])
    profile = count_profile(log, {"x": BINNINGS["x"]}, depth=2)
    both = (("c", "a"), ("sex", "F"))
    assert both in profile.slices
    assert profile.of("x", slice=both).tolist() == [0, 0, 0, 1, 0, 0]
    assert (("c", "b"), ("sex", "M")) not in profile.slices
    assert profile.of("x", slice=(("c", "b"), ("sex", "M"))).sum() == 0
    assert [len(one) for one in profile.slices] == [0, 1, 1, 1, 1, 2, 2, 2]


def test_a_missing_group_is_kept_dropped_or_refused():
    rows = [(1.0, "a", "F", 0), (2.0, "b", None, 0)]
    assert count_profile(log_of(rows), BINNINGS).rows.tolist() == [[2, 1, 1]]
    dropped = count_profile(log_of(rows, missing="drop"), BINNINGS)
    assert (dropped.rows.tolist(), dropped.slices) == ([[1, 1]], ((), (("sex", "F"),)))
    with pytest.raises(InputError, match="'sex' is missing in some rows; complete it or drop them"):
        count_profile(log_of(rows, missing="raise"), BINNINGS)


def test_too_many_groups_are_refused():
    rows = [(1.0, "a", f"person {i}", 0) for i in range(1001)]
    with pytest.raises(InputError, match="'sex' has more than 1,000 groups; merge groups"):
        count_profile(log_of(rows), BINNINGS)


def test_more_counts_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(groups, "MAX_CELLS", 100)
    rows = [(1.0, "a", f"group {i}", 0) for i in range(9)]
    with pytest.raises(InputError, match=r"2 windows x groups .sex: 9. x the bins of 2 features make 384 counts"):
        count_profile(log_of(rows), BINNINGS, DAYS)


def test_a_feature_of_the_reference_that_the_log_lacks_is_named():
    gone = {**BINNINGS, "income": Binning(feature="income", kind="numeric")}
    with pytest.raises(InputError, match=r"'income' of the reference is not watched in the log, which has .'x', 'c'"):
        count_profile(log_of([(1.0, "a", "F", 0)]), gone)


def test_a_log_without_rows_counts_nothing():
    empty = log_of([(1.0, "a", "F", 0)])
    table = pa.table({name: pa.array([], pa.string()) for name in ("y", "p", "x")})
    empty = PredictionLog.from_frame(table, **LABELS, features=["x"])
    profile = count_profile(empty, {"x": BINNINGS["x"]})
    assert (profile.rows.tolist(), profile.counts["x"].sum()) == ([[0]], 0)


def test_no_window_is_left():
    profile = count_profile(log_of([(1.0, "a", "F", 0)]), BINNINGS, DAYS.since(START + timedelta(days=9)))
    assert (profile.windows, profile.rows.shape, profile.counts["x"].shape) == ((), (0, 1), (0, 1, 6))


def test_labels_are_spelled_as_the_audit_spells_them():
    table = pa.table({"y": ["1.0", "0", "true", None], "p": [True, False, True, True]})
    profile = count_profile(log := PredictionLog.from_frame(table, **LABELS), fit_binnings(log))
    assert profile.binnings["y_true"].categories == ("0", "1")
    assert profile.counts["y_true"][0, 0].tolist() == [1, 2, 0, 1]
    assert profile.counts["y_pred"][0, 0].tolist() == [1, 3, 0, 0]


def test_sets_of_labels_and_numbers_to_predict():
    sets = pa.table({"y": ["a|b", "b|a", ""], "p": ["a", "b", "a"]})
    log = PredictionLog.from_frame(sets, **LABELS, task="multilabel")
    assert fit_binnings(log)["y_true"].categories == ('["a","b"]', "[]")
    assert count_profile(log, fit_binnings(log)).counts["y_true"][0, 0].tolist() == [2, 1, 0, 0]
    numbers = PredictionLog.from_frame(pa.table({"y": [1.5, 2.5], "p": [1, 2]}), **LABELS, task="regression")
    assert {item.kind for item in fit_binnings(numbers).values()} == {"numeric"}


def test_lists_and_names_of_roles_are_refused_at_once():
    table = pa.table({"y": [0], "p": [1], "y_pred": [1], "list": [[1]]})
    log = PredictionLog.from_frame(table, **LABELS, features=["y_pred", "list"])
    with pytest.raises(InputError) as caught:
        fit_binnings(log)
    assert "feature 'y_pred' has the name of a role" in str(caught.value)
    assert "column 'list' holds List(Int64)" in str(caught.value)
