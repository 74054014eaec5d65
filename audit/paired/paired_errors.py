"""The comparison of models that predict numbers: the change of their errors on the same rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.paired.paired_mean_rows import Read, mean_compare_rows, read_errors
from audit.paired.paired_means import PAIRED_MEANS
from audit.paired.paired_models import SETTING, Model, Models
from audit.paired.paired_tables import Asked, Joined, joined_tables, opened_table
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result

LOG_LOSS = "log_loss"


def compare_errors(data: Any, other: Any, asked: Asked, options: Mapping[str, Any]) -> Result:  # noqa: ANN401 - tables
    """Compare models by the errors of the numbers that they predict.

    Parameters
    ----------
    data, other
        As in `audit.paired.comparison.run_compare`.
    asked
        What is compared.
    options
        The level, the reference and the names of the metrics.

    Raises
    ------
    InputError
        If a column is missing or holds no numbers, an option means nothing for numbers, or metrics are mixed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [0.0] * 40, "new": [1.0, 2.0] * 20, "old": [2.0, 4.0] * 20})
    >>> options = {"level": 0.95, "reference": None, "metrics": ["mean_absolute_error"]}
    >>> result = compare_errors(frame, None, Asked(y_true="y", candidates=("new",), baseline="old"), options)
    >>> row = result.measurements[-1]
    >>> row.value, round(row.low, 3), round(row.high, 3)
    (-1.5, -1.662, -1.338)
    """
    raise_violations(list(_option_violations(asked, options)))
    joined = Joined(data, asked) if other is None else joined_tables(data, other, asked)
    raise_violations(list(_column_violations(joined)))
    metrics, reference = list(dict.fromkeys(options["metrics"])), options["reference"]
    read = read_errors(joined.table, joined.asked, metrics)
    unlabelled = int(np.isnan(read.losses[metrics[0]][joined.asked.baseline]).sum())
    count = Measurement(metric="count", value=read.about.num_rows, n=read.about.num_rows, method="count")
    rows = (count, *mean_compare_rows(read, joined.asked, level=options["level"], reference=reference))
    return Result(measurements=rows, provenance=_provenance(joined, read, options, unlabelled, data))


def _option_violations(asked: Asked, options: Mapping[str, Any]) -> Iterator[str]:
    mixed = [name for name in options["metrics"] if name not in PAIRED_MEANS or name == LOG_LOSS]
    if mixed:
        yield f"{', '.join(mixed)}: not compared together with errors of numbers; compare them in a run of their own"
    given = {"scores": asked.scores, "threshold": asked.threshold is not None, "positive": asked.positive is not None}
    yield from (f"{name} is given in vain: the models predict numbers; leave it out" for name in given if given[name])


def _column_violations(joined: Joined) -> Iterator[str]:
    asked = joined.asked
    names = opened_table(joined.table, wanted=()).names
    for name in dict.fromkeys([*asked.about_rows, *asked.models]):
        if name not in names:
            yield f"column {name!r} is missing; the data has {names[:20]}; name one of these"
    if not asked.candidates:
        yield "no candidate is named; name the column of the new model's predictions"
    if len({*asked.models}) < len(asked.models):
        yield f"columns {list(asked.models)} are named for more than one model; name a column for each"


def _provenance(
    joined: Joined,
    read: Read,
    options: Mapping[str, Any],
    unlabelled: int,
    data: Any,  # noqa: ANN401 - a table or a path
) -> Provenance:
    asked = joined.asked
    models = Models(tuple(Model(name) for name in asked.candidates), Model(asked.baseline), asked.features)
    columns = {"y_true": asked.y_true, "candidate": list(asked.candidates), "baseline": asked.baseline}
    columns |= {name: value for name in ("sample_weight", "cluster") if (value := getattr(asked, name)) is not None}
    given: dict[str, Any] = {
        SETTING: models.to_json(), "task": "regression", "columns": columns, "weights": asked.weights, "on": asked.on,
        "sensitive_features": list(asked.features), "rows_without_y_true": unlabelled, "rows": read.about.num_rows,
        "bins": {name: list(edges) for name, edges in (asked.bins or {}).items()}, **options,
        **{f"rows_only_in_the_{name}": rows for name, rows in joined.unmatched.items()},
    }  # fmt: skip
    source = joined.source or opened_table(data, wanted=()).source
    return Provenance(data=file_digests(source), versions=recorded_versions(), given=given)
