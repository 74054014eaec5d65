"""The gate as a statistical test: with the truth at the limit neither verdict comes more often than it may."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from audit.result import Result
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement


@pytest.fixture(params=[200, pytest.param(2000, marks=pytest.mark.slow)])
def runs(request: pytest.FixtureRequest) -> int:
    """Return how many worlds are judged."""
    return int(request.param)


def largest(runs: int) -> float:
    """Return the share of worlds that a chance of .05 exceeds in one simulation of a thousand."""
    return float(binom.isf(0.001, runs, 0.05)) / runs


def shares(
    runs: int, draw: Callable[[np.random.Generator], Result], requirement: Requirement, expect: tuple[str, ...] = ()
) -> dict[str, float]:
    expected = {"race": expect} if expect else {}
    policy = Policy(schema="evenhanded/policy/1", requirements=(requirement,), expect=expected)
    random = np.random.default_rng(20261121)
    verdicts = [judge(draw(random), policy).verdict for _ in range(runs)]
    return {verdict: verdicts.count(verdict) / runs for verdict in ("PASS", "FAIL", "INSUFFICIENT", "INVALID")}


def drawn(result_of: Any, random: np.random.Generator, rates: dict[str, float], n: int) -> Result:
    missed = {group: int(random.binomial(n, p)) for group, p in rates.items()}
    return result_of({group: (n - x, 0, x, 0) for group, x in missed.items()})


@pytest.mark.parametrize("limit", [{"max": 0.2}, {"min": 0.2}], ids=["max", "min"])
def test_a_value_at_its_limit(result_of: Any, runs: int, limit: dict[str, float]) -> None:
    needed = Requirement(id="r", metric="false_negative_rate", **limit)  # type: ignore[arg-type]
    share = shares(runs, lambda random: drawn(result_of, random, {"a": 0.2}, 300), needed)
    assert share["FAIL"] <= largest(runs)
    assert share["PASS"] <= largest(runs)
    assert share["INVALID"] == 0


@pytest.mark.parametrize(
    "rates",
    [{"a": 0.2, "b": 0.3, "c": 0.2}, {"a": 0.2, "b": 0.3, "c": 0.25}, {"a": 0.2, "b": 0.3, "c": 0.3}],
    ids=["one pair up", "one pair", "two pairs"],
)
def test_the_largest_of_three_differences_at_its_limit(result_of: Any, runs: int, rates: dict[str, float]) -> None:
    needed = Requirement(id="r", metric="false_negative_rate", compare="difference", groups=("race",), max=0.1)
    share = shares(runs, lambda random: drawn(result_of, random, rates, 300), needed)
    assert share["FAIL"] <= largest(runs)
    assert share["PASS"] <= largest(runs)
    assert share["INVALID"] == 0


def test_groups_outside_expect_make_no_failure_likelier_than_it_may_be(result_of: Any, runs: int) -> None:
    needed = Requirement(id="r", metric="false_negative_rate", compare="difference", groups=("race",), max=0.1)
    rates = {"a": 0.2, "b": 0.2, "y": 0.3, "z": 0.3}
    share = shares(runs, lambda random: drawn(result_of, random, rates, 300), needed, ("a", "b"))
    assert share["FAIL"] <= largest(runs)
    apart = {**rates, "z": 0.5}
    share = shares(runs, lambda random: drawn(result_of, random, apart, 300), needed, ("a", "b"))
    assert share["FAIL"] > 0.9


def test_the_gate_is_no_dummy_that_never_decides(result_of: Any, runs: int) -> None:
    needed = Requirement(id="r", metric="false_negative_rate", compare="difference", groups=("race",), max=0.1)
    equal = shares(runs, lambda random: drawn(result_of, random, {"a": 0.2, "b": 0.2, "c": 0.2}, 1000), needed)
    apart = shares(runs, lambda random: drawn(result_of, random, {"a": 0.2, "b": 0.4, "c": 0.2}, 1000), needed)
    assert equal["PASS"] > 0.9
    assert equal["FAIL"] == 0
    assert apart["FAIL"] > 0.9
    assert apart["PASS"] == 0
