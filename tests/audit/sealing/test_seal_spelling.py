"""A test that is sealed from a CSV file and predictions that are numbers: one spelling for both."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import InputError
from audit.sealing.seal_files import FOR_VENDOR
from audit.sealing.seal_record import SealedColumns
from audit.sealing.seal_spelling import spelled, with_numbers
from audit.sealing.sealed import seal, status
from audit.sealing.sealed_opening import open_sealed
from audit.values import canonical

LABELS = [1.0, 2.0, 1.0, 2.0]


def sealed(folder, frame, **columns):
    frame.to_csv(folder / "test.csv", index=False)
    (folder / "policy.yaml").write_text("requirements: []\n")
    named = SealedColumns(prediction_id="case", y_true="outcome", **columns)
    seal(folder / "test.csv", folder / "policy.yaml", folder / "box", columns=named, by="Reviewer")
    return folder / "box"


@pytest.mark.parametrize("positive", ["1", "1.0"])
@pytest.mark.parametrize("ids", [[1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], ["1", "2", "3", "4"], ["1.0", "2.0", "3", "4"]])
@pytest.mark.parametrize("said", [[1, 2, 2, 2], [1.0, 2.0, 2.0, 2.0], ["1", "2", "2", "2"], ["1.0", "2.0", "2", "2"]])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_compare_by_value_however_they_are_spelled(tmp_path, positive, ids, said, suffix):
    frame = pd.DataFrame({"case": [1.0, 2.0, 3.0, 4.0], "x": [0.5] * 4, "outcome": LABELS})
    box = sealed(tmp_path, frame, positive=positive)
    sent = pd.DataFrame({"case": ids, "y_pred": said})
    path = tmp_path / f"sent.{suffix}"
    sent.to_csv(path, index=False) if suffix == "csv" else sent.to_parquet(path)
    assert open_sealed(box, path, by="Reviewer").find("accuracy").value == 0.75
    assert status(box).changes == ()


def test_codes_stay_texts_and_groups_keep_their_names(tmp_path):
    frame = pd.DataFrame(
        {"case": ["01", "1", "2", "3"], "age": ["30", "", "41", "7"], "share": ["0.50", "1", "2", "3"]}
    )
    frame = frame.assign(zip=["01", "12", "13", "14"], sex=["1.0", "1.0", "2.0", "2.0"], outcome=[1, 0, 1, 0])
    box = sealed(tmp_path, frame, sensitive_features=("sex",), features=("age", "share", "zip", "sex"))
    kinds = {field.name: str(field.type) for field in pq.read_schema(box / FOR_VENDOR)}
    assert kinds == {"case": "string", "age": "int64", "share": "double", "zip": "string", "sex": "string"}
    pd.DataFrame({"case": ["3", "2", "1", "01"], "y_pred": [0, 1, 0, 1]}).to_parquet(tmp_path / "sent.parquet")
    result = open_sealed(box, tmp_path / "sent.parquet", by="Reviewer")
    assert result.find("accuracy", {"sex": "1.0"}).n == 2


def test_ids_that_spell_one_number_twice_are_refused(tmp_path):
    frame = pd.DataFrame({"case": ["1", "1.0", "2"], "x": 0, "outcome": [1, 0, 1]})
    with pytest.raises(InputError, match=r"ids stand twice in .*: '1'; keep one row of each"):
        sealed(tmp_path, frame)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.integers(-(10**15), 10**15) | st.decimals(-1000, 1000, places=3).map(float), min_size=1, max_size=8))
def test_text_and_number_have_one_spelling(numbers):
    as_text = pa.array([repr(number) for number in numbers])
    wanted = [canonical(float(number)) if abs(number) < 1e15 else canonical(number) for number in numbers]
    assert spelled(as_text).to_pylist() == wanted
    assert spelled(pa.array(np.array(numbers, dtype=object), from_pandas=True, type=pa.float64())).to_pylist() == [
        canonical(float(number)) for number in numbers
    ]


@pytest.mark.parametrize(
    "texts", [["1", "nan"], ["1e5", "2"], ["+1"], ["0x1"], ["1,5"], ["", ""], ["1_0"], ["1."], ["１"]]
)
def test_what_is_no_plain_number_stays_text(texts):
    table = pa.table({"x": texts})
    assert with_numbers(table, ["x"]) == table
