"""Who decides how well: the model, the human and the final decision side by side, and what overriding a model does.

A final decision that differs from the model's prediction is an override. It is helpful where the model was wrong and
the final decision is right, harmful where the model was right and the final decision is wrong; of all labelled rows,
the two shares differ by exactly what overriding adds to the accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.counting import Joint, joint_cells, tally_of
from audit.errors import InputError
from audit.measurement import Measurement
from audit.measuring import Asked, default_depth, metric_rows
from audit.metrics.catalog import METRICS
from audit.paired.several_models import HEADLINES, of_model
from audit.pairwise import with_groups
from audit.predictions import PredictionLog, Role
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.run import LEVEL, log_settings, measure
from audit.spellings import quoted
from audit.tally import Tally
from audit.tasks.deferral import emptied
from audit.unknowns.outcome_coverage import outcome_coverage_rows, unlabelled_count
from audit.values import BINARY, canonical_array
from audit.views import metric_names

DECIDERS: Mapping[Role, str] = MappingProxyType({"y_pred": "model", "human_decision": "human", "action": "final"})
"""Roles whose columns decide, and what their rows are called (``at.model_version``)."""

OVERRIDES = (
    "override_rate",
    "helpful_override_rate",
    "harmful_override_rate",
    "corrected_error_rate",
    "introduced_error_rate",
)
"""Of all rows: overridden. Of the labelled: helpfully, harmfully. Of the model's errors: corrected. Of what the model
got right: turned wrong."""

Flags = npt.NDArray[np.bool_]


class _Override(NamedTuple):
    """Which rows an override metric counts, out of which."""

    name: str
    event: Flags
    among: Flags


def run_deciders(
    log: PredictionLog,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    intersections: int | None = None,
) -> Result:
    """Audit the model, the human and the final decision on the same rows, and the overrides between model and final.

    Parameters
    ----------
    log
        With `y_true`, `y_pred` (the model), and `human_decision`, `action` (the final decision) or both. A row without
        a human or final decision is left out of that decider's rates; with `abstain`, a row that the model deferred is
        no override.
    level, reference, intersections
        As in `audit.run.run_audit`.
    metrics
        Names of metrics of each decider; None = `HEADLINES`.

    Returns
    -------
    Result
        The rows of each decider at ``model_version`` "model", "human", "final", with gaps between groups; and
        `OVERRIDES` with theirs. The rates of two deciders rest on the same rows: their difference is the overrides',
        not that of two independent samples. Where labels are missing, ``outcome_coverage`` says of which share of the
        rows of each decider, and of each group, the label is known.

    Raises
    ------
    InputError
        If there is nothing to set beside the model, a decision is none of the labels, or rows have several labels.

    Examples
    --------
    Eight labelled rows: the model is wrong in two, the final decision corrects one of them and spoils another.

    >>> frame = pa.table({"y": [1, 1, 1, 1, 0, 0, 0, 0], "m": [1, 1, 1, 0, 0, 0, 0, 1], "f": [1, 1, 0, 1, 0, 0, 0, 1]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="m", action="f")
    >>> result = run_deciders(log)
    >>> [result.find(name).value for name in OVERRIDES[:3]]
    [0.25, 0.125, 0.125]
    """
    roles: list[Role] = [role for role in DECIDERS if role in log.columns and role != "y_pred"]
    if not roles:
        raise InputError(["nothing to set beside the model: name human_decision, action (the final decision) or both"])
    if log.reading.task not in {"binary", "multiclass"}:
        raise InputError([f"deciders are set side by side for one label per row; the task is {log.reading.task!r}"])
    plain = replace(log, columns={role: name for role, name in log.columns.items() if role != "y_score"})
    joint = joint_cells(plain, roles=roles)
    decisions: dict[Role, pa.Array] = {"y_pred": joint.cells["y_pred"]}
    decisions |= {role: _spelled(joint, role, log) for role in roles}
    tallies = {role: _decider(plain, joint, role, decision) for role, decision in decisions.items()}
    options = {"level": level, "reference": reference, "metrics": metrics, "intersections": intersections}
    rows: list[Measurement] = []
    for role, tally in tallies.items():
        names = [name for name in metrics or HEADLINES if name in metric_names(tally)]
        found = measure(tally, level=level, reference=reference, metrics=names, intersections=intersections)
        covered = [row for row in outcome_coverage_rows(tally, level=level) if not row.at]
        unlabelled = unlabelled_count(tally) > 0
        rows += of_model([*found, *(covered if unlabelled else ())], DECIDERS[role])
    if "action" in decisions:
        depth = default_depth(len(log.sensitive_features)) if intersections is None else intersections
        rows += with_groups(_override_rows(plain, joint, decisions, Asked(level, reference, depth=depth)))
    return Result(measurements=tuple(rows), provenance=_provenance(log, options, tallies))


def _spelled(joint: Joint, role: Role, log: PredictionLog) -> pa.Array:
    column = canonical_array(joint.cells[role])
    known = {label for side in ("y_true", "y_pred") for label in pc.unique(joint.cells[side].drop_null()).to_pylist()}
    known |= set(joint.labels.labels)
    found = set(pc.unique(column.drop_null()).to_pylist())
    if joint.labels.positive in {"0", "1"} and found <= set(BINARY):
        encoded = column.dictionary_encode()
        words = pa.array([BINARY[text] for text in encoded.dictionary.to_pylist()], pa.string())
        return words.take(encoded.indices)
    if found - known:
        who = f"column {log.columns[role]!r} ({role})"
        msg = f"{who} has decisions that are none of the labels {quoted(known)}: {quoted(found - known)}; mend them"
        raise InputError([msg])
    return column


def _decider(log: PredictionLog, joint: Joint, role: Role, decision: pa.Array) -> Tally:
    cells = joint.cells.set_column(joint.cells.column_names.index("y_pred"), "y_pred", decision)
    tally = tally_of(log, joint._replace(cells=cells))
    if role == "y_pred":
        return tally
    decided = emptied(tally, pc.is_valid(tally.cells["y_pred"]).to_numpy())
    if not decided.rows:
        raise InputError([f"column {log.columns[role]!r} ({role}) holds no decision; leave it out"])
    return decided


def _override_rows(
    log: PredictionLog, joint: Joint, decisions: Mapping[Role, pa.Array], asked: Asked
) -> list[Measurement]:
    rows: list[Measurement] = []
    model, final = decisions["y_pred"], decisions["action"]
    for override in _overrides(joint.cells["y_true"], model, final):
        words = pa.array(np.where(override.event, "1", "0"), pa.string())
        cells = joint.cells
        for side in ("y_true", "y_pred"):
            cells = cells.set_column(cells.column_names.index(side), side, words)
        for name in {"n", "w", "w2"} & set(cells.column_names):  # not filtered: a group without errors has to say so
            column = pc.if_else(pa.array(override.among), cells[name], pa.scalar(0, cells[name].type))
            cells = cells.set_column(cells.column_names.index(name), name, column)
        labels = joint.labels._replace(task="binary", positive="1", labels=())
        tally = replace(tally_of(log, joint._replace(cells=cells, labels=labels)), deferral=False)
        rows += metric_rows(tally, [replace(METRICS["selection_rate"], name=override.name)], asked=asked)
    return rows


def _overrides(true: Any, model: Any, final: Any) -> list[_Override]:  # noqa: ANN401 - Arrow columns
    both = pc.and_(pc.is_valid(model), pc.is_valid(final)).to_numpy(zero_copy_only=False)
    labelled = both & pc.is_valid(true).to_numpy(zero_copy_only=False)
    right = [_same(each, true) for each in (model, final)]
    overridden = both & ~_same(model, final)
    events = (
        (overridden, both),
        (~right[0] & right[1], labelled),
        (right[0] & ~right[1], labelled),
        (right[1], labelled & ~right[0]),
        (~right[1], labelled & right[0]),
    )
    return [_Override(name, event, among) for name, (event, among) in zip(OVERRIDES, events, strict=True)]


def _same(one: Any, two: Any) -> Flags:  # noqa: ANN401 - Arrow columns
    flags: Flags = pc.fill_null(pc.equal(one, two), fill_value=False).to_numpy(zero_copy_only=False)
    return flags


def _provenance(log: PredictionLog, options: Mapping[str, Any], tallies: Mapping[Role, Tally]) -> Provenance:
    given, defaulted = log_settings(log, options)
    given["deciders"] = {DECIDERS[role]: log.columns[role] for role in tallies}
    given["tallies"] = {DECIDERS[role]: tally.digest() for role, tally in tallies.items()}
    given["rows_without_y_true"] = unlabelled_count(tallies["y_pred"])
    return Provenance(data=file_digests(log.source), versions=recorded_versions(), given=given, defaulted=defaulted)
