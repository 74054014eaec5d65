"""The door: what a log may be made of, and every violation in one sentence each, all at once."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit

FRAME = pd.DataFrame(
    {
        "y": [1, 0, 1, 0],
        "p": [1, 1, 0, 0],
        "s": [0.9, 0.8, 0.3, 0.1],
        "g": ["a", "a", "b", "b"],
        "age": [20, 25, 45, 70],
    }
)
ROLES = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"]}


def log(frame=FRAME, **options):
    return PredictionLog.from_frame(frame, **{**ROLES, **options})


def violations(*arguments, **options):
    with pytest.raises(InputError) as caught:
        log(*arguments, **options)
    return caught.value.violations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y_true": "z"}, "column 'z' (y_true) is missing; the data has 'y', 'p', 's', 'g', 'age'; name one of these"),
        ({"sensitive_features": ["race"]}, "column 'race' (sensitive feature) is missing"),
        ({"sensitive_features": "g"}, "sensitive_features is one text; expected a list: ['g']"),
        ({"sensitive_features": ["g", "g"]}, "sensitive feature 'g' is named twice"),
        ({"y_true": None}, "y_true is not named; error rates need true labels"),
        ({"y_pred": None}, "no predictions: name y_pred, or y_score together with a threshold"),
        ({"y_pred": None, "y_score": "s"}, "no predictions: name y_pred, or y_score together with a threshold"),
        ({"threshold": 0.5, "y_score": "s"}, "y_pred and a threshold are both given; drop one"),
        ({"y_pred": "y"}, "y_true and y_pred are the same column 'y'; name two"),
        ({"y_pred": None, "y_score": "s", "threshold": 5}, "threshold must lie in [0, 1] (score / score_max); got 5"),
        ({"score_max": 0}, "score_max must be a positive number; got 0"),
        ({"score_max": float("inf")}, "score_max must be a positive number; got inf"),
        ({"bins": {"age": [25]}}, "bins are given for 'age', which is no sensitive feature"),
        ({"bins": {"g": [3, 1]}}, "bins of 'g' must be finite, increasing edges; got [3.0, 1.0]"),
        ({"bins": {"g": []}}, "bins of 'g' must be finite, increasing edges; got []"),
        ({"bins": {"g": [float("nan")]}}, "bins of 'g' must be finite, increasing edges; got [nan]"),
        ({"bins": {"g": ["a"]}}, "bins of 'g' must be numbers; got ['a']"),
        ({"threshold": "0.5", "y_pred": None, "y_score": "s"}, "threshold must be a number; got '0.5'"),
        ({"score_max": "10"}, "score_max must be a number; got '10'"),
        ({"missing": "dropp"}, "missing must be 'group', 'raise' or 'drop'; got 'dropp'"),
        ({"weights": "freq", "sample_weight": "s"}, "weights must be 'sampling' or 'frequency'; got 'freq'"),
        ({"weights": "freq"}, "weights must be 'sampling' or 'frequency'; got 'freq'"),
        ({"cluser": "g"}, "unknown role 'cluser'; expected one of prediction_id, y_true"),
    ],
)
def test_each_violation_has_its_sentence(options, message):
    assert any(message in text for text in violations(**options))


def test_all_violations_stand_in_one_error():
    found = violations(
        y_true="nope", sample_weight="w", sensitive_features=["g", "race"], bins={"age": [2, 1]}, score_max=-1
    )
    assert len(found) == 6
    with pytest.raises(InputError, match=r"^6 problems with the input:\n  1\. .*\n  2\. "):
        log(y_true="nope", sample_weight="w", sensitive_features=["g", "race"], bins={"age": [2, 1]}, score_max=-1)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 1, "a", "b"]], columns=["y", "p", "g", "g"]),
        pa.table([[1], [1], ["a"], ["b"]], names=["y", "p", "g", "g"]),
    ],
)
def test_doubled_columns(frame):
    assert violations(frame) == ("column 'g' (sensitive feature) stands 2 times in the data; rename the columns apart",)


def test_many_columns_are_not_all_listed():
    frame = pd.DataFrame({f"x{place}": [1] for place in range(500)})
    assert all(len(text) < 300 for text in violations(frame))


def test_nothing_is_read_when_a_log_is_made(tmp_path):
    pq.write_table(pa.table({"y": ["not a label"] * 3, "p": [1, 2, 3], "g": ["a"] * 3}), tmp_path / "t.parquet")
    made = PredictionLog.from_file(tmp_path / "t.parquet", **ROLES)
    assert made.source == (tmp_path / "t.parquet",)
    with pytest.raises(InputError, match="expected two labels"):
        count(made)


def test_bins_are_left_closed_and_missing_stays_missing():
    ages = [24.9, 25, 44.999, 45, None, -1, 120, float("nan")]
    frame = pd.DataFrame({"y": [1, 0] * 4, "p": 1, "age": ages})
    made = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["age"], bins={"age": [25, 45]})
    cells = count(made).cells.group_by("slice.age").aggregate([("n", "sum")]).to_pylist()
    assert {row["slice.age"]: row["n_sum"] for row in cells} == {"<25": 2, "25-45": 2, ">=45": 2, None: 2}


@pytest.mark.parametrize("kind", ["csv", "polars", "pandas"])
def test_bins_of_every_source_agree(kind, tmp_path):
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame({"y": [1, 0] * 3, "p": 1, "age": [1.5, 2.5, 3.5, np.nan, 2.5, 1]})
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["age"], "bins": {"age": [1.5, 2.5]}}
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = {
        "csv": lambda: PredictionLog.from_file(tmp_path / "t.csv", **options),
        "polars": lambda: PredictionLog.from_frame(polars.from_pandas(frame), **options),
        "pandas": lambda: PredictionLog.from_frame(frame, **options),
    }[kind]()
    assert sorted(count(made).cells["slice.age"].to_pylist(), key=str) == ["1.5-2.5", "<1.5", ">=2.5", ">=2.5", None]


@pytest.mark.parametrize("kind", ["arrow", "polars", "pandas", "parquet"])
def test_nan_in_a_feature_that_is_cut_is_missing(kind, tmp_path):
    polars = pytest.importorskip("polars")
    table = pa.table({"y": [1, 0, 1, 0], "p": 4 * [1], "age": [20.0, float("nan"), None, float("inf")]})
    pq.write_table(table, tmp_path / "t.parquet")
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["age"], "bins": {"age": [25, 45]}}
    made = {
        "arrow": lambda: PredictionLog.from_frame(table, **options),
        "polars": lambda: PredictionLog.from_frame(polars.from_arrow(table), **options),
        "pandas": lambda: PredictionLog.from_frame(table.to_pandas(), **options),
        "parquet": lambda: PredictionLog.from_file(tmp_path / "t.parquet", **options),
    }[kind]()
    assert count(made).cells["slice.age"].to_pylist() == [None, None, "<25", ">=45"]


def test_text_that_is_no_number_cannot_be_cut():
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "p": 1, "age": ["30", "unknown", "", "45+"]})
    made = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["age"], bins={"age": [25]})
    with pytest.raises(
        InputError, match=r"'age' \(sensitive feature\) is cut into ranges.* 'unknown' in row 2; '45\+' in row 4"
    ):
        count(made)
    whole = PredictionLog.from_frame(frame.assign(age=["30", None, "", " 7"]), y_true="y", y_pred="p",
                                     sensitive_features=["age"], bins={"age": [25]})  # fmt: skip
    assert count(whole).cells["slice.age"].to_pylist() == [None, None, "<25", ">=25"]


def test_ranges_of_long_edges_keep_their_own_names():
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "p": 1, "g": [1234566, 1234567, 1234568, 1234569]})
    edges = {"g": [1234567, 1234568, 1234568.5]}
    made = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], bins=edges)
    names = ["1234567-1234568", "1234568-1234568.5", "<1234567", ">=1234568.5"]
    assert count(made).cells["slice.g"].to_pylist() == names


@pytest.mark.parametrize("kind", ["arrow", "polars", "parquet"])
def test_short_floats_reach_the_threshold_that_they_are_printed_as(kind, tmp_path):
    polars = pytest.importorskip("polars")
    scores = pa.array([0.7, 0.6, 0.3, 1e-9], pa.float32())
    table = pa.table({"y": [1, 0, 1, 0], "s": scores, "age": pa.array([0.7, 0.1, 0.699, 2], pa.float32())})
    pq.write_table(table, tmp_path / "t.parquet")
    options = {"y_true": "y", "y_score": "s", "threshold": 0.7, "sensitive_features": ["age"], "bins": {"age": [0.7]}}
    made = {
        "arrow": lambda: PredictionLog.from_frame(table, **options),
        "polars": lambda: PredictionLog.from_frame(polars.from_arrow(table), **options),
        "parquet": lambda: PredictionLog.from_file(tmp_path / "t.parquet", **options),
    }[kind]()
    cells = count(made).cells
    assert [row["y_pred"] for row in cells.to_pylist() if row["score"] == 0.7] == ["1"]
    assert cells["slice.age"].to_pylist() == ["<0.7", "<0.7", ">=0.7", ">=0.7"]
    assert min(cells["score"].to_pylist()) == 1e-9


@pytest.mark.parametrize("role", ["sample_weight", "cluster", "y_score"])
def test_a_role_that_is_none_is_not_named(role):
    assert count(log(**{role: None})).digest() == count(log()).digest()
    assert role not in log(**{role: None}).columns


ATTRIBUTES = pd.DataFrame({"id": ["1", "2", "3", "9"], "race": ["A", "B", None, "A"]})
PEOPLE = pd.DataFrame({"id": [1, 2, 3, 4], "y": [1, 0, 1, 0], "p": [1, 1, 0, 0]})
JOIN = {"y_true": "y", "y_pred": "p", "sensitive_features": ["race"], "on": "id"}


def test_sensitive_features_from_a_second_table():
    made = PredictionLog.from_frame(PEOPLE, attributes=ATTRIBUTES, **JOIN)
    found = {row["slice.race"]: 0 for row in count(made).cells.to_pylist()}
    for row in count(made).cells.to_pylist():
        found[row["slice.race"]] += row["n"]
    assert found == {"A": 1, "B": 1, None: 2}  # 3 has no race, 4 no row: both are shown


def test_sensitive_features_from_a_second_file(tmp_path):
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    ATTRIBUTES.to_csv(tmp_path / "attributes.csv", index=False)
    made = PredictionLog.from_file(tmp_path / "people.csv", attributes=tmp_path / "attributes.csv", **JOIN)
    frame = PredictionLog.from_frame(PEOPLE, attributes=ATTRIBUTES, **JOIN)
    assert count(made).digest() == count(frame).digest()
    assert set(run_audit(made).provenance.data) == {"people.csv", "attributes.csv"}


@pytest.mark.parametrize(
    ("attributes", "on", "message"),
    [
        (pd.concat([ATTRIBUTES, ATTRIBUTES[:1]]), "id", "1 ids of 'id' stand more than once among the attributes"),
        (ATTRIBUTES.assign(id=["7", "8", "9", "10"]), "id", "no id of 'id' in the data stands among the attributes"),
        (ATTRIBUTES.assign(y=0), "id", r"columns \['y'\] stand in the data and in the attributes; drop them from one"),
        (ATTRIBUTES.rename(columns={"id": "key"}), "id", "column 'id' .to join on. is missing in the attributes"),
        (ATTRIBUTES, "key", "column 'key' .to join on. is missing in the data"),
        (ATTRIBUTES, None, "column None .to join on. is missing in the data"),
    ],
)
def test_joins_that_are_refused(attributes, on, message):
    with pytest.raises(InputError, match=message):
        PredictionLog.from_frame(PEOPLE, attributes=attributes, **{**JOIN, "on": on})


IDS = pytest.mark.parametrize(
    ("here", "there"),
    [
        ([1.0, 2.0, 10.0**16], [1, 2, 10**16]), ([True, False, True], ["True", "FALSE", "x"]),
        (["1", "2", "9007199254740993"], [1, 2, 2**53 + 1]), ([1.5, 2.0, 3.0], ["1.5", "2", "3"]),
    ],
)  # fmt: skip


@IDS
@pytest.mark.parametrize("turn", [False, True])
def test_ids_are_joined_by_their_canonical_text(here, there, turn):
    if turn and len(set(here)) == 3:
        here, there = there, here
    people = pd.DataFrame({"id": here, "y": [1, 0, 1], "p": [1, 1, 0]})
    attributes = pd.DataFrame({"id": there, "race": ["A", "B", "C"]})
    made = PredictionLog.from_frame(people, attributes=attributes, **JOIN)
    assert None not in count(made).cells["slice.race"].to_pylist()
    assert made.unmatched == 0


def test_rows_without_a_match_are_counted_and_more_than_half_refused():
    made = PredictionLog.from_frame(PEOPLE, attributes=ATTRIBUTES, **JOIN)
    assert made.unmatched == 1
    with pytest.raises(InputError, match="3 of 4 rows have an id of 'id' that does not stand among the attributes"):
        PredictionLog.from_frame(PEOPLE, attributes=ATTRIBUTES[:1], **JOIN)


def test_ids_that_are_missing_join_nobody():
    people = PEOPLE.assign(id=["1", None, None, "2"])
    attributes = pd.DataFrame({"id": ["1", None, "2"], "race": ["A", "X", "B"]})
    made = PredictionLog.from_frame(people, attributes=attributes, **JOIN)
    assert "X" not in count(made).cells["slice.race"].to_pylist()
    assert count(made).rows == 4


def test_missing_sensitive_values_form_a_group_are_refused_or_dropped_and_counted():
    frame = FRAME.assign(g=["a", None, "b", None])
    assert set(count(log(frame)).cells["slice.g"].to_pylist()) == {"a", "b", None}
    with pytest.raises(InputError, match="sensitive feature 'g' is missing in 2 rows; complete it or drop them"):
        count(log(frame, missing="raise"))
    dropped = run_audit(log(frame, missing="drop"))
    assert dropped.find("count").value == 2
    assert dropped.provenance.given["rows_dropped_for_missing_sensitive_value"] == 2
    with pytest.raises(InputError, match="no rows are left after dropping missing sensitive values"):
        count(log(frame.assign(g=None), missing="drop"))


def test_a_feature_may_play_two_parts():
    made = log(sensitive_features=["g"], place="g", cluster="age")
    assert count(made).clustered
    assert made.columns["place"] == "g"
