"""Sums of a loss per row by observed group, collected in one pass, from which means and their errors are rolled up.

A confusion matrix has counts; a squared error, a log loss or the size of a prediction set has a value per row. Per
observed cell of the sensitive features (and cluster) the sums of w z, v z and v z^2 are kept (v = w^2 of sampling
weights, w of repeated rows), so that every slice is a roll-up of some hundred rows here, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.counting import BINS, MAX_GROUPS
from audit.errors import raise_violations
from audit.exact_sums import exact_sums
from audit.expressions import WEIGHT_RANGE, fine_weight, key_expressions, number
from audit.predictions import PredictionLog, feature_column
from audit.rollup import Cells, Floats
from audit.tally import Codes, sorted_codes
from audit.values import canonical_array


class LossSums(NamedTuple):
    """Sums per cell of one loss z, weights w and v as in the module's head.

    Examples
    --------
    >>> z = np.array([1.0, 3.0])
    >>> LossSums(first=z.sum(), cross=z.sum(), square=(z**2).sum())
    LossSums(first=np.float64(4.0), cross=np.float64(4.0), square=np.float64(10.0))
    """

    first: Floats
    cross: Floats
    square: Floats


class Moments(NamedTuple):
    """What one pass collects.

    `cells` holds the rows that have a loss (`n`, `w`, and v as `w2`) and the features; its quadrants mean nothing here.
    `rows` counts all rows of a cell; `cluster` is the cell's cluster, where clusters are named; `extra` are further
    keys; `dropped` rows had a missing sensitive value.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1.0, 2.0], "p": [2.0, 2.0]}), y_true="y", y_pred="p")
    >>> found = collect_moments(log, {"z": nw.col("y_pred") - nw.col("y_true")})
    >>> found.rows.tolist(), found.losses["z"].first.tolist()
    ([2], [1.0])
    """

    cells: Cells
    rows: Codes
    losses: Mapping[str, LossSums]
    cluster: Codes | None
    extra: Mapping[str, pa.Array]
    dropped: int


def collect_moments(
    log: PredictionLog,
    losses: Mapping[str, nw.Expr],
    *,
    usable: nw.Expr | None = None,
    flags: Mapping[str, nw.Expr] | None = None,
    extra: Mapping[str, nw.Expr] | None = None,
) -> Moments:
    """Sum losses by the groups of a log's sensitive features, in one pass (and a short one before it for the scale).

    Parameters
    ----------
    log
        The predictions.
    losses
        A real number per row by name, as an expression of the log's columns (`PredictionLog.table`).
    usable
        Which rows have a loss; None = all. The others are counted in `Moments.rows` only.
    flags
        Whole numbers per row that are summed as they are; they come back in `Moments.extra`.
    extra
        Further keys.

    Raises
    ------
    InputError
        If a weight is negative, infinite or no number, a feature has too many groups, or values are too large.

    Examples
    --------
    >>> frame = pa.table({"y": [1.0, 2.0, 5.0], "p": [2.0, 2.0, 2.0], "sex": ["F", "M", "M"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"])
    >>> found = collect_moments(log, {"error": nw.col("y_pred") - nw.col("y_true")})
    >>> found.cells.features["sex"][1], found.losses["error"].first.tolist()
    (['F', 'M'], [1.0, -3.0])
    """
    schema = log.table.collect_schema()
    weighted = log.reading.weights
    weight = number("sample_weight", schema) if "sample_weight" in log.columns else None
    used = nw.lit(1) == nw.lit(1) if usable is None else usable
    features = [feature_column(place) for place in range(len(log.sensitive_features))]
    keys = _keys(log, schema, features) | dict(extra or {})
    table = log.table
    counts = {"used": _flag(used), **(flags or {})}
    if weight is not None:
        fine = fine_weight(log, weight)
        counts["bad_weight"] = nw.when(fine).then(0).otherwise(1)
        used = used & fine
    terms = _terms(losses, weight, weighted, used)
    if weight is not None and weighted == "frequency":  # a repeated row counts as often where it has no loss, too
        terms["rows"] = nw.when(fine_weight(log, weight)).then(weight)
    found = exact_sums(table, keys=keys, terms=terms, flags=counts)
    raise_violations(_violations(found))
    spelled = {
        name: canonical_array(found[column]) for name, column in zip(log.sensitive_features, features, strict=True)
    }
    raise_violations(_group_violations(log, spelled, found))
    keep, dropped = _kept(log, spelled, found)
    return _moments(found, spelled, keep, losses, weighted, [*(extra or {}), *(flags or {})], dropped)


def _keys(log: PredictionLog, schema: Any, features: Sequence[str]) -> dict[str, nw.Expr]:  # noqa: ANN401 - narwhals'
    wanted = {*features, "cluster"}
    return {name: key for name, key in key_expressions(log, schema, BINS).items() if name in wanted}


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(1).otherwise(0)


def _terms(losses: Mapping[str, nw.Expr], weight: nw.Expr | None, weights: str, used: nw.Expr) -> dict[str, nw.Expr]:
    first = nw.lit(1.0) if weight is None else weight
    second = first if weights != "sampling" else first * first
    terms: dict[str, nw.Expr] = (
        {} if weight is None else {"w": nw.when(used).then(first), "w2": nw.when(used).then(second)}
    )
    for place, loss in enumerate(losses.values()):
        terms[f"first_{place}"] = nw.when(used).then(loss * first)
        terms[f"square_{place}"] = nw.when(used).then(loss * loss * second)
        if weights == "sampling":
            terms[f"cross_{place}"] = nw.when(used).then(loss * second)
    return terms


def _violations(found: pa.Table) -> list[str]:
    if not found.num_rows:
        return ["the data has no rows; expected at least one prediction"]
    violations = []
    if "bad_weight" in found.column_names and (bad := int(pc.sum(found["bad_weight"]).as_py())):
        rule = f"that can be counted with ({WEIGHT_RANGE}; frequencies are whole)"
        violations.append(f"sample_weight: {bad} rows hold no finite number >= 0 {rule}; mend or drop those rows")
    elif "w" in found.column_names and not float(pc.sum(found["w"]).as_py() or 0.0):
        violations.append("sample_weight: all weights are 0; expected some above 0")
    if "cluster" in found.column_names and found["cluster"].null_count:
        violations.append("cluster: some rows have none; expected one in every row; drop or complete them")
    return violations


def _group_violations(log: PredictionLog, spelled: Mapping[str, pa.Array], found: pa.Table) -> list[str]:
    violations = []
    for name, column in spelled.items():
        if (groups := pc.count_distinct(column).as_py()) > MAX_GROUPS:
            violations.append(
                f"sensitive feature {name!r} has {groups} groups, more than {MAX_GROUPS}; cut numbers into ranges "
                f"(bins={{{name!r}: [25, 45]}} or --bin {name}=25,45), merge groups or leave it out"
            )
        missing = int(pc.sum(pc.filter(found["n"], pc.is_null(column))).as_py() or 0)
        if log.reading.missing == "raise" and missing:
            violations.append(f"sensitive feature {name!r} is missing in {missing} rows; complete it or drop them")
    return violations


def _kept(log: PredictionLog, spelled: Mapping[str, pa.Array], found: pa.Table) -> tuple[npt.NDArray[np.bool_], int]:
    keep = np.ones(found.num_rows, dtype=bool)
    if log.reading.missing == "drop":
        for column in spelled.values():
            keep &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    if not keep.any():
        raise_violations(["no rows are left after dropping missing sensitive values; use missing='group'"])
    return keep, int(found["n"].to_numpy()[~keep].sum())


def _moments(
    found: pa.Table,
    spelled: Mapping[str, pa.Array],
    keep: npt.NDArray[np.bool_],
    losses: Mapping[str, nw.Expr],
    weights: str,
    extra: Sequence[str],
    dropped: int,
) -> Moments:
    mask = pa.array(keep)
    table = found.filter(mask)
    used = table["used"].to_numpy().astype(np.float64)
    w = table["w"].to_numpy() if "w" in table.column_names else used
    w2 = table["w2"].to_numpy() if "w2" in table.column_names else used
    sums = {}
    for place, name in enumerate(losses):
        first, square = table[f"first_{place}"].to_numpy(), table[f"square_{place}"].to_numpy()
        cross = table[f"cross_{place}"].to_numpy() if weights == "sampling" else first
        sums[name] = LossSums(first, cross, square)
    cells = Cells(
        quadrant=np.zeros(len(w), dtype=np.int64),
        n=(w if weights == "frequency" else used).astype(np.int64),
        w=w,
        w2=w2,
        bins=None,
        n_bins=0,
        exact_scores=False,
        features={name: sorted_codes(column.filter(mask)) for name, column in spelled.items()},
        weighted=weights == "sampling",
        pairs=None,
    )
    clustered = "cluster" in table.column_names
    return Moments(
        cells=cells,
        rows=table["rows" if "rows" in table.column_names else "n"].to_numpy().astype(np.int64),
        losses=sums,
        cluster=sorted_codes(canonical_array(table["cluster"]))[0] if clustered else None,
        extra={name: table[name] for name in extra},
        dropped=dropped,
    )
