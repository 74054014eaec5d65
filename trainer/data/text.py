"""Free text as codes of its words, padded to one length; the words are those of the train rows."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.numeric import is_number_column

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
MAX_WORDS = 30_000
MAX_LENGTH = 256

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """Word codes of one text column: 0 pads, 1 is a word that training does not know, the rest count from 2.

    Parameters
    ----------
    column
        Name of the column.
    vocabulary
        The known words: the most frequent first, those of equal frequency sorted.
    length
        Words that are read of a row: those of the longest train row, at most 256. It is the same for every batch.

    Examples
    --------
    >>> notes = TextEncoder(column="note", vocabulary=("pain", "chest"), length=3)
    >>> text_codes(pd.Series(["Chest PAIN!", "no pain at all", None]), notes).codes.tolist()
    [[3, 2, 0], [1, 2, 1], [0, 0, 0]]
    """

    column: str
    vocabulary: tuple[str, ...]
    length: int

    @property
    def n_codes(self) -> int:
        """Number of codes: the words, padding, and the unknown word."""
        return len(self.vocabulary) + FIRST_WORD


class CodedText(NamedTuple):
    """Word codes, shape (n_rows, length), and how many rows have no word, and words of which none is known.

    Examples
    --------
    >>> notes = TextEncoder(column="note", vocabulary=("pain",), length=1)
    >>> found = text_codes(pd.Series(["?", "ache", "pain"]), notes)
    >>> found.missing, found.unseen
    (1, 1)
    """

    codes: npt.NDArray[np.int64]
    missing: int
    unseen: int


def words(text: str) -> list[str]:
    """Return the words of a text: runs of letters and digits, compatibility forms and case folded.

    Examples
    --------
    >>> words("Don't: 2 FÜßE")
    ['don', 't', '2', 'füsse']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def fit_text(column: pd.Series, *, min_count: int) -> TextEncoder:
    """Return the encoder of the texts in the rows given; a word is known if it stands in `min_count` rows or more.

    Examples
    --------
    >>> fit_text(pd.Series(["a b", "b b c", "c b"], name="note"), min_count=2)
    TextEncoder(column='note', vocabulary=('b', 'c'), length=3)
    """
    split = [words(text) for text in column.dropna().astype(str)]
    rows = Counter(word for row in split for word in set(row))
    known = [(-count, word) for word, count in rows.items() if count >= min_count]
    return TextEncoder(
        column=str(column.name),
        vocabulary=tuple(word for _, word in sorted(known)[:MAX_WORDS]),
        length=min(max(map(len, split), default=1), MAX_LENGTH) or 1,
    )


def text_codes(column: pd.Series, encoder: TextEncoder) -> CodedText:
    """Return the codes of the first words of each row, padded on the right; each distinct text is read once."""
    code = {word: place for place, word in enumerate(encoder.vocabulary, start=FIRST_WORD)}
    places, texts = pd.factorize(column)
    # The last row serves the place -1 that factorize gives to a missing value.
    table = np.zeros((len(texts) + 1, encoder.length), dtype=np.int64)
    for row, text in enumerate(texts):
        found = [code.get(word, UNKNOWN) for word in words(str(text))[: encoder.length]]
        table[row, : len(found)] = found
    codes = table[places]
    empty = (codes == PADDING).all(axis=1)
    unknown = (codes < FIRST_WORD).all(axis=1) & ~empty
    return CodedText(codes, int(empty.sum()), int(unknown.sum()))


def text_violations(column: pd.Series, *, name: str) -> list[str]:
    """Return why a column cannot be read as text, or nothing.

    Examples
    --------
    >>> text_violations(pd.Series([1, 2]), name="note")
    ["text feature 'note' holds int64; expected text: leave it out of `text`"]
    """
    if column.isna().all():
        return []
    if is_number_column(column) or pd.api.types.is_bool_dtype(column.dtype) or column.dtype.kind in "mM":
        return [f"text feature {name!r} holds {column.dtype}; expected text: leave it out of `text`"]
    strange = next((value for value in column.dropna() if not isinstance(value, str)), None)
    if strange is None:
        return []
    return [f"text feature {name!r} holds {strange!r}, which is no text: convert it"]
