"""Where predictions go: the format that a file's name promises, whole or not at all, and never over what was read."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".parquet", ".csv")
NO_LISTS = "can hold one label per row only, as none and unknown look alike in CSV: name a file that ends in .parquet"


def target_violations(path: Path, *, read: Iterable[Path], option: str) -> list[str]:
    """Return what is wrong with a file that predictions are to be written to.

    Parameters
    ----------
    path
        The file.
    read
        Files that the command reads: data and settings.
    option
        What names the file.

    Examples
    --------
    >>> target_violations(Path("p.xlsx"), read=(), option="--out")
    ['--out p.xlsx: predictions are written as .parquet or .csv; name a file that ends so']
    >>> target_violations(Path("./t.csv"), read=[Path("t.csv")], option="--out")
    ['--out t.csv is t.csv itself, which is read; name another file for the predictions']
    """
    found = [f"{option} {path} is a folder; name a file"] if path.is_dir() else []
    if path.suffix.lower() not in FORMATS and not found:
        found.append(f"{option} {path}: predictions are written as .parquet or .csv; name a file that ends so")
    return found + [
        f"{option} {path} is {each} itself, which is read; name another file for the predictions"
        for each in dict.fromkeys(read)
        if _same(path, each)
    ]


@contextmanager
def written_at_the_end(out: Path) -> Iterator[Callable[["pa.Table"], None]]:
    """Give what takes tables, and let the file appear under its name only if nothing went wrong.

    A file that is there already stays as it is until then. A name that ends in ``.csv`` gets CSV, with an empty field
    for what is missing and ``""`` for an empty text; any other gets Parquet.

    Raises
    ------
    InputError
        If a column of lists is to stand in CSV.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "p.csv"
    ...     with written_at_the_end(path) as write:
    ...         write(pa.table({"sex": ["f", None], "y_score": [0.25, 0.5]}))
    ...         there = path.exists()
    ...     there, path.read_text(encoding="utf-8").split()
    (False, ['"sex","y_score"', '"f",0.25', ',0.5'])
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    kind = pa.csv.CSVWriter if out.suffix.lower() == ".csv" else pq.ParquetWriter
    writers: list[pa.csv.CSVWriter | pq.ParquetWriter] = []

    def write(table: "pa.Table") -> None:
        if kind is pa.csv.CSVWriter:
            table = _flat(table, out)
        if not writers:
            writers.append(kind(unfinished, table.schema))
        writers[0].write_table(table)

    try:
        try:
            yield write
        finally:
            for writer in writers:
                writer.close()
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _flat(table: "pa.Table", out: Path) -> "pa.Table":
    """Return a table as CSV can hold it."""
    import pyarrow as pa

    lists = [repr(field.name) for field in table.schema if pa.types.is_nested(field.type)]
    if lists:
        raise InputError([f"{out} {NO_LISTS}; not so in {', '.join(lists)}"])
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


def _same(path: Path, other: Path) -> bool:
    """Whether two names mean the same file, by links of either kind too."""
    try:
        return path.samefile(other)
    except OSError:
        return path.absolute() == other.absolute()
