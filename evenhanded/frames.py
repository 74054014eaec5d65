"""Tables for a model, from CSV and Parquet files: whole to train on, in pieces to predict.

Labels, groups and sensitive columns of a CSV file are read as `audit` reads them: as text, of which only the empty one
is missing.
"""

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from audit.errors import InputError, raise_violations


class Columns(NamedTuple):
    """How columns of a CSV file are to be read; whatever is in none of these is read as pandas reads it.

    Parameters
    ----------
    spelled
        As text, of which only the empty one is missing.
    numbers
        Those among them that a model reads as numbers: the text is kept beside the number.
    words
        As text, of which what pandas takes for missing is missing.

    Examples
    --------
    >>> Columns(spelled={"sex"}).words
    frozenset()
    """

    spelled: Collection[str] = frozenset()
    numbers: Collection[str] = frozenset()
    words: Collection[str] = frozenset()


class Frame(NamedTuple):
    """Rows as a model reads them, and the texts of columns that it reads as numbers.

    Examples
    --------
    >>> len(Frame(pd.DataFrame({"age": [3, 4]}), {}).rows)
    2
    """

    rows: pd.DataFrame
    texts: Mapping[str, pd.Series]


def read_frame(path: Path, columns: Columns) -> Frame:
    r"""Return a whole file.

    Raises
    ------
    InputError
        If the file is missing or neither CSV nor Parquet.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("age,site\n3,01\n4,NA\n", encoding="utf-8")
    ...     found = read_frame(path, Columns(spelled={"site"}))
    >>> found.rows["age"].tolist(), found.rows["site"].tolist()
    ([3, 4], ['01', 'NA'])
    """
    pieces = list(read_pieces(path, columns, rows=None))
    return pieces[0]


def read_pieces(path: Path, columns: Columns, *, rows: int | None) -> Iterator[Frame]:
    """Yield a file in pieces of so many rows, or as one where `rows` is None.

    Raises
    ------
    InputError
        If the file is missing or neither CSV nor Parquet.
    """
    if not path.is_file():
        raise InputError([f"{path} does not exist; give the path of a CSV or Parquet file"])
    try:
        yield from _parquet(path, rows) if path.suffix.lower() == ".parquet" else _csv(path, columns, rows)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8, or as Parquet"
        raise InputError([message]) from error
    except (OSError, ValueError, ArrowInvalid) as error:  # pandas' own parsing errors are ValueErrors
        raise InputError([f"{path} cannot be read: {' '.join(str(error).split())}; expected CSV or Parquet"]) from error


def column_names(path: Path) -> list[str]:
    r"""Return the columns of a file, of which no other row is read.

    Raises
    ------
    InputError
        If it cannot be read, or a name stands twice.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("age,site\n3,01\n", encoding="utf-8")
    ...     column_names(path)
    ['age', 'site']
    """
    if path.suffix.lower() == ".parquet":
        return [str(name) for name in next(read_pieces(path, Columns(), rows=1)).rows.columns]
    piece = next(read_pieces(path, Columns(), rows=1), None)
    return [] if piece is None else [str(name) for name in piece.rows.columns]


def _parquet(path: Path, rows: int | None) -> Iterator[Frame]:
    if rows is None:
        yield Frame(pd.read_parquet(path), {})
        return
    with pq.ParquetFile(path) as file:
        empty = True
        for batch in file.iter_batches(batch_size=rows):
            empty = False
            yield Frame(batch.to_pandas(), {})
        if empty:
            yield Frame(file.schema_arrow.empty_table().to_pandas(), {})


def _csv(path: Path, columns: Columns, rows: int | None) -> Iterator[Frame]:
    separator = "\t" if ".tsv" in map(str.lower, path.suffixes) else ","
    names = pd.read_csv(path, sep=separator, nrows=0).columns
    raise_violations(_header_violations(path, separator))
    named = [name for name in names if name in columns.spelled]
    words = {name: str for name in names if name in columns.words and name not in named}
    plain: dict[str, Any] = {"sep": separator, "low_memory": False, "dtype": words}
    exact: dict[str, Any] = {
        "sep": separator,
        "usecols": named,
        "dtype": str,
        "keep_default_na": False,
        "na_values": [""],
    }
    if rows is None:
        yield _joined(pd.read_csv(path, **plain), pd.read_csv(path, **exact), columns)
        return
    with pd.read_csv(path, **plain, chunksize=rows) as some:
        if not named:
            yield from (Frame(piece, {}) for piece in some)
            return
        with pd.read_csv(path, **exact, chunksize=rows) as spelled:
            yield from (_joined(piece, texts, columns) for piece, texts in zip(some, spelled, strict=True))


def _header_violations(path: Path, separator: str) -> list[str]:
    """Return names that stand twice, which pandas would tell apart by itself, and a separator that is another one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file, delimiter=separator), [])
    found = [f"{path}: column {name!r} occurs more than once: rename one" for name in _twice(names)]
    other = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        found.append(f"{path} seems to be separated by {other!r}: save it with commas (.csv) or tabs (.tsv)")
    return found


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _joined(frame: pd.DataFrame, spelled: pd.DataFrame, columns: Columns) -> Frame:
    numeric = [str(name) for name in spelled.columns if name in columns.numbers]
    kept = [name for name in numeric if pd.api.types.is_numeric_dtype(frame[name])]
    texts = {str(name): spelled[name] for name in spelled.columns if name not in kept}
    return Frame(frame.assign(**texts), {name: spelled[name] for name in kept})
