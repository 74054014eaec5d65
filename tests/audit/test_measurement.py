"""The one row of every number: what it refuses, and that JSON brings back the same."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.measurement import AGAINST_KINDS, AT_KEYS, Measurement, as_slice, canonical_json, utc_text, utc_time

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=150)
TEXT = st.text(max_size=8)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SLICES = st.dictionaries(TEXT, TEXT | st.none(), max_size=3).map(as_slice)
ATS = st.dictionaries(st.sampled_from(sorted(AT_KEYS)), TEXT | st.integers(), max_size=3).map(
    lambda at: tuple(sorted(at.items()))
)
AGAINST = st.none() | st.builds(
    lambda kind, more: {"kind": kind, **more},
    st.sampled_from(sorted(AGAINST_KINDS)),
    st.dictionaries(st.sampled_from(["features", "digest"]), TEXT, max_size=2),
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
BOUNDS = st.tuples(st.none() | FINITE, st.none() | FINITE).filter(lambda ends: None in ends or ends[0] <= ends[1])
ROWS = st.builds(
    lambda bounds, **fields: Measurement(low=bounds[0], high=bounds[1], **fields),
    bounds=BOUNDS,
    metric=TEXT,
    slice=SLICES,
    at=ATS,
    against=AGAINST,
    window=st.none() | st.tuples(TIMES, TIMES),
    value=st.none() | FINITE,
    n=st.integers(0, 10**12),
    level=st.none() | st.floats(0.01, 0.99),
    method=TEXT,
    reason=TEXT.filter(bool),
)


def row(**changes):
    return Measurement(**({"metric": "accuracy", "value": 0.5, "n": 3, "method": "count"} | changes))


@REPEATABLE
@given(ROWS)
def test_json_brings_back_the_same_row(measurement):
    text = json.dumps(measurement.to_json(), allow_nan=False)
    assert Measurement.from_json(json.loads(text)) == measurement
    assert Measurement.from_json(json.loads(text)).key() == measurement.key()


def test_json_has_the_fields_of_the_contract_in_their_order():
    fields = ["metric", "slice", "at", "against", "window", "value", "low", "high", "n", "level", "method", "reason"]
    assert list(row().to_json()) == fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, "numbers must be finite or None; got nan"),
        ({"low": float("-inf")}, "numbers must be finite or None; got -inf"),
        ({"high": float("inf")}, "numbers must be finite or None"),
        ({"value": None}, "an undefined value needs a reason"),
        ({"value": None, "reason": ""}, "an undefined value needs a reason"),
        ({"level": 0.95, "low": 0.1}, "an unbounded side needs a reason"),
        ({"low": 0.6, "high": 0.4}, "low 0.6 lies above high 0.4"),
        ({"low": 0.6, "high": 0.7, "method": "wilson"}, r"value 0.5 lies outside \[0.6, 0.7\]"),
        ({"low": 0.3, "high": 0.4, "method": "clopper_pearson, cluster-robust"}, "value 0.5 lies outside"),
        ({"level": 5, "low": 0.4, "high": 0.6}, r"level must lie in \(0, 1\); got 5"),
        ({"level": 0.0, "low": 0.4, "high": 0.6}, r"level must lie in \(0, 1\)"),
        ({"level": 1, "low": 0.4, "high": 0.6}, r"level must lie in \(0, 1\)"),
        ({"n": -5}, "n must be a whole number of rows, at least 0; got -5"),
        ({"n": "900"}, "n must be a whole number of rows, at least 0; got '900'"),
        ({"n": 3.0}, "n must be a whole number of rows"),
        ({"n": True}, "n must be a whole number of rows"),
        ({"value": True}, "expected a number or None for value, low, high and level; got True"),
        ({"low": "0.1"}, "expected a number or None for value, low, high and level; got '0.1'"),
        ({"level": [0.95]}, r"expected a number or None .* got \[0.95\]"),
        ({"slice": (("b", "1"), ("a", "2"))}, "must be sorted by key"),
        ({"slice": (("a", "1"), ("a", "2"))}, "must be sorted by key, each key once"),
        ({"at": (("threshold", 0.5), ("k", 3))}, "must be sorted by key"),
        ({"at": (("colour", "red"),)}, r"unknown keys in at: \['colour'\]; expected some of"),
        ({"against": {"kind": "feeling"}}, "unknown kind of comparison 'feeling'; expected one of"),
        ({"against": {}}, "unknown kind of comparison None"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        row(**changes)


@pytest.mark.parametrize("change", [{"extra": 1}, {"metric": None}])
def test_unknown_and_missing_fields_are_refused(change):
    record = row().to_json() | change
    if change == {"metric": None}:
        del record["metric"]
    with pytest.raises(ValueError, match="a measurement has the fields"):
        Measurement.from_json(record)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "=cmd()",
        "![x](http://x)",
        "x" * 10_000,
        "\u202eabc\u202c",
        "a\x00b",
        "\ud83e\udd8a",
        "'; DROP",
        "\n",
    ],
)
def test_hostile_names_of_groups_survive_unchanged(name):
    name = name.encode("utf-16", "surrogatepass").decode("utf-16")
    measurement = row(slice=(("g", name),))
    assert dict(Measurement.from_json(json.loads(json.dumps(measurement.to_json()))).slice)["g"] == name


def test_keys_differ_where_anything_of_the_five_differs():
    one = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        row(),
        row(metric="f1"),
        row(slice=(("g", None),)),
        row(slice=(("g", "None"),)),
        row(at=(("k", 1),)),
        row(against={"kind": "rest"}),
        row(window=(one, one + timedelta(days=1))),
    ]
    assert len({found.key() for found in rows}) == len(rows)
    assert row(value=0.7).key() == row().key()


def test_times_are_utc_with_a_z():
    berlin = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(berlin) == "2026-06-01T10:00:00Z"
    assert utc_time("2026-06-01T10:00:00Z") == berlin
    with pytest.raises(ValueError, match="expected a time with a zone; got 2026-06-01T00:00:00; say which zone"):
        utc_text(datetime(2026, 6, 1))


def test_canonical_json_is_strict():
    assert canonical_json({"b": 1, "a": "é"}) == canonical_json({"a": "é", "b": 1}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_rows_are_frozen():
    with pytest.raises(AttributeError):
        row().value = 1


def test_an_interval_of_a_difference_may_leave_its_estimate_out():
    """Agresti and Caffo draw the centre towards 0: of 1 of 1 against 0 of 1 the difference 1 may lie beyond."""
    assert row(metric="accuracy_difference", value=1.0, low=-0.1, high=0.9, method="agresti_caffo").high == 0.9


def test_bounds_may_cross_or_miss_the_value_by_rounding():
    assert row(value=0.5, low=0.5 + 1e-12, high=0.5, method="wilson").low > 0.5
