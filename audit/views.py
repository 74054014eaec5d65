"""Which counts a metric is rolled up from: a tally of several labels, or with deferred rows, answers in several ways.

Each way of looking at a tally turns it into one of two decided labels (or leaves it as it is, for metrics over several
labels); from there on every value, interval and gap is made as for any other tally.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from audit.label_sets import one_label, right_or_wrong
from audit.measurement import At
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.metrics.multiclass import SET_METRICS
from audit.tally import Tally
from audit.tasks.deferral import (
    DECIDED,
    DEFERRAL_METRICS,
    DEFERRAL_RATE,
    IF_RIGHT,
    OF_TRUTH,
    SELECTED,
    as_right,
    as_wrong,
    decided,
    deferred,
    not_selected,
    renamed,
)

_WITH_DEFERRED = frozenset({"balanced_accuracy", "macro_precision", "macro_f1"})
"""Metrics over several labels in which a deferred row is one without any predicted label."""


class Look(NamedTuple):
    """A way of looking at a tally: what it is turned into, the metrics that are read there, and at which point.

    Examples
    --------
    >>> Look(right_or_wrong, (METRICS["accuracy"],)).at
    ()
    """

    make: Callable[[Tally], Tally]
    metrics: tuple[Metric, ...]
    at: At = ()


class View(NamedTuple):
    """The counts that a metric is rolled up from, and the metric.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2]})
    >>> View(collapse(raw, features=(), positive="1", bins=None, weights="none"), METRICS["accuracy"]).tally.rows
    2
    """

    tally: Tally
    metric: Metric


def looks_of(tally: Tally) -> tuple[Look, ...]:
    """Return every way of looking at a tally; a metric stands in one of them at each point.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["a", "b"], "y_pred": ["a", "a"], "n": [3, 1]})
    >>> tally = collapse(raw, features=(), positive=None, bins=None, weights="none", task="multiclass",
    ...                  labels=("a", "b"))
    >>> [look.at for look in looks_of(tally)]
    [(), (), (('class', 'a'),), (('class', 'b'),)]
    """
    if tally.task == "binary":
        return tuple(_of_two(tally))
    return tuple(_of_several(tally))


def view_of(tally: Tally, metric: str, *, at: At = ()) -> View:
    """Return what a metric of a tally is rolled up from.

    Parameters
    ----------
    tally
        The counts.
    metric
        Its name: of the catalog, of several labels (`audit.metrics.multiclass`), or one of those that deferral adds
        (`audit.tasks.deferral`).
    at
        ``(("class", label),)`` for one label against the rest.

    Raises
    ------
    ValueError
        If the tally does not answer that.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["a", "b"], "y_pred": ["a", "a"], "n": [3, 1]})
    >>> tally = collapse(raw, features=(), positive=None, bins=None, weights="none", task="multiclass",
    ...                  labels=("a", "b"))
    >>> view_of(tally, "precision", at=(("class", "a"),)).tally.positive
    '1'
    >>> view_of(tally, "precision")
    Traceback (most recent call last):
    ValueError: precision of a multiclass tally is of one label: name it, at: {class: one of ['a', 'b']}
    """
    for look in looks_of(tally):
        if look.at == at:
            for facts in look.metrics:
                if facts.name == metric:
                    return View(look.make(tally), facts)
    raise ValueError(_refusal(tally, metric, at))


def answers(tally: Tally, metric: str, *, at: At = ()) -> bool:
    """Return whether a tally holds what a metric is rolled up from.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> answers(tally, "accuracy"), answers(tally, "macro_f1")
    (True, False)
    """
    return any(look.at == at and any(facts.name == metric for facts in look.metrics) for look in looks_of(tally))


def known_metric(metric: str) -> Metric | None:
    """Return the facts about a metric that some tally can answer; None where none can.

    Examples
    --------
    >>> known_metric("macro_f1").range, known_metric("decided_accuracy").kind, known_metric("psi")
    ((0.0, 1.0), 'rate', None)
    """
    found = METRICS.get(metric) or DEFERRAL_METRICS.get(metric)
    for of_task in SET_METRICS.values():
        found = found or of_task.get(metric)
        found = found or of_task.get(metric.removeprefix(DECIDED))
    return found


def metric_names(tally: Tally) -> list[str]:
    """Return the names of all metrics that a tally answers, at whatever point.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2]})
    >>> metric_names(collapse(raw, features=(), positive="1", bins=None, weights="none"))[:2]
    ['selection_rate', 'prevalence']
    """
    return list(dict.fromkeys(facts.name for look in looks_of(tally) for facts in look.metrics))


def _same(tally: Tally) -> Tally:
    return tally


def _of_two(tally: Tally) -> Iterator[Look]:
    every = tuple(facts for facts in METRICS.values() if tally.bins is not None or not facts.needs_scores)
    if not tally.deferral:
        yield Look(_same, every)
        return
    names = tuple(facts.name for facts in every if not facts.needs_scores)
    scored = tuple(facts for facts in every if facts.needs_scores)
    yield Look(not_selected, (*(METRICS[name] for name in SELECTED), *scored))
    yield Look(as_wrong, tuple(METRICS[name] for name in OF_TRUTH))
    yield Look(deferred, (DEFERRAL_RATE,))
    yield Look(decided, renamed(names, before=DECIDED))
    yield Look(as_right, renamed(OF_TRUTH, after=IF_RIGHT))


def _of_several(tally: Tally) -> Iterator[Look]:
    shape = right_or_wrong(tally)
    wanted = {"accuracy", f"{DECIDED}accuracy", f"accuracy{IF_RIGHT}", DEFERRAL_RATE.name}
    for look in _of_two(shape):
        if chosen := tuple(facts for facts in look.metrics if facts.name in wanted):
            yield Look(_after(right_or_wrong, look.make), chosen)
    yield from _of_sets(tally)
    for label in tally.labels:
        first = partial(one_label, label=label)
        for look in _of_two(shape):
            if look.metrics != (DEFERRAL_RATE,):
                yield Look(_after(first, look.make), look.metrics, (("class", label),))


def _of_sets(tally: Tally) -> Iterator[Look]:
    every = tuple(SET_METRICS[tally.task if tally.task != "binary" else "multiclass"].values())
    if not tally.deferral:
        yield Look(_same, every)
        return
    yield Look(_same, tuple(facts for facts in every if facts.name in _WITH_DEFERRED))
    yield Look(decided, tuple(replace(facts, name=DECIDED + facts.name) for facts in every))


def _after(first: Callable[[Tally], Tally], second: Callable[[Tally], Tally]) -> Callable[[Tally], Tally]:
    return lambda tally: second(first(tally))


def _refusal(tally: Tally, metric: str, at: At) -> str:
    if known_metric(metric) is None:
        return f"unknown metric {metric!r}; expected one of {', '.join(metric_names(tally))}"
    shown: Sequence[str] = tally.labels[:20]
    label = dict(at).get("class")
    if at and tally.task == "binary":
        return f"{metric} at {dict(at)}: a tally of two labels has no such point; leave it out"
    if label is not None and label not in tally.labels:
        return f"no label {label!r}; the tally has {list(shown)}"
    if not at and tally.task != "binary" and any(answers(tally, metric, at=(("class", name),)) for name in shown[:1]):
        return f"{metric} of a {tally.task} tally is of one label: name it, at: {{class: one of {list(shown)}}}"
    if tally.deferral and answers(tally, DECIDED + metric, at=at):
        return f"{metric} rests on predictions, and some rows have none (deferred): ask for {DECIDED}{metric}"
    return f"{metric} is no metric of this {tally.task} tally; expected one of {', '.join(metric_names(tally))}"
