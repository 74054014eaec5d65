import numpy as np
import pytest
from scipy.optimize import linprog

from audit.measurement import Measurement
from dashboards.tables import (
    cell_text,
    display_row,
    interval_text,
    limit_text,
    number_text,
    plain_rows,
    suppressed,
    value_text,
)


def rate(value, low=None, high=None, *, metric="accuracy", n=100, reason=None, against=None):
    return Measurement(
        metric=metric, value=value, low=low, high=high, n=n, level=0.95, method="x", reason=reason, against=against
    )


def sizes(counts, feature="g"):
    return [
        Measurement(metric="count", slice=((feature, name),), value=n, n=n, method="count")
        for name, n in counts.items()
    ]


def crossed(counts):
    return [
        Measurement(metric="count", slice=(("a", str(i)), ("b", str(j))), value=int(n), n=int(n), method="count")
        for (i, j), n in np.ndenumerate(counts)
    ]


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


def test_nothing_is_hidden_where_all_are_large():
    assert suppressed(sizes({"a": 10, "b": 400}), min_cell=10) == frozenset()
    assert suppressed(sizes({"a": 1, "b": 400}), min_cell=0) == frozenset()


def test_a_small_group_takes_the_smallest_other_along():
    hidden = suppressed(sizes({"a": 900, "b": 40, "c": 3, "d": 80}), min_cell=10)
    assert {value for ((_, value),) in hidden} == {"b", "c"}


def test_several_small_groups_hold_enough_together():
    assert {v for ((_, v),) in suppressed(sizes({"a": 900, "b": 7, "c": 8}), min_cell=10)} == {"b", "c"}
    assert {v for ((_, v),) in suppressed(sizes({"a": 900, "b": 2, "c": 3}), min_cell=10)} == {"a", "b", "c"}


def test_a_group_with_a_small_denominator_is_hidden_whole():
    rows = [*sizes({"a": 900, "b": 50, "c": 60})]
    rows += [Measurement(metric="false_positive_rate", slice=(("g", "b"),), value=0.5, n=4, method="wilson")]
    assert {v for ((_, v),) in suppressed(rows, min_cell=10)} == {"b", "c"}


def test_no_hidden_count_can_be_found_from_the_shown_ones_and_the_total():
    rng = np.random.default_rng(5)
    for _ in range(50):
        counts = {str(place): int(n) for place, n in enumerate(rng.geometric(0.02, rng.integers(2, 8)))}
        hidden = [value for ((_, value),) in suppressed(sizes(counts), min_cell=10)]
        if not hidden:
            assert min(counts.values()) >= 10
            continue
        total = sum(counts[name] for name in hidden)
        for place in range(len(hidden)):
            aim = np.eye(len(hidden))[place]
            ends = [
                linprog(sign * aim, A_eq=[np.ones(len(hidden))], b_eq=[total], bounds=(0, None)) for sign in (1, -1)
            ]
            assert -ends[1].fun - ends[0].fun >= min(10, sum(counts.values())) - 1e-6


def test_in_crossed_tables_every_row_and_column_hides_at_least_two():
    rng = np.random.default_rng(6)
    seen = 0
    for _ in range(100):
        counts = rng.geometric(0.01, (4, 3))
        hidden = {(int(a), int(b)) for ((_, a), (_, b)) in suppressed(crossed(counts), min_cell=10)}
        assert {(i, j) for (i, j), n in np.ndenumerate(counts) if n < 10} <= hidden
        for line in [[(i, j) for j in range(3)] for i in range(4)] + [[(i, j) for i in range(4)] for j in range(3)]:
            kept_back = [cell for cell in line if cell in hidden]
            seen += bool(kept_back)
            whole = len(kept_back) == len(line)
            assert not kept_back or whole or (len(kept_back) > 1 and sum(counts[cell] for cell in kept_back) >= 10)
    assert seen > 20
