"""Categories as small codes, with or without an order, learnt from the train rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.values import canonical
from trainer.data.columns import Label
from trainer.data.numeric import Floats, mid_rank_scores

Codes = npt.NDArray[np.int64]


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
    >>> jobs = CategoryEncoder(column="job", categories=("cook", "smith"))
    >>> category_codes(pd.Series(["smith", None, "pilot", "cook"]), jobs.categories).codes.tolist()
    [2, 0, 0, 1]
    """

    column: str
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedEncoder:
    """Codes and numbers of one column whose categories have an order.

    A level that no train row has gets code 0, as every unseen category, but still a number: between its neighbours.

    Parameters
    ----------
    column
        Name of the column.
    levels
        All levels as text, from low to high.
    codes
        Code of each level, ascending from 1; 0 where no train row has it.
    scores
        Number of each level: the normal score of the middle of its ranks in the train rows.

    Examples
    --------
    >>> sizes = fit_ordered(pd.Series(["s", "l", "l", "s"], name="size"), levels=["s", "m", "l"])
    >>> sizes.codes, [round(score, 3) for score in sizes.scores]
    ((1, 0, 2), [-0.674, 0.0, 0.674])
    """

    column: str
    levels: tuple[str, ...]
    codes: tuple[int, ...]
    scores: tuple[float, ...]


class CodedColumn(NamedTuple):
    """Codes of a column, and how many rows are missing and unseen.

    Examples
    --------
    >>> category_codes(pd.Series(["cook", "pilot", None]), ("cook",))
    CodedColumn(codes=array([1, 0, 0]), missing=1, unseen=1)
    """

    codes: Codes
    missing: int
    unseen: int


def fit_category(column: pd.Series) -> CategoryEncoder:
    """Return the encoder of the values in the rows given.

    Examples
    --------
    >>> fit_category(pd.Series(["b", "a", None], name="x")).categories
    ('a', 'b')
    """
    texts = {spelled(value) for value in column.dropna().unique()}
    return CategoryEncoder(
        column=str(column.name), categories=tuple(sorted(text for text in texts if text is not None))
    )


def fit_ordered(column: pd.Series, *, levels: Sequence[Label]) -> OrderedEncoder:
    """Return the encoder of a column with an order; `levels` are all that may occur, from low to high."""
    texts = tuple(str(spelled(level)) for level in levels)
    counts = np.bincount(category_codes(column, texts).codes, minlength=len(texts) + 1)[1:]
    seen = np.flatnonzero(counts)
    codes = np.zeros(len(texts), dtype=np.int64)
    codes[seen] = np.arange(1, len(seen) + 1)
    scores = np.interp(np.arange(len(texts)), seen, mid_rank_scores(counts[seen]))
    return OrderedEncoder(
        column=str(column.name), levels=texts, codes=tuple(codes.tolist()), scores=tuple(scores.tolist())
    )


def levels_of(column: pd.Series) -> tuple[Label, ...] | None:
    """Return the levels of an ordered pandas categorical from low to high; None of any other column.

    Examples
    --------
    >>> sizes = pd.Categorical(["s", "l"], categories=["s", "m", "l"], ordered=True)
    >>> levels_of(pd.Series(sizes)), levels_of(pd.Series(["s", "l"]))
    (('s', 'm', 'l'), None)
    """
    kind = column.dtype
    if not isinstance(kind, pd.CategoricalDtype) or not kind.ordered:
        return None
    return tuple(kind.categories.tolist())


def category_codes(column: pd.Series, categories: Sequence[str]) -> CodedColumn:
    """Return codes, the number of missing and the number of unseen values; each distinct value is spelled once."""
    places, values = pd.factorize(column)
    known = {text: code for code, text in enumerate(categories, start=1)}
    # The last entry serves the place -1 that factorize gives to a missing value.
    texts = [*(spelled(value) for value in values), None]
    codes = np.array([0 if text is None else known.get(text, 0) for text in texts], dtype=np.int64)[places]
    n_missing = int(np.array([text is None for text in texts])[places].sum())
    return CodedColumn(codes, n_missing, int((codes == 0).sum()) - n_missing)


def ordered_codes(column: pd.Series, encoder: OrderedEncoder) -> tuple[CodedColumn, Floats]:
    """Return the codes of a column with an order, and its numbers: 0, the median, where no level is known.

    Examples
    --------
    >>> sizes = OrderedEncoder(column="size", levels=("s", "m", "l"), codes=(1, 0, 2), scores=(-1.0, 0.5, 1.0))
    >>> found, numbers = ordered_codes(pd.Series(["l", "m", "xl", None]), sizes)
    >>> found.codes.tolist(), numbers.tolist(), found.missing, found.unseen
    ([2, 0, 0, 0], [1.0, 0.5, 0.0, 0.0], 1, 2)
    """
    places, n_missing, _ = category_codes(column, encoder.levels)
    codes = np.array([0, *encoder.codes], dtype=np.int64)[places]
    numbers = np.array([0.0, *encoder.scores])[places]
    return CodedColumn(codes, n_missing, int((codes == 0).sum()) - n_missing), numbers


def spelled(value: object) -> str | None:
    """Return the one text that stands for a value, whatever its type; None for a missing one.

    Examples
    --------
    >>> spelled(np.float64(1.0)), spelled("1"), spelled("")
    ('1', '1', None)
    """
    return canonical(value.item() if isinstance(value, np.generic) else value)
