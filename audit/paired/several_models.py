"""Several models on the same rows, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from audit.counting import joint_cells, tally_of
from audit.errors import InputError, raise_violations
from audit.measurement import Measurement
from audit.pairwise import with_groups
from audit.predictions import PredictionLog
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.run import LEVEL, log_settings, measure
from audit.tally import Tally
from audit.unknowns.outcome_coverage import unlabelled_count
from audit.views import metric_names

HEADLINES = (
    "selection_rate",
    "accuracy",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "precision",
    "balanced_accuracy",
    "macro_f1",
    "hamming_loss",
    "deferral_rate",
    "decided_accuracy",
)
"""What is measured of each model or decider where nobody says; those of them that the task has."""


def run_models(
    data: Any,  # noqa: ANN401 - any table in memory that narwhals reads
    models: Mapping[str, str | Sequence[Any]],
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    intersections: int | None = None,
    **options: Any,  # noqa: ANN401 - those of PredictionLog.from_frame
) -> Result:
    """Audit several models on the same rows, side by side.

    Parameters
    ----------
    data
        The table.
    models
        By the name of each model the column of its predictions, or the predictions themselves, one per row.
    level, reference, metrics, intersections
        As in `audit.tasks.deciders.run_deciders`.
    **options
        As `audit.predictions.PredictionLog.from_frame`, without `y_pred`.

    Returns
    -------
    Result
        The rows of each model at its name under ``model_version``. Values of two models rest on the same rows: do not
        judge by whether their intervals overlap.

    Raises
    ------
    InputError
        If there is no model, predictions are more or fewer than the rows, or as `PredictionLog.from_frame`.

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0, 1, 0], "a": [1, 0, 1, 1]})
    >>> result = run_models(frame, {"A": "a", "B": [1, 0, 0, 0]}, y_true="y")
    >>> [(dict(row.at)["model_version"], row.value) for row in result.measurements if row.metric == "accuracy"]
    [('A', 0.75), ('B', 0.75)]
    """
    table, columns = _with_predictions(data, models)
    rows: list[Measurement] = []
    tallies: dict[str, Tally] = {}
    given: dict[str, Any] = {}
    for name, column in columns.items():
        log = PredictionLog.from_frame(table, y_pred=column, **options)
        tallies[name] = tally_of(log, joint_cells(log))
        chosen = [each for each in metrics or HEADLINES if each in metric_names(tallies[name])]
        found = measure(tallies[name], level=level, reference=reference, metrics=chosen, intersections=intersections)
        rows += of_model(found, name)
        given = log_settings(log, {"level": level, "reference": reference, "metrics": metrics})[0]
    given["models"] = {name: model if isinstance(model, str) else "given as values" for name, model in models.items()}
    given["tallies"] = {name: tally.digest() for name, tally in tallies.items()}
    given["rows_without_y_true"] = max(map(unlabelled_count, tallies.values()))
    return Result(measurements=tuple(rows), provenance=Provenance(versions=recorded_versions(), given=given))


def of_model(rows: Sequence[Measurement], name: str) -> list[Measurement]:
    """Return rows at the name of a model or decider; their largest gaps say which groups took part.

    Examples
    --------
    >>> of_model([Measurement(metric="count", value=3, n=3, method="count")], "human")[0].at
    (('model_version', 'human'),)
    """
    placed = [replace(row, at=tuple(sorted({**dict(row.at), "model_version": name}.items()))) for row in rows]
    return with_groups(placed)


def _with_predictions(data: Any, models: Mapping[str, str | Sequence[Any]]) -> tuple[Any, dict[str, str]]:  # noqa: ANN401
    if not models:
        raise InputError(["no models; name at least one: {name: column}"])
    columns = {name: model for name, model in models.items() if isinstance(model, str)}
    given = {name: model for name, model in models.items() if not isinstance(model, str)}
    if not given:
        return data, columns
    frame = nw.from_native(data, eager_only=True)
    raise_violations(
        [
            f"model {name!r} has {len(model):,} predictions and the data {len(frame):,} rows; give one per row"
            for name, model in given.items()
            if len(model) != len(frame)
        ]
    )
    table = frame.to_arrow()
    for place, (name, model) in enumerate(given.items()):
        column = f"predictions {place}"
        while column in table.column_names:
            column += "'"
        table = table.append_column(column, pa.array(model))
        columns[name] = column
    return table, {name: columns[name] for name in models}
