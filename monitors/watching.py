"""Who is in the data: groups are watched like features, so that one that appears, vanishes or grows is seen."""

from collections.abc import Collection
from dataclasses import replace

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog, feature_column, input_column


def with_groups(log: PredictionLog, *, only: Collection[str] | None = None) -> PredictionLog:
    """Return a log that also watches its sensitive features.

    Parameters
    ----------
    log
        The predictions.
    only
        The sensitive features that are watched; None = all.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0], "age": [20, 40], "sex": ["F", "M"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", features=["age"], sensitive_features=["sex"])
    >>> with_groups(log).features, with_groups(log, only=()).features
    (('age', 'sex'), ('age',))
    """
    roles = {*log.columns.values(), *log.features}
    added = [
        (place, name)
        for place, name in enumerate(log.sensitive_features)
        if name not in roles and name not in log.columns and (only is None or name in only)
    ]
    first = len(log.features)
    columns = {input_column(first + number): nw.col(feature_column(place)) for number, (place, _) in enumerate(added)}
    if not columns:
        return log
    features = (*log.features, *(name for _, name in added))
    return replace(log, table=log.table.with_columns(**columns), features=features)
