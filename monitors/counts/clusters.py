"""How many rows are worth one where they come in clusters."""

import narwhals.stable.v2 as nw
import numpy as np

from audit.predictions import PredictionLog
from monitors.timestamps import collected


def design_effect(log: PredictionLog) -> float:
    r"""Return how many rows are worth one where rows of a cluster are all alike: :math:`\sum m_i^2 / \sum m_i`.

    m are the sizes of the clusters; the worst case, intra-cluster correlation 1, of Kish's design effect. 1 where the
    log names no cluster; rows without one are each for themselves.

    References
    ----------
    L. Kish (1965), Survey Sampling, section 5.4.

    Examples
    --------
    Clusters of 3 and 1: (9 + 1) / 4.

    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0, 1, 1], "who": ["a", "a", "a", "b"]})
    >>> design_effect(PredictionLog.from_frame(table, task="watch", y_pred="p", cluster="who"))
    2.5
    """
    if "cluster" not in log.columns:
        return 1.0
    sizes = collected(log, log.table.select(cluster=nw.col("cluster")).group_by("cluster").agg(n=nw.len()))
    n = sizes["n"].to_numpy().astype(np.float64)
    alone = sizes["cluster"].is_null().to_numpy()
    square = np.where(alone, n, n**2).sum()
    return float(max(1.0, square / n.sum())) if n.sum() else 1.0
