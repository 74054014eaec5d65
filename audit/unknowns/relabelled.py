"""How a tally would look if some of its unlabelled rows had labels: to say how many labels would be enough."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.rollup import Floats
from audit.tally import SLICE, Codes, Tally, collapse
from audit.tasks.deferral import RIGHT, WRONG


def partly_labelled(tally: Tally, share: float) -> Tally:
    """Return the tally as it would be if a share of the unlabelled rows had labels like those of their own kind.

    Rows of one group and prediction get positive labels as often as the labelled rows of that group and prediction (of
    that prediction, where the group has none; of all, where the prediction has none, as of deferred rows). It says how
    many labels would be enough; it is no evidence. Scores are dropped: nothing that has bounds rests on them.

    Parameters
    ----------
    tally
        The counts, without clusters.
    share
        Share of unlabelled rows that get a label, in [0, 1].

    Raises
    ------
    ValueError
        If the tally has clusters: which rows of which cluster would be labelled is not known.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["1", "1", "1", "0"] + [None] * 8, "p": ["1"] * 12})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> partly_labelled(tally, 0.5).cells.select(["y_true", "n"]).to_pylist()
    [{'y_true': None, 'n': 4}, {'y_true': '0', 'n': 2}, {'y_true': '1', 'n': 6}]
    """
    if tally.pairs is not None:
        msg = "a tally with clusters does not say which rows would be labelled; count it without a cluster"
        raise ValueError(msg)
    cells = _scoreless(tally)
    lacking = pc.is_null(cells["y_true"])
    rest, known = cells.filter(lacking), cells.filter(pc.invert(lacking))
    n = rest["n"].to_numpy()
    gained = np.ceil(share * n).astype(np.int64)
    positive = np.rint(gained * _share_positive(tally, known, rest)).astype(np.int64)
    parts = [known]
    for label, number in ((None, n - gained), (tally.positive, positive), (_other_label(tally), gained - positive)):
        parts.append(_relabelled(rest, label, number, n, tally.positive))
    return collapse(
        pa.concat_tables([part for part in parts if part.num_rows]),
        features=tally.features,
        positive=tally.positive,
        bins=None,
        weights=tally.weights,
    )


def _scoreless(tally: Tally) -> pa.Table:
    """Return the cells with the score bins of one kind of row added up."""
    if tally.bins is None:
        return tally.cells
    kept = tally.cells.drop_columns(["score_bin", "score", "score2"])
    return collapse(kept, features=tally.features, positive=tally.positive, bins=None, weights=tally.weights).cells


def _share_positive(tally: Tally, known: pa.Table, rest: pa.Table) -> Floats:
    keys = [SLICE + name for name in tally.features]
    counted: dict[tuple[Any, Any], Floats] = {}
    for row in known.select([*keys, "y_true", "y_pred", "n"]).to_pylist():
        amount = np.array([row["n"] * (row["y_true"] == tally.positive), row["n"]], dtype=np.float64)
        own_groups = tuple(row[key] for key in keys)
        for place in ((own_groups, row["y_pred"]), (None, row["y_pred"]), (None, None)):
            counted[place] = counted.get(place, np.zeros(2)) + amount
    shares, even = [], np.array([0.5, 1.0])
    for row in rest.select([*keys, "y_pred"]).to_pylist():
        own = counted.get((tuple(row[key] for key in keys), row["y_pred"]))
        found = own if own is not None else counted.get((None, row["y_pred"]), counted.get((None, None), even))
        shares.append(found[0] / found[1])
    return np.array(shares, dtype=np.float64)


def _other_label(tally: Tally) -> str:
    labels = {*tally.cells["y_true"].drop_null().to_pylist(), *tally.cells["y_pred"].to_pylist()} - {
        tally.positive,
        WRONG,
        RIGHT,
    }
    return min(labels, default=f"not {tally.positive}")


def _decided(predicted: pa.ChunkedArray, label: str, positive: str | None) -> pa.ChunkedArray:
    """Return predictions in which a deferred row counts as wrong (right) beside the label that it has now."""
    right, wrong = ("1", "0") if label == positive else ("0", "1")
    return pc.if_else(pc.equal(predicted, WRONG), wrong, pc.if_else(pc.equal(predicted, RIGHT), right, predicted))


def _relabelled(rest: pa.Table, label: str | None, number: Codes, of: Codes, positive: str | None) -> pa.Table:
    kept = number > 0
    columns = {name: rest[name].filter(pa.array(kept)) for name in rest.column_names}
    factor = number[kept] / of[kept]
    columns["y_true"] = pa.array([label] * int(kept.sum()), pa.string())
    if label is not None:
        columns["y_pred"] = _decided(columns["y_pred"], label, positive)
    columns["n"] = pa.array(number[kept])
    for name in ("w", "w2"):
        columns[name] = pa.array(columns[name].to_numpy(zero_copy_only=False) * factor, pa.float64())
    return pa.table(columns, schema=rest.schema)
