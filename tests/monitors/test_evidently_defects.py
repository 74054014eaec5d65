"""What Evidently 0.7 gets wrong, so that nobody uses it for it; a test that fails here says that it was mended."""

import warnings

import numpy as np
import pandas as pd
import pytest

from monitors.evidently_door import DataDefinition, Dataset, DataSummaryPreset, Report

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from evidently import BinaryClassification
    from evidently.metrics import FPR, Accuracy, MeanValue
    from evidently.metrics.group_by import GroupBy


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], 4000)
    y = rng.integers(0, 2, 4000)
    right = rng.random(4000) < np.where(group == "a", 0.95, 0.55)
    return pd.DataFrame({"y": y, "p": np.where(right, y, 1 - y), "g": group.astype(object), "x": (group == "a") * 1.0})


def by_group(people, metric):
    definition = DataDefinition(
        numerical_columns=["x"], categorical_columns=["g", "y", "p"],
        classification=[BinaryClassification(target="y", prediction_labels="p")],
    )  # fmt: skip
    data = Dataset.from_pandas(people, data_definition=definition)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Report([GroupBy(metric, "g")]).run(data, None).dict()["metrics"]
    return sorted(float(each["value"]) for each in found if not isinstance(each["value"], dict))


@pytest.mark.parametrize(("metric", "truth"), [
    (Accuracy(), lambda rows: (rows.y == rows.p).mean()), (FPR(), lambda rows: (rows.p[rows.y == 0] == 1).mean()),
], ids=["accuracy", "false positive rate"])  # fmt: skip
def test_group_by_gives_every_group_the_overall_value_of_a_classification_metric(people, metric, truth):
    groups = sorted(truth(rows) for _, rows in people.groupby("g"))
    assert groups[1] - groups[0] > 0.3
    assert by_group(people, metric) == pytest.approx([truth(people)] * 2)


def test_group_by_does_group_means(people):
    assert by_group(people, MeanValue(column="x")) == pytest.approx([0.0, 1.0])


def test_its_summary_fails_on_nullable_text():
    frame = pd.DataFrame({"x": pd.array(["a", None, "b"] * 20, dtype="string")})
    data = Dataset.from_pandas(frame, data_definition=DataDefinition(categorical_columns=["x"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((ValueError, TypeError), match=r"boolean value of NA is ambiguous|not supported as Label"):
            Report([DataSummaryPreset()]).run(data, data).dict()
