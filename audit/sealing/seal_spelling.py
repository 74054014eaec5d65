"""How ids, labels and numbers of a sealed test are spelled: a CSV file holds texts, predictions may be numbers."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from audit.values import canonical, canonical_array

_NUMBER = r"-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?"
"""A number as programs write it: no leading zeros (01 is a code), no exponent, no more digits than a float holds."""


def spelled(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return ids or labels as texts, numbers in one spelling whether they came as text or as numbers.

    Examples
    --------
    >>> spelled(pa.array(["1.0", "2", "01", "yes", ""])).to_pylist(), spelled(pa.array([1.0, 2.0])).to_pylist()
    (['1', '2', '01', 'yes', None], ['1', '2'])
    """
    encoded = canonical_array(column).dictionary_encode()
    return pa.array([spelled_text(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def spelled_text(text: str | None) -> str | None:
    """Return one text as `spelled` does.

    Examples
    --------
    >>> spelled_text("0.50"), spelled_text("1e3"), spelled_text(None)
    ('0.5', '1e3', None)
    """
    return canonical(float(text)) if text is not None and re.fullmatch(_NUMBER, text) else text


def with_numbers(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return the table with those of the named text columns as numbers in which every value that is there is one.

    Examples
    --------
    >>> table = pa.table({"age": ["30", ""], "share": ["0.50", "1"], "zip": ["01", "12"]})
    >>> with_numbers(table, table.column_names).to_pydict()
    {'age': [30, None], 'share': [0.5, 1.0], 'zip': ['01', '12']}
    """
    for name in names:
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            place = table.column_names.index(name)
            table = table.set_column(place, name, _numbers(column))
    return table


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    there = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    distinct = pc.unique(there).drop_null()
    if not len(distinct) or not pc.all(pc.match_substring_regex(distinct, f"^{_NUMBER}$")).as_py():
        return column
    whole = not pc.any(pc.match_substring(distinct, ".")).as_py()
    return there.cast(pa.int64() if whole else pa.float64())
