"""Columns as numbers or as texts: the same whatever table, file or engine they came from."""

import math
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.expressions import NUMBER
from audit.values import canonical_array
from monitors.counts.lookup import Numbers

Flags = npt.NDArray[np.bool_]

ENDLESS = r"(?i)^\s*[+-]?(inf|infinity)\s*$"
"""Texts that spell an infinite number."""
NOT_A_NUMBER = r"(?i)^\s*[+-]?nan\s*$"
"""Texts that spell a missing one, if all other texts of the column spell numbers."""

_WORDS = pa.array(["true", "false"])


class NumberColumn(NamedTuple):
    """A column as numbers.

    `values` hold anything where `absent` is set; `absent` is None where no row is (NaN may still be among the values).
    `unread` counts the texts that spell no number; they are among the absent.

    Examples
    --------
    >>> column = numbers_of(pa.array(["1.5", "", "old"]))
    >>> column.values[0], column.absent.tolist(), column.unread
    (np.float64(1.5), [False, True, True], 1)
    """

    values: Numbers
    absent: Flags | None
    unread: int = 0


def is_text(kind: pa.DataType) -> bool:
    """Return whether an Arrow type holds text, be it as a dictionary.

    Examples
    --------
    >>> is_text(pa.dictionary(pa.int8(), pa.string())), is_text(pa.int64())
    (True, False)
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether an Arrow type holds numbers (true and false are none).

    Examples
    --------
    >>> is_numeric(pa.float32()), is_numeric(pa.bool_())
    (True, False)
    """
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def numbers_of(column: pa.Array) -> NumberColumn:
    """Return a column of numbers, or of texts that spell numbers, as numbers.

    Anything but a number is absent: null, empty text, text that spells none, values of other types.

    Examples
    --------
    >>> numbers_of(pa.array([1, None, 3], pa.int32())).absent.tolist()
    [False, True, False]
    """
    if is_text(column.type):
        return _numbers_of_text(column)
    if not is_numeric(column.type):
        gone = column.is_null().to_numpy(zero_copy_only=False)
        return NumberColumn(np.zeros(len(column)), np.ones(len(column), dtype=np.bool_), int((~gone).sum()))
    if pa.types.is_decimal(column.type) or pa.types.is_float16(column.type):
        column = column.cast(pa.float64())
    absent = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    plain = pa.Array.from_buffers(column.type, len(column), [None, column.buffers()[1]], offset=column.offset)
    return NumberColumn(plain.to_numpy(zero_copy_only=False), absent)


def texts_of(column: pa.Array) -> pa.DictionaryArray:
    """Return a column as its canonical texts (`audit.values.canonical`), each distinct value spelled once.

    Null, NaN and the empty text are null in the indices or in the dictionary; two entries of the dictionary may be
    spelled alike.

    Raises
    ------
    TypeError
        If the values are lists, mappings or binary.

    Examples
    --------
    >>> texts_of(pa.array([1.0, 2.5, None])).to_pylist()
    ['1', '2.5', None]
    """
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, spelled(encoded.dictionary))


def spelled(distinct: pa.Array) -> pa.Array:
    """Return distinct values as canonical texts.

    Raises
    ------
    TypeError
        If the values are lists, mappings or binary.

    Examples
    --------
    >>> spelled(pa.array(["True", "", "Ann"])).to_pylist(), spelled(pa.array([True, False])).to_pylist()
    (['true', None, 'Ann'], ['true', 'false'])
    """
    if not is_text(distinct.type):
        return canonical_array(distinct)
    texts = distinct.cast(pa.string())
    lowered = pc.utf8_lower(texts)
    texts = pc.if_else(pc.is_in(lowered, value_set=_WORDS), lowered, texts)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def spell_numbers(distinct: pa.Array) -> bool:
    """Return whether all texts spell numbers; empty and missing ones do not speak against it.

    Examples
    --------
    >>> spell_numbers(pa.array(["1", " 2.5e3", "", "nan", None])), spell_numbers(pa.array(["1", "one"]))
    (True, False)
    """
    fine = pc.or_(pc.match_substring_regex(distinct, NUMBER), pc.equal(distinct, ""))
    for pattern in (ENDLESS, NOT_A_NUMBER):
        fine = pc.or_(fine, pc.match_substring_regex(distinct, pattern))
    return bool(pc.all(fine, min_count=0).as_py())


def _numbers_of_text(column: pa.Array) -> NumberColumn:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        read = column.cast(pa.float64())
    except pa.ArrowInvalid:  # something is no plain number: each distinct text is read for itself
        return _read_one_by_one(column)
    return NumberColumn(read.to_numpy(zero_copy_only=False), None)


def _read_one_by_one(column: pa.Array) -> NumberColumn:
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    read = [None if text is None else _number(text) for text in texts]
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    values = np.array([*(math.nan if number is None else number for number in read), math.nan])
    wrong = np.array(
        [*(number is None and text not in (None, "") for number, text in zip(read, texts, strict=True)), False]
    )
    found = values[codes]
    return NumberColumn(found, np.isnan(found), int(wrong[codes].sum()))


def _number(text: str) -> float | None:
    """Return the number that a text spells, NaN among them; None where it spells none."""
    if re.match(NUMBER, text) or re.match(ENDLESS, text) or re.match(NOT_A_NUMBER, text):
        return float(text)
    return None
