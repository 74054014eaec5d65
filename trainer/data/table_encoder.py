"""The encoders of a whole table, learnt from its train rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trainer.data.category import CategoryEncoder, OrderedEncoder, fit_category, fit_ordered, levels_of
from trainer.data.columns import Levels
from trainer.data.dates import DateEncoder, fit_date, is_date_column
from trainer.data.numeric import NumericEncoder, fit_numeric, is_number_column
from trainer.data.text import TextEncoder, fit_text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableEncoder:
    """All that is needed to turn a frame into codes and floats.

    Parameters
    ----------
    numeric, category, ordered, dates, text
        One encoder per feature, in the order in which the model sees them.
    refuse_missing
        Whether a missing value of a feature is an error.

    Examples
    --------
    >>> age = NumericEncoder(column="age", values=(20.0, 30.0), scores=(-1.0, 1.0), flagged=True)
    >>> jobs = CategoryEncoder(column="job", categories=("cook", "smith"))
    >>> encoder = TableEncoder(numeric=(age,), category=(jobs,))
    >>> encoder.features, encoder.n_codes, encoder.n_numeric
    (('age', 'job'), (3, 2), 1)
    """

    numeric: tuple[NumericEncoder, ...]
    category: tuple[CategoryEncoder, ...]
    ordered: tuple[OrderedEncoder, ...] = ()
    dates: tuple[DateEncoder, ...] = ()
    text: tuple[TextEncoder, ...] = ()
    refuse_missing: bool = False

    def __repr__(self) -> str:
        """Return the features by how they are read: what was learnt of them would fill pages."""
        kinds = ("numeric", "category", "ordered", "dates", "text")
        named = {kind: [item.column for item in getattr(self, kind)] for kind in kinds}
        return f"TableEncoder({', '.join(f'{kind}={names}' for kind, names in named.items() if names)})"

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        plain = (*(item.column for item in self.numeric), *(item.column for item in self.category))
        ordered = (*(item.column for item in self.ordered), *(item.column for item in self.dates))
        return (*plain, *ordered, *(item.column for item in self.text))

    @property
    def n_codes(self) -> tuple[int, ...]:
        """Number of codes of each code column: categories, ordered ones, parts of dates, then flags of missing ones."""
        parts = [item for date in self.dates for item in date.category]
        numbers = [*self.numeric, *(item for date in self.dates for item in date.numeric)]
        return (
            *(len(item.categories) + 1 for item in self.category),
            *(max(item.codes) + 1 for item in self.ordered),
            *(len(item.categories) + 1 for item in parts),
            *(2 for item in numbers if item.flagged),
        )

    @property
    def n_numeric(self) -> int:
        """Number of columns of numbers: numeric features, places of ordered ones, parts of dates."""
        return len(self.numeric) + len(self.ordered) + sum(len(date.numeric) for date in self.dates)

    @property
    def texts(self) -> tuple[tuple[int, int], ...]:
        """Number of word codes and of words of each text column."""
        return tuple((item.n_codes, item.length) for item in self.text)


def fit_encoder(
    frame: pd.DataFrame,
    *,
    features: Sequence[str],
    categorical: Sequence[str] = (),
    ordered: Mapping[str, Levels] | None = None,
    dates: Sequence[str] = (),
    text: Sequence[str] = (),
    min_count: int = 2,
    refuse_missing: bool = False,
) -> TableEncoder:
    """Learn the encoders from the rows given, which must be the train rows and no others.

    Parameters
    ----------
    frame
        The train rows.
    features
        Columns to encode. Numbers become normal scores; text, booleans and categories become codes; ordered pandas
        categoricals both; datetimes become their parts.
    categorical, ordered, dates, text, min_count
        As in `trainer.data.columns.Columns`.
    refuse_missing
        Whether a missing value is an error when rows are encoded.

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
    levels = {name: found for name in features if (found := levels_of(frame[name])) and name not in categorical}
    levels |= {name: tuple(given) for name, given in (ordered or {}).items()}
    days = [name for name in features if name in dates or is_date_column(frame[name])]
    apart = {*categorical, *levels, *days, *text}
    numeric = [name for name in features if name not in apart and is_number_column(frame[name])]
    category = [name for name in features if name in categorical or name not in {*numeric, *apart}]
    return TableEncoder(
        numeric=tuple(fit_numeric(frame[name]) for name in numeric),
        category=tuple(fit_category(frame[name]) for name in category),
        ordered=tuple(fit_ordered(frame[name], levels=levels[name]) for name in features if name in levels),
        dates=tuple(fit_date(frame[name]) for name in days),
        text=tuple(fit_text(frame[name], min_count=min_count) for name in features if name in text),
        refuse_missing=refuse_missing,
    )
