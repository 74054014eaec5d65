"""Why Evidently's verdict on a column differs from ours: each explanation is checked on the data before it is given."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

Rescore = Callable[[pd.Series, pd.Series], tuple[float, bool]]
"""From a reference and a current column to Evidently's score and verdict, by the method it chose."""

UNEXPLAINED = "no explanation was confirmed on the data"

RESHUFFLES = 100

_TAIL = 0.001
_FLOOR = 0.001
_SURE = 4.0
"""Standard errors beyond which a change of a share is no chance."""

_STRETCH = 3.0
_SMALL = 0.05
_SMALL_SHARE = 0.1


class Verdict(NamedTuple):
    """What Evidently says of one column: its score by its method against its threshold.

    Examples
    --------
    >>> Verdict("age", "K-S p_value", 0.03, 0.05, drifted=True).is_p
    True
    """

    feature: str
    method: str
    score: float
    threshold: float
    drifted: bool

    @property
    def is_p(self) -> bool:
        """Whether the score is a p-value: smaller is more drift."""
        return "p_value" in self.method

    def text(self) -> str:
        """Return the verdict in words.

        Examples
        --------
        >>> Verdict("age", "Jensen-Shannon distance", 0.04, 0.1, drifted=False).text()
        'Jensen-Shannon distance 0.04 against a threshold of 0.1: no drift'
        """
        verdict = "drift" if self.drifted else "no drift"
        return f"{self.method} {self.score:.3g} against a threshold of {self.threshold:g}: {verdict}"


class Columns(NamedTuple):
    """One column of both sides, how Evidently scores it, and how many columns and windows it judges at once.

    Examples
    --------
    >>> Columns(pd.Series([1.0]), pd.Series([2.0]), lambda one, two: (0.0, False), tests=25).tests
    25
    """

    reference: pd.Series
    current: pd.Series
    rescore: Rescore
    tests: int = 1


def why_they_differ(theirs: Verdict, columns: Columns, *, random_state: int = 0) -> tuple[str, ...]:
    """Return the reasons for which Evidently's verdict is another than ours, as far as the data confirm them.

    Parameters
    ----------
    theirs
        Evidently's verdict; ours is the opposite.
    columns
        The same rows that Evidently saw.
    random_state
        Seed of the reshuffles.

    Returns
    -------
    tuple of str
        Where it calls drift: how often it does so when the rows of both sides are reshuffled, so that nothing differs
        (sample size, or its chi-square that takes the reference's shares as exact); that as many tests find as much by
        chance; that the difference is real and small. Where it does not: a standard deviation below its floor of 0.001,
        outliers that stretch its scale, a rare category, missing values that it drops, a threshold above a shift that
        is no chance. Otherwise "no explanation was confirmed on the data".

    Examples
    --------
    A spread of 0.00001, which it takes for 0.001, hides a shift of five of them.

    >>> rng = np.random.default_rng(0)
    >>> then, now = pd.Series(rng.normal(0, 1e-5, 2000)), pd.Series(rng.normal(5e-5, 1e-5, 2000))
    >>> theirs = Verdict("x", "Wasserstein distance (normed)", 0.05, 0.1, drifted=False)
    >>> why_they_differ(theirs, Columns(then, now, lambda one, two: (0.05, False)))[0][:58]
    'scale floor: it divides by 0.001, not by the standard devi'
    """
    known = Columns(columns.reference.dropna(), columns.current.dropna(), columns.rescore, columns.tests)
    checks = _why_drift(theirs, known, random_state) if theirs.drifted else _why_none(theirs, known, columns)
    return tuple(checks) or (UNEXPLAINED,)


def _why_drift(theirs: Verdict, known: Columns, random_state: int) -> Iterator[str]:
    share = _reshuffled(known, random_state)
    if share >= _SMALL_SHARE:
        cause = "sample size"
        if "chi-square" in theirs.method:
            cause = "one-sample chi-square: it takes the shares of the reference as exact"
        rows = f"{len(known.reference):,} and {len(known.current):,} rows"
        yield f"{cause}; with {rows} reshuffled, so that nothing differs, it calls drift in {share:.0%} of {RESHUFFLES}"
    elif known.tests > 1 and share * known.tests >= _SMALL_SHARE and share > 0:
        chance, many = 1 - (1 - share) ** known.tests, f"{known.tests:,}"
        yield (
            f"no multiplicity control: with the rows reshuffled it calls drift in {share:.0%} of {RESHUFFLES}; {many} "
            f"such tests, if independent, find some where there is none with probability {chance:.0%}"
        )
    gap = _largest_gap(known.reference, known.current)
    if theirs.is_p and theirs.score < theirs.threshold / known.tests and gap < _SMALL:
        yield f"sure and small: no share of the column moved by more than {gap:.3f}, which is no drift by our limit"


def _why_none(theirs: Verdict, known: Columns, whole: Columns) -> Iterator[str]:
    numeric = pd.api.types.is_numeric_dtype(known.reference)
    if numeric:
        yield from _scale(theirs, known)
    yield from _rare(known)
    before, after = (float(side.isna().mean()) for side in (whole.reference, whole.current))
    if _moved(before, len(whole.reference), after, len(whole.current)):
        yield f"missing values: it drops them; their share went from {before:.1%} to {after:.1%}"
    size = len(known.reference) * len(known.current) / (len(known.reference) + len(known.current))
    gap = _largest_gap(known.reference, known.current)
    if numeric and gap * np.sqrt(size) > _SURE / 2 and not theirs.is_p:
        yield (
            f"its threshold: shares of the column moved by up to {gap:.3f}, more than chance does with so many rows; "
            f"its score of {theirs.score:.3g} stays below {theirs.threshold:g}"
        )


def _scale(theirs: Verdict, known: Columns) -> Iterator[str]:
    spread = float(np.std(known.reference))
    if theirs.method.startswith("Wasserstein") and 0 < spread < _FLOOR:
        score = theirs.score * _FLOOR / spread
        if score >= theirs.threshold:
            yield (
                f"scale floor: it divides by 0.001, not by the standard deviation of {spread:.2g}, by which its score "
                f"would be {score:.3g}"
            )
    low, high = np.quantile(known.reference, [_TAIL, 1 - _TAIL])
    kept = [side[(side >= low) & (side <= high)] for side in (known.reference, known.current)]
    both = pd.concat([known.reference, known.current])
    gone = len(both) - sum(map(len, kept))
    stretched = both.max() - both.min() > _STRETCH * (high - low)
    # Where many are gone, they are no outliers: the shift itself was cut off.
    if stretched and gone <= _SMALL * len(both) and min(map(len, kept)):
        score, drifted = known.rescore(kept[0], kept[1])
        if drifted:
            yield (
                f"outliers: {gone:,} values outside the middle 99.8 % of the reference stretch its scale; without them "
                f"its score is {score:.3g}, drift"
            )


def _rare(known: Columns) -> Iterator[str]:
    """Yield the category, if any, that is rare, grew by half or more, and by more than chance does."""
    before, after = (side.value_counts(normalize=True) for side in (known.reference, known.current))
    if len(before) > 1_000:
        return
    grown = []
    for value, share in after.items():
        then = float(before.get(value, 0.0))
        if then < _SMALL and share >= 1.5 * then and _moved(then, len(known.reference), share, len(known.current)):
            grown.append((float(share) - then, value, then, float(share)))
    if grown:
        _, value, then, now = max(grown, key=lambda each: each[0])
        yield (
            f"a rare category: {value!s} went from {then:.2%} to {now:.2%}, which a distance over all categories "
            f"hardly feels"
        )


def _moved(before: float, n_before: int, after: float, n_after: int) -> bool:
    """Tell whether a share changed by more than four standard errors."""
    if not n_before or not n_after:
        return False
    pooled = (before * n_before + after * n_after) / (n_before + n_after)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n_before + 1 / n_after))
    return bool(abs(after - before) > _SURE * error > 0)


def _reshuffled(known: Columns, random_state: int) -> float:
    """Return how often Evidently calls drift between rows that were dealt to the sides at random."""
    rng = np.random.default_rng(random_state)
    pooled = pd.concat([known.reference, known.current], ignore_index=True)
    called = 0
    for _ in range(RESHUFFLES):
        dealt = pooled.iloc[rng.permutation(len(pooled))].reset_index(drop=True)
        called += bool(known.rescore(dealt.iloc[: len(known.reference)], dealt.iloc[len(known.reference) :])[1])
    return called / RESHUFFLES


def _largest_gap(reference: pd.Series, current: pd.Series) -> float:
    """Return the largest difference of a cumulative share (numbers) or of the share of a category."""
    if pd.api.types.is_numeric_dtype(reference):
        points = np.unique(np.concatenate([reference, current]))
        sides = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (reference, current)]
        return float(np.max(np.abs(sides[0] - sides[1])))
    before, after = (side.value_counts(normalize=True) for side in (reference, current))
    return float(after.sub(before, fill_value=0.0).abs().max())
