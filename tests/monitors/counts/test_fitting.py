"""Bins of a reference: equal ranks, ties, constants, texts that are numbers, too many categories, nothing at all."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.counts import batches, fitting
from monitors.counts.counting import count_profile
from monitors.counts.fitting import fit_and_count, fit_binnings


def log_of(values, name="x"):
    rows = len(values)
    table = pa.table({"y": [0] * rows, "p": [1] * rows, name: values})
    return PredictionLog.from_frame(table, y_true="y", y_pred="p", features=[name])


def fitted(values, bins=60):
    return fit_binnings(log_of(values), bins=bins)["x"]


def counted(reference, values, bins=60):
    binning = fitted(reference, bins)
    return count_profile(log_of(values), {"x": binning}).counts["x"][0, 0].tolist()


def test_bins_of_a_reference_hold_equal_shares():
    values = np.random.default_rng(0).normal(0, 1, 60_000)
    binning = fitted(values)
    assert binning.edges == tuple(np.sort(values)[np.arange(1000, 60_000, 1000) - 1])
    assert (len(binning.edges), binning.tied, binning.note) == (59, False, None)
    # the edge itself belongs to the bin above it
    assert counted(values, values) == [999, *[1000] * 58, 1001, 0]


def test_a_large_reference_is_cut_at_the_same_ranks_as_a_sorted_one():
    values = np.random.default_rng(1).lognormal(0, 3, 300_000)
    ranks = -(-np.arange(1, 60) * 300_000 // 60)
    assert fitted(values).edges == tuple(np.sort(values)[ranks - 1])


def test_a_constant_has_a_bin_to_itself_so_that_any_other_value_shows():
    assert counted([5.0] * 90, [5.0, 4.0, 6.0, 5.0, None]) == [1, 2, 1, 1]
    binning = fitted([5.0] * 90)
    assert (binning.edges, binning.tied) == ((5.0, math.nextafter(5.0, math.inf)), True)


def test_a_share_of_zeros_has_a_bin_to_itself():
    values = [0.0] * 50 + list(np.linspace(1, 2, 50))
    binning = fitted(values, bins=4)
    assert binning.edges[:2] == (0.0, math.nextafter(0.0, math.inf))
    assert counted(values, [0.0, 1e-9, -1e-9], bins=4)[:3] == [1, 1, 1]


def test_few_whole_numbers_stay_numbers():
    binning = fitted([0, 1, 2] * 30, bins=12)
    assert binning.kind == "numeric"
    assert binning.labels() == ("< 0", "0", "> 0 and < 1", "1", "> 1 and < 2", "2", "> 2", "missing")


def test_fewer_rows_than_bins_give_an_edge_for_each():
    assert fitted([3.0, 1.0, 2.0]).edges == (1.0, 2.0, 3.0)
    assert fitted([7.0]).edges == (7.0,)
    assert fitted([7.0]).tied is False


def test_infinite_values_lie_in_the_tails_and_nan_is_missing():
    values = [-math.inf, 1.0, 2.0, math.inf, math.nan, None]
    assert fitted(values, bins=4).edges == (1.0, 2.0)
    assert counted(values, values, bins=4) == [1, 1, 2, 2]


def test_minus_zero_is_zero_whatever_the_order():
    assert str(fitted([-0.0, 0.0, 1.0], bins=3).edges) == str(fitted([0.0, -0.0, 1.0], bins=3).edges)


@pytest.mark.parametrize("texts", [["1", "2.5", "1e3", "", None], [" 7", "+7", "inf", "NaN", "-Infinity"]])
def test_texts_that_all_spell_numbers_are_numbers(texts):
    assert fitted(texts).kind == "numeric"


def test_texts_among_numbers_make_categories_wherever_they_stand():
    texts = ["01"] * 200_000 + ["1", "none"]
    assert fitted(texts).categories == ("01", "1", "none")


def test_a_text_where_numbers_were_is_missing():
    assert counted([1.0, 2.0], ["1", "two", "2"], bins=2) == [0, 2, 1]


def test_a_column_without_values_calls_everything_new():
    for nothing in (pa.nulls(3), pa.nulls(3, pa.float64()), pa.array(["", None, ""]), pa.array([math.nan] * 3)):
        binning = fitted(nothing)
        assert (binning.kind, binning.size, binning.note) == ("categorical", 2, "the reference holds no value")
        assert count_profile(log_of([4.0, None]), {"x": binning}).counts["x"][0, 0].tolist() == [1, 1]


def test_truth_values_and_dates_are_categories():
    assert fitted([True, None, False]).categories == ("false", "true")
    assert fitted(pd.to_datetime(["2026-01-05", "2026-01-06"])).categories == ("2026-01-05", "2026-01-06")


def test_hostile_categories_are_only_text():
    names = ["<script>", "=1+1", "a\nb", "\u202ertl", "c", "n", "new", "missing", "0", "x,y"]
    assert fitted(names).categories == tuple(sorted(names))
    assert counted(names, names) == [1] * 10 + [0, 0]


def test_of_many_categories_the_most_frequent_are_kept_and_a_note_says_so():
    names = [f"user {place:05}" for place in range(1500)] + [f"user {place:05}" for place in range(700, 1500)]
    binning = fitted(names)
    assert len(binning.categories) == 1000
    assert set(binning.categories) >= set(names[700:1500])
    assert binning.categories[:200] == tuple(names[:200])  # of equally frequent ones the first by name
    assert binning.note == "1,500 values; the 1,000 most frequent are kept, all others count as new"
    assert counted(names, names)[1000] == 500


def test_columns_read_in_portions_give_the_same_bins(monkeypatch):
    random = np.random.default_rng(0)
    table = pa.table({"y": [0] * 500, "p": [1] * 500, **{f"x{i}": random.normal(size=500) for i in range(5)}})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=[f"x{i}" for i in range(5)])
    whole = fit_binnings(log)
    monkeypatch.setattr(fitting, "_BYTES_AT_ONCE", 1)
    assert fit_binnings(log) == whole
    assert list(whole) == ["x0", "x1", "x2", "x3", "x4", "y_pred", "y_true"]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("missing", ["group", "drop"])
def test_fitting_and_counting_at_once_gives_what_both_give(monkeypatch, depth, missing):
    random = np.random.default_rng(0)
    columns = {f"x{i}": random.choice([0.0, 1.5, None, *random.normal(size=9)], 700).tolist() for i in range(3)}
    groups = {name: random.choice(["a", "b", None], 700).tolist() for name in ("sex", "place")}
    table = pa.table({"y": [0, 1] * 350, "p": [1] * 700, "c": ["1", "2"] * 349 + ["x", ""], **columns, **groups})
    options = {"features": ["x0", "x1", "x2", "c"], "sensitive_features": ["sex", "place"], "missing": missing}
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", **options)
    monkeypatch.setattr(fitting, "_BYTES_AT_ONCE", 12_000)
    monkeypatch.setattr(batches, "ROWS", 64)
    found = fit_and_count(log, bins=5, depth=depth)
    expected = count_profile(log, fit_binnings(log, bins=5), depth=depth)
    assert (found.slices, found.binnings) == (expected.slices, expected.binnings)
    np.testing.assert_array_equal(found.rows, expected.rows)
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.counts[name], counts)


def test_no_rows_and_odd_numbers_of_bins_are_refused():
    with pytest.raises(InputError, match="the reference has no rows"):
        fitted(pa.array([], pa.float64()))
    for bins in (1, 10_001, 2.5):
        with pytest.raises(InputError, match="bins must be a whole number from 2 to 10,000"):
            fitted([1.0], bins=bins)
