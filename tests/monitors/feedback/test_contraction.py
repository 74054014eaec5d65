"""Contraction is the published algorithm, its interval covers, and cases that cannot be compared are refused."""

import numpy as np
import pytest

from audit.errors import InputError
from monitors.feedback.contraction import contraction_failure_rate


def court(seed: int, n: int = 1000, *, skill: float = 1.0) -> tuple[np.ndarray, ...]:
    """Return cases of two people who see more than the model, and release 90 % and 60 %."""
    rng = np.random.default_rng(seed)
    seen, unseen = rng.normal(size=(2, n))
    who = np.where(rng.random(n) < 0.5, "lenient", "strict")
    fails = rng.random(n) < 1 / (1 + np.exp(2 - seen - 0.5 * unseen))
    feeling = skill * (seen + 0.5 * unseen) + 1.5 * rng.normal(size=n)
    limit = np.where(who == "lenient", np.quantile(feeling, 0.9), np.quantile(feeling, 0.6))
    released = feeling <= limit
    return who, released.astype(int), np.where(released, fails, np.nan), np.round(seen, 2)


def published(who: np.ndarray, released: np.ndarray, failed: np.ndarray, risk: np.ndarray) -> float:
    """Sort the lenient person's released cases by risk and strike the riskiest, as the paper does."""
    rate = released[who == "strict"].mean()
    own = [(r, f) for r, f, let in zip(risk[who == "lenient"], failed[who == "lenient"],
                                       released[who == "lenient"], strict=True) if let]  # fmt: skip
    keep = round(rate * (who == "lenient").sum())
    return float(sum(f for _, f in sorted(own)[:keep]) / (who == "lenient").sum())


def test_it_is_the_published_algorithm() -> None:
    for seed in range(5):
        who, released, failed, risk = court(seed)
        risk = risk + np.arange(risk.size) * 1e-9  # no ties: the paper does not say what becomes of them
        model, difference = contraction_failure_rate(who, released, failed, risk)
        assert model.value == pytest.approx(published(who, released, failed, risk), abs=1.1 / (who == "lenient").sum())
        person = np.nansum(failed[who == "strict"]) / (who == "strict").sum()
        assert difference.value == pytest.approx(model.value - person)
        assert dict(model.at)["threshold"] == released[who == "strict"].mean()


def test_the_interval_covers() -> None:
    who, released, failed, risk = court(1, 300_000)
    truth = published(who, released, failed, risk)
    difference = truth - np.nansum(failed[who == "strict"]) / (who == "strict").sum()
    hits = []
    for seed in range(40):
        model, gap = contraction_failure_rate(*court(seed + 10, 800), seed=seed)
        hits += [model.low <= truth <= model.high, gap.low <= difference <= gap.high]
    assert np.mean(hits) >= 0.9


def test_a_model_beats_people_who_guess() -> None:
    _, difference = contraction_failure_rate(*court(3, 4000, skill=0.0))
    assert difference.high < 0


def test_cases_that_cannot_be_compared_are_refused() -> None:
    who, released, failed, risk = court(1)
    shifted = risk + (who == "strict")
    assert "the two had different cases" in contraction_failure_rate(who, released, failed, shifted)[0].reason
    lost = np.where(np.arange(failed.size) < 50, np.nan, failed)
    assert "have no outcome" in contraction_failure_rate(who, released, lost, risk)[1].reason
    few = slice(0, 40)
    assert "are needed" in contraction_failure_rate(who[few], released[few], failed[few], risk[few])[0].reason
    alike = contraction_failure_rate(["a", "b"] * 40, [1] * 80, [0] * 80, list(range(80)))
    assert "release the same share" in alike[0].reason
    assert alike[0].value is None


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        contraction_failure_rate(["a", "b", "c"], [1, 2, 0], [0, 5, 0], [0.1, np.nan, 0.2])
    said = str(caught.value)
    assert "exactly two people; got 3" in said
    assert "released must be 1 or 0" in said
    assert "failed must be 1, 0 or missing" in said
    assert "risk must be a finite number; 1 cases" in said
    with pytest.raises(InputError, match=r"one length; got \[2, 3\]"):
        contraction_failure_rate(["a", "b"], [1, 0, 1], [0, 0, 1], [0.1, 0.2, 0.3])
