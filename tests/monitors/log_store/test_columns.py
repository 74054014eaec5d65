"""What the columns of a log are is checked once, when it is made, and remembered as it was said."""

from types import MappingProxyType

import numpy as np
import pytest

from audit.errors import EvidenceError, InputError
from monitors.log_store.columns import LogColumns
from monitors.log_store.store import LogStore

ROLES = {"prediction_id": "id", "timestamp": "at", "y_pred": "said"}


def columns(**changed):
    return LogColumns(**{"roles": ROLES, "features": ("age", "sex"), "numbers": ("age",)} | changed)


def test_columns_come_back_as_they_were(tmp_path):
    made = columns(
        roles=MappingProxyType({**ROLES, "y_score": "s", "place": "ward", "y_true": "was"}),
        sensitive_features=("sex", "years"),
        hashed=("id", "ward"),
        left_out=("note",),
        reading={"positive": "yes", "bins": {"years": (25, 45)}, "score_max": 10.0},
    )
    assert LogColumns.from_json(made.to_json()).to_json() == made.to_json()
    log = LogStore.create(tmp_path / "log", made).read()
    assert log.reading.bins["years"] == (25.0, 45.0)
    assert (log.reading.positive, log.reading.score_max) == ("yes", 10.0)
    assert log.columns["place"] == "ward"
    assert "was" not in made.kept


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"roles": {"prediction_id": "id"}}, "timestamp is not named; a prediction log needs it"),
        ({"roles": {**ROLES, "y_prod": "x"}}, "unknown role 'y_prod'"),
        ({"roles": {"prediction_id": "id", "timestamp": "at"}}, "no predictions: name y_pred"),
        ({"roles": {"prediction_id": "id", "timestamp": "at", "y_score": "s"}}, "or y_score together with a threshold"),
        ({"numbers": ("height",)}, "'height' is declared as a number and is no column of the log"),
        ({"hashed": ("name",)}, "'name' is to be hashed and is no column of the log"),
        ({"hashed": ("age",)}, "'age' is to be hashed and holds numbers; only texts are hashed"),
        ({"left_out": ("sex",)}, "'sex' is kept and left out; choose one"),
        ({"features": ("age", "Y_True")}, "may not be called 'Y_True': labels are joined under this name"),
        ({"features": ("age", "AGE")}, "columns 'AGE' and 'age' differ in case only"),
        ({"features": ("age", " ")}, "a column without a name cannot be kept"),
        ({"features": ("age", "age")}, "feature 'age' is named twice"),
        ({"reading": {"positive": "yes", "task": "ranking"}}, "positive is given in vain"),
        ({"reading": {"threshold": 2.0}}, "threshold must lie in"),
        ({"reading": {"score_max": np.float32(10)}}, "kept as JSON, which cannot hold this"),
    ],
)
def test_what_contradicts_itself_is_refused(changed, told):
    with pytest.raises(InputError) as caught:
        columns(**changed)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"roles": 3}', '{"roles": {}, "unknown": 1}', '{"roles": {"y": 1}}'])
def test_what_is_no_record_of_columns_is_no_evidence(text):
    with pytest.raises(EvidenceError, match="the store does not say what its columns are"):
        LogColumns.from_json(text)


def test_scores_and_predicted_numbers_are_numbers():
    assert columns(roles={**ROLES, "y_score": "s", "sample_weight": "w"}).kinds()["w"] == "number"
    assert columns().kinds()["said"] == "text"
    assert columns(reading={"task": "regression"}).kinds()["said"] == "number"
