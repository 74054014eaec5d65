"""What is compared, and two tables of predictions as one: rows matched by an id, or by their order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import raise_violations
from audit.tables import Table, open_file, open_frame, place_column
from audit.values import BINARY, canonical_array


class Asked(NamedTuple):
    """What a comparison is of: columns by what they mean, and how they are to be read.

    `scores` has one column per model, candidates first, baseline last; empty = no scores. With a `threshold` the
    models' own columns are scores.

    Examples
    --------
    >>> asked = Asked(y_true="label", candidates=("new",), baseline="old", features=("sex",))
    >>> asked.models, asked.score_max
    (('new', 'old'), 1.0)
    """

    y_true: str
    candidates: tuple[str, ...]
    baseline: str
    features: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    positive: str | int | float | bool | None = None
    threshold: float | None = None
    score_max: float = 1.0
    bins: Mapping[str, Sequence[float]] | None = None
    weights: Literal["sampling", "frequency"] = "sampling"
    sample_weight: str | None = None
    cluster: str | None = None
    on: str | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The columns of the models, the baseline last."""
        return (*self.candidates, self.baseline)

    @property
    def about_rows(self) -> tuple[str, ...]:
        """The columns that no model changes."""
        named = (self.y_true, *self.features, self.sample_weight, self.cluster)
        return tuple(dict.fromkeys(name for name in named if name is not None))


class Joined(NamedTuple):
    """Two tables as one, how its columns are called, the files, and how many rows of either found no partner.

    Examples
    --------
    >>> joined = Joined(pa.table({"y": [1]}), Asked(y_true="y", candidates=("new",), baseline="old"))
    >>> joined.source, joined.unmatched
    ((), {})
    """

    table: pa.Table
    asked: Asked
    source: tuple[Path, ...] = ()
    unmatched: Mapping[str, int] = {}


def opened_table(data: Any, *, wanted: Collection[str]) -> Table:  # noqa: ANN401 - any table, or a path
    """Open a table in memory, or the file at a path.

    Parameters
    ----------
    data
        The table or the path.
    wanted
        Columns that are going to be read; the others of a pandas table are not converted.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> opened_table(pa.table({"y": [1]}), wanted=()).names
    ['y']
    """
    return open_file(Path(data)) if isinstance(data, str | Path) else open_frame(data, wanted=wanted)


def joined_tables(data: Any, other: Any, asked: Asked) -> Joined:  # noqa: ANN401 - any tables, or paths
    """Return the rows that stand in both tables, with the predictions of all models.

    Labels, groups, weights and clusters are taken from the first table that has them. Ids are compared by their
    canonical text (1.0 is 1, "01" is not). Without an id the tables must be equally long, and agree about every label.

    Parameters
    ----------
    data, other
        The candidates' table and the baseline's, or paths of files.
    asked
        What is compared; the models' columns may have the same name in both tables.

    Raises
    ------
    InputError
        If a column is missing, an id is missing or stands twice, no row matches, or labels contradict each other.

    Examples
    --------
    >>> new = pa.table({"id": [1, 2, 3], "y": [1, 0, 1], "p": [1, 1, 0]})
    >>> old = pa.table({"id": [3, 1, 9], "p": [1, 0, 0]})
    >>> joined = joined_tables(new, old, Asked(y_true="y", candidates=("p",), baseline="p", on="id"))
    >>> joined.table.to_pylist()
    [{'y': 1, 'candidate': 1, 'baseline': 0}, {'y': 1, 'candidate': 0, 'baseline': 1}]
    >>> joined.unmatched
    {'candidate': 1, 'baseline': 1}
    """
    wanted = {*asked.about_rows, *asked.models, *asked.scores, str(asked.on)}
    sides = opened_table(data, wanted=wanted), opened_table(other, wanted=wanted)
    renamed = _renamed(asked, sides)
    raise_violations(list(_column_violations(asked, sides)))
    left, right = _matched(asked, sides)
    columns: dict[str, pa.ChunkedArray] = {}
    for name in asked.about_rows:
        columns[name] = (left if name in sides[0].names else right).of(name)
    for name, new in zip(asked.candidates, renamed.candidates, strict=True):
        columns[new] = left.of(name)
    columns[renamed.baseline] = right.of(asked.baseline)
    for side, name, new in zip([*[left] * len(asked.candidates), right], asked.scores, renamed.scores, strict=False):
        columns[new] = side.of(name)
    _same_labels(asked, left, right)
    unmatched = {
        name: side.rows - len(side.places) for name, side in (("candidate", left), ("baseline", right))
    } if asked.on else {}  # fmt: skip
    return Joined(pa.table(columns), renamed, sides[0].source + sides[1].source, unmatched)


class _Side(NamedTuple):
    """The columns of one table that are needed, and the places of its rows that have a partner, in a common order."""

    table: pa.Table
    places: pa.Array
    rows: int

    def of(self, name: str) -> pa.ChunkedArray:
        return self.table[name].take(self.places)


def _renamed(asked: Asked, sides: tuple[Table, Table]) -> Asked:
    """Return what is compared in the words of the joined table: no two columns of one name."""
    candidates, baseline = list(asked.candidates), asked.baseline
    if baseline in candidates:
        stems = [side.source[0].name.partition(".")[0] if side.source else "" for side in sides]
        new, baseline = stems if all(stems) and stems[0] != stems[1] else ["candidate", "baseline"]
        candidates = [new if name == asked.baseline else name for name in candidates]
    taken = set(asked.about_rows)
    names: list[str] = []
    for name in [*candidates, baseline, *asked.scores]:
        free = name
        while free in taken:
            free += "_score" if len(names) > len(candidates) else "_model"
        taken.add(free)
        names.append(free)
    models = len(candidates) + 1
    return asked._replace(
        candidates=tuple(names[: models - 1]), baseline=names[models - 1], scores=tuple(names[models:])
    )


def _column_violations(asked: Asked, sides: tuple[Table, Table]) -> Iterator[str]:
    first, second = ({*side.names} for side in sides)
    of_candidates, of_baseline = asked.scores[: len(asked.candidates)], asked.scores[len(asked.candidates) :]
    on = (asked.on,) if asked.on is not None else ()
    for where, names, wanted in (
        ("the candidate's table", first, (*asked.candidates, *of_candidates, *on)),
        ("the baseline's table", second, (asked.baseline, *of_baseline, *on)),
    ):
        for name in dict.fromkeys(wanted):
            if name not in names:
                yield f"column {name!r} is missing in {where}, which has {sorted(names)[:20]}; name one of these"
    for name in asked.about_rows:
        if name not in first | second:
            yield f"column {name!r} is missing in both tables; name one that they have"
    for side in sides:
        doubled = sorted(
            {name for name in side.names if side.names.count(name) > 1} & {*asked.about_rows, *asked.models}
        )
        if doubled:
            yield f"columns {doubled} stand more than once in a table; rename the columns apart"


def _matched(asked: Asked, sides: tuple[Table, Table]) -> tuple[_Side, _Side]:
    wanted = {*asked.about_rows, *asked.models, *asked.scores, asked.on}
    left, right = (_collected(side, wanted) for side in sides)
    if asked.on is None:
        raise_violations(_order_violations(asked, left, right))
        every = pa.array(np.arange(left.num_rows))
        return _Side(left, every, left.num_rows), _Side(right, every, right.num_rows)
    ids = [canonical_array(table[asked.on]) for table in (left, right)]
    raise_violations(list(_id_violations(asked.on, ids)))
    partner = pc.index_in(ids[0], value_set=ids[1])
    here = pc.indices_nonzero(pc.is_valid(partner))
    if not len(here):
        raise_violations([f"no id of {asked.on!r} stands in both tables; check that both use the same ids"])
    return _Side(left, here, left.num_rows), _Side(right, partner.take(here), right.num_rows)


def _collected(side: Table, wanted: set[str | None]) -> pa.Table:
    places = {name: place_column(place) for place, name in enumerate(side.names) if name in wanted}
    collected: pa.Table = side.lazy.select(*places.values()).collect(backend="pyarrow").to_native()
    return collected.rename_columns(list(places))


def _order_violations(asked: Asked, left: pa.Table, right: pa.Table) -> list[str]:
    violations = []
    if left.num_rows != right.num_rows:
        violations.append(
            f"the candidate's table has {left.num_rows:,} rows, the baseline's {right.num_rows:,}; name the id that "
            f"joins them: on=... or --on ..."
        )
    if asked.y_true not in left.column_names or asked.y_true not in right.column_names:
        violations.append(
            f"without an id both tables must hold {asked.y_true!r}, to see that their rows match; name the id: on=..."
        )
    return violations


def _id_violations(on: str, ids: Sequence[pa.Array]) -> Iterator[str]:
    for where, column in zip(("the candidate's", "the baseline's"), ids, strict=True):
        if column.null_count:
            yield f"id {on!r} is missing in {column.null_count} rows of {where} table; complete or drop them"
        doubled = len(column) - column.null_count - len(column.drop_null().unique())
        if doubled:
            yield f"{doubled} ids of {on!r} stand more than once in {where} table; keep one row per id"


def _same_labels(asked: Asked, left: _Side, right: _Side) -> None:
    """Refuse tables that contradict each other about the truth of a row that stands in both."""
    if asked.y_true not in left.table.column_names or asked.y_true not in right.table.column_names:
        return
    one, two = (_spelled(side.of(asked.y_true)) for side in (left, right))
    differing = int(pc.sum(pc.not_equal(one, two)).as_py() or 0)
    if differing:
        how = "their rows do not match; name the id: on=..." if asked.on is None else "which of them is right?"
        raise_violations(
            [f"the two tables disagree about {asked.y_true!r} in {differing:,} of {len(one):,} rows; {how}"]
        )


def _spelled(column: pa.ChunkedArray) -> pa.Array:
    encoded = canonical_array(column).dictionary_encode()
    words = [BINARY.get(value, value) for value in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)
