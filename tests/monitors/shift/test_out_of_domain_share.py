"""The share of rows out of domain: counts by hand, false alarms over many windows, power, bad input."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from audit.errors import InputError
from audit.inference.intervals import rate
from audit.result import Result
from monitors.shift.out_of_domain import Domain, domain_p_values, fit_domain
from monitors.shift.out_of_domain_share import DomainSettings, out_of_domain
from monitors.windows import Windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def weeks(number):
    return Windows(edges=tuple(MONDAY + timedelta(weeks=k) for k in range(number + 1)), regular=True, complete=number)


def line(held_back):
    """A domain on a line: the score is the distance from 0."""
    still = {"distance": "mahalanobis", "centre": np.zeros(1), "whitening": np.eye(1), "points": np.empty((0, 1))}
    return Domain(**still, held_back=np.sort(np.asarray(held_back, dtype=float)))


def test_rows_are_counted_by_window_and_group():
    values = np.array([5.0, 200.0, 300.0, 5.0, 200.0, np.nan, 400.0])
    window = [0, 0, 0, 1, 1, 1, -1]
    found = out_of_domain(
        line(range(1, 100)), values[:, None], window=window, windows=weeks(3), digest="ab",
        groups={"sex": ["F", "F", "M", "M", None, "M", "F"]},
    )  # fmt: skip
    counted = {(row.window[0].day, row.slice): (row.value, row.n) for row in found.rows}
    everyone, women, men, unknown = (), (("sex", "F"),), (("sex", "M"),), (("sex", None),)
    assert counted == {
        (5, everyone): (2 / 3, 3), (5, women): (0.5, 2), (5, men): (1.0, 1), (5, unknown): (None, 0),
        (12, everyone): (0.5, 2), (12, women): (None, 0), (12, men): (0.0, 1), (12, unknown): (1.0, 1),
        (19, everyone): (None, 0), (19, women): (None, 0), (19, men): (None, 0), (19, unknown): (None, 0),
    }  # fmt: skip
    first, empty = found.rows[0], found.rows[8]
    assert (first.low, first.high) == pytest.approx([float(end) for end in rate(2, 3)])
    assert empty.reason == "no rows in the window"
    assert found.rows[4].reason == "1 of 3 rows have no score"
    assert dict(first.at) == {"threshold": 0.01}
    assert Result(measurements=found.rows).to_json()


def test_a_row_is_out_of_domain_exactly_where_its_p_value_is_at_most_the_threshold():
    rng = np.random.default_rng(0)
    for held_back, threshold in ((99, 0.01), (500, 0.01), (250, 0.05), (40, 1 / 3)):
        domain = line(rng.exponential(size=held_back))
        rows = rng.exponential(size=(400, 1)) * 2
        found = out_of_domain(
            domain,
            rows,
            window=np.zeros(400),
            windows=weeks(1),
            digest="ab",
            settings=DomainSettings(threshold=threshold),
        )
        assert found.rows[0].value == np.mean(domain_p_values(domain, rows) <= threshold)


def false_alarms(repeats, windows, rows, settings, seed):
    """The share of runs without any change in which any window of any group rings."""
    rng, rang = np.random.default_rng(seed), 0
    place = np.repeat(np.arange(windows), rows)
    for _ in range(repeats):
        domain = line(rng.exponential(size=200))
        groups = {"sex": rng.choice(["F", "M"], len(place)).tolist()}
        current = rng.exponential(size=(len(place), 1))
        found = out_of_domain(
            domain, current, window=place, windows=weeks(windows), digest="ab", groups=groups, settings=settings
        )
        rang += bool(found.alarms)
    return rang / repeats


@pytest.mark.parametrize("tolerated", [0.0, None], ids=["e-values alone", "with the practical limit"])
def test_false_alarms_stay_below_alpha_over_all_windows(tolerated):
    settings = DomainSettings(threshold=0.05, tolerated=tolerated, alpha=0.1)
    assert false_alarms(150, 12, 60, settings, 1) <= 0.1


def test_a_reference_that_is_short_by_chance_rings_no_alarm_although_the_shares_are_far_off():
    """The share of all windows is then too high, surely so by any interval; the e-value counts with that chance."""
    settings, rng, naive, rang = DomainSettings(threshold=0.05, tolerated=0.0), np.random.default_rng(2), 0, 0
    for _ in range(100):
        domain = line(rng.exponential(size=60))
        found = out_of_domain(
            domain, rng.exponential(size=(4000, 1)), window=np.zeros(4000), windows=weeks(1), digest="ab",
            settings=settings,
        )  # fmt: skip
        naive += found.rows[0].low > 0.05
        rang += bool(found.alarms)
    assert naive > 20
    assert rang <= 5


@pytest.mark.slow
def test_false_alarms_stay_below_alpha_over_forty_windows():
    assert false_alarms(1000, 40, 50, DomainSettings(threshold=0.05, tolerated=0.0, alpha=0.1), 3) <= 0.1


def test_strangers_in_one_group_ring_in_their_week_and_group():
    rng = np.random.default_rng(4)
    domain = fit_domain(rng.normal(size=(2000, 8)))
    rows, place = rng.normal(size=(2000, 8)), np.repeat([0, 1, 2, 3], 500)
    sex = np.where(rng.random(2000) < 0.3, "F", "M")
    rows[(place == 2) & (sex == "F") & (rng.random(2000) < 0.2)] += 4.0
    found = out_of_domain(domain, rows, window=place, windows=weeks(4), digest="ab", groups={"sex": sex.tolist()})
    rang = {(alarm.since, row.slice) for alarm in found.alarms for row in found.rows if row.key() == alarm.key}
    assert rang == {(MONDAY + timedelta(weeks=2), ()), (MONDAY + timedelta(weeks=2), (("sex", "F"),))}
    assert all(alarm.e_value >= alarm.limit for alarm in found.alarms)


def test_an_alarm_stays_where_it_was_whatever_follows():
    rng = np.random.default_rng(5)
    domain, rows = fit_domain(rng.normal(size=(2000, 8))), rng.normal(size=(3000, 8))
    rows[500:600] += 4.0
    place = np.repeat(np.arange(6), 500)
    short, long = (
        out_of_domain(domain, rows[: 500 * n], window=place[: 500 * n], windows=weeks(n), digest="ab") for n in (2, 6)
    )
    assert short.alarms == long.alarms != ()


def test_bad_input_is_named():
    with pytest.raises(InputError, match="5 problems") as error:
        out_of_domain(
            line(range(10)), np.zeros((3, 1)), window=[0], windows=weeks(1), digest="ab", groups={"<b>": ["x"]},
            settings=DomainSettings(threshold=0.01, alpha=0.0, tolerated=1.0),
        )  # fmt: skip
    text = str(error.value)
    for part in (
        "needs at least 99 rows held back; got 10",
        "'<b>' has 1 rows",
        "alpha must lie",
        "tolerated must lie",
    ):
        assert part in text
    with pytest.raises(InputError, match=r"threshold must lie in \(0, 1/3\]; got 0.5"):
        out_of_domain(
            line(range(10)), np.zeros((1, 1)), window=[0], windows=weeks(1), digest="ab",
            settings=DomainSettings(threshold=0.5),
        )  # fmt: skip
