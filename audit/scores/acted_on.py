"""The decisions that a threshold would make, as a tally: every metric, gap and bound of a tally holds of them, too."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.rollup import cells_of
from audit.scores.thresholds import bins_of, edges_of
from audit.tally import Tally, collapse


def acted_on_from(tally: Tally, threshold: float) -> Tally:
    """Return a tally of two labels with the predictions that a threshold makes in place of its own.

    Rows whose score is at least the threshold are predicted positive ("1"), all others are not ("0").

    Parameters
    ----------
    tally
        A tally with scores and a decision on every row.
    threshold
        An edge of its score bins, as a fraction of the largest score; anything above 1 acts on nobody.

    Raises
    ------
    InputError
        If there are no scores, or the threshold is no edge.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": ["1", "0", None], "s": [0.9, 0.4, 0.6]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> [(row["y_true"], row["y_pred"]) for row in acted_on_from(tally, 0.8).cells.to_pylist()]
    [(None, '0'), ('0', '0'), ('1', '1')]
    """
    bins = bins_of(cells_of(tally))
    (edge,) = edges_of([threshold], tally).tolist()
    cells = tally.cells
    truth = pc.if_else(pc.equal(cells["y_true"], pa.scalar(tally.positive, pa.string())), "1", "0")
    for role, words in (("y_true", truth), ("y_pred", pa.array(np.where(bins >= edge, "1", "0"), pa.string()))):
        cells = cells.set_column(cells.column_names.index(role), role, words)
    return collapse(
        cells, features=tally.features, positive="1", bins=tally.bins, weights=tally.weights, pairs=tally.pairs
    )
