"""Scores of further models in a joint tally: which bin each falls into, and what it predicts at a threshold.

A tally holds the scores of one model. Those of any other enter as a feature that names their bin; the columns that are
compared are read into memory for that.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.counting import BINS
from audit.errors import raise_violations
from audit.expressions import floats, number
from audit.paired.paired_models import Model, Models, bin_label
from audit.paired.paired_tables import Asked
from audit.tables import Table, place_column

_SHOWN_ROWS = 5
_ROUNDING = 1e-9


class Binned(NamedTuple):
    """A table in which the scores of further models are bins, and the models that say so.

    Examples
    --------
    >>> Binned(pa.table({"y": [1]}), Models((Model("new"),), Model("old"), ())).models.bins
    0
    """

    table: pa.Table
    models: Models


def with_score_bins(table: Table, asked: Asked) -> Binned:
    """Return the columns that are compared, with the score bins (and at a threshold the predictions) of further models.

    Raises
    ------
    InputError
        If scores are missing, are no numbers or lie outside [0, score_max]: every violation at once.

    Examples
    --------
    >>> from audit.tables import open_frame
    >>> frame = open_frame(pa.table({"y": [1, 0], "new": [0.9, 0.4], "old": [0.58, 0.1]}))
    >>> asked = Asked(y_true="y", candidates=("new",), baseline="old", threshold=0.5)
    >>> with_score_bins(frame, asked).table.to_pylist()[0]  # 0.58 x 250 = 145
    {'y': 1, 'new': 0.9, 'old': 'true', 'old (bin)': 'b145'}
    """
    found, values = _read(table, asked)
    raise_violations([text for name, scores in values.items() for text in _score_violations(name, scores, asked)])
    models = [Model(asked.models[0], cut=asked.threshold)]
    for place, name in enumerate(asked.models[1:], start=1):
        column = name if asked.threshold is not None else asked.scores[place]
        scores = values[column] / asked.score_max
        bins = np.minimum(np.floor(scores * BINS + _ROUNDING), BINS - 1).astype(np.int64)
        feature = _free(f"{column} (bin)", found)
        labels = pa.array([bin_label(place) for place in range(BINS)])
        found = found.append_column(feature, labels.take(pa.array(bins)))
        if asked.threshold is not None:
            said = pa.array(np.where(scores >= asked.threshold, "true", "false"))
            found = found.set_column(found.column_names.index(name), name, said)
        models.append(Model(name, name, feature, cut=asked.threshold, exact=_one_per_bin(scores, bins)))
    return Binned(found, Models(tuple(models[:-1]), models[-1], asked.features, BINS))


def _read(table: Table, asked: Asked) -> tuple[pa.Table, dict[str, npt.NDArray[np.float64]]]:
    """Return the columns as they are, and the scores of all but the first model as numbers."""
    wanted = list(dict.fromkeys([*asked.about_rows, *asked.models, *asked.scores]))
    columns = [place_column(table.names.index(name)) for name in wanted]
    scored = (asked.models if asked.threshold is not None else asked.scores)[1:]
    schema = table.lazy.collect_schema()
    numbers = [
        number(place_column(table.names.index(name)), schema).alias(f"number_{place}")
        for place, name in enumerate(scored)
        if schema[place_column(table.names.index(name))].is_numeric() or _is_text(schema, table, name)
    ]
    if len(numbers) < len(scored):
        raise_violations([f"columns {list(scored)} are to hold scores; expected numbers in each"])
    collected: pa.Table = table.lazy.select(*columns, *numbers).collect(backend="pyarrow").to_native()
    values = {name: floats(collected[f"number_{place}"]) for place, name in enumerate(scored)}
    return collected.select(columns).rename_columns(wanted), values


def _is_text(schema: object, table: Table, name: str) -> bool:
    return str(schema[place_column(table.names.index(name))]) == "String"  # type: ignore[index]


def _score_violations(name: str, scores: npt.NDArray[np.float64], asked: Asked) -> Iterator[str]:
    bad = np.flatnonzero(~((scores >= 0) & (scores <= asked.score_max)))
    if len(bad):
        shown = "; ".join(f"{scores[row]:g} in row {row + 1}" for row in bad[:_SHOWN_ROWS].tolist())
        more = f" and {len(bad) - _SHOWN_ROWS:,} more" if len(bad) > _SHOWN_ROWS else ""
        yield (
            f"column {name!r} (scores) must lie in [0, {asked.score_max:g}] in every row; found {shown}{more} (the "
            f"first row is row 1; nan is missing or no number); pass probabilities, not logits"
        )


def _one_per_bin(scores: npt.NDArray[np.float64], bins: npt.NDArray[np.int64]) -> bool:
    low, high = np.full(BINS, np.inf), np.full(BINS, -np.inf)
    np.minimum.at(low, bins, scores)
    np.maximum.at(high, bins, scores)
    seen = high >= low
    return bool(np.all(high[seen] - low[seen] < _ROUNDING))


def _free(name: str, table: pa.Table) -> str:
    while name in table.column_names:
        name += "'"
    return name
