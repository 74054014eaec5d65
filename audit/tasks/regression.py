"""The audit of a regression: bias and size of the errors of every group with intervals, and the gaps between groups.

R squared is left out on purpose: it divides by the spread of `y_true` within each group, so that the same errors give
different values in different groups.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from audit.errors import InputError, raise_violations
from audit.exact_sums import exact_sums
from audit.expressions import number
from audit.predictions import PredictionLog, Role
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.tasks.mean_rows import Mean, mean_rows
from audit.tasks.moments import collect_moments

_SHOWN_ROWS = 5

REGRESSION: Mapping[str, Mean] = MappingProxyType(
    {
        mean.name: mean
        for mean in (
            Mean("mean_error", "error", "identity"),
            Mean("mean_absolute_error", "absolute", "log"),
            Mean("mean_squared_error", "squared", "log"),
            Mean("root_mean_squared_error", "squared", "log", root=True),
            Mean("root_mean_squared_log_error", "squared_log", "log", root=True),
            Mean("mean_pinball_loss", "pinball", "log"),
        )
    }
)
"""Metrics of a regression by name; all but `mean_error`, which scikit-learn lacks, are named as there."""


def run_regression(
    log: PredictionLog,
    *,
    level: float = 0.95,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    quantiles: Sequence[float] = (),
) -> Result:
    r"""Audit the numbers that a regression predicts.

    Parameters
    ----------
    log
        The predictions: `y_true` and `y_pred` are numbers in one unit. A row whose `y_true` is missing is counted, and
        has no error.
    level
        Confidence level of every interval, in (0, 1).
    reference
        The reference group by feature; never inferred.
    metrics
        Names from `REGRESSION`; None = all that the values allow but the mean squared error, whose root says it in the
        unit of the data.
    quantiles
        Which quantiles `y_pred` predicts, in (0, 1): the pinball loss at each; ``at.quantile`` says which.

    Returns
    -------
    Result
        Values of every slice, and for each feature the gaps of `audit.tasks.mean_rows.mean_rows`.

    Raises
    ------
    InputError
        If a value is text, NaN or infinite (the rows are named), a logarithm is asked for of negative numbers, or an
        option names what does not exist.

    Notes
    -----
    With e = y_pred - y_true: mean_error = mean e (above 0: predicted too high; nearest 0 is best),
    mean_absolute_error = mean |e|, mean_squared_error = mean e^2 and its root, root_mean_squared_log_error = root of
    the mean of (ln(1 + y_pred) - ln(1 + y_true))^2, mean_pinball_loss at quantile a = mean of max(-a e, (1 - a) e)
    (Koenker & Bassett 1978, doi:10.2307/1913643). Smaller is better but for the bias; all are in the unit of `y_true`
    (squared, without unit for logarithms).

    Intervals are t intervals of the mean, for losses that are never negative on the log scale (and of their root).
    Simulated coverage at level .95 (tests/audit/tasks/test_means.py): the bias and the absolute error of normal errors
    at least .94 from n = 10; the squared error of normal errors .92 from n = 30; the squared error of exponential
    errors, whose skewness is 6.6, .87 at n = 30 and .915 from n = 200; heavier tails need more rows, and miss upwards.
    Where few rows hold most of the loss, the interval is too narrow and no row of the result can say so: look at the
    largest errors themselves, and see the notes of `audit.tasks.means.mean_interval`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1000.0, 1000.0], "p": [600.0, 1400.0], "who": ["under", "over"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["who"])
    >>> found = run_regression(log)
    >>> [round(found.find("root_mean_squared_log_error", {"who": who}).value, 2) for who in ("under", "over")]
    [0.51, 0.34]
    """
    raise_violations(_option_violations(metrics, quantiles))
    schema = log.table.collect_schema()
    y_true, y_pred = (number(role, schema) for role in ("y_true", "y_pred"))
    labelled = ~_missing("y_true", schema)
    negative = _checked(log, schema, labelled)
    chosen = list(metrics) if metrics is not None else _possible(quantiles, negative=bool(negative))
    raise_violations(_negative_violations(chosen, negative))
    losses, means = _losses(y_true, y_pred, chosen, quantiles)
    moments = collect_moments(log, losses, usable=labelled)
    rows = mean_rows(moments, means, level=level, reference=reference)
    unlabelled = int(moments.rows.sum() - moments.cells.n.sum())
    given: dict[str, Any] = {
        "task": "regression", "columns": dict(log.columns), "sensitive_features": list(log.sensitive_features),
        "level": level, "reference": None if reference is None else dict(reference), "metrics": chosen,
        "quantiles": list(quantiles), "weights": log.reading.weights, "missing": log.reading.missing,
        "bins": {name: list(edges) for name, edges in log.reading.bins.items()},
        "rows_without_y_true": unlabelled, "rows_dropped_for_missing_sensitive_value": moments.dropped,
    }  # fmt: skip
    provenance = Provenance(data=file_digests(log.source), versions=recorded_versions(), given=given)
    return Result(measurements=rows, provenance=provenance)


def _option_violations(metrics: Sequence[str] | None, quantiles: Sequence[float]) -> list[str]:
    known = ", ".join(REGRESSION)
    violations = [
        f"unknown metric {name!r}; expected one of {known}" for name in metrics or () if name not in REGRESSION
    ]
    violations += [f"quantiles lie in (0, 1); got {each!r}" for each in quantiles if not 0 < each < 1]
    if len(set(quantiles)) < len(quantiles):
        violations.append(f"quantiles stand twice in {list(quantiles)}; name each once")
    if "mean_pinball_loss" in (metrics or ()) and not quantiles:
        violations.append("mean_pinball_loss needs quantiles, such as quantiles=[0.9]")
    return violations


def _possible(quantiles: Sequence[float], *, negative: bool) -> list[str]:
    without = {"mean_squared_error"} | ({"root_mean_squared_log_error"} if negative else set())
    without |= set() if quantiles else {"mean_pinball_loss"}
    return [name for name in REGRESSION if name not in without]


def _negative_violations(chosen: Sequence[str], negative: Sequence[str]) -> list[str]:
    if "root_mean_squared_log_error" not in chosen:
        return []
    return [f"{text}; the logarithmic error needs numbers >= 0: leave it out, or mend those rows" for text in negative]


def _losses(
    y_true: nw.Expr, y_pred: nw.Expr, chosen: Sequence[str], quantiles: Sequence[float]
) -> tuple[dict[str, nw.Expr], list[Mean]]:
    error = y_pred - y_true
    logarithmic = (y_pred + 1).log() - (y_true + 1).log()
    available = {
        "error": error, "absolute": error.abs(), "squared": error * error, "squared_log": logarithmic * logarithmic,
    }  # fmt: skip
    losses, means = {}, []
    for name in dict.fromkeys(chosen):
        mean = REGRESSION[name]
        if mean.loss != "pinball":
            losses[mean.loss] = available[mean.loss]
            means.append(mean)
            continue
        for quantile in quantiles:
            key = f"pinball_{quantile:g}"
            losses[key] = nw.when(error >= 0).then(error * (1 - quantile)).otherwise(error * -quantile)
            means.append(mean._replace(loss=key, at=(("quantile", quantile),)))
    return losses, means


def _missing(role: Role, schema: Any) -> nw.Expr:  # noqa: ANN401 - narwhals' schema
    column = nw.col(role)
    if schema[role] == nw.String:
        return column.is_null() | (column == "")
    return column.is_null() | column.is_nan() if schema[role].is_float() else column.is_null()


def _checked(log: PredictionLog, schema: Any, labelled: nw.Expr) -> list[str]:  # noqa: ANN401 - narwhals' schema
    """Refuse values that are no finite numbers; return what is said of negative ones."""
    roles: tuple[Role, ...] = ("y_true", "y_pred")
    raise_violations(
        [
            f"column {log.columns[role]!r} ({role}) holds {schema[role]}; expected numbers"
            for role in roles
            if not (schema[role].is_numeric() or schema[role] == nw.String)
        ]
        if "y_pred" in log.columns
        else ["a regression needs y_pred: name the column of predicted numbers"]
    )
    flags = {}
    for role in roles:
        value, missing = number(role, schema), _missing(role, schema)
        fine = value.is_finite() & ~value.is_null()
        flags[f"bad_{role}"] = (
            nw.when(fine | (missing if role == "y_true" else nw.lit(1) == nw.lit(0))).then(0).otherwise(1)
        )
        flags[f"negative_{role}"] = nw.when(fine & labelled & (value < 0)).then(1).otherwise(0)
    flags["labelled"] = nw.when(labelled).then(1).otherwise(0)
    found = exact_sums(log.table, keys={}, terms={}, flags=flags)
    if not found.num_rows or not found["n"][0].as_py():
        msg = "the data has no rows; expected at least one prediction"
        raise InputError([msg])
    counts = {name: int(found[name][0].as_py()) for name in flags}
    bad = [role for role in roles if counts[f"bad_{role}"]]
    texts = [_rows_text(log, role, flags[f"bad_{role}"], counts[f"bad_{role}"], "finite numbers") for role in bad]
    raise_violations([f"{text}; mend or drop those rows" for text in texts])
    if not counts["labelled"]:
        raise_violations(["y_true: every value is missing; an audit of errors needs some: join the labels"])
    return [
        _rows_text(log, role, flags[f"negative_{role}"], counts[f"negative_{role}"], "numbers >= 0")
        for role in roles
        if counts[f"negative_{role}"]
    ]


def _rows_text(log: PredictionLog, role: Role, flag: nw.Expr, bad: int, expected: str) -> str:
    table = log.table.select(value=nw.col(role), bad=flag).collect(backend="pyarrow").to_native()
    rows = np.flatnonzero(table["bad"].to_numpy())[:_SHOWN_ROWS]
    shown = "; ".join(f"{table['value'][int(row)].as_py()!r} in row {row + 1}" for row in rows)
    more = f" and {bad - len(rows)} more" if bad > len(rows) else ""
    return f"column {log.columns[role]!r} ({role}): expected {expected}; found {shown}{more} (the first row is row 1)"
