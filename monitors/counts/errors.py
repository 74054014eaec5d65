"""The errors of a regression as one more column that is counted, so that they are kept with the reference."""

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from audit.errors import InputError
from audit.expressions import number
from audit.predictions import PredictionLog, Role, input_column

ERRORS = "|y_pred - y_true|"
"""Name of the column: the size of the error of each row, missing where one of the two is."""

_BOTH: tuple[Role, Role] = ("y_pred", "y_true")


def with_errors(log: PredictionLog) -> PredictionLog:
    """Return the log of a regression with the size of its errors as a feature; any other log as it is.

    Raises
    ------
    InputError
        If a feature has that name already.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1.0, None], "p": [3.0, 2.0]})
    >>> log = with_errors(PredictionLog.from_frame(table, task="regression", y_true="y", y_pred="p"))
    >>> log.features, log.table.select("input_0").collect().to_native()["input_0"].to_pylist()
    (('|y_pred - y_true|',), [2.0, None])
    """
    if log.reading.task != "regression" or not set(_BOTH) <= set(log.columns):
        return log
    if ERRORS in log.features:
        raise InputError([f"feature {ERRORS!r} has the name of the errors of a regression; rename the column"])
    schema: Any = log.table.collect_schema()
    if not all(schema[role].is_numeric() or schema[role] == nw.String for role in _BOTH):
        return log
    error = (number("y_pred", schema) - number("y_true", schema)).abs()
    table = log.table.with_columns(**{input_column(len(log.features)): error})
    return replace(log, table=table, features=(*log.features, ERRORS))
