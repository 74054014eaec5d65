from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.values import canonical, canonical_array


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None), ("", None), (float("nan"), None), (np.float32("nan"), None), (Decimal("NaN"), None),
        (pd.NaT, None),
        (1, "1"), (1.0, "1"), (-0.0, "0"), (np.int8(1), "1"), (np.float64(1), "1"), (Decimal("1.00"), "1"),
        (2.5, "2.5"), (Decimal("2.50"), "2.5"), (Decimal("1E+3"), "1000"), (Decimal("1E-3"), "0.001"), (0.1, "0.1"),
        (1e22, "10000000000000000000000"), (float("inf"), "inf"), (10**30, "1" + "0" * 30),
        (True, "true"), (False, "false"), (np.bool_(True), "true"), ("True", "true"), ("FALSE", "false"),
        ("01", "01"), ("1.0", "1.0"), (" a ", " a "), ("é", "é"), ("nan", "nan"), ("None", "None"), ("null", "null"),
        (date(2026, 11, 21), "2026-11-21"), (datetime(2026, 11, 21), "2026-11-21"),
        (datetime(2026, 11, 21, 9, 30), "2026-11-21T09:30:00"), (time(9, 30), "09:30:00"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00"), (pd.Timestamp("2026-11-21"), "2026-11-21"),
    ],
)  # fmt: skip
def test_spelling(value, text):
    assert canonical(value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"a", 1j, object()])
def test_what_is_no_name_of_a_group(value):
    with pytest.raises(TypeError, match="a group or label must be text, a number, a boolean or a date; got"):
        canonical(value)


def test_arrays_of_many_types_and_chunks():
    chunked = pa.chunked_array([pa.array(["a", None]), pa.array(["", "a"])])
    assert canonical_array(chunked).to_pylist() == ["a", None, None, "a"]
    assert canonical_array(pa.nulls(2)).to_pylist() == [None, None]
    assert canonical_array(pa.array([0.1, 0.7, None], pa.float32())).to_pylist() == ["0.1", "0.7", None]
    assert canonical_array(pa.array([True, None])).to_pylist() == ["true", None]
    assert canonical_array(pa.array(["x", None]).dictionary_encode()).to_pylist() == ["x", None]
    assert canonical_array(pa.array([], pa.int64())).to_pylist() == []
    assert canonical_array(pa.array([10**9, 0], pa.timestamp("ns"))).to_pylist() == [
        "1970-01-01T00:00:01",
        "1970-01-01",
    ]


def test_each_distinct_value_is_spelled_once(monkeypatch):
    spelled = []
    monkeypatch.setattr("audit.values.canonical", lambda value: spelled.append(value) or str(value))
    canonical_array(pa.array([1, 2] * 1000))
    assert spelled == [1, 2]


def test_times_with_a_zone_are_told_in_utc():
    berlin = timezone(timedelta(hours=1))
    assert canonical(datetime(2026, 1, 1, 1, tzinfo=berlin)) == "2026-01-01T00:00:00+00:00"
    at = pa.array([0, 3_600_000_000], pa.timestamp("us", tz="Asia/Tokyo"))
    assert canonical_array(at).to_pylist() == ["1970-01-01T00:00:00+00:00", "1970-01-01T01:00:00+00:00"]


@pytest.mark.parametrize(("zone", "end"), [(None, ""), ("UTC", "+00:00")])
def test_nanoseconds_are_kept(zone, end):
    values = pa.array([1, 2, 1_000, None, 86_400_000_000_000], pa.timestamp("ns", tz=zone))
    start = "1970-01-01T00:00:00."
    last = "1970-01-02" if zone is None else "1970-01-02T00:00:00+00:00"
    wanted = [f"{start}000000001{end}", f"{start}000000002{end}", f"{start}000001{end}", None, last]
    assert canonical_array(values).to_pylist() == wanted
    assert canonical(pd.Timestamp(1, tz=zone)) == wanted[0]
    assert canonical(pd.Timestamp(1_000, tz=zone)) == wanted[2]


def test_short_and_shorter_floats_are_what_they_are_printed_as():
    for kind in (np.float16, np.float32):
        assert canonical(kind(0.1)) == "0.1"
        assert canonical_array(pa.array(np.array([0.1, 1], kind))).to_pylist() == ["0.1", "1"]
