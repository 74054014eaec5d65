"""More than two labels are refused at every door, with both parts and what differs only in spelling."""

import pandas as pd
import pytest

from audit.causes.sample_tables import SampleColumns, development_sample
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.spellings import alike, plain_spelling, two_label_violations
from audit.splits.split_table import read_splits


def parts(train=("<=50K", ">50K"), test=("<=50K.", ">50K.")):
    first = pd.DataFrame({"age": range(20), "y": [*train] * 10, "s": 0.5, "g": ["a", "b"] * 10})
    return first, first.assign(y=[*test] * 10)


def test_labels_of_both_parts_are_counted_together():
    with pytest.raises(InputError) as error:
        read_splits(*parts(), y_true="y", features=["age"], positive=">50K")
    text = str(error.value)
    assert "expected two labels; found 4: 'y' of train has '<=50K', '>50K', 'y' of test has '<=50K.', '>50K.'" in text
    assert "'<=50K' and '<=50K.', '>50K' and '>50K.' differ only in dots, spaces or case" in text


@pytest.mark.parametrize("positive", [None, "yes"])
@pytest.mark.parametrize("test", [("yes ", "no"), ("Yes", "no"), ("yes", "maybe")])
def test_a_third_label_in_the_test_part_is_refused_with_and_without_positive(positive, test):
    with pytest.raises(InputError, match="expected two labels; found 3"):
        read_splits(*parts(("yes", "no"), test), y_true="y", features=["age"], positive=positive)


def test_two_labels_pass_even_where_a_part_holds_one():
    table = read_splits(*parts(("yes", "no"), ("no", "no")), y_true="y", features=["age"], positive="yes")
    assert table.y.sum() == 10
    assert table.spellings == ("no", "yes")


def test_one_and_one_point_nought_are_one_label():
    first, second = parts(("1", "0"), ("1.0", "0.0"))
    named = read_splits(first, second, y_true="y", features=["age"], positive="1")
    assert named.y.tolist() == read_splits(first, second, y_true="y", features=["age"]).y.tolist() == [1.0, 0.0] * 20


def test_the_other_doors_refuse_alike(tmp_path):
    both = pd.concat(parts(), ignore_index=True)
    asked = {"y_true": "y", "y_score": "s", "threshold": 0.5, "positive": ">50K", "sensitive_features": ["g"]}
    log = PredictionLog.from_frame(both, **asked)
    both.to_csv(tmp_path / "both.csv", index=False)
    columns = SampleColumns(y_true="y", sensitive="g", features=("age",), positive=">50K")
    doors = (
        lambda: run_audit(log),
        lambda: run_thresholds(log, Payoff(tp=1, fp=-1, fn=0, tn=0)),
        lambda: development_sample(tmp_path / "both.csv", columns),
    )
    for door in doors:
        with pytest.raises(InputError, match=r"found 4: .*differ only in dots, spaces or case: write them alike"):
            door()


def test_names_that_people_take_for_one():
    assert alike(["F", "F ", "f", "F\u200b", "M", None]) == (("F", "F ", "F\u200b", "f"),)
    assert plain_spelling("\u0410\u0421\u041e") == plain_spelling("ACO")  # Cyrillic letters
    assert plain_spelling("Caf\u00e9") == plain_spelling("Cafe\u0301") != plain_spelling("Cafe")
    assert two_label_violations({"y_true": {"a", "b"}}) == []
