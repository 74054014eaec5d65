"""Rows of a log, drawn at random window by window: what a classifier that tells then from now is fitted to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.counting import BINS
from audit.errors import InputError
from audit.expressions import key_expressions
from audit.measurement import EVERYONE, Slice
from audit.predictions import PredictionLog, feature_column, input_column
from audit.values import canonical_array
from monitors.timestamps import collected
from monitors.windows import Windows, place_expression

Flags = npt.NDArray[np.bool_]

_CLUSTER, _PLACE = "cluster", "window place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Rows of one window and one slice.

    Parameters
    ----------
    columns
        Watched feature -> values of the rows drawn.
    cluster
        Which rows belong together, as text; null stands alone. None = the log names no cluster.
    rows
        Rows that there were to draw from.

    Examples
    --------
    >>> Drawn(columns={"x": pa.array([1.0])}, rows=7).rows
    7
    """

    columns: Mapping[str, pa.Array]
    cluster: pa.Array | None = None
    rows: int


class _Draw(NamedTuple):
    """Which columns under which names, how many rows at most, and the seed."""

    names: Mapping[str, str]
    most: int
    seed: int


def drawn(
    log: PredictionLog,
    *,
    most: int,
    random_state: int,
    windows: Windows | None = None,
    by_group: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Mapping[Slice, Drawn]]:
    """Yield rows of each window: everyone's, and those of each group of each sensitive feature.

    One window is in memory at a time. With equal data, order of rows and seed the same rows are drawn.

    Parameters
    ----------
    log
        The predictions; its `features` are read.
    most
        Rows of one slice that are drawn at most, without replacement.
    random_state
        Seed of the rows drawn.
    windows
        Where to cut; None = the whole log as one.
    by_group
        Whether groups are drawn, too.
    columns
        What to read: name -> column of `PredictionLog.table`; None = the watched features.

    Raises
    ------
    InputError
        If the log watches no features.

    Examples
    --------
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "x": [0.5, 1.5]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["x"])
    >>> next(drawn(log, most=10, random_state=0))[()].columns["x"].to_pylist()
    [0.5, 1.5]
    """
    names = {name: input_column(place) for place, name in enumerate(log.features)} if columns is None else columns
    if not names:
        raise InputError(["no features are watched; name the columns of the model's inputs: features=[...]"])
    wanted = {column: nw.col(column) for column in names.values()}
    if _CLUSTER in log.columns:
        wanted[_CLUSTER] = nw.col(_CLUSTER)
    if by_group:
        keys = key_expressions(log, log.table.collect_schema(), BINS)
        groups = [feature_column(place) for place in range(len(log.sensitive_features))]
        wanted |= {name: keys[name] for name in groups}
    if windows is None:
        yield _slices(log, collected(log, log.table.select(**wanted)), _Draw(names, most, random_state))
        return
    placed = log.table.select(**wanted, **{_PLACE: place_expression(windows, log)})
    for place in range(len(windows)):
        table = collected(log, placed.filter(nw.col(_PLACE) == place).drop(_PLACE))
        yield _slices(log, table, _Draw(names, most, random_state + 1 + place))


def _slices(log: PredictionLog, table: pa.Table, draw: _Draw) -> dict[Slice, Drawn]:
    found = {EVERYONE: _drawn(table, np.arange(table.num_rows), draw)}
    for place, name in enumerate(log.sensitive_features):
        if feature_column(place) not in table.column_names:
            continue
        groups = canonical_array(table[feature_column(place)]).to_numpy(zero_copy_only=False)
        for group in sorted({str(value) for value in groups if value is not None}):
            found[((name, group),)] = _drawn(table, np.flatnonzero(groups == group), draw)
        if len(missing := np.flatnonzero([value is None for value in groups])):
            found[((name, None),)] = _drawn(table, missing, draw)
    return found


def _drawn(table: pa.Table, rows: npt.NDArray[np.intp], draw: _Draw) -> Drawn:
    kept = np.sort(np.random.default_rng(draw.seed).permutation(rows)[: draw.most])
    picked = table.take(pa.array(kept))
    columns = {name: picked[column].combine_chunks() for name, column in draw.names.items()}
    cluster = canonical_array(picked[_CLUSTER]) if _CLUSTER in picked.column_names else None
    return Drawn(columns=columns, cluster=cluster, rows=len(rows))
