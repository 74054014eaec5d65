"""Rows needed and gaps that can be decided: the promised power, by simulation, beside the plug-in rule's."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower

from audit.errors import InputError
from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import quantile
from audit.inference.paired_intervals import paired_rates
from audit.inference.sample_size import Certainty, detectable_change, detectable_gap, rows_for_change, rows_for_gap

Z = quantile(0.95)
RUNS = 6000


def passes_of_gap(n1, n2, rate, limit, seed=1):
    rng = np.random.default_rng(seed)
    x1, x2 = rng.binomial(n1, rate, RUNS), rng.binomial(n2, rate, RUNS)
    return float((agresti_caffo(x1, n1, x2, n2, critical=Z).high <= limit).mean())


@pytest.mark.parametrize(("n1", "n2", "rate"), [(400, 400, 0.3), (2000, 300, 0.2), (1500, 1500, 0.5)])
def test_equal_groups_keep_the_smallest_decidable_limit_with_the_promised_power(n1, n2, rate):
    limit = detectable_gap(n1, n2, rate=rate)
    ways = passes_of_gap(n1, n2, rate, limit), passes_of_gap(n2, n1, rate, limit)  # the interval is drawn towards .5
    assert np.mean(ways) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("gap", "rate", "share"), [(0.08, 0.3, 0.5), (0.06, 0.2, 0.2)])
def test_rows_needed_decide_with_the_promised_power_and_the_plug_in_rule_every_second_time(gap, rate, share):
    n1, n2 = rows_for_gap(gap, rate=rate, share=share)
    assert passes_of_gap(n1, n2, rate, gap) == pytest.approx(0.8, abs=0.03)
    factor = (norm.ppf(0.975) / (norm.ppf(0.975) + norm.ppf(0.8))) ** 2
    assert 1 / factor == pytest.approx(2.04, abs=0.005)
    plug_in = passes_of_gap(round(n1 * factor), round(n2 * factor), rate, gap)
    assert plug_in == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("change", "discordant"), [(0.04, 0.06), (0.02, 0.03), (0.05, 0.3)])
def test_rows_needed_in_pairs(change, discordant):
    rng = np.random.default_rng(2)
    n = rows_for_change(change, discordant=discordant)
    half = discordant / 2
    counts = rng.multinomial(n, [half, half, 1 - discordant], RUNS)
    decided = (paired_rates(counts[:, 0], counts[:, 1], n, critical=Z).high <= change).mean()
    assert decided == pytest.approx(0.8, abs=0.04)


def test_the_two_ways_round_agree():
    n1, n2 = rows_for_gap(0.05, rate=0.3, share=0.25)
    assert detectable_gap(n1, n2, rate=0.3) == pytest.approx(0.05, rel=1e-3)
    assert detectable_change(rows_for_change(0.03, discordant=0.1), discordant=0.1) == pytest.approx(0.03, rel=1e-2)


def test_statsmodels_agrees():
    distance = 0.07 / np.sqrt(0.3 * 0.7)  # in standard deviations
    expected = NormalIndPower().solve_power(distance, alpha=0.05, power=0.8, ratio=1)
    assert rows_for_gap(0.07, rate=0.3)[0] == pytest.approx(expected, abs=1)


def test_more_comparisons_need_more_rows():
    assert rows_for_gap(0.05, rate=0.3, certainty=Certainty(comparisons=15)) > rows_for_gap(0.05, rate=0.3)


def test_bad_numbers_are_listed_together():
    with pytest.raises(InputError, match=r"n1 must be .*\n.*rate must lie in .*\n.*comparisons must be"):
        detectable_gap(0, 10, rate=1.5, certainty=Certainty(comparisons=0))
    with pytest.raises(InputError, match="discordant must lie"):
        rows_for_change(0.1, discordant=float("nan"))
