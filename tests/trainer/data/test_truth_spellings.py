"""Yes and no as users spell them: every kind of number works, and what is open gets one sentence."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.run import run_audit
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

LATE = np.arange(200) >= 100
SPELLED = {
    "floats": (LATE.astype(float), (0.0, 1.0)),
    "float32": (LATE.astype(np.float32), (0.0, 1.0)),
    "ints": (LATE.astype(int), (0, 1)),
    "booleans": (LATE, (False, True)),
    "nullable floats": (pd.array(LATE.astype(float).tolist(), dtype="Float64"), (0.0, 1.0)),
    "nullable ints": (pd.array(LATE.astype(int).tolist(), dtype="Int64"), (0, 1)),
    "nullable booleans": (pd.array(LATE.tolist(), dtype="boolean"), (False, True)),
    "ints of arrow": (pd.array(LATE.astype(int).tolist(), dtype="int64[pyarrow]"), (0, 1)),
    "floats and ints": (np.array([1 if each else 0.0 for each in LATE], dtype=object), (0.0, 1)),
    "booleans and ints": (np.array([True if each else 0 for each in LATE], dtype=object), (0, True)),
}


def late(labels, **more):
    frame = pd.DataFrame({"age": np.arange(200), "sex": ["f", "m"] * 100, "y": labels})
    columns = Columns(y="y", sensitive_features=["sex"], **more)
    return Table.from_frame(frame, columns=columns, split=split_rows(200, seed=1))


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("positive", [None, 1, 1.0, True])
def test_yes_and_no_as_numbers_are_learnt_audited_and_read_back(spelling, positive, tmp_path):
    labels, classes = SPELLED[spelling]
    learner = Learner(late(labels, positive=positive), network=MLPSettings(hidden=(8,)), device="cpu")
    assert learner.spec.target.classes == classes
    learner.fit_one_cycle(4, 0.02, batch_size=32)
    result = run_audit(learner.predict_log("test"))
    assert result.find("accuracy").value == pytest.approx(learner.validate("test").value)
    assert result.find("true_positive_rate").value > 0.8
    assert result.find("roc_auc").value > 0.95
    learner.save(tmp_path)
    loaded = Learner.load(tmp_path, device="cpu")
    frame = learner.training_data()[0].part("test")
    assert loaded.predict(frame).tolist() == learner.predict("test").tolist()
    assert loaded.spec.positive == 1


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.where(LATE, "yes", "no"), "two classes other than 0/1 need `positive`.*found 'no', 'yes'$"),
        (np.where(LATE, "1", "0"), "label 'y' holds the texts '0', '1': make numbers or booleans of them, or name"),
        (np.where(LATE, "true", "false"), "label 'y' holds the texts 'false', 'true': make numbers"),
        (np.where(np.arange(200) == 5, np.nan, LATE.astype(float)), "label 'y' is missing at row 5, counted from 0"),
        (LATE + 1.0, "two classes other than 0/1 need `positive`.*found 1.0, 2.0$"),
        (np.arange(200) / 7, r'^label \'y\' holds 200 different numbers.*Columns\(..., task="number"\)'),
    ],
)
def test_labels_that_leave_something_open_get_one_sentence(labels, said):
    with pytest.raises(InputError, match=said) as caught:
        late(labels)
    assert len(caught.value.violations) == 1


@pytest.mark.parametrize("label", ["yes", "1"])
def test_texts_are_learnt_where_the_positive_one_is_named(label):
    table = late(np.where(LATE, label, "0"), positive=label)
    assert (table.spec.positive, table.spec.target.classes) == (label, ("0", label))
