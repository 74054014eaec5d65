"""The columns of a decision log as numbers and texts, alike from every engine, and what is wrong with them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw

from audit.expressions import Schema, group_expressions, number
from audit.predictions import PredictionLog, feature_column
from audit.reading import Role
from audit.values import canonical
from monitors.timestamps import collected, time_expression

ARMS = ("model", "manual", "explore", "holdout")
"""Who decided about a row: the model, the process before it, chance, or nobody (never acted on)."""

SOURCES = ("discovered", "reported", "audit")
"""How an outcome came to be known: found where one looked, told by others, or by a sample drawn for it."""

CLEAN = "decided"
"""Column of a table whose columns are in their clean form already (`monitors.feedback.cleaned`)."""

FLAGS: tuple[Role, ...] = ("y_true", "y_pred", "action", "human_decision", "exposed", "outcome_observed")
_NUMBERS: tuple[Role, ...] = (
    "outcome",
    "propensity",
    "dither",
    "exposure",
    "training_weight",
    "earlier_score",
    "proxy",
)
_TEXTS: tuple[Role, ...] = ("arm", "outcome_source", "place", "user", "item", "round", "model_version", "cluster")
_EVERYWHERE = frozenset({"place", "user", "item", "round", "model_version"})
_LOST = 0.01
_LABELS = frozenset({"y_true", "y_pred", "action", "human_decision", "outcome"})
_TRUE, _FALSE = ("1", "true", "1.0"), ("0", "false", "0.0")

Form = Literal["flag", "number", "text"]


def decisions(log: PredictionLog, *, beside: Mapping[str, nw.Expr] = MappingProxyType({})) -> nw.LazyFrame[Any]:
    """Return a decision log with every role in one form, whatever the engine and the types of its columns.

    Flags (`y_true`, `y_pred`, `action`, `human_decision`, `exposed`, `outcome_observed`) are 1.0 and 0.0: of 1, 0, true
    and false, or of the positive label and any other where the log has one (labels, actions and decisions). Numbers
    (`outcome`, which may also be a label; `y_score`, divided by `score_max`; `propensity`, `dither`, `exposure`,
    `training_weight`, `earlier_score`, `proxy`) are floats. Texts (`arm`, in small letters; `place`, `user`, `item`,
    `round`, ...) are texts. Sensitive features are in ``feature_0``, ... as the audit groups them, times in ``micros``:
    microseconds since 1970 in UTC. What has no value, or none of its form, is null.

    In a log of numbers (task "regression") `y_true` and `y_pred` are numbers.

    Parameters
    ----------
    log
        The log; only columns of roles that it has are there.
    beside
        Other columns to keep, by name.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"said": ["yes", "no"], "acted": [True, None], "who": ["Model", "explore"]})
    >>> log = PredictionLog.from_frame(table, task="watch", positive="yes", y_pred="said", action="acted", arm="who")
    >>> decisions(log).collect(backend="pyarrow").to_native().to_pylist()
    [{'y_pred': 1.0, 'action': 1.0, 'arm': 'model'}, {'y_pred': 0.0, 'action': None, 'arm': 'explore'}]
    """
    schema = log.table.collect_schema()
    if CLEAN in schema:
        return log.table.select(**_as_they_are(log, schema), **beside)
    kept: dict[str, nw.Expr] = {role: _expression(log, role, form, schema) for role, form in _forms(log).items()}
    if "y_score" in log.columns:
        kept["y_score"] = _real(number("y_score", schema)) / log.reading.score_max
        if "y_pred" not in log.columns and log.reading.threshold is not None:
            kept["y_pred"] = _one(kept["y_score"] >= log.reading.threshold, kept["y_score"].is_null())
    kept |= group_expressions(log, schema)
    if "timestamp" in log.columns:
        kept["micros"] = time_expression(log)
    return log.table.select(**kept, **beside)


def _as_they_are(log: PredictionLog, schema: Schema) -> dict[str, nw.Expr]:
    """Return the columns of a table that is clean; flags take a byte there."""
    roles = [role for role in (*_forms(log), "y_score", "y_pred", "micros") if role in schema]
    kept = {role: nw.col(role).cast(nw.Float64) if schema[role] == nw.Int8 else nw.col(role) for role in roles}
    return kept | {name: nw.col(name) for name in map(feature_column, range(len(log.sensitive_features)))}


class DecisionFacts(NamedTuple):
    """How many rows a log has, and which of its columns cannot be used, and why.

    Examples
    --------
    >>> DecisionFacts(3, {}).of(["propensity"])
    []
    """

    rows: int
    faults: Mapping[Role, str]

    def of(self, roles: Iterable[Role]) -> list[str]:
        """Return the faults of some roles, as "column 'p' (propensity): ..."."""
        return [self.faults[role] for role in roles if role in self.faults]


def decision_facts(log: PredictionLog) -> DecisionFacts:
    """Return the number of rows, and which columns hold values that mean nothing there, in one pass.

    A propensity must lie in (0, 1], an exposure or a training weight be at least 0, an arm be one of `ARMS`, a source
    one of `SOURCES`; flags and numbers must be such. Places, users, items, rounds and versions must be there in all
    but one of a hundred rows: more, and a join has lost them. Other missing values are no fault: a metric says what it
    does with them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"p": [0.5, 0.0]}), task="watch", propensity="p")
    >>> decision_facts(log).faults["propensity"]
    "column 'p' (propensity): 1 of 2 rows hold no number in (0, 1]"
    """
    forms = _forms(log)
    schema = log.table.collect_schema()
    first = next(iter(log.columns))
    both = log.table.select(
        nw.col(first).alias("first"),
        **{f"given_{role}": _given(role, schema) for role in forms},
        **{role: _expression(log, role, form, schema) for role, form in forms.items()},
    )
    wrong = {role: (nw.col(f"given_{role}") & ~_fine(role, form)).cast(nw.Int64).sum() for role, form in forms.items()}
    absent = {f"absent_{role}": nw.col(role).is_null().cast(nw.Int64).sum() for role in forms if role in _EVERYWHERE}
    counts = collected(log, both.select(rows=nw.len(), **wrong, **absent)).to_pylist()[0]
    return DecisionFacts(
        counts["rows"],
        {
            role: f"column {log.columns[role]!r} ({role}): {said}"
            for role, form in forms.items()
            if (said := _fault(role, form, counts))
        },
    )


def _fault(role: Role, form: Form, counts: Mapping[str, int]) -> str | None:
    rows = counts["rows"]
    if counts[role]:
        return f"{counts[role]:,} of {rows:,} rows hold no {_expected(role, form)}"
    lost = counts.get(f"absent_{role}", 0)
    return f"{lost:,} of {rows:,} rows have none; did a join lose them" if lost > _LOST * rows else None


def group_of(log: PredictionLog, row: dict[str, Any], place: int) -> tuple[str, str | None]:
    """Return feature and value of a collected row, as a pair of a slice.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"sex": ["F"]}), task="watch", sensitive_features=["sex"])
    >>> group_of(log, {"feature_0": "F"}, 0)
    ('sex', 'F')
    """
    return log.sensitive_features[place], canonical(row[feature_column(place)])


def _forms(log: PredictionLog) -> dict[Role, Form]:
    flags: Form = "number" if log.reading.task in {"regression", "ranking"} else "flag"
    found: dict[Role, Form] = {}
    for role in log.columns:
        if role in FLAGS:
            found[role] = flags if role in {"y_true", "y_pred"} else "flag"
        elif role in _NUMBERS:
            found[role] = "number"
        elif role in _TEXTS:
            found[role] = "text"
    return found


def _expression(log: PredictionLog, role: Role, form: Form, schema: Schema) -> nw.Expr:
    column = nw.col(role)
    text = column.cast(nw.String)
    if form == "text":
        text = text.str.to_lowercase() if role in {"arm", "outcome_source"} else text
        return nw.when(text != "").then(text)
    if form == "number" and not (role == "outcome" and _is_label(log, schema[role])):
        return column.cast(nw.Float64) if schema[role] == nw.Boolean else _real(number(role, schema))
    return _flag(log, role, text)


def _flag(log: PredictionLog, role: Role, text: nw.Expr) -> nw.Expr:
    small = text.str.to_lowercase()
    positive = log.reading.positive if role in _LABELS else None
    if positive is not None and role in {"y_true", "y_pred", "human_decision", "outcome"}:
        return _one(text == positive, text.is_null() | (text == ""))
    true = small.is_in(list(_TRUE)) if positive is None else small.is_in(list(_TRUE)) | (text == positive)
    return nw.when(true).then(nw.lit(1.0)).otherwise(nw.when(small.is_in(list(_FALSE))).then(nw.lit(0.0)))


def _one(true: nw.Expr, absent: nw.Expr) -> nw.Expr:
    """Return 1.0 where true, 0.0 where not, null where there is no value."""
    return nw.when(~absent).then(nw.when(true).then(nw.lit(1.0)).otherwise(nw.lit(0.0)))


def _real(value: nw.Expr) -> nw.Expr:
    return nw.when(~value.is_nan()).then(value)


def _is_label(log: PredictionLog, kind: Any) -> bool:  # noqa: ANN401 - a type of narwhals
    """Return whether outcomes are labels: texts of a log that has a positive label."""
    return kind in (nw.String, nw.Categorical) and log.reading.positive is not None


def _given(role: Role, schema: Schema) -> nw.Expr:
    column = nw.col(role)
    there = ~column.is_null()
    if schema[role] in (nw.Float32, nw.Float64):
        return there & ~nw.when(there).then(column).otherwise(nw.lit(0.0)).is_nan()
    return there & (column != "") if schema[role] == nw.String else there


def _fine(role: Role, form: Form) -> nw.Expr:
    column = nw.col(role)
    there = ~column.is_null()
    if role == "propensity":
        return there & (column > 0) & (column <= 1)
    if role in {"exposure", "training_weight"}:
        return there & (column >= 0) & (column < float("inf"))
    if role == "arm":
        return there & column.is_in(list(ARMS))
    if role == "outcome_source":
        return there & column.is_in(list(SOURCES))
    return there & (column.abs() < float("inf")) if form == "number" else there


def _expected(role: Role, form: Form) -> str:
    special = {
        "propensity": "number in (0, 1]",
        "exposure": "number of at least 0",
        "training_weight": "number of at least 0",
        "arm": f"one of {', '.join(ARMS)}",
        "outcome_source": f"one of {', '.join(SOURCES)}",
    }
    return special.get(role) or {"flag": "1, 0, true or false", "number": "finite number", "text": "text"}[form]
