"""A frame as the model sees it: categories and words as codes, numbers as normal scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from trainer.data.category import CategoryEncoder, CodedColumn, OrderedEncoder, category_codes, ordered_codes
from trainer.data.dates import DateEncoder, date_parts, date_violations, local_dates
from trainer.data.numeric import (
    MAX_KNOTS,
    Floats,
    NumericEncoder,
    as_floats,
    infinite_rows,
    is_number_column,
    numeric_scores,
    row_list,
)
from trainer.data.table_encoder import TableEncoder, fit_encoder
from trainer.data.text import TextEncoder, text_codes, text_violations

__all__ = [
    "MAX_KNOTS",
    "CategoryEncoder",
    "DateEncoder",
    "Encoded",
    "NumericEncoder",
    "OrderedEncoder",
    "TableEncoder",
    "TextEncoder",
    "as_floats",
    "encode",
    "fit_encoder",
    "infinite_rows",
    "is_number_column",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Encoded:
    """What the model sees of a frame, and what had to be read as "unknown" on the way.

    Parameters
    ----------
    codes
        Shape (n_rows, n_code_columns): uint8, or int16 or int32 where a column has more than 255 categories.
    numerics
        Shape (n_rows, n_numeric_columns), float32, all finite; a missing number has the score 0, the median.
    missing, unseen
        Per column, the number of rows without a value, and with a category that no train row had; of a date, with a
        part that none had; of a text, with words of which none is known.
    tokens
        Shape (n_rows, n_words): the word codes of all text columns side by side; None where there is no text.

    Examples
    --------
    >>> jobs = CategoryEncoder(column="job", categories=("cook", "smith"))
    >>> frame = pd.DataFrame({"job": ["cook", None, "pilot", "tailor"]})
    >>> found = encode(frame, encoder=TableEncoder(numeric=(), category=(jobs,)))
    >>> found.missing["job"], found.unseen["job"]
    (1, 2)
    """

    codes: npt.NDArray[np.integer[Any]]
    numerics: npt.NDArray[np.float32]
    missing: Mapping[str, int]
    unseen: Mapping[str, int]
    tokens: npt.NDArray[np.integer[Any]] | None = None

    def __repr__(self) -> str:
        """Return shapes and counts, not what they hold."""
        words = "" if self.tokens is None else f", tokens={self.tokens.shape}"
        counts = f"missing={dict(self.missing)}, unseen={dict(self.unseen)}"
        return f"Encoded(codes={self.codes.shape}, numerics={self.numerics.shape}{words}, {counts})"


def encode(frame: pd.DataFrame, *, encoder: TableEncoder) -> Encoded:
    """Turn a frame into codes and floats with encoders learnt before.

    Parameters
    ----------
    frame
        Rows with all features of the encoder; other columns are ignored.
    encoder
        From `fit_encoder`.

    Returns
    -------
    Encoded
        With the counts of missing and unseen values per column.

    Raises
    ------
    InputError
        If a feature is missing, holds something else than in training, or holds an infinite number.

    Examples
    --------
    >>> encoder = fit_encoder(pd.DataFrame({"job": ["cook", "smith"]}), features=["job"])
    >>> new = encode(pd.DataFrame({"job": ["smith", "pilot", None]}), encoder=encoder)
    >>> new.codes.ravel().tolist(), new.unseen, new.missing
    ([2, 0, 0], {'job': 1}, {'job': 1})
    """
    raise_violations(frame_violations(frame, encoder))
    parts = {item.column: date_parts(local_dates(frame[item.column], item)) for item in encoder.dates}
    coded = _coded(frame, encoder, parts)
    numbers = _numbers(frame, encoder, parts)
    texts = {item.column: text_codes(frame[item.column], item) for item in encoder.text}
    missing = {name: found.missing for name, found in coded.by_feature.items()}
    missing |= {item.column: int(np.isnan(as_floats(frame[item.column])).sum()) for item in encoder.numeric}
    unseen = {name: found.unseen for name, found in coded.by_feature.items()}
    flags = [known for _, known in numbers if known is not None]
    return Encoded(
        codes=_side_by_side([*coded.columns, *flags], n=len(frame), dtype=_code_type(max(encoder.n_codes, default=1))),
        numerics=_side_by_side([scores for scores, _ in numbers], n=len(frame), dtype=np.float32),
        missing=_positive(missing | {name: found.missing for name, found in texts.items()}),
        unseen=_positive(unseen | {name: found.unseen for name, found in texts.items()}),
        tokens=_tokens([found.codes for found in texts.values()], encoder) if texts else None,
    )


class _Coded(NamedTuple):
    columns: list[npt.NDArray[np.int64]]
    by_feature: dict[str, CodedColumn]


def _coded(frame: pd.DataFrame, encoder: TableEncoder, parts: Mapping[str, pd.DataFrame]) -> _Coded:
    """Return the code columns, and per feature the counts of missing and unseen values."""
    found = {item.column: category_codes(frame[item.column], item.categories) for item in encoder.category}
    found |= {item.column: ordered_codes(frame[item.column], item)[0] for item in encoder.ordered}
    columns = [coded.codes for coded in found.values()]
    for date in encoder.dates:
        frame_of_parts = parts[date.column]
        pieces = [category_codes(frame_of_parts[item.column], item.categories).codes for item in date.category]
        known = frame_of_parts["elapsed_days"].notna().to_numpy()
        strange = np.any([(codes == 0) & known for codes in pieces], axis=0) if pieces else np.zeros(len(known))
        found[date.column] = CodedColumn(known.astype(np.int64), int((~known).sum()), int(strange.sum()))
        columns += pieces
    return _Coded(columns, found)


def _numbers(
    frame: pd.DataFrame, encoder: TableEncoder, parts: Mapping[str, pd.DataFrame]
) -> list[tuple[Floats, npt.NDArray[np.bool_] | None]]:
    """Return the normal scores of each column of numbers, and which are known where the model is told so."""
    pairs = [(as_floats(frame[item.column]), item) for item in encoder.numeric]
    places = [(ordered_codes(frame[item.column], item)[1], None) for item in encoder.ordered]
    dated = [(as_floats(parts[date.column][item.column]), item) for date in encoder.dates for item in date.numeric]
    scored = [[(numeric_scores(values, item), _flag(values, item)) for values, item in some] for some in (pairs, dated)]
    return [*scored[0], *places, *scored[1]]


def _flag(values: Floats, item: NumericEncoder) -> npt.NDArray[np.bool_] | None:
    return ~np.isnan(values) if item.flagged else None


def _tokens(codes: list[npt.NDArray[np.int64]], encoder: TableEncoder) -> npt.NDArray[np.integer[Any]]:
    width = max(item.n_codes for item in encoder.text)
    return np.hstack(codes).astype(np.int16 if width <= np.iinfo(np.int16).max + 1 else np.int32)


def _side_by_side(columns: Iterable[npt.NDArray[Any]], *, n: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    made = [column.astype(dtype) for column in columns]
    return np.stack(made, axis=1) if made else np.zeros((n, 0), dtype=dtype)


def frame_violations(frame: pd.DataFrame, encoder: TableEncoder) -> list[str]:
    """Return why new rows cannot be read as the train rows were, or nothing.

    Examples
    --------
    >>> encoder = fit_encoder(pd.DataFrame({"age": [20.0, 30.0]}), features=["age"])
    >>> frame_violations(pd.DataFrame({"age": ["twenty"]}), encoder)
    ["feature 'age' held numbers in training; came str: convert it"]
    """
    absent = [name for name in encoder.features if name not in frame.columns]
    violations = [f"feature {name!r} is missing; the data has {', '.join(map(str, frame.columns))}" for name in absent]
    for item in encoder.numeric:
        violations += [] if item.column in absent else _number_violations(frame[item.column], item.column)
    for date in encoder.dates:
        if date.column not in absent:
            violations += date_violations(frame[date.column], name=date.column, encoder=date)
    for text in encoder.text:
        violations += [] if text.column in absent else text_violations(frame[text.column], name=text.column)
    if encoder.refuse_missing:
        violations += missing_violations(frame, [name for name in encoder.features if name not in absent])
    return violations


def missing_violations(frame: pd.DataFrame, features: Sequence[str]) -> list[str]:
    """Return which rows miss a value of which feature, where none may be missing.

    Examples
    --------
    >>> missing_violations(pd.DataFrame({"age": [20.0, None]}), ["age"])
    ["feature 'age' has no value at row 1, counted from 0: fill it in, or read missing values as such (missing='flag')"]
    """
    gone = {name: np.flatnonzero(frame[name].isna().to_numpy()) for name in features}
    advice = "fill it in, or read missing values as such (missing='flag')"
    return [f"feature {name!r} has no value at {row_list(rows)}: {advice}" for name, rows in gone.items() if len(rows)]


def _number_violations(column: pd.Series, name: str) -> list[str]:
    if not is_number_column(column) and not column.isna().all():
        return [f"feature {name!r} held numbers in training; came {column.dtype}: convert it"]
    if is_number_column(column) and (rows := infinite_rows(column)):
        return [f"feature {name!r} holds an infinite number at row {rows[0]}: correct or blank it"]
    return []


def _code_type(n_codes: int) -> type[np.uint8] | type[np.int16] | type[np.int32]:
    if n_codes <= np.iinfo(np.uint8).max + 1:
        return np.uint8
    return np.int16 if n_codes <= np.iinfo(np.int16).max + 1 else np.int32


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 0}
