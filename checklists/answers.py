"""Which counts answer a requirement: all of them as they stand, one label against the rest, decided rows, ..."""

from dataclasses import replace
from typing import Any, NamedTuple, cast

from audit.errors import InputError
from audit.gaps import NAMED
from audit.measurement import At
from audit.metrics.multiclass import SET_METRICS
from audit.result import Result
from audit.scores.acted_on import acted_on_from
from audit.scores.thresholds import edges_of
from audit.tally import Tally
from audit.unknowns.outcome_coverage import BOUNDED
from audit.values import canonical
from audit.views import answers, known_metric, view_of
from checklists.comparisons import Comparison, comparison
from checklists.judging import Finding
from checklists.requirement import Requirement


class Answer(NamedTuple):
    """The counts that a requirement is judged by, now and in the baseline, and what is compared there.

    `over_labels`: whether the metric is one over several labels, for which missing labels have no bounds.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "b"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"))
    >>> asked = Requirement(id="recall", metric="true_positive_rate", at={"class": "b"}, min=0.6)
    >>> found = answer(asked, Result(measurements=(), tally=tally), None)
    >>> found.tally.positive, found.compared.metric, found.over_labels
    ('1', 'true_positive_rate', False)
    """

    tally: Tally
    compared: Comparison
    baseline: Tally | None
    over_labels: bool = False


def answer(needed: Requirement, result: Result, baseline: Result | None) -> Answer | None:
    """Return the counts that a requirement can be rolled up from; None where only stored rows can answer.

    Raises
    ------
    ValueError
        If the baseline was counted for another task.

    Examples
    --------
    >>> asked = Requirement(id="psi", metric="population_stability_index", max=0.2)
    >>> answer(asked, Result(measurements=()), None) is None
    True
    """
    tally, compared = result.tally, comparison(needed.metric, needed.compare)
    if tally is None or compared is None:
        return None
    if set(needed.at) == {"threshold"}:
        return _at_threshold(needed, compared, tally, None if baseline is None else baseline.tally)
    if tally.cells["window_start"].null_count == tally.cells.num_rows and not _is_special(tally):
        if needed.at or _is_special_metric(compared):
            return None
        return Answer(tally, compared, None if baseline is None else baseline.tally)
    at = _at(needed)
    if not _is_special(tally) or not all(answers(tally, name, at=at) for name in compared.rests_on):
        return None
    earlier = None if baseline is None else baseline.tally
    then = None if earlier is None else view_of(earlier, compared.rests_on[0], at=at).tally
    view = view_of(tally, compared.rests_on[0], at=at)
    own = cast("Any", view.metric.function).__name__
    plain = compared if compared.metric in NAMED else Comparison(own, compared.compare, (own,))
    return Answer(view.tally, plain, then, view.tally.task != "binary")


def refusal(needed: Requirement, tally: Tally) -> str | None:
    """Return why a tally of several labels, or with deferral, does not answer a requirement; None where it does.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "b"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"))
    >>> refusal(Requirement(id="recall", metric="true_positive_rate", min=0.6), tally)
    "true_positive_rate of a multiclass tally is of one label: name it, at: {class: one of ['a', 'b', 'c']}"
    """
    compared = comparison(needed.metric, needed.compare)
    if compared is not None and set(needed.at) == {"threshold"}:
        return _no_threshold(needed, compared, tally)
    if compared is None or not _is_special(tally):
        return None
    for name in compared.rests_on:
        try:
            view_of(tally, name, at=_at(needed))
        except ValueError as error:
            return str(error)
    return None


def in_its_words(found: Finding, needed: Requirement, answered: Answer) -> Finding:
    """Return a finding whose measurement bears the metric and the point that the requirement names.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.measurement import Measurement
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "b"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass"))
    >>> asked = Requirement(id="recall", metric="true_positive_rate", at={"class": "b"}, min=0.6)
    >>> row = Measurement(metric="true_positive_rate", value=1.0, n=1, method="none")
    >>> found = in_its_words(Finding("PASS", row), asked, answer(asked, Result(measurements=(), tally=tally), None))
    >>> found.measurement.at
    (('class', 'b'),)
    """
    row, compared = found.measurement, comparison(needed.metric, needed.compare)
    if row is None or compared is None or not (needed.at or compared.metric != answered.compared.metric):
        return found
    metric = row.metric
    if metric.startswith(answered.compared.metric):
        metric = compared.metric + metric.removeprefix(answered.compared.metric)
    return found._replace(measurement=replace(row, metric=metric, at=_at(needed)))


def _at_threshold(needed: Requirement, compared: Comparison, tally: Tally, baseline: Tally | None) -> Answer | None:
    """Return the counts of the decisions that a threshold would make; None where the tally cannot tell them."""
    sides = [tally, *([] if baseline is None else [baseline])]
    if any(_no_threshold(needed, compared, side) is not None for side in sides):
        return None
    made = [acted_on_from(side, float(needed.at["threshold"])) for side in sides]
    return Answer(made[0], compared, None if baseline is None else made[1])


def _no_threshold(needed: Requirement, compared: Comparison, tally: Tally) -> str | None:
    """Return why a tally does not answer at a threshold; None where it does."""
    facts = [known_metric(name) for name in compared.rests_on]
    if _is_special(tally) or _is_special_metric(compared) or any(f is None or f.kind not in BOUNDED for f in facts):
        return f"{needed.metric} is no metric of a threshold on one score"
    if tally.cells["window_start"].null_count < tally.cells.num_rows:
        return "thresholds are rolled up from counts without windows"
    threshold = needed.at["threshold"]
    if isinstance(threshold, str):
        return f"a threshold is a number; got {threshold!r}"
    if tally.bins is None:
        return "there are no scores to act on from a threshold; name y_score when you make the log"
    try:
        edges_of([threshold], tally)
    except InputError as error:
        return "; ".join(error.violations)
    return None


def _at(needed: Requirement) -> At:
    point = {key: str(canonical(value)) if key == "class" else value for key, value in needed.at.items()}
    return tuple(sorted(point.items()))


def _is_special(tally: Tally) -> bool:
    return tally.task != "binary" or tally.deferral


def _is_special_metric(compared: Comparison) -> bool:
    """Return whether a tally of two labels without deferral has no such metric."""
    from_catalog = {name for of_task in SET_METRICS.values() for name in of_task}
    facts = known_metric(compared.rests_on[0])
    own = None if facts is None else cast("Any", facts.function).__name__
    return own != compared.rests_on[0] or (own in from_catalog and own not in _OF_TWO)


_OF_TWO = frozenset({"balanced_accuracy", "matthews_corrcoef"})
