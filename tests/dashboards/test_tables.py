import pytest

from audit.measurement import Measurement
from dashboards.tables import (
    cell_text,
    display_row,
    interval_text,
    limit_text,
    number_text,
    plain_rows,
    value_text,
)


def rate(value, low=None, high=None, *, metric="accuracy", n=100, reason=None, against=None):
    return Measurement(
        metric=metric, value=value, low=low, high=high, n=n, level=0.95, method="x", reason=reason, against=against
    )


@pytest.mark.parametrize(
    ("row", "value", "interval"),
    [
        (rate(0.448468, 0.42559, 0.47155), "44.8 %", "[42.6, 47.2]"),
        (rate(0.2139, 0.18213, 0.24512, metric="accuracy_difference"), "21.4 points", "[18.2, 24.5]"),
        (
            rate(-0.2139, -0.24512, 0.0, metric="accuracy_difference", against={"kind": "rest"}),
            "−21.4 points",
            "[−24.5, 0.0]",
        ),
        (rate(1.912, 1.75, 2.09, metric="accuracy_ratio"), "1.91", "[1.75, 2.09]"),
        (rate(0.702166, 0.6903, 0.714, metric="roc_auc"), "0.702", "[0.690, 0.714]"),
        (rate(1.5, 1.25, None, metric="accuracy_ratio", reason="unbounded"), "1.50", "[1.25, unbounded]"),
        (rate(0.5, reason="no interval"), "50.0 %", ""),
    ],
)
def test_numbers_as_people_read_them(row, value, interval):
    assert (value_text(row), interval_text(row)) == (value, interval)


def test_undefined_shows_its_reason_and_never_a_number():
    few = rate(None, n=3, reason="no negative labels in slice")
    assert cell_text(few) == "not enough data (n = 3): no negative labels in slice"
    shown = display_row(few)
    assert (shown.value, shown.interval, shown.n, shown.note) == (
        "not enough data",
        "",
        "3",
        "no negative labels in slice",
    )
    assert value_text(rate(None, n=2000, reason="divided by 0")) == "undefined"


def test_small_numbers_are_hidden_with_their_reason():
    shown = display_row(rate(0.5, 0.1, 0.9, n=9, reason="between A and B"), min_cell=10)
    assert (shown.value, shown.interval, shown.n, shown.note) == ("hidden (n < 10)", "", "", "")
    assert display_row(rate(0.5, 0.1, 0.9, n=10), min_cell=10).value == "50.0 %"


def test_limits():
    assert limit_text("false_negative_rate_difference", low=None, high=0.05) == "at most 5 points"
    assert limit_text("accuracy_difference", low=None, high=0.21) == "at most 21 points"
    assert limit_text("accuracy_difference", low=None, high=0.01) == "at most 1 point"
    assert limit_text("accuracy", low=0.29, high=None) == "at least 29 %"
    assert limit_text("selection_rate_ratio", low=0.8, high=1.25) == "between 0.8 and 1.25"
    assert limit_text("accuracy", low=None, high=None) == ""


def test_no_negative_zero():
    assert number_text(-0.00001, unit="share") == number_text(0.0, unit="points", signed=True) == "0.0"


def test_plain_rows_are_of_the_asked_features_only(result):
    rows = plain_rows(result, features=("sex", "race"), metrics=("accuracy",))
    assert len(rows) == 6
    assert {tuple(name for name, _ in row.slice) for row in rows} == {("race", "sex")}
