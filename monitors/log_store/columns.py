"""What the columns of a prediction log are: their roles and kinds, which are hashed, and how they are read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

import pyarrow as pa

from audit.errors import EvidenceError, InputError, raise_violations
from audit.predictions import PredictionLog
from audit.reading import ROLES, Role
from monitors.kinds import TEXT, Wanted, wrong_kind, wrong_names

Kind = Literal["text", "number", "time"]

ARROW_TYPES: Mapping[Kind, pa.DataType] = MappingProxyType(
    {"text": pa.string(), "number": pa.float64(), "time": pa.timestamp("us", tz="UTC")}
)
"""How each kind is stored."""

LABEL_ROLES: tuple[Role, ...] = ("y_true", "label_timestamp")
"""Roles whose columns go to the table of labels."""

LABELS: Mapping[str, Kind] = MappingProxyType(
    {"prediction_id": "text", "y_true": "text", "label_timestamp": "time", "received_at": "time", "source": "text"}
)
"""The columns of the table of labels."""

EVENTS: Mapping[str, Kind] = MappingProxyType(
    {"at": "time", "event": "text", "predictions": "number", "labels": "number"}
)
"""The columns of the table of events: when, what, and how many rows; never whose."""

_NUMBERS = frozenset(
    {"y_score", "sample_weight", "training_weight", "exposure", "propensity", "dither", "earlier_score", "proxy"}
)
_REQUIRED = ("prediction_id", "timestamp")
_LONGEST_NAME = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """What the columns of a prediction log are.

    A column is kept as text in one spelling (`audit.values.canonical`), as a 64-bit float where it is a number, or as
    a time in UTC, so that a CSV and a Parquet file of the same rows are the same rows.

    Parameters
    ----------
    roles
        Column by role; `prediction_id`, `timestamp` and one of `y_pred` and `y_score` must be among them. `y_true` and
        `label_timestamp` name columns that go to the table of labels.
    sensitive_features, features
        Columns whose groups are compared, and columns that are watched.
    numbers
        Further columns that hold numbers; scores, weights, exposures and propensities always do, and `y_pred` where
        the task is regression or ranking.
    hashed
        Columns of which only a keyed hash is kept (`monitors.log_store.hashing`); they hold texts.
    left_out
        Columns that batches may have and that are not kept. Any other column is refused.
    reading
        Keywords of `PredictionLog.from_frame` for reading: ``{"positive": "yes"}``.

    Raises
    ------
    InputError
        If columns contradict each other: all at once.

    Examples
    --------
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"}, features=("age",),
    ...                      numbers=("age",), hashed=("id",))
    >>> dict(columns.kinds())
    {'id': 'text', 'at': 'time', 'said': 'text', 'age': 'number'}
    """

    roles: Mapping[Role, str]
    sensitive_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        raise_violations(_wrong_kinds(self))
        raise_violations(_violations(self))
        _empty_log(self)
        try:
            self.to_json()
        except (TypeError, ValueError) as error:
            msg = (
                f"the columns of a log are kept as JSON, which cannot hold this: {error}; pass texts and plain numbers"
            )
            raise InputError([msg]) from error

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns of the table of predictions, the id first."""
        roles = [name for role, name in self.roles.items() if role not in {*_REQUIRED, *LABEL_ROLES}]
        first = [self.roles[role] for role in _REQUIRED]  # type: ignore[index]
        return tuple(dict.fromkeys([*first, *roles, *self.sensitive_features, *self.features]))

    def kinds(self) -> Mapping[str, Kind]:
        """Return how each column of the table of predictions is kept."""
        numeric = {name for role, name in self.roles.items() if role in _NUMBERS} | set(self.numbers)
        if self.reading.get("task") in {"regression", "ranking"} and "y_pred" in self.roles:
            numeric.add(self.roles["y_pred"])
        found: dict[str, Kind] = {name: "number" if name in numeric else "text" for name in self.kept}
        return found | {self.roles["timestamp"]: "time"}

    def schema(self) -> pa.Schema:
        """Return the schema of the table of predictions."""
        return schema_of(self.kinds(), required=tuple(self.roles[role] for role in _REQUIRED))  # type: ignore[index]

    def to_json(self) -> str:
        """Return the columns as JSON text, as the table's own settings keep it."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps(record, ensure_ascii=False, sort_keys=True, allow_nan=False, default=dict)

    @classmethod
    def from_json(cls, text: str) -> "LogColumns":
        """Read the columns back; the inverse of `to_json`.

        Raises
        ------
        EvidenceError
            If the text is not what `to_json` writes.
        """
        try:
            record = json.loads(text)
            names = ("sensitive_features", "features", "numbers", "hashed", "left_out")
            return cls(**record | {name: tuple(record[name]) for name in names})
        except (ValueError, KeyError, TypeError) as error:
            msg = f"the store does not say what its columns are ({error}); was its metadata changed by something else?"
            raise EvidenceError(msg) from error

    def with_column(self, name: str, *, kind: Kind, sensitive: bool = False, hashed: bool = False) -> "LogColumns":
        """Return the columns with one more, watched or sensitive."""
        return replace(
            self,
            sensitive_features=(*self.sensitive_features, name) if sensitive else self.sensitive_features,
            features=self.features if sensitive else (*self.features, name),
            numbers=(*self.numbers, name) if kind == "number" else self.numbers,
            hashed=(*self.hashed, name) if hashed else self.hashed,
            left_out=tuple(other for other in self.left_out if other != name),
        )


def schema_of(kinds: Mapping[str, Kind], *, required: tuple[str, ...] = ()) -> pa.Schema:
    """Return the Arrow schema of columns by kind.

    Examples
    --------
    >>> schema_of({"id": "text"}, required=("id",)).field("id").nullable
    False
    """
    return pa.schema([pa.field(name, ARROW_TYPES[kind], name not in required) for name, kind in kinds.items()])


def _empty_log(columns: LogColumns) -> PredictionLog:
    """Return a log without rows: the door that reads it later refuses now what it would refuse then."""
    empty = columns.schema().append(pa.field("y_true", pa.string())).append(pa.field("label_timestamp", pa.string()))
    return as_log(empty.empty_table(), columns)


def as_log(table: Any, columns: LogColumns) -> PredictionLog:  # noqa: ANN401 - any table that narwhals reads
    """Return a table with the columns of the store, and `y_true` and `label_timestamp` beside them, as a log.

    Raises
    ------
    InputError
        As `PredictionLog.from_frame`.

    Examples
    --------
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> table = pa.table({"id": ["a"], "at": ["2026-01-05T00:00Z"], "said": ["1"], "y_true": ["1"],
    ...                   "label_timestamp": [None]})
    >>> as_log(table, columns).columns["y_true"]
    'y_true'
    """
    roles: dict[str, Any] = {role: name for role, name in columns.roles.items() if role not in LABEL_ROLES}
    roles |= {"y_true": "y_true", "label_timestamp": "label_timestamp"}
    return PredictionLog.from_frame(
        table,
        sensitive_features=columns.sensitive_features,
        features=columns.features,
        **columns.reading,
        **roles,
    )


_LISTS = ("sensitive_features", "features", "numbers", "hashed", "left_out")


def _wrong_kinds(columns: LogColumns) -> list[str]:
    mapping = Wanted("a mapping from roles to names of columns", (Mapping,))
    found = wrong_kind("roles", columns.roles, mapping, then="write {'prediction_id': 'id', 'timestamp': 'at', ...}")
    if not found:
        found = [fault for role, name in columns.roles.items() for fault in wrong_kind(f"role {role!r}", name, TEXT)]
    found += [fault for name in _LISTS for fault in wrong_names(name, getattr(columns, name))]
    return found + wrong_kind("reading", columns.reading, Wanted("a mapping of keywords", (Mapping,)))


def _violations(columns: LogColumns) -> list[str]:
    roles = columns.roles
    found = [f"unknown role {role!r}; expected one of {', '.join(ROLES)}" for role in roles if role not in ROLES]
    found += [f"{role} is not named; a prediction log needs it" for role in _REQUIRED if role not in roles]
    if found:
        return found
    names = list(columns.kept)
    known = {*names, *columns.left_out}
    found += [f"{name!r} is declared as a number and is no column of the log" for name in columns.numbers
              if name not in names]  # fmt: skip
    found += [f"{name!r} is to be hashed and is no column of the log" for name in columns.hashed if name not in names]
    found += [f"{name!r} is kept and left out; choose one" for name in names if name in columns.left_out]
    found += [f"{name!r} is to be hashed and holds {kind}s; only texts are hashed" for name, kind
              in columns.kinds().items() if name in columns.hashed and kind != "text"]  # fmt: skip
    found += [f"a column of predictions may not be called {name!r}: labels are joined under this name; rename it"
              for name in names if name.lower() in LABEL_ROLES]  # fmt: skip
    found += [f"columns {name!r} and {other!r} differ in case only, which engines do not tell apart; rename one"
              for place, name in enumerate(names) for other in names[:place]
              if name.lower() == other.lower()]  # fmt: skip
    if not all(name.strip() and len(name) <= _LONGEST_NAME for name in known):
        found.append("a column without a name cannot be kept; name it")
    return found
