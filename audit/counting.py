"""From a log to its tally: one pass counts and checks; only where a check fails does a second pass name the rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.expressions import (
    NUMBER,
    WEIGHT_RANGE,
    Schema,
    bad_text_column,
    fine_text,
    fine_weight,
    floats,
    key_expressions,
    number,
    sum_expressions,
    unscaled,
    weight_exponent,
)
from audit.labelling import Labels, spelled_cells
from audit.predictions import PredictionLog, Role, feature_column
from audit.spellings import quoted
from audit.tables import engine_errors, short_reason
from audit.tally import SLICE, Codes, Tally, collapse

BINS = 250
MAX_NUMERIC_GROUPS = 50
MAX_GROUPS = 1000
_SHOWN_ROWS = 5
_MAX_ROWS = 2.0**53
_PAIRS_AT_ONCE = 20_000_000
_PLAIN: tuple[Role, ...] = ("y_true", "y_pred", "cluster")
_NEVER_MISSING: tuple[Role, ...] = ("y_pred", "cluster")
_LABELS: tuple[Role, ...] = ("y_true", "y_pred")


_NO_GROUP = (nw.Binary, nw.Duration, nw.Object)


class Counted(NamedTuple):
    """A tally and how many rows were left out because a sensitive value was missing.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> found = counted(log)
    >>> found.tally.rows, found.dropped
    (2, 0)
    """

    tally: Tally
    dropped: int


def count(log: PredictionLog, *, bins: int = BINS) -> Tally:
    """Count a log into its tally, in one lazy pass.

    Parameters
    ----------
    log
        The predictions.
    bins
        Number of equal, left-closed score bins on [0, 1] (the last one closed); 500 make every threshold of two
        decimals an edge, 250 every second one. Ignored without scores.

    Raises
    ------
    InputError
        If values are not what the log says: every violation is listed, with the first rows that show it.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1], "g": ["a", None]}),
    ...                                y_true="y", y_pred="p", sensitive_features=["g"])
    >>> count(log).cells.select(["slice.g", "y_true", "y_pred", "n"]).to_pylist()
    [{'slice.g': None, 'y_true': '0', 'y_pred': '1', 'n': 1}, {'slice.g': 'a', 'y_true': '1', 'y_pred': '1', 'n': 1}]
    """
    return counted(log, bins=bins).tally


def counted(log: PredictionLog, *, bins: int = BINS) -> Counted:
    """Count a log as `count` does; also say how many rows were dropped for a missing sensitive value.

    Raises
    ------
    InputError
        As `count`.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1], "g": ["a", None]}),
    ...                                y_true="y", y_pred="p", sensitive_features=["g"], missing="drop")
    >>> counted(log).tally.rows, counted(log).dropped
    (1, 1)
    """
    joint = joint_cells(log, bins=bins)
    return Counted(tally_of(log, joint, bins=bins), joint.dropped)


class Joint(NamedTuple):
    """Cells that were counted and spelled and may repeat, what their labels are, and how many rows were left out.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> joint_cells(log).labels.positive
    '1'
    """

    cells: pa.Table
    labels: Labels
    dropped: int


def joint_cells(
    log: PredictionLog, *, bins: int = BINS, roles: Sequence[Role] = (), keys: Mapping[str, nw.Expr] | None = None
) -> Joint:
    """Count a log by its keys and by further roles, whose values are left as they are.

    Parameters
    ----------
    log, bins
        As in `count`.
    roles
        Further roles to group by.
    keys
        Further expressions to group by, such as the window of a row. A log that is cut so may hold several model
        versions, and no label yet.

    Raises
    ------
    InputError
        As `count`.

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0], "p": [1, 1], "h": ["yes", "no"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", human_decision="h")
    >>> sorted(joint_cells(log, roles=["human_decision"]).cells["human_decision"].to_pylist())
    ['no', 'yes']
    """
    raw = _collect(log, bins, {role: nw.col(role) for role in roles} | dict(keys or {}))
    if not raw.num_rows:
        msg = "the data has no rows; expected at least one prediction"
        raise InputError([msg])
    raise_violations(_value_violations(log, raw))
    spelled, labels = spelled_cells(log, raw)
    of_labels = [] if keys else _label_violations(spelled)
    raise_violations([*_group_violations(log, raw, spelled), *of_labels])
    if log.reading.weights == "frequency":
        spelled = spelled.filter(pc.greater(spelled["w"], 0))  # repeated no times: not there
    kept, dropped = _without_missing(log, spelled)
    return Joint(kept, labels, dropped)


def tally_of(log: PredictionLog, joint: Joint, *, bins: int = BINS) -> Tally:
    """Return the tally of joint cells, whichever column of them stands under "y_pred".

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> tally_of(log, joint_cells(log)).rows
    2
    """
    weights = log.reading.weights
    columns = {name: joint.cells[name] for name in joint.cells.column_names if name != "cluster"}
    if weights == "frequency":
        columns["n"] = columns["w"].cast(pa.int64())
    if weights != "sampling":
        columns["w"] = columns["w2"] = columns["n"].cast(pa.float64())
    return collapse(
        pa.table(columns),
        features=log.sensitive_features,
        positive=joint.labels.positive,
        task=joint.labels.task,
        labels=joint.labels.labels,
        deferral=log.reading.abstain is not None,
        bins=bins if "y_score" in log.columns else None,
        weights=weights,
        pairs=None if "cluster" not in log.columns else _pairs(joint.cells["cluster"], columns["w"]),
    )


def _collect(log: PredictionLog, bins: int, further: Mapping[str, nw.Expr]) -> pa.Table:
    schema = log.table.collect_schema()
    raise_violations(_type_violations(log, schema))
    keys = key_expressions(log, schema, bins) | dict(further)
    try:
        exponent = weight_exponent(log, schema)
        sums = sum_expressions(log, schema, exponent)
        grouped = log.table.select(**keys, **sums).group_by(*keys).agg(nw.len().alias("n"), *map(_total, sums))
        collected: pa.Table = grouped.collect(backend="pyarrow").to_native()
    except engine_errors() as error:
        where = ", ".join(map(str, log.source)) or "the data"
        msg = f"{where} cannot be read to the end ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    names = {feature_column(place): SLICE + name for place, name in enumerate(log.sensitive_features)}
    counts = unscaled(collected, exponent)
    return counts.rename_columns([names.get(name, name) for name in counts.column_names])


def _total(name: str) -> nw.Expr:
    return nw.col(name).sum()


def _type_violations(log: PredictionLog, schema: Schema) -> list[str]:
    numeric: list[Role] = [role for role in ("y_score", "sample_weight") if role in log.columns]
    violations = [
        f"column {log.columns[role]!r} ({role}) holds {schema[role]}; expected numbers"
        for role in numeric
        if not (schema[role].is_numeric() or schema[role] == nw.String)
    ]
    plain = {feature_column(i): f"{name!r} (sensitive feature)" for i, name in enumerate(log.sensitive_features)}
    plain |= {role: f"{log.columns[role]!r} ({role})" for role in _PLAIN if role in log.columns}
    violations += [
        f"column {shown} holds {schema[column]}; expected text, numbers, booleans or dates"
        for column, shown in plain.items()
        if (schema[column].is_nested() and not _is_label_list(log, column, schema[column]))
        or schema[column] in _NO_GROUP
    ]
    return violations


def _is_label_list(log: PredictionLog, column: str, kind: Any) -> bool:  # noqa: ANN401 - a type, as narwhals names it
    return log.reading.task == "multilabel" and column in _LABELS and isinstance(kind, nw.List)


def _value_violations(log: PredictionLog, raw: pa.Table) -> list[str]:
    violations = []
    if "score_bin" in raw.column_names and (bad := _int_sum(pc.filter(raw["n"], pc.is_null(raw["score_bin"])))):
        top = log.reading.score_max
        plain = "pass probabilities, not logits; scores from 0 to 10 need score_max=10 threshold=0.5"
        advice = plain if top == 1 else "is score_max right?"
        violations.append(_bad_rows(log, "y_score", bad, f"must lie in [0, {top:g}]", advice))
    if "bad_weight" in raw.column_names:
        violations += _weight_violations(log, raw)
    for place in range(len(log.sensitive_features)):
        if bad_text_column(place) in raw.column_names and (bad := _int_sum(raw[bad_text_column(place)])):
            advice = "mend them, leave them empty, or write the ranges as text"
            violations.append(
                _bad_rows(log, feature_column(place), bad, "is cut into ranges: expected numbers", advice)
            )
    may_lack = {"y_pred"} if log.reading.abstain is not None or _text_sets(log, raw) else set()
    for role in [role for role in _NEVER_MISSING if role not in may_lack]:
        missing = _int_sum(pc.filter(raw["n"], _absent(raw[role]))) if role in log.columns else 0
        if missing:
            violations.append(f"{role}: {missing} rows have none; expected one in every row; drop or complete them")
    return violations


def _text_sets(log: PredictionLog, raw: pa.Table) -> bool:
    """Return whether predictions are labels in one text, where an empty one means none of the above."""
    return log.reading.task == "multilabel" and not pa.types.is_nested(raw["y_pred"].type)


def _weight_violations(log: PredictionLog, raw: pa.Table) -> list[str]:
    frequency = log.reading.weights == "frequency"
    if bad := _int_sum(raw["bad_weight"]):
        kind = "whole numbers >= 0" if frequency else f"finite numbers >= 0: {WEIGHT_RANGE}"
        return [_bad_rows(log, "sample_weight", bad, f"must be {kind}", "mend or drop those rows")]
    total = float(np.nansum(floats(raw["w"])))
    if not total:
        return ["sample_weight: all weights are 0; expected some above 0"]
    if frequency and total >= _MAX_ROWS:
        return [f"sample_weight: the rows are repeated {total:g} times in all; expected less than {_MAX_ROWS:g}"]
    return []


def _bad_rows(log: PredictionLog, column: str, bad: int, rule: str, advice: str) -> str:
    flags = log.table.select(value=nw.col(column), bad=nw.when(_fine(log, column)).then(0).otherwise(1))
    table = flags.collect(backend="pyarrow").to_native()
    rows = np.flatnonzero(table["bad"].to_numpy())[:_SHOWN_ROWS]
    shown = "; ".join(f"{table['value'][int(row)].as_py()!r} in row {row + 1}" for row in rows)
    more = f" and {bad - len(rows)} more" if bad > len(rows) else ""
    features = {feature_column(place): name for place, name in enumerate(log.sensitive_features)}
    who = f"{features[column]!r} (sensitive feature)" if column in features else f"{log.columns[column]!r} ({column})"  # type: ignore[index]
    return f"column {who} {rule}; found {shown}{more} (the first row of data is row 1); {advice}"


def _fine(log: PredictionLog, column: str) -> nw.Expr:
    if column not in {"y_score", "sample_weight"}:
        return fine_text(nw.col(column))
    value = number(column, log.table.collect_schema())
    return fine_weight(log, value) if column == "sample_weight" else (value >= 0) & (value <= log.reading.score_max)


def _group_violations(log: PredictionLog, raw: pa.Table, spelled: pa.Table) -> list[str]:
    violations = []
    for name in log.sensitive_features:
        column = raw[SLICE + name]
        distinct = spelled[SLICE + name].unique().drop_null()
        groups = len(distinct)
        kind = column.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if (numeric or _all_numbers(distinct)) and groups > MAX_NUMERIC_GROUPS:
            violations.append(
                f"sensitive feature {name!r} holds {groups} different numbers, more than {MAX_NUMERIC_GROUPS}; cut it "
                f"into ranges: bins={{{name!r}: [25, 45]}} or --bin {name}=25,45"
            )
        elif groups > MAX_GROUPS:
            violations.append(
                f"sensitive feature {name!r} has {groups} groups, more than {MAX_GROUPS}; merge groups that belong "
                f"together (ranges, regions; 'other' would hide people) or leave it out"
            )
        if log.reading.missing == "raise" and spelled[SLICE + name].null_count:
            missing = _int_sum(pc.filter(spelled["n"], pc.is_null(spelled[SLICE + name])))
            violations.append(f"sensitive feature {name!r} is missing in {missing} rows; complete it or drop them")
    return violations


def _label_violations(spelled: pa.Table) -> list[str]:
    if spelled["y_true"].null_count == spelled.num_rows:
        rows = _int_sum(spelled["n"])
        return [f"y_true: every label is missing ({rows} rows); an audit of error rates needs some; join the labels"]
    versions = spelled["model_version"].unique().to_pylist() if "model_version" in spelled.column_names else []
    if len(versions) > 1:
        return [f"model_version: {len(versions)} models in one log: {quoted(set(versions))}; audit one at a time"]
    return []


def _without_missing(log: PredictionLog, spelled: pa.Table) -> tuple[pa.Table, int]:
    if log.reading.missing != "drop" or not log.sensitive_features:
        return spelled, 0
    keep = pc.is_valid(spelled[SLICE + log.sensitive_features[0]])
    for name in log.sensitive_features[1:]:
        keep = pc.and_(keep, pc.is_valid(spelled[SLICE + name]))
    kept = spelled.filter(keep)
    if not kept.num_rows:
        msg = "no rows are left after dropping missing sensitive values; count them as a group: missing='group'"
        raise InputError([msg])
    return kept, _int_sum(spelled["n"]) - _int_sum(kept["n"])


def _pairs(cluster: pa.ChunkedArray, weight: pa.ChunkedArray | pa.Array) -> pa.Table:
    codes = cluster.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    order = np.argsort(codes, kind="stable")
    weights = weight.to_numpy()[order]
    sizes = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    left, right = _within(sizes, starts)
    return pa.table({"left": order[left], "right": order[right], "moment": weights[left] * weights[right]})


def _within(sizes: Codes, starts: Codes) -> tuple[Codes, Codes]:
    """Return all ordered pairs of places that lie in one run, for runs of the given sizes."""
    if int((sizes**2).sum()) > _PAIRS_AT_ONCE:
        msg = (
            f"the clusters are too large: {int((sizes**2).sum()):,} pairs of cells, more than {_PAIRS_AT_ONCE:,}; use "
            f"fewer sensitive features or no scores"
        )
        raise InputError([msg])
    left = np.repeat(np.arange(starts[-1]), np.repeat(sizes, sizes))
    length = np.repeat(sizes, sizes)
    first = np.repeat(starts[:-1], sizes)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(length) - length, length)
    return left, np.repeat(first, length) + offset


def _absent(column: pa.ChunkedArray) -> pa.ChunkedArray:
    absent = pc.is_null(column, nan_is_null=True)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return pc.or_(absent, pc.fill_null(pc.equal(column, ""), fill_value=False)) if text else absent


def _all_numbers(distinct: pa.Array) -> bool:
    return bool(len(distinct)) and bool(pc.all(pc.match_substring_regex(distinct, NUMBER)).as_py())


def _int_sum(column: Any) -> int:  # noqa: ANN401 - any Arrow array
    return int(pc.sum(column).as_py() or 0)
