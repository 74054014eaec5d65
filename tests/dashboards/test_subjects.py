import pytest

from audit.measurement import Measurement
from dashboards.subjects import comparison_text, subject_text


def row(against=None, pairs=(), at=(), metric="accuracy_difference"):
    return Measurement(metric=metric, slice=pairs, at=at, against=against, value=0.1, n=50, method="x")


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (row(metric="accuracy"), "Accuracy, everyone"),
        (row(metric="accuracy", pairs=(("g", None),)), "Accuracy, g = (missing)"),
        (row(metric="accuracy", at=(("k", 10),)), "Accuracy, everyone, k = 10"),
        (row({"kind": "rest"}, (("g", "a"),)), "Difference in accuracy, g = a against the rest"),
        (
            row({"kind": "slice", "slice": {"g": "b"}}, (("g", "a"),)),
            "Difference in accuracy, g = a against g = b",
        ),
        (row({"kind": "groups", "features": ["g", "h"]}), "Difference in accuracy between groups of g and h"),
        (
            row({"kind": "groups", "features": ["g"]}, metric="accuracy_group_min"),
            "Lowest group: accuracy among groups of g",
        ),
        (row({"kind": "reference", "digest": "ab"}), "Difference in accuracy, everyone against the baseline run"),
        (row({"kind": "model"}), "Difference in accuracy, everyone against another model"),
    ],
)
def test_subjects(measured, text):
    assert subject_text(measured) == text


def test_a_plain_value_is_compared_with_nothing():
    assert comparison_text(row(metric="accuracy")) == ""
