"""Scores of several models in a joint tally: which bin each falls into, and what it predicts at a threshold.

A tally holds the scores of one model. Those of any other enter as a feature that names their bin, with the mean and the
standard deviation of the scores of the same label in it: losses of scores need both, and no cell more. The columns that
are compared are read into memory for that.
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
_MAX_LABELS = 3  # two and none: with 250 bins each, fewer names than a feature may have groups
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
    >>> with_score_bins(frame, asked).table.drop_columns("new (bin)").to_pylist()[0]  # 0.58 x 250 = 145
    {'y': 1, 'new': 0.9, 'old': 'true', 'old (bin)': 'b145 0.58 0.0'}
    """
    found, values = numbers_of(table, asked)
    columns = asked.models if asked.threshold is not None else asked.scores
    further = [(name, values[name]) for name in columns[1:]]
    raise_violations([text for name, scores in further for text in _score_violations(name, scores, asked)])
    models = []
    for place, (name, column) in enumerate(zip(asked.models, columns, strict=True)):
        scores = values[column] / asked.score_max
        # What is wrong with the first model's scores is said by the count, as of any log.
        inside = np.clip(np.nan_to_num(scores), 0.0, 1.0)
        bins = np.minimum(np.floor(inside * BINS + _ROUNDING), BINS - 1).astype(np.int64)
        feature = free_name(f"{column} (bin)", found)
        found = found.append_column(feature, _labels(inside, bins, found[asked.y_true]))
        if not place:
            models.append(Model(name, cut=asked.threshold, moments=feature))
            continue
        if asked.threshold is not None:
            said = pa.array(np.where(scores >= asked.threshold, "true", "false"))
            found = found.set_column(found.column_names.index(name), name, said)
        exact = _one_per_bin(scores, bins)
        models.append(Model(name, name, feature, cut=asked.threshold, exact=exact, moments=feature))
    return Binned(found, Models(tuple(models[:-1]), models[-1], asked.features, BINS))


def _labels(scores: npt.NDArray[np.float64], bins: npt.NDArray[np.int64], y_true: pa.ChunkedArray) -> pa.Array:
    """Return the label of each row's bin, with the moments of the scores of the same true label in it."""
    spelled = y_true.combine_chunks().dictionary_encode(null_encoding="encode")
    labels = len(spelled.dictionary)
    # Of more labels than two there is no score to compare: the count will say so.
    own = spelled.indices.to_numpy(zero_copy_only=False).astype(np.int64) if labels <= _MAX_LABELS else 0 * bins
    place = own * BINS + bins
    held = np.maximum(np.bincount(place), 1)
    mean = np.bincount(place, weights=scores) / held
    spread = np.sqrt(np.bincount(place, weights=(scores - mean[place]) ** 2) / held)
    spread[spread < _ROUNDING] = 0.0
    moments = zip(mean.tolist(), spread.tolist(), strict=True)
    texts = [bin_label(at % BINS, *both) for at, both in enumerate(moments)]
    return pa.array(texts).take(pa.array(place))


def numbers_of(table: Table, asked: Asked) -> tuple[pa.Table, dict[str, npt.NDArray[np.float64]]]:
    """Return the columns as they are, and the scores of all models as numbers; NaN of a first model without any.

    Raises
    ------
    InputError
        If a further model's column holds no numbers.

    Examples
    --------
    >>> from audit.tables import open_frame
    >>> frame = open_frame(pa.table({"y": [1, 0], "new": ["0.9", "0.4"], "old": [0.5, 0.1]}))
    >>> numbers_of(frame, Asked(y_true="y", candidates=("new",), baseline="old", threshold=0.5))[1]["new"].tolist()
    [0.9, 0.4]
    """
    wanted = list(dict.fromkeys([*asked.about_rows, *asked.models, *asked.scores]))
    columns = [place_column(table.names.index(name)) for name in wanted]
    scored = asked.models if asked.threshold is not None else asked.scores
    schema = table.lazy.collect_schema()
    numbers = {
        name: number(place_column(table.names.index(name)), schema).alias(f"number_{place}")
        for place, name in enumerate(scored)
        if schema[place_column(table.names.index(name))].is_numeric() or _is_text(schema, table, name)
    }
    if not {*scored[1:]} <= {*numbers}:
        raise_violations([f"columns {list(scored[1:])} are to hold scores; expected numbers in each"])
    collected: pa.Table = table.lazy.select(*columns, *numbers.values()).collect(backend="pyarrow").to_native()
    nothing = np.full(collected.num_rows, np.nan)
    values = {
        name: floats(collected[f"number_{place}"]) if name in numbers else nothing for place, name in enumerate(scored)
    }
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


def free_name(name: str, table: pa.Table) -> str:
    """Return a name that no column of a table has: this one, or with marks after it.

    Examples
    --------
    >>> free_name("a", pa.table({"a": [1]}))
    "a'"
    """
    while name in table.column_names:
        name += "'"
    return name
