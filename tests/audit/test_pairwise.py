import numpy as np
import pytest

from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.pairwise import Pairwise, is_over, largest_of_pairs, over, with_groups
from audit.rows import Row


def pairs_of(groups, sizes, values, half):
    """Every pair of groups both ways, with intervals of +- half, twice that when adjusted."""
    value = np.asarray(values, dtype=float)
    one, two = np.nonzero(~np.eye(len(groups), dtype=bool))
    gap = value[one] - value[two]
    sides = [Interval(gap - width, gap + width) for width in (half, 2 * half)]
    return Pairwise([(group,) for group in groups], np.array(sizes), one, two, gap, *sides)


def test_the_upper_end_is_unadjusted_the_lower_adjusted_and_every_group_is_named():
    found = largest_of_pairs(
        Row("x_difference", against=over(["g"])), pairs_of("abc", [90, 80, 70], [0.5, 0.3, 0.1], 0.1), method="m"
    )
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.2, 0.5))
    assert (found.n, found.reason) == (70, "between a and c")
    assert found.against == {**over(["g"]), "among": [["a"], ["b"], ["c"]]}


def test_groups_without_a_value_are_named_and_nothing_is_said_where_fewer_than_two_are_left():
    row = Row("x_difference", against=over(["g"]))
    one = largest_of_pairs(row, pairs_of("abc", [90, 80, 0], [0.5, 0.3, np.nan], 0.1), method="m")
    assert (one.against["among"], one.against["undefined"]) == ([["a"], ["b"]], [["c"]])
    none = largest_of_pairs(row, pairs_of("ab", [90, 0], [0.5, np.nan], 0.1), method="m")
    assert (none.value, none.n, none.reason) == (None, 0, "fewer than two groups can be compared")
    assert none.against["undefined"] == [["a"], ["b"]]


def test_too_many_groups_are_no_pairs_and_the_reason_says_so():
    nothing = np.empty(0)
    places = np.empty(0, dtype=np.int64)
    groups = [(str(place),) for place in range(1001)]
    pairs = Pairwise(groups, np.full(1001, 9), places, places, nothing, *[Interval(nothing, nothing)] * 2)
    found = largest_of_pairs(Row("x_difference", against=over(["g"])), pairs, method="m")
    assert found.value is None
    assert found.reason == "1,001 groups, too many to compare in pairs (at most 1,000); merge groups"


def value(metric, group, number, **fields):
    reason = "none" if number is None else None
    return Measurement(metric=metric, slice=(("g", group),), value=number, n=9, method="m", reason=reason, **fields)


def test_a_named_gap_takes_groups_that_have_every_rate_it_rests_on():
    rates = ("true_positive_rate", "false_positive_rate")
    rows = [value(rate, group, 0.5) for rate in rates for group in ("a", "b")]
    rows += [value(rates[0], "c", 0.5), value(rates[1], "c", None), value(rates[0], None, 0.5)]
    gap = Measurement(metric="equalized_odds_difference", against=over(["g"]), value=0.1, n=9, method="m")
    found = with_groups([*rows, gap])[-1]
    assert (found.against["among"], found.against["undefined"]) == ([["a"], ["b"]], [["c"]])
    assert is_over(found, ["g"])


def test_a_gap_at_another_point_or_with_a_reference_stays_as_it_is():
    at = (("k", 3),)
    gaps = [
        Measurement(metric="x_difference", at=at, against=over(["g"]), value=0.1, n=9, method="m"),
        Measurement(metric="x_difference", against={**over(["g"]), "reference": ["a"]}, value=0.1, n=9, method="m"),
    ]
    assert with_groups([value("x", "a", 0.5), *gaps])[1:] == gaps
    assert not is_over(gaps[1], ["g"])
