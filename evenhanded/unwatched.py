"""Columns that nobody named and whose distribution says nothing: ids, and times written as text."""

from pathlib import Path
from typing import NamedTuple

import narwhals.stable.v2 as nw

from audit.expressions import NUMBER
from audit.tables import Table, engine_errors, open_file

_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$"
_ALMOST_ALL = 0.95
_FEWEST, _MOST_ROWS = 20, 100_000


class Unwatched(NamedTuple):
    """Columns whose texts are nearly all different, and columns of times, in the order of the file.

    Examples
    --------
    >>> Unwatched(("case",), ()).ids
    ('case',)
    """

    ids: tuple[str, ...]
    times: tuple[str, ...]

    def sentence(self) -> str:
        """Return one line that says what is not watched and how to watch it; empty where all is.

        Examples
        --------
        >>> Unwatched(("case",), ("known",)).sentence()
        'Not watched: case (its texts are nearly all different), known (times). Name --features to watch them, or \
--ignore to have this line gone.'
        """
        said = [*(f"{name} (its texts are nearly all different)" for name in self.ids)]
        said += [f"{name} (times)" for name in self.times]
        ask = "Name --features to watch them, or --ignore to have this line gone."
        return f"Not watched: {', '.join(said)}. {ask}" if said else ""


def unwatched(path: Path, names: tuple[str, ...]) -> Unwatched:
    r"""Return which of some columns of a file look like ids or times, from its first 100,000 rows.

    A column counts as ids where more than 95 % of at least 20 texts are different and do not spell numbers: every new
    one would be an unknown category.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "log.csv"
    ...     _ = file.write_text("case,age\n" + "".join(f"c{row},{row}\n" for row in range(30)))
    ...     unwatched(file, ("case", "age"))
    Unwatched(ids=('case',), times=())
    """
    table = open_file(path)
    columns = {name: table.lazy.collect_schema().names()[place] for place, name in enumerate(table.names)}
    kinds = table.lazy.collect_schema()
    typed = {name for name in names if isinstance(kinds[columns[name]], nw.Datetime | nw.Date)}
    texts = [name for name in names if kinds[columns[name]] == nw.String]
    ids, times = set[str](), typed
    for name, (rows, different, numbers, moments) in _counts(table, {name: columns[name] for name in texts}).items():
        if rows >= 1 and moments > _ALMOST_ALL * rows:
            times.add(name)
        elif rows >= _FEWEST and different > _ALMOST_ALL * rows and numbers <= (1 - _ALMOST_ALL) * rows:
            ids.add(name)
    return Unwatched(tuple(name for name in names if name in ids), tuple(name for name in names if name in times))


def _counts(table: Table, columns: dict[str, str]) -> dict[str, tuple[int, int, int, int]]:
    """Return rows with a text, different texts, texts that spell numbers and texts that spell times, by column."""
    if not columns:
        return {}
    asked = []
    for place, column in enumerate(columns.values()):
        text = nw.col(column)
        there = ~text.is_null() & (text != "")
        asked += [
            nw.when(there).then(1).otherwise(0).sum().alias(f"rows_{place}"),
            nw.when(there).then(text).n_unique().alias(f"different_{place}"),
            nw.when(there & text.str.contains(NUMBER)).then(1).otherwise(0).sum().alias(f"numbers_{place}"),
            nw.when(there & text.str.contains(_TIME)).then(1).otherwise(0).sum().alias(f"times_{place}"),
        ]
    try:
        row = table.lazy.head(_MOST_ROWS).select(*asked).collect(backend="pyarrow").to_native().to_pylist()[0]
    except engine_errors():  # the file is broken: whoever reads it whole says where
        return {}
    kinds = ("rows", "different", "numbers", "times")
    return {
        name: tuple(int(row[f"{kind}_{place}"] or 0) for kind in kinds)  # type: ignore[misc]
        for place, name in enumerate(columns)
    }
