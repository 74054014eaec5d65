"""Which metrics a terminal shows of a result: those that were named first, then those of its task."""

from collections.abc import Mapping

from audit.measurement import Measurement
from audit.result import Result
from dashboards.words import Unit, unit_of

HEADLINES = ("selection_rate", "false_positive_rate", "false_negative_rate", "accuracy")
"""Of two labels."""

DEFERRED = ("deferral_rate", "decided_accuracy")
"""Before the others, where rows are left to a person."""

MAX_COLUMNS = 5
"""Most metrics of one table; a wider one breaks its numbers over lines."""

_OF_LABELS = ("accuracy", "balanced_accuracy", "hamming_loss", "macro_f1")
_OF_NUMBERS = ("mean_absolute_error", "mean_error", "root_mean_squared_error")
_OF_RANKINGS = ("exposure_share", "relevance_share", "exposure_to_relevance_ratio", "ndcg")
_FAMILIES = (
    (frozenset({"macro_f1", "cohen_kappa", "hamming_loss"}), _OF_LABELS),
    (frozenset(_OF_NUMBERS), _OF_NUMBERS),
    (frozenset({"exposure_share", "ndcg"}), _OF_RANKINGS),
)
_DEPTH = "k"
"""The one place that a headline may stand at: how many places of a ranking are seen."""


def headlines(result: Result) -> tuple[str, ...]:
    """Return the metrics that the tables show, at most `MAX_COLUMNS`, all of which the result holds.

    Examples
    --------
    >>> rows = [Measurement(metric=name, value=0.5, n=9, method="x")
    ...         for name in ("count", "mean_error", "mean_absolute_error")]
    >>> headlines(Result(measurements=rows))
    ('mean_absolute_error', 'mean_error')
    """
    present = dict.fromkeys(row.metric for row in result.measurements if is_headline(row) and row.metric != "count")
    marked = (names for marks, names in _FAMILIES if marks & present.keys())
    usual = [name for name in (*DEFERRED, *next(marked, HEADLINES)) if name in present]
    asked = [name for name in named(result) if name in present]
    return tuple(dict.fromkeys([*asked, *(usual or present)]))[:MAX_COLUMNS]


def named(result: Result) -> tuple[str, ...]:
    """Return the metrics that were asked for by name; those of regression are recorded whether named or not.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> named(Result(measurements=[], provenance=Provenance(given={"metrics": ["log_loss"]})))
    ('log_loss',)
    """
    metrics = result.provenance.given.get("metrics")
    if not isinstance(metrics, list | tuple) or set(metrics) == set(_OF_NUMBERS):
        return ()
    return tuple(str(metric) for metric in metrics)


def is_headline(row: Measurement) -> bool:
    """Whether a row is a value of a slice over all of its labels, scores and windows.

    Examples
    --------
    >>> is_headline(Measurement(metric="ndcg", at=(("k", 5),), value=0.9, n=9, method="x"))
    True
    >>> is_headline(Measurement(metric="f1", at=(("class", "cat"),), value=0.9, n=9, method="x"))
    False
    """
    return row.against is None and _is_whole(row)


def main_gaps(result: Result) -> tuple[Measurement, ...]:
    """Return the largest gap between the groups of each feature, of each headline: a difference, else a ratio.

    Examples
    --------
    >>> against = {"kind": "groups", "features": ["sex"]}
    >>> gaps = [Measurement(metric=name, against=against, value=1.0, n=40, method="x", reason="between F and M")
    ...         for name in ("accuracy_ratio", "accuracy_difference", "f1_difference")]
    >>> rows = [Measurement(metric="accuracy", value=0.7, n=90, method="x"), *gaps]
    >>> [row.metric for row in main_gaps(Result(measurements=rows))]
    ['accuracy_difference']
    """
    gaps = [row for row in result.measurements if _is_whole(row) and _is_between_groups(row.against)]
    found = {row.metric for row in gaps}
    shown = headlines(result) or tuple(row.metric.removesuffix("_difference") for row in gaps)
    wanted = {f"{name}_difference" if f"{name}_difference" in found else f"{name}_ratio" for name in shown}
    return tuple(row for row in gaps if row.metric in wanted)


def units_sentence(metrics: tuple[str, ...], level: str) -> str:
    """Return how the numbers of a table are read.

    Examples
    --------
    >>> units_sentence(("accuracy",), "95 %"), units_sentence(("mean_error", "accuracy"), "95 %")
    ('Percent [interval at 95 %]', 'Shares in percent, the others in their own unit [interval at 95 %]')
    """
    units: set[Unit] = {unit_of(metric) for metric in metrics}
    shares = "share" in units
    words = "Numbers in their own unit" if not shares else "Percent"
    if shares and len(units) > 1:
        words = "Shares in percent, the others in their own unit"
    return f"{words} [interval at {level}]"


def without_row(result: Result) -> dict[str, tuple[str, ...]]:
    """Return the metrics that were named and stand by label or range only, with what they stand by.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> row = Measurement(metric="confusion_rate", at=(("class", "a"), ("predicted", "b")), value=0.1, n=9, method="x")
    >>> recorded = Provenance(given={"metrics": ["confusion_rate"]})
    >>> without_row(Result(measurements=[row], provenance=recorded))
    {'confusion_rate': ('class', 'predicted')}
    """
    shown = {row.metric for row in result.measurements if is_headline(row)}
    apart = {row.metric: tuple(key for key, _ in row.at) for row in result.measurements if row.at}
    return {name: apart[name] for name in named(result) if name in apart and name not in shown}


def _is_whole(row: Measurement) -> bool:
    return row.window is None and all(key == _DEPTH for key, _ in row.at)


def _is_between_groups(against: Mapping[str, object] | None) -> bool:
    if against is None or against.get("kind") != "groups":
        return False
    features = against["features"]
    return isinstance(features, list | tuple) and len(features) == 1
