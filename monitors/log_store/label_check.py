"""Labels that nobody could read again: refused at the door of a log, and named in one that holds them already."""

from collections import Counter
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import raise_violations
from audit.reading import Reading
from audit.values import BINARY
from monitors.log_store.columns import Kind, as_log
from monitors.log_store.delta import Place, check_files, snapshot
from monitors.log_store.engine import connection, rows_of
from monitors.log_store.opened import Opened

_SHOWN = 5


def unreadable(
    counts: Mapping[str, int], reading: Reading, *, known: Collection[str] = (), role: str = "y_pred"
) -> tuple[str, ...]:
    """Return the labels that a log cannot be read with.

    Of two labels, all are 0, 1, true or false; or one is the positive label and all others are alike. The other label
    is the one that the log has, or else the one that most rows have. Of several labels, all are declared ones. Of other
    tasks, and where several labels are not declared, nothing is said here.

    Parameters
    ----------
    counts
        Rows by label.
    reading
        How the log is read.
    known
        Labels that the log has already.
    role
        "y_pred" may also hold the label that means no decision.

    Examples
    --------
    >>> unreadable({"1": 9, "0": 5, "maybe": 1}, Reading())
    ('maybe',)
    >>> said = Reading(positive="yes")
    >>> unreadable({"yes": 9, "no": 5, "No": 1}, said), unreadable({"No": 1}, said)
    (('No',), ())
    """
    spared = {reading.abstain} if role == "y_pred" else set()
    held = {label: number for label, number in counts.items() if label not in spared}
    if reading.task == "multiclass" and reading.labels:
        return tuple(sorted(set(held) - set(reading.labels)))
    if reading.task != "binary" or (set(held) | set(known)) <= set(BINARY):
        return ()
    if reading.positive is None:
        return tuple(sorted(set(held) - set(BINARY)))
    others = set(known) - {reading.positive, *spared}
    if not others:
        rest = {label: number for label, number in held.items() if label != reading.positive}
        others = set(sorted(rest, key=lambda label: (-rest[label], label))[:1])
    return tuple(sorted(set(held) - {reading.positive} - others))


def check_labels(store: Opened, columns: Mapping[str, pa.Table], *, stored: bool = True) -> None:
    """Do nothing where the log can be read with the labels of a batch; nothing is written.

    Parameters
    ----------
    store
        The log.
    columns
        By role ("y_true", "y_pred"), two columns: the ids and the labels.
    stored
        Whether the log has rows whose labels count, too.

    Raises
    ------
    InputError
        If a label would make the log unreadable: how many rows hold it, and the ids of the first.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     check_labels(store, {"y_pred": pa.table({"id": ["c"], "said": ["maybe"]})})
    Traceback (most recent call last):
    audit.errors.InputError: column 'said' (y_pred): 1 row holds 'maybe' ('c'); expected 0, 1, true or false, and
    nothing was written; mend it, or make a log of other labels with --positive LABEL
    """
    reading = as_log(_empty(store), store.columns).reading
    tables = {role: table for role, table in columns.items() if table.column_names[1] not in store.columns.hashed}
    counts = {role: Counter(table.column(1).drop_null().to_pylist()) for role, table in tables.items()}
    if not any(unreadable(each, reading, known=("",), role=role) for role, each in counts.items()):
        return
    known = _stored(store) if stored and reading.positive is not None else set()
    total = sum(counts.values(), Counter())
    usual = known or {label for label in total if label not in unreadable(total, reading)}
    found = []
    for role, table in tables.items():
        bad = unreadable(counts[role], reading, known=usual, role=role)
        if bad:
            name = next((name for known, name in store.columns.roles.items() if known == role), role)
            found.append(
                f"column {name!r} ({role}): {held(table, bad)}; expected {expected(reading, usual)}, and nothing was "
                f"written; mend it{_otherwise(reading)}"
            )
    raise_violations(found)


def check_stored(table: pa.Table, reading: Reading, *, name: str) -> None:
    """Do nothing where a log can be read with the labels that it holds.

    Parameters
    ----------
    table
        Its columns `prediction_id`, and `y_true` and `y_pred` where it has them.
    reading
        How it is read.
    name
        What the log is called.

    Raises
    ------
    InputError
        If it cannot: which labels, in how many rows, the ids of the first, and how the log is mended.

    Examples
    --------
    >>> held = pa.table({"prediction_id": ["a", "b"], "y_true": ["1", "banana"]})
    >>> check_stored(held, Reading(), name="log")
    Traceback (most recent call last):
    audit.errors.InputError: true labels in log: 1 row holds 'banana' ('b'); expected 0, 1, true or false; send the ids
    with the right labels: evenhanded ingest log FILE --labels --correct
    """
    roles = [role for role in ("y_true", "y_pred") if role in table.column_names]
    counts = {role: Counter(table[role].drop_null().to_pylist()) for role in roles}
    total = sum(counts.values(), Counter())
    usual = set(total) - set(unreadable(total, reading))
    words = {"y_true": "true labels", "y_pred": "predictions"}
    ways = {"y_true": "--labels --correct", "y_pred": "--correct"}
    found = []
    for role in roles:
        bad = unreadable(counts[role], reading, known=usual, role=role)
        if bad:
            rows = held(table.select(["prediction_id", role]), bad)
            found.append(
                f"{words[role]} in {name}: {rows}; expected {expected(reading, usual)}; send the ids with the right "
                f"labels: evenhanded ingest {name} FILE {ways[role]}"
            )
    raise_violations(found)


def expected(reading: Reading, usual: Collection[str]) -> str:
    """Return which labels a log takes, in words.

    Examples
    --------
    >>> expected(Reading(), ()), expected(Reading(positive="yes"), {"yes", "no"})
    ('0, 1, true or false', "'yes' or 'no'")
    """
    if reading.task == "multiclass":
        return f"one of {', '.join(map(repr, reading.labels[:20]))}"
    if reading.positive is None:
        return "0, 1, true or false"
    others = sorted(set(usual) - {reading.positive})
    return " or ".join(map(repr, [reading.positive, *others])) if others else f"{reading.positive!r} and one other"


def held(table: pa.Table, labels: Collection[str]) -> str:
    """Return how many rows hold some labels, with the ids of the first; `table` is the ids and the labels.

    Examples
    --------
    >>> held(pa.table({"id": ["a", "b", "c"], "y": ["x", "1", "x"]}), ["x"])
    "2 rows hold 'x' ('a', 'c')"
    """
    parts = []
    for label in sorted(labels)[:_SHOWN]:
        ids = table.filter(pc.equal(table.column(1), label)).column(0).to_pylist()
        shown = ", ".join(map(repr, ids[:_SHOWN])) + (f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else "")
        parts.append(f"{len(ids):,} {'row holds' if len(ids) == 1 else 'rows hold'} {label[:60]!r} ({shown})")
    more = f", and {len(labels) - _SHOWN:,} other labels" if len(labels) > _SHOWN else ""
    return ", ".join(parts) + more


def _otherwise(reading: Reading) -> str:
    plain = reading.task == "binary" and reading.positive is None
    return ", or make a log of other labels with --positive LABEL" if plain else ""


def _empty(store: Opened) -> pa.Table:
    schema = store.columns.schema().append(pa.field("y_true", pa.string()))
    return schema.append(pa.field("label_timestamp", pa.string())).empty_table()


def _stored(store: Opened) -> set[str]:
    """Return the labels that the newest version of the log holds."""
    columns: list[tuple[Place, dict[str, Kind]]] = [(store.tables.labels, {"y_true": "text"})]
    if "y_pred" in store.columns.roles:
        columns.append((store.tables.predictions, {store.columns.roles["y_pred"]: "text"}))
    found: set[str] = set()
    for place, kinds in columns:
        version = snapshot(place)
        check_files(version)
        rows = rows_of(connection(), version, kinds).aggregate("c0", "c0").fetchall()
        found |= {label for (label,) in rows if label is not None}
    return found
