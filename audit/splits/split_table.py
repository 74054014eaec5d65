"""Train and test rows as arrays, side by side: what the linter of splits reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from audit.errors import InputError, raise_violations
from audit.splits.label_errors import ROW
from audit.splits.split_columns import (
    Codes,
    Feature,
    Flags,
    Floats,
    clusters_of,
    feature_of,
    labels_of,
    numbers_of,
    plain_of,
    rows_are_lines,
    spellings_of,
    times_of,
)
from audit.tables import Table, open_file, open_frame, place_column, short_reason
from audit.values import canonical, canonical_array


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTable:
    """Rows of both parts, train first.

    Parameters
    ----------
    features
        The columns that a model may read.
    test
        Which rows are the test part, shape (n_rows,).
    y
        Labels as 0 and 1, NaN where missing, shape (n_rows,).
    label
        What counts as 1, in words.
    y_score
        The model's scores; NaN where there are none, shape (n_rows,). None = not named.
    cluster
        Which rows belong together, as integers; rows without a cluster stand alone. None = not named.
    timestamp
        Seconds since 1970 UTC, or numbers as they came; NaN where missing. None = not named.
    place
        Where each row stands in its part or file, counted from 1, shape (n_rows,).
    place_name
        What that number is: ``line_in_file`` where the lines of a file are its rows below one heading, else
        ``row (from 1)``.
    ids
        The column that names rows, and each row's name; None = there is none.
    spellings
        How the data spell the labels 0 and 1.
    source
        The files that were read.
    columns, settings
        Columns by role, and what else was asked for, as a result records it.

    Examples
    --------
    >>> table = read_splits(pa.table({"x": [1.0, 2.0], "y": [0, 1]}), pa.table({"x": [3.0], "y": [1]}), y_true="y")
    >>> [feature.name for feature in table.features], table.test.tolist(), table.y.tolist()
    (['x'], [False, False, True], [0.0, 1.0, 1.0])
    """

    features: tuple[Feature, ...]
    test: Flags
    y: Floats
    label: str
    y_score: Floats | None = None
    cluster: Codes | None = None
    timestamp: Floats | None = None
    place: Codes | None = None
    place_name: str = ROW
    ids: tuple[str, tuple[str, ...]] | None = None
    spellings: tuple[str, str] = ("0", "1")
    source: tuple[Path, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def matrix(self) -> Floats:
        """Return the features as one array, shape (n_rows, n_features)."""
        return np.column_stack([feature.values for feature in self.features])


class Columns(NamedTuple):
    """Which column plays which part; None = not there.

    Examples
    --------
    >>> Columns(y_true="label", cluster="person").features is None
    True
    """

    y_true: str
    features: tuple[str, ...] | None = None
    y_score: str | None = None
    cluster: str | None = None
    timestamp: str | None = None
    row_id: str | None = None

    def roles(self) -> dict[str, str]:
        """Return the columns that are no features, by their role."""
        named = {"y_true": self.y_true, "y_score": self.y_score, "cluster": self.cluster, "timestamp": self.timestamp}
        named["row_id"] = self.row_id
        return {role: name for role, name in named.items() if name is not None}


def read_splits(  # noqa: PLR0913 - each names a column
    train: Any,  # noqa: ANN401 - any table that narwhals reads, or a path
    test: Any = None,  # noqa: ANN401 - as `train`
    *,
    y_true: str,
    features: Sequence[str] | None = None,
    y_score: str | None = None,
    cluster: str | None = None,
    timestamp: str | None = None,
    positive: str | float | bool | None = None,
    split: tuple[str, str] | None = None,
    row_id: str | None = None,
) -> SplitTable:
    """Read the two parts of a split.

    Parameters
    ----------
    train, test
        Two tables (any that `audit.tables.open_frame` takes) or paths; or one table and `split`.
    y_true
        Column of the labels.
    features
        Columns that the model reads; None = all that play no other part.
    y_score
        Column of the model's scores; missing in one part is allowed.
    cluster
        Column that says which rows belong together: a person, a site.
    timestamp
        Column of times (ISO 8601 where they are text) or of numbers that grow with time.
    positive
        The label that counts as 1; needed unless labels are 0/1, true/false, or numbers (then those above the median
        of train).
    split
        For one table: the column that names the part, and its value for the test part; all other rows are train.
    row_id
        Column that a person finds a row by; None = a column called id, where there is one (which stays a feature).

    Raises
    ------
    InputError
        If a file cannot be read, columns are missing or of a wrong kind, or a part has no rows: all at once.

    Examples
    --------
    >>> both = pa.table({"x": [1, 2, 3], "y": [0, 1, 1], "part": ["train", "train", "test"]})
    >>> read_splits(both, y_true="y", split=("part", "test")).test.tolist()
    [False, False, True]
    """
    raise_violations(_use_violations(test, split))
    asked = Columns(y_true, None if features is None else tuple(features), y_score, cluster, timestamp, row_id)
    tables = [_opened(part) for part in (train, test) if part is not None]
    names = _feature_names(tables, asked, split)
    raise_violations(_name_violations(tables, asked, names, split))
    parts = [_collected(table) for table in tables]
    is_test = _test_rows(tables, parts, split)
    raise_violations(_size_violations(is_test))
    order = np.argsort(is_test, kind="stable")
    named = row_id or _id_column(tables)
    wanted = {*names, *asked.roles().values(), *([named] if named else [])}
    columns = {name: _joined(tables, parts, name).take(pa.array(order)) for name in wanted}
    settings = {"positive": canonical(positive), "split": None if split is None else list(split)}
    found = _table(columns, names, asked, is_test[order], positive, tables)
    place = np.concatenate([np.arange(1, part.num_rows + 1) for part in parts])[order]
    in_lines = all(rows_are_lines(table.source, part.num_rows) for table, part in zip(tables, parts, strict=True))
    return replace(
        found,
        settings={name: value for name, value in settings.items() if value is not None},
        place=place + in_lines,  # the first line is the heading
        place_name="line_in_file" if in_lines else ROW,
        ids=None if named is None else (named, _texts(columns[named])),
    )


def _table(
    columns: Mapping[str, pa.Array],
    names: Sequence[str],
    asked: Columns,
    test: Flags,
    positive: object,
    tables: Sequence[Table],
) -> SplitTable:
    violations: list[str] = []
    features = tuple(feature_of(name, columns[name], violations) for name in names)
    y, label = labels_of(columns[asked.y_true], asked.y_true, positive, test, violations)
    score = None if asked.y_score is None else numbers_of(columns[asked.y_score])
    if asked.y_score is not None and score is None:
        violations.append(f"column {asked.y_score!r} (y_score) holds texts; expected numbers")
    timestamp = None if asked.timestamp is None else times_of(columns[asked.timestamp], asked.timestamp, violations)
    raise_violations(violations)
    return SplitTable(
        features=features,
        test=test,
        y=y,
        label=label,
        y_score=score,
        cluster=None if asked.cluster is None else clusters_of(columns[asked.cluster]),
        timestamp=timestamp,
        spellings=spellings_of(columns[asked.y_true], y, label),
        source=tuple(dict.fromkeys(path for table in tables for path in table.source)),
        columns=MappingProxyType(asked.roles()),
    )


def _id_column(tables: Sequence[Table]) -> str | None:
    """Return the column that is called id in every part; None where there is none."""
    found = [name for name in tables[0].names if name.casefold() == "id"]
    return next((name for name in found if all(table.names.count(name) == 1 for table in tables)), None)


def _texts(column: pa.Array) -> tuple[str, ...]:
    return tuple("" if text is None else text for text in canonical_array(column).to_pylist())


def _use_violations(test: object, split: tuple[str, str] | None) -> list[str]:
    if (test is None) == (split is None):
        return ["give two tables, or one table and split=(column, value of the test rows); not both, not neither"]
    return []


def _opened(part: Any) -> Table:  # noqa: ANN401 - a table or a path
    return open_file(Path(part)) if isinstance(part, str | Path) else open_frame(part)


def _feature_names(tables: Sequence[Table], asked: Columns, split: tuple[str, str] | None) -> list[str]:
    if asked.features is not None:
        return list(asked.features)
    taken = {*asked.roles().values(), *((split[0],) if split else ())}
    return [name for name in tables[0].names if name not in taken]


def _name_violations(
    tables: Sequence[Table], asked: Columns, names: Sequence[str], split: tuple[str, str] | None
) -> list[str]:
    violations = [] if names else ["no features: name the columns that the model reads"]
    wanted = [(name, "feature") for name in names] + [(name, role) for role, name in asked.roles().items()]
    wanted += [(split[0], "split")] if split else []
    for side, table in zip(("train", "test"), tables, strict=False):
        found = [name for name, _ in wanted if name in table.names]
        where = "the data" if split else side
        violations += [
            f"column {name!r} ({role}) is missing in {where}, which has {table.names[:20]}; name one of these"
            for name, role in wanted
            if name not in table.names and role != "y_score"
        ]
        violations += [
            f"column {name!r} stands {table.names.count(name)} times in {where}; rename the columns apart"
            for name in dict.fromkeys(found)
            if table.names.count(name) > 1
        ]
    if asked.y_score is not None and not any(asked.y_score in table.names for table in tables):
        violations.append(f"column {asked.y_score!r} (y_score) is missing in every part; name one that is there")
    if asked.y_true in names:
        violations.append(f"column {asked.y_true!r} is named as the label and as a feature; drop it from the features")
    return violations


def _collected(table: Table) -> pa.Table:
    try:
        collected: pa.Table = table.lazy.collect(backend="pyarrow").to_native()
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        where = ", ".join(map(str, table.source)) or "the data"
        msg = f"{where} cannot be read to the end ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    return collected


def _column(table: Table, part: pa.Table, name: str) -> pa.ChunkedArray:
    return part[place_column(table.names.index(name))] if name in table.names else pa.nulls(part.num_rows)


def _test_rows(tables: Sequence[Table], parts: Sequence[pa.Table], split: tuple[str, str] | None) -> Flags:
    if split is None:
        return np.repeat([False, True], [part.num_rows for part in parts])
    named = canonical_array(_column(tables[0], parts[0], split[0]))
    return np.array([value == canonical(split[1]) for value in named.to_pylist()], dtype=bool)


def _size_violations(test: Flags) -> list[str]:
    sizes = {"train": int((~test).sum()), "test": int(test.sum())}
    return [
        f"the {part} part has {n} rows; are the files, or the value of split, right?"
        for part, n in sizes.items()
        if not n
    ]


def _joined(tables: Sequence[Table], parts: Sequence[pa.Table], name: str) -> pa.Array:
    columns = [plain_of(_column(table, part, name)) for table, part in zip(tables, parts, strict=True)]
    if len({column.type for column in columns}) > 1:
        numbers = [numbers_of(column) for column in columns]
        known = [found for found in numbers if found is not None]
        columns = (
            [pa.array(found, from_pandas=True) for found in known]
            if len(known) == len(columns)
            else [canonical_array(column) for column in columns]
        )
    return pa.concat_arrays(columns)
