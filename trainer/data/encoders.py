"""From columns to small numbers: categories to codes, numbers to normal scores, both learnt from the train rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from audit.errors import raise_violations
from audit.values import canonical

Floats = npt.NDArray[np.float64]
MAX_KNOTS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryEncoder:
    """Codes of one categorical column: 0 is missing or never seen in training, the rest count from 1.

    Parameters
    ----------
    column
        Name of the column.
    categories
        The values of the train rows as text, sorted; the code of ``categories[i]`` is i + 1.

    Examples
    --------
    >>> frame = pd.DataFrame({"job": ["smith", None, "pilot", "cook"]})
    >>> jobs = CategoryEncoder(column="job", categories=("cook", "smith"))
    >>> encode(frame, encoder=TableEncoder(numeric=(), category=(jobs,))).codes.ravel().tolist()
    [2, 0, 0, 1]
    """

    column: str
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericEncoder:
    """Normal scores of one numeric column: monotone, so outliers cannot swamp the rest.

    Parameters
    ----------
    column
        Name of the column.
    values, scores
        Knots of a piecewise linear function, ascending; outside of them the first or last score holds.
    flagged
        Whether values were missing in the train rows: then a code column of its own says "known" (1) or not (0).

    Examples
    --------
    Linear between the knots, constant outside of them.

    >>> frame = pd.DataFrame({"age": [20.0, 25.0, 99.0]})
    >>> age = NumericEncoder(column="age", values=(20.0, 30.0), scores=(-1.0, 1.0), flagged=False)
    >>> encode(frame, encoder=TableEncoder(numeric=(age,), category=())).numerics.ravel().tolist()
    [-1.0, 0.0, 1.0]
    """

    column: str
    values: tuple[float, ...]
    scores: tuple[float, ...]
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEncoder:
    """All that is needed to turn a frame into codes and floats.

    Parameters
    ----------
    numeric, category
        One encoder per feature, in the order in which the model sees them.

    Examples
    --------
    >>> age = NumericEncoder(column="age", values=(20.0, 30.0), scores=(-1.0, 1.0), flagged=True)
    >>> jobs = CategoryEncoder(column="job", categories=("cook", "smith"))
    >>> encoder = TableEncoder(numeric=(age,), category=(jobs,))
    >>> encoder.features, encoder.n_codes
    (('age', 'job'), (3, 2))
    """

    numeric: tuple[NumericEncoder, ...]
    category: tuple[CategoryEncoder, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return (*(item.column for item in self.numeric), *(item.column for item in self.category))

    @property
    def n_codes(self) -> tuple[int, ...]:
        """Number of codes of each code column: the categories, then the flags of missing numbers."""
        return (*(len(item.categories) + 1 for item in self.category), *(2 for item in self.numeric if item.flagged))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """What the model sees of a frame, and what had to be read as "unknown" on the way.

    Parameters
    ----------
    codes
        Shape (n_rows, n_code_columns): uint8, or int16 or int32 where a column has more than 255 categories.
    numerics
        Shape (n_rows, n_numeric_columns), float32, all finite; a missing number has the score 0, the median.
    missing, unseen
        Per column, the number of rows without a value, and with a category that no train row had.

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


def fit_encoder(frame: pd.DataFrame, *, features: Sequence[str], categorical: Sequence[str] = ()) -> TableEncoder:
    """Learn the encoders from the rows given, which must be the train rows and no others.

    Parameters
    ----------
    frame
        The train rows.
    features
        Columns to encode. Numbers become normal scores; text, booleans and categories become codes.
    categorical
        Columns of numbers to read as categories.

    Returns
    -------
    TableEncoder
        Independent of the order of the rows.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [20.0, 30.0, 40.0], "job": ["cook", "smith", "cook"]})
    >>> encoder = fit_encoder(frame, features=["age", "job"])
    >>> encoder.category[0].categories, encoder.n_codes
    (('cook', 'smith'), (3,))
    >>> [round(score, 3) for score in encoder.numeric[0].scores]
    [-0.967, 0.0, 0.967]
    """
    numeric = [name for name in features if is_number_column(frame[name]) and name not in categorical]
    category = [name for name in features if name not in numeric]
    return TableEncoder(
        numeric=tuple(_fit_numeric(frame[name]) for name in numeric),
        category=tuple(_fit_category(frame[name]) for name in category),
    )


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
    raise_violations(_frame_violations(frame, encoder))
    dtype = _code_type(max(encoder.n_codes, default=1))
    codes = np.zeros((len(frame), len(encoder.n_codes)), dtype=dtype)
    numerics = np.zeros((len(frame), len(encoder.numeric)), dtype=np.float32)
    missing: dict[str, int] = {}
    unseen: dict[str, int] = {}
    for place, item in enumerate(encoder.category):
        codes[:, place], missing[item.column], unseen[item.column] = _category_codes(frame[item.column], item)
    flag_place = len(encoder.category)
    for place, number in enumerate(encoder.numeric):
        values = as_floats(frame[number.column])
        known = ~np.isnan(values)
        numerics[:, place] = np.where(known, np.interp(values, number.values, number.scores), 0.0)
        missing[number.column] = int((~known).sum())
        if number.flagged:
            codes[:, flag_place] = known
            flag_place += 1
    return Encoded(codes=codes, numerics=numerics, missing=_positive(missing), unseen=_positive(unseen))


def is_number_column(column: pd.Series) -> bool:
    """Say whether a column holds real numbers; booleans are categories.

    Examples
    --------
    >>> is_number_column(pd.Series([1, 2])), is_number_column(pd.Series([True])), is_number_column(pd.Series(["1"]))
    (True, False, False)
    """
    kind = column.dtype
    return bool(
        pd.api.types.is_numeric_dtype(kind)
        and not pd.api.types.is_bool_dtype(kind)
        and not pd.api.types.is_complex_dtype(kind)
    )


def as_floats(column: pd.Series) -> Floats:
    """Return a numeric column as float64 with NaN for missing values.

    Examples
    --------
    >>> as_floats(pd.Series([1, None], dtype="Int64")).tolist()
    [1.0, nan]
    """
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def infinite_rows(column: pd.Series) -> list[int]:
    """Return the positions of infinite numbers in a numeric column.

    Examples
    --------
    >>> infinite_rows(pd.Series([1.0, float("inf"), float("nan")]))
    [1]
    """
    return [int(row) for row in np.flatnonzero(np.isinf(as_floats(column)))]


def _fit_category(column: pd.Series) -> CategoryEncoder:
    texts = {_spelled(value) for value in column.dropna().unique()}
    return CategoryEncoder(
        column=str(column.name), categories=tuple(sorted(text for text in texts if text is not None))
    )


def _fit_numeric(column: pd.Series) -> NumericEncoder:
    """Map each distinct value to the normal score of its mid-rank; keep at most `MAX_KNOTS` of them."""
    floats = as_floats(column)
    known = floats[~np.isnan(floats)]
    values, counts = np.unique(known, return_counts=True)
    scores = ndtri((np.cumsum(counts) - counts / 2.0) / len(known))
    if len(values) > MAX_KNOTS:
        kept = np.unique(np.searchsorted(np.cumsum(counts), np.linspace(1, len(known), MAX_KNOTS)))
        values, scores = values[kept], scores[kept]
    return NumericEncoder(
        column=str(column.name),
        values=tuple(values.tolist()),
        scores=tuple(scores.tolist()),
        flagged=len(known) < len(floats),
    )


def _category_codes(column: pd.Series, encoder: CategoryEncoder) -> tuple[npt.NDArray[np.int64], int, int]:
    """Return codes, the number of missing and the number of unseen values; each distinct value is spelled once."""
    places, values = pd.factorize(column)
    known = {text: code for code, text in enumerate(encoder.categories, start=1)}
    # The last entry serves the place -1 that factorize gives to a missing value.
    texts = [*(_spelled(value) for value in values), None]
    codes = np.array([0 if text is None else known.get(text, 0) for text in texts], dtype=np.int64)[places]
    n_missing = int(np.array([text is None for text in texts])[places].sum())
    return codes, n_missing, int((codes == 0).sum()) - n_missing


def _spelled(value: object) -> str | None:
    return canonical(value.item() if isinstance(value, np.generic) else value)


def _frame_violations(frame: pd.DataFrame, encoder: TableEncoder) -> list[str]:
    absent = [name for name in encoder.features if name not in frame.columns]
    violations = [f"feature {name!r} is missing; the data has {', '.join(map(str, frame.columns))}" for name in absent]
    for item in encoder.numeric:
        if item.column in absent:
            continue
        column = frame[item.column]
        if not is_number_column(column) and not column.isna().all():
            violations.append(f"feature {item.column!r} held numbers in training; came {column.dtype}: convert it")
        elif is_number_column(column) and (rows := infinite_rows(column)):
            violations.append(f"feature {item.column!r} holds an infinite number at row {rows[0]}: correct or blank it")
    return violations


def _code_type(n_codes: int) -> type[np.uint8] | type[np.int16] | type[np.int32]:
    if n_codes <= np.iinfo(np.uint8).max + 1:
        return np.uint8
    return np.int16 if n_codes <= np.iinfo(np.int16).max + 1 else np.int32


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 0}
