"""What a log of decisions lacks: which metrics have no value, why, and which columns to log from tomorrow."""

from collections.abc import Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import NamedTuple, get_args

from audit.measurement import Measurement
from audit.reading import Role
from audit.result import Result
from dashboards.loops import GAIN, GAP, headline, settings_of
from monitors.feedback.catalog import BY_NAME, CATALOG, FIRST
from monitors.feedback.possible_loops import Decides, FedBack, LoopAnswers, Observed, plan_loops

_CANNOT = "cannot be measured, because "
_MOST = 2
_HOLDS: Mapping[str, str] = MappingProxyType(
    {
        "y_true": "what turned out to be true",
        "human_decision": "what the person decided",
        "propensity": "the chance of just the action that was taken",
        "place": "where it was, or which kind of item",
        "dither": "a random shift of attention, drawn anew for each place and period",
        "exposed": "whether the model's output was seen or used",
        "user": "who it was; a pseudonym will do",
    }
)
"""Said otherwise here than in a plan, which knows which loop it is about."""


class Column(NamedTuple):
    """A column to log from tomorrow: what it holds, the metrics that it opens by itself, and with other columns.

    Examples
    --------
    >>> Column("exposed", "whether the model was seen", ("How much of the world the model touches",), ()).alone[0][:8]
    'How much'
    """

    role: str
    holds: str
    alone: tuple[str, ...]
    together: tuple[str, ...]


def log_sentences(result: Result, *, most: int) -> tuple[str, ...]:
    """Return which columns to log from tomorrow, and what they would tell: what tells most comes first.

    Examples
    --------
    >>> row = Measurement(metric="usage", value=None, n=9, method="none", reason="cannot be measured, because ...")
    >>> log_sentences(Result(measurements=[row]), most=3)
    ("From tomorrow, log “exposed” (whether the model's output was seen or used): it tells “How much of the world the \
model touches”.",)
    """
    sets: dict[tuple[Role, ...], list[str]] = {}
    for name, lacking in lacking_roles(result).items():
        sets.setdefault(lacking, []).append(name)
    holds = what_columns_hold()
    first = sorted(sets.items(), key=lambda item: -sum(map(_worth, item[1])) / len(item[0]))[:most]
    said = []
    for roles, names in first:
        columns = " and ".join(f"“{role}” ({holds[role]})" if role in holds else f"“{role}”" for role in roles)
        tells = "it tells" if len(roles) == 1 else "together they tell"
        told = sorted(names, key=lambda name: -_worth(name))
        said.append(f"From tomorrow, log {columns}: {tells} {some([BY_NAME[name].title for name in told])}.")
    return tuple(said)


def obtain_sentences(result: Result) -> tuple[str, ...]:
    """Return what to do for the metrics that matter most and lack no column, but rows of some kind.

    Examples
    --------
    >>> row = Measurement(metric="usage", value=None, n=9, method="none", reason="cannot be measured, because ...")
    >>> obtain_sentences(Result(measurements=[row]))
    ()
    """
    lacking = lacking_roles(result)
    rows = [row for row in unmeasured(result) if row.metric in {GAIN, GAP} and row.metric not in lacking]
    return tuple(f"To learn “{BY_NAME[row.metric].title}”: {BY_NAME[row.metric].obtain}" for row in rows)


def _worth(name: str) -> float:
    """Return how much it matters to learn a metric: the two that show a loop most, then those of the first page."""
    if name in {GAIN, GAP}:
        return 10.0
    if name in {"usage", "outcome_coverage"}:
        return 5.0
    return 2.0 if name in FIRST else 0.2


def column_sentence(column: Column) -> str:
    """Return what a column holds, and what it would tell.

    Examples
    --------
    >>> column_sentence(Column("exposed", "whether it was seen", ("Usage",), ()))
    'exposed: whether it was seen; it tells “Usage”.'
    >>> column_sentence(Column("dither", "a random shift", (), ("Gain",)))
    'dither: a random shift; with other columns it tells “Gain”.'
    """
    tells = [f"it tells {some(column.alone)}"] if column.alone else []
    tells += [f"with other columns it{' also' if tells else ''} tells {some(column.together)}"] * bool(column.together)
    return f"{column.role}: {'; '.join(filter(None, [column.holds, *tells]))}."


def some(names: Sequence[str]) -> str:
    """Return the first few titles in quotes, and how many more there are.

    Examples
    --------
    >>> some(("One", "Two")), some(tuple("abcdef"))
    ('“One”, “Two”', '“a”, “b” and 4 more')
    """
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return titles(names[:_MOST]) + more


def unmeasured(result: Result) -> tuple[Measurement, ...]:
    """Return a row for each metric that has no value at all, in the order of the catalog.

    Examples
    --------
    >>> unmeasured(Result(measurements=()))
    ()
    """
    known = {row.metric for row in result.measurements if row.value is not None}
    names = [metric.name for metric in CATALOG if metric.of_a_log and metric.name not in known]
    return tuple(row for name in names if (row := headline(result, name)) is not None)


def columns_to_log(result: Result) -> tuple[Column, ...]:
    """Return the columns that a log has not and that metrics ask for: what opens most comes first.

    Examples
    --------
    >>> row = Measurement(metric="usage", value=None, n=9, method="none", reason="cannot be measured, because ...")
    >>> [(column.role, column.alone) for column in columns_to_log(Result(measurements=[row]))]
    [('exposed', ('How much of the world the model touches',))]
    """
    worth: dict[str, float] = {}
    alone: dict[str, list[str]] = {}
    together: dict[str, list[str]] = {}
    for name, lacking in lacking_roles(result).items():
        for role in lacking:
            worth[role] = worth.get(role, 0.0) + _worth(name) / len(lacking)
            (alone if len(lacking) == 1 else together).setdefault(role, []).append(BY_NAME[name].title)
    holds = what_columns_hold()
    return tuple(
        Column(role, holds.get(role, ""), tuple(alone.get(role, ())), tuple(together.get(role, ())))
        for role in sorted(worth, key=lambda role: (-worth[role], role))
    )


def lacking_roles(result: Result) -> dict[str, tuple[Role, ...]]:
    """Return which columns each metric lacks that has no value for want of columns.

    Examples
    --------
    >>> lacking_roles(Result(measurements=()))
    {}
    """
    names = [row.metric for row in unmeasured(result)]
    metrics = [BY_NAME[name] for name in names]
    plan = plan_loops(LoopAnswers(decides="model", fed_back="all", observed="everything", has=has(result)),
                      metrics=metrics)  # fmt: skip
    return {each.name: each.lacks for each in plan.metrics if each.lacks}


def has(result: Result) -> tuple[Role, ...]:
    """Return the roles that the log of a run holds.

    Examples
    --------
    >>> has(Result(measurements=()))
    ()
    """
    columns = settings_of(result).get("columns") or {}
    return tuple(role for role in get_args(Role) if columns.get(role))


def what_columns_hold() -> dict[str, str]:
    """Return what each column of a decision log holds, in words.

    Examples
    --------
    >>> what_columns_hold()["exposed"]
    "whether the model's output was seen or used"
    """
    found = dict(_HOLDS)
    for decides, fed_back, observed in product(get_args(Decides), get_args(FedBack), get_args(Observed)):
        plan = plan_loops(LoopAnswers(decides=decides, fed_back=fed_back, observed=observed))
        found = {each.role: each.why for each in plan.log} | found
    return found


def because(row: Measurement) -> str:
    """Return why a number is not known: the first sentence of its reason.

    Examples
    --------
    >>> because(Measurement(metric="usage", value=None, n=0, method="none",
    ...                     reason="cannot be measured, because the log names no exposed. Log it."))
    'the log names no exposed'
    """
    return (row.reason or "nobody said why").removeprefix(_CANNOT).partition(". ")[0].rstrip(".")


def titles(names: Sequence[str]) -> str:
    """Return titles in one text, each in quotes.

    Examples
    --------
    >>> titles(("One", "Two"))
    '“One”, “Two”'
    """
    return ", ".join(f"“{name}”" for name in names)
