"""Results: unique keys, strict JSON, one old file per schema version."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import EvidenceError
from audit.measurement import Measurement
from audit.provenance import Provenance, file_digest, recorded_versions
from audit.result import Alarm, Result

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=60)
OLD = Path(__file__).parent.parent / "data" / "result-1.json"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PROVENANCE = st.builds(
    Provenance,
    tally=st.none() | st.text(max_size=8),
    data=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    versions=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    seed=st.none() | st.integers(),
    given=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    defaulted=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)
ALARMS = st.lists(
    st.builds(
        Alarm,
        key=st.text(max_size=8),
        e_value=st.floats(0, 1e9),
        limit=st.floats(1, 1e4),
        since=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    ),
    max_size=3,
)


def row(metric="accuracy", **changes):
    return Measurement(**({"metric": metric, "value": 0.5, "n": 3, "method": "count"} | changes))


def text(**changes):
    record = json.loads(Result(measurements=[row()]).to_json())
    return json.dumps(record | changes)


@REPEATABLE
@given(PROVENANCE, ALARMS, st.sets(st.text(max_size=6), max_size=4))
def test_json_brings_back_the_same_result(provenance, alarms, metrics):
    result = Result(measurements=[row(metric) for metric in sorted(metrics)], alarms=alarms, provenance=provenance)
    read = Result.from_json(result.to_json())
    assert read == result
    assert read.digest() == result.digest()
    assert json.loads(result.to_json())["schema"] == "evenhanded/result/1"


def test_an_old_file_still_opens():
    # Written by schema evenhanded/result/1; never rewritten.
    result = Result.from_json(OLD.read_text(encoding="utf-8"))
    assert result.find("true_positive_rate", {"race": "B"}).value == pytest.approx(2 / 3)
    assert result.find("selection_rate", {"race": None}).n == 2
    assert result.find("count").value == 12
    assert result.to_json() == OLD.read_text(encoding="utf-8")


def test_two_rows_of_one_key_are_refused():
    with pytest.raises(ValueError, match=r"measurements of a result have unique keys; found twice: \[\"accuracy\""):
        Result(measurements=[row(), row(value=0.7)])
    against = {"kind": "groups", "features": ["a"]}
    with pytest.raises(ValueError, match="found twice"):
        Result(measurements=[row(against=against), row(against=dict(reversed(against.items())))])
    assert len(Result(measurements=[row(), row(against=against)]).measurements) == 2


RECORD = row().to_json()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("", "not a result of schema"),
        ("[]", "not a result of schema"),
        ("{}", "not a result of schema"),
        ("null", "not a result of schema"),
        (text(schema="evenhanded/result/2"), "expected schema 'evenhanded/result/1', got 'evenhanded/result/2'"),
        (text(more=1), "a result has the fields schema, provenance, alarms and measurements; got"),
        (text(measurements=[RECORD | {"more": 1}]), "a measurement has the fields"),
        (text(measurements=[RECORD, RECORD]), "unique keys"),
        (text(measurements=[RECORD | {"value": "0.5"}]), "not a result"),
        (text(measurements=[RECORD | {"slice": [1]}]), "not a result"),
        (text(measurements=[RECORD | {"value": None}]), "an undefined value needs a reason"),
        (text(provenance={"tally": None}), "provenance has the fields"),
        (text(alarms=[{"key": "k"}]), "not a result"),
        (text(alarms=[{"key": "k", "e_value": 1, "limit": 2, "since": "soon"}]), "not a result"),
        (text().replace("0.5", "NaN"), "strict JSON holds no NaN"),
        (text().replace("0.5", "Infinity"), "strict JSON holds no Infinity"),
        (text().replace("0.5", "1e999"), "numbers must be finite or None"),
        (text().replace('"n": 3', '"n": 3, "n": 4'), "the key 'n' stands twice in one object"),
    ],
)
def test_broken_json_is_broken_evidence(broken, message):
    with pytest.raises(EvidenceError, match=message):
        Result.from_json(broken)


def test_find():
    result = Result(
        measurements=[row(), row(slice=(("g", None),), value=0.1), row(against={"kind": "rest"}, value=0.2)]
    )
    assert result.find("accuracy").value == 0.5
    assert result.find("accuracy", {"g": None}).value == 0.1
    with pytest.raises(KeyError, match=r"no measurement 'f1' of \{\}; metrics here: \['accuracy'\]"):
        result.find("f1")


def test_find_reaches_rows_at_a_point_and_says_what_there_is_instead():
    women = (("sex", "F"),)
    places = [row(slice=women, at=(("bin", place), ("class", "cat")), value=place / 100) for place in range(30)]
    result = Result(measurements=[*places, row(at=(("threshold", 0.5),)), row("count", against={"kind": "rest"})])
    assert result.find("accuracy", {"sex": "F"}, at={"class": "cat", "bin": 7}).value == 0.07
    assert result.find("accuracy", at={"threshold": 0.5}).value == 0.5
    with pytest.raises(KeyError, match=r"of \{\} at \{'threshold': 0.4\}; it is at: \[\{'threshold': 0.5\}\]"):
        result.find("accuracy", at={"threshold": 0.4})
    with pytest.raises(KeyError, match=r"of \{'sex': 'F'\}; it is at: \[\{'bin': 0, 'class': 'cat'\}, .* and 10 more"):
        result.find("accuracy", {"sex": "F"})
    with pytest.raises(KeyError, match=r"of \{'sex': 'M'\}; it is of: \[\{'sex': 'F'\}, \{\}\]"):
        result.find("accuracy", {"sex": "M"})
    with pytest.raises(KeyError, match=r"metrics here: \['accuracy'\]"):
        result.find("count")  # there is only a comparison of it


def test_a_frame_has_one_row_per_measurement():
    frame = Result(measurements=[row(), row(slice=(("g", "a"),))]).to_frame()
    assert list(frame["slice"]) == ["{}", '{"g":"a"}']
    assert list(frame.columns) == list(RECORD)


def test_file_digests(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_versions_are_those_that_are_installed():
    assert recorded_versions()["numpy"] == np.__version__


def test_changing_the_returned_versions_changes_nothing():
    recorded_versions()["numpy"] = "0"
    assert recorded_versions()["numpy"] != "0"
