"""Evidence for and against a source of bias: numbers with intervals, each with a sentence, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from audit.causes.samples import Fit, Labels, Mask, Matrix, Sample, fitted, folds_of, predictions, scored_rows
from audit.inference import intervals
from audit.inference.gap_intervals import gap_of_rates
from audit.measurement import Against, At, Measurement, Slice

Source = Literal["historical", "representation", "measurement", "aggregation", "evaluation", "deployment"]
SourceVerdict = Literal["supported", "not supported", "not testable"]

SOURCES: tuple[Source, ...] = (
    "historical",
    "representation",
    "measurement",
    "aggregation",
    "evaluation",
    "deployment",
)
MATERIAL = 0.02
"""An effect (a difference of two shares) counts as one only if its whole interval lies beyond this."""

RELEVANT = 0.1
"""An interval that reaches beyond this leaves the question open: effects that matter are not excluded."""


class Evidence(NamedTuple):
    """What speaks for and against one source, and what it comes to.

    Examples
    --------
    >>> Evidence("measurement", "not testable", "not testable because no label was audited", ()).verdict
    'not testable'
    """

    source: Source
    verdict: SourceVerdict
    sentence: str
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that an auditor provides, with what the model does on rows that it was not fitted on.

    Parameters
    ----------
    data
        Development data with recorded labels.
    feature
        Name of the sensitive feature.
    group
        The group in question.
    population
        Share of each group in the population of interest; None where not known.
    benchmark
        The rows that the model is evaluated on; None = the development data, each row held out once.
    deployment
        Rows that came in after deployment.
    fit
        ``fit(X, y, sample_weight) -> predict``.
    held_out
        Label that a model gave to each development row that was not fitted on it.
    level, random_state
        Confidence level of every interval; seed of folds and orders.
    together
        Among how many groups the one in question was chosen for its error; the intervals of its gaps hold together
        over that many. 1 = it was named beforehand.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 1]))
    >>> case = Case(data=sample, feature="sex", group="F", fit=lambda x, y, w: None, held_out=np.array([1, 0]))
    >>> errors_of(case.data, case.held_out)[0].tolist()
    [False, True]
    """

    data: Sample
    feature: str
    group: str
    fit: Fit
    held_out: Labels
    population: Mapping[str, float] | None = None
    benchmark: Sample | None = None
    deployment: Sample | None = None
    level: float = 0.95
    random_state: int = 0
    together: int = 1

    def at(self, source: Source) -> At:
        """Return the point that evidence on a source stands at."""
        return (("class", source), ("feature", self.feature))

    def whom(self, group: str | None = None) -> Slice:
        """Return a group as a slice; None = the group in question."""
        return ((self.feature, self.group if group is None else group),)


def effect_verdict(value: float, low: float, high: float, *, material: float = MATERIAL) -> SourceVerdict:
    """Return what one effect says: supported beyond `material`, not testable where it reaches beyond `RELEVANT`.

    Examples
    --------
    >>> effect_verdict(0.1, 0.05, 0.15), effect_verdict(0.0, -0.05, 0.05), effect_verdict(0.0, -0.3, 0.3)
    ('supported', 'not supported', 'not testable')
    """
    if not np.isfinite([value, low, high]).all():
        return "not testable"
    if low > material or high < -material:
        return "supported"
    return "not testable" if max(abs(low), abs(high)) > max(RELEVANT, material) else "not supported"


def limit_sentence(limit: float = MATERIAL) -> str:
    """Return from where on an effect speaks for a source, as the end of a sentence.

    Examples
    --------
    >>> limit_sentence()
    '; it would speak for this source if the whole interval lay beyond 2 points'
    """
    return f"; it would speak for this source if the whole interval lay beyond {100 * limit:g} points"


def held_out_labels(
    sample: Sample, fit: Fit, *, weight: Matrix | None = None, folds: int = 5, random_state: int = 0
) -> Labels:
    """Return the label that each row gets from a model that was fitted on other folds.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((4, 1)), group=np.array(["F"] * 4), y=np.array([1, 1, 1, 1]))
    >>> held_out_labels(sample, lambda x, y, w: None, folds=2).tolist()
    [1, 1, 1, 1]
    """
    fold = folds_of(sample, folds, np.random.default_rng(random_state))
    found = np.zeros(len(sample), dtype=np.int64)
    for place in range(folds):
        train, test = fold != place, fold == place
        if test.any():
            model = fitted(fit, sample.take(train), None if weight is None else weight[train])
            found[test] = predictions(model, sample.features[test])
    return found


def errors_of(sample: Sample, predicted: Labels) -> tuple[Mask, Mask]:
    """Return which rows are predicted wrongly, and which rows count (`audit.causes.samples.scored_rows`).

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 1]))
    >>> [flags.tolist() for flags in errors_of(sample, np.array([1, 0]))]
    [[False, True], [True, True]]
    """
    truth, counted = scored_rows(sample)
    return np.asarray(predicted != truth), counted


def share_row(metric: str, whom: Slice, at: At, hits: Mask, *, level: float, reason: str | None = None) -> Measurement:
    """Return the share of hits among rows with the interval of a rate.

    Examples
    --------
    >>> row = share_row("error_rate", (), (), np.array([True, False, False, False]), level=0.95)
    >>> row.value, row.n, row.method
    (0.25, 4, 'clopper_pearson')
    """
    n, x = len(hits), int(np.sum(hits))
    if not n:
        return Measurement(
            metric=metric, slice=whom, at=at, value=None, n=0, level=level, method="none", reason="no rows"
        )
    ends = intervals.rate(x, n, level=level)
    method = "clopper_pearson" if intervals.uses_clopper_pearson(x, n) else "wilson"
    return Measurement(
        metric=metric, slice=whom, at=at, value=x / n, low=float(ends.low), high=float(ends.high), n=n, level=level,
        method=method, reason=reason,
    )  # fmt: skip


def difference_row(
    metric: str,
    whom: Slice,
    at: At,
    hits: tuple[Mask, Mask],
    *,
    level: float,
    against: Against | None = None,
    together: int = 1,
) -> Measurement:
    """Return the difference of two shares of hits (to the rest, unless said otherwise) with Agresti-Caffo's interval.

    `together`: over how many comparisons the interval is simultaneous (Bonferroni).

    Examples
    --------
    >>> row = difference_row("error_rate", (), (), (np.array([True, False]), np.array([False, False])), level=0.95)
    >>> row.metric, row.value, row.n
    ('error_rate_difference', 0.5, 2)
    """
    other: Against = {"kind": "rest"} if against is None else against
    x, n = [int(np.sum(side)) for side in hits], [len(side) for side in hits]
    name = f"{metric}_difference"
    if not all(n):
        return Measurement(
            metric=name, slice=whom, at=at, against=other, value=None, n=0, level=level, method="none",
            reason="one of the two sides has no rows",
        )  # fmt: skip
    ends = gap_of_rates(x[0], n[0], x[1], n[1], level=level, comparisons=together)
    return Measurement(
        metric=name, slice=whom, at=at, against=other, value=x[0] / n[0] - x[1] / n[1], low=float(ends.low),
        high=float(ends.high), n=min(n), level=level, method=simultaneous("agresti_caffo", together),
    )  # fmt: skip


def mean_row(
    metric: str,
    whom: Slice,
    at: At,
    values: Matrix,
    *,
    level: float,
    against: Against | None = None,
    together: int = 1,
) -> Measurement:
    """Return the mean of one number per row (a paired difference, say) with Student's interval.

    `together`: over how many comparisons the interval is simultaneous (Bonferroni).

    Examples
    --------
    >>> row = mean_row("error_rate_difference", (), (), np.array([1.0, 0.0, 0.0, -1.0]), level=0.95)
    >>> row.value, row.n, round(row.high, 2)
    (0.0, 4, 1.3)
    """
    n = len(values)
    if n < 2:
        return Measurement(
            metric=metric, slice=whom, at=at, against=against, value=None, n=n, level=level, method="none",
            reason="fewer than two rows",
        )  # fmt: skip
    half = float(intervals.student(level, df=n - 1, comparisons=together)) * float(values.std(ddof=1)) / n**0.5
    value = float(values.mean())
    return Measurement(
        metric=metric, slice=whom, at=at, against=against, value=value, low=value - half, high=value + half, n=n,
        level=level, method=simultaneous("student, paired rows", together),
    )  # fmt: skip


def simultaneous(method: str, together: int) -> str:
    """Return the name of an interval that holds together with others.

    Examples
    --------
    >>> simultaneous("wilson", 1), simultaneous("wilson", 3)
    ('wilson', 'wilson, simultaneous over 3')
    """
    return method if together == 1 else f"{method}, simultaneous over {together}"


def compared(row: Measurement, more: str, less: str) -> tuple[str, str]:
    """Return the word that the sign of a difference asks for, and the difference seen from that side.

    Examples
    --------
    >>> row = Measurement(metric="x", value=-0.1, low=-0.3, high=0.1, n=9, method="student")
    >>> compared(row, "more often", "less often")
    ('less often', '10.0 points [-10.0, 30.0]')
    """
    value, low, high = numbers(row)
    if not value < 0:
        return more, points(row)
    return less, f"{-100 * value:.1f} points [{-100 * high:.1f}, {-100 * low:.1f}]"


def points(row: Measurement) -> str:
    """Return a difference in words: percentage points with the interval.

    Examples
    --------
    >>> row = difference_row("error_rate", (), (), (np.array([True] * 30), np.array([False] * 30)), level=0.95)
    >>> points(row)
    '+100.0 points [85.2, 100.0]'
    """
    if row.value is None or row.low is None or row.high is None:
        return f"unknown ({row.reason})"
    return f"{100 * row.value:+.1f} points [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def numbers(row: Measurement) -> tuple[float, float, float]:
    """Return value and interval; NaN where undefined.

    Examples
    --------
    >>> numbers(Measurement(metric="count", value=None, n=0, method="none", reason="no rows"))
    (nan, nan, nan)
    """
    found = [float("nan") if number is None else number for number in (row.value, row.low, row.high)]
    return found[0], found[1], found[2]
