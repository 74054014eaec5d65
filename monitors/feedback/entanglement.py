"""Whether labels know what an earlier model said of them, beyond what features and the current score tell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, sqrt
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from audit.expressions import number
from audit.measurement import Measurement
from audit.predictions import PredictionLog, feature_column, input_column
from audit.reading import Role
from monitors.feedback.agreement_rounds import CANNOT, Round, hold_out, influenced, round_column, rounds_of
from monitors.feedback.blocks import one_where
from monitors.feedback.decisions import decisions
from monitors.feedback.entanglement_counts import Residuals, fisher_bounds, of_influences, residuals
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, difference, evidence_of, no_bounds, of_estimate
from monitors.feedback.moment_sums import Moments, moment_sums, unit_of
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.feedback.whole_sums import steady
from monitors.timestamps import collected

NAME = "prediction_label_entanglement"
LIMIT = 0.05

FEWEST_ROWS = 50
"""Rows of a side of a round below which nothing is said of it, beside three for each column that is conditioned on."""

MOST_FEATURES, MOST_SQUARED = 40, 15
MOST_ROUNDS = 26
"""The latest rounds that are measured."""

_PLAIN = (
    "without a hold-out, what the earlier score knows of the label through the features, in ways that are not linear "
    "or quadratic, counts as entanglement: it does not ring"
)


def measure_entanglement(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return, by round, what the earlier score says of new labels beyond features and the current score.

    Where a log has a hold-out, the difference between the rows that the model influenced and the hold-out is told: what
    the earlier score knows of the world is in both. Without one the influenced rows alone are told, and do not ring.
    """
    order = rounds_of(log)
    held = hold_out(log) if "arm" in log.columns else None
    fault = order.fault or (held.fault if held else None)
    if not fault and len(order.rounds) < 2:
        fault = f"{CANNOT} the log has one retraining round; it takes two for one to come earlier. {_OBTAIN}"
    if fault:
        return _refused(fault)
    design = _design(log)
    cells = _cells(design)
    told = [place for place in order.rounds if any((place.name or "", side) in cells for side in ("closed", "holdout"))]
    if not told:
        return _refused(f"{CANNOT} no row has both an earlier score and a label. {_OBTAIN}")
    compared = held is not None and held.rows > 0
    rows: list[Measurement] = []
    evidence: list[Evidence] = []
    limit = settings.limits.get(NAME, LIMIT)
    told = told[-MOST_ROUNDS:]
    sides = ("closed", "holdout") if compared else ("closed",)
    fitted = _fitted(design, [(place.name or "", side) for place in told for side in sides], cells)
    moved = _moved(design, fitted) if fitted else {}
    for place in told:
        found = _round(design, [(place.name or "", side) for side in sides], cells, fitted, moved)
        rows.append(_row(place, found, settings, design.caveat, compared=compared))
        if compared and found.estimate is not None and rows[-1].value is not None:
            evidence.append(Evidence(rows[-1].key(), evidence_of(found.estimate, limit=limit), place.since))
    return LoopRows(tuple(rows), tuple(evidence))


class _Design(NamedTuple):
    """The rows with what is conditioned on, standardised: columns in `names`, the last two earlier score and label."""

    log: PredictionLog
    rows: nw.LazyFrame[Any]
    names: tuple[str, ...]
    caveat: str | None


class _Found(NamedTuple):
    estimate: Estimate | None
    fault: str | None
    n: int


def _design(log: PredictionLog) -> _Design:
    """Return the rows with an earlier score and a label, their columns about the mean and in standard deviations."""
    places = range(len(log.features))
    schema = log.table.collect_schema()
    values = {feature_column(place): number(input_column(place), schema) for place in places}
    # The features stand where groups do, so that one selection brings both; groups play no part here.
    table = log.table.with_columns(**values) if values else log.table
    inputs = replace(log, table=table, sensitive_features=tuple(map(input_column, places)))
    truth = "y_true" if "y_true" in log.columns else "outcome"
    current = next((role for role in ("y_score", "y_pred") if role in log.columns), None)
    side = influenced(log) if "arm" in log.columns else nw.lit("closed").alias("side")
    rows = decisions(inputs).with_columns(side, round_column(log), label=nw.col(truth), earlier=nw.col("earlier_score"))
    rows = rows.filter(
        ~nw.col("label").is_null()
        & ~nw.col("earlier").is_null()
        & ~nw.col("side").is_null()
        & ~nw.col("round_name").is_null()
    )
    columns = [*values, *([current] if current else []), "earlier", "label"]
    facts = _facts(log, rows, columns)
    usable = [name for name in values if facts[name].spread > 0]
    told = usable[:MOST_FEATURES]
    given = [*told, *([current] if current and facts[current].spread > 0 else [])]
    squared = given if len(told) <= MOST_SQUARED else given[len(told) :]
    standard = {f"z_{name}": _standard(name, facts[name]) for name in (*given, "earlier", "label")}
    squares = {f"q_{name}": nw.col(f"z_{name}") * nw.col(f"z_{name}") for name in squared}
    names = ("one", *(f"z_{name}" for name in given), *squares, "z_earlier", "z_label")
    left = len(values) - len(told)
    caveat = f"{left} of {len(values)} features hold no numbers or are too many: not conditioned on" if left else None
    wide = rows.with_columns(one=nw.lit(1.0), **standard)
    wide = wide.with_columns(**squares) if squares else wide
    return _Design(log, wide, names, caveat)


class _Fact(NamedTuple):
    mean: float
    spread: float


def _facts(log: PredictionLog, rows: nw.LazyFrame[Any], columns: Sequence[str]) -> dict[str, _Fact]:
    sums: dict[str, nw.Expr] = {}
    for name in columns:
        sums |= {f"m_{name}": nw.col(name).mean(), f"s_{name}": nw.col(name).std(), f"n_{name}": nw.col(name).count()}
    found = collected(log, rows.select(rows=nw.len(), **sums)).to_pylist()[0]
    facts = {}
    for name in columns:
        mean, spread = found[f"m_{name}"], found[f"s_{name}"]
        fine = mean is not None and spread is not None and isfinite(spread) and 2 * found[f"n_{name}"] >= found["rows"]
        facts[name] = _Fact(steady(mean), steady(spread)) if fine else _Fact(0.0, 0.0)
    return facts


def _standard(name: str, fact: _Fact) -> nw.Expr:
    """Return a column about its mean in standard deviations; missing values stand at the mean."""
    value = (nw.col(name) - fact.mean) / (fact.spread or 1.0)
    return nw.when(~nw.col(name).is_null()).then(value).otherwise(nw.lit(0.0))


def _cells(design: _Design) -> dict[tuple[str, str], Moments]:
    """Return the products of rows by round and side, whatever clusters there are."""
    rowwise = replace(design.log, columns={})
    found = moment_sums(rowwise, design.rows, design.names, by=["round_name", "side"])
    return {(str(name), str(side)): moments for (name, side), moments in found.items()}


_Cell = tuple[str, str]


def _fewest(design: _Design) -> int:
    return max(FEWEST_ROWS, 3 * len(design.names))


def _fitted(design: _Design, wanted: Sequence[_Cell], cells: Mapping[_Cell, Moments]) -> dict[_Cell, Residuals]:
    """Return the regressions of the cells that have rows enough."""
    return {
        cell: residuals(cells[cell].products, cells[cell].n)
        for cell in wanted
        if cell in cells and cells[cell].n >= _fewest(design)
    }


def _moved(design: _Design, fitted: Mapping[_Cell, Residuals]) -> dict[_Cell, Moments]:
    """Return the moments of the influences of rows on the partial correlation of their cell, in one pass."""
    given = design.names[:-2]
    left = {"u": nw.lit(0.0), "v": nw.lit(0.0), "r": nw.lit(0.0)}
    for (name, side), found in fitted.items():
        if not isfinite(found.correlation):
            continue
        inside = one_where((nw.col("round_name") == name) & (nw.col("side") == side))
        sides = (("u", "z_earlier", found.first, found.scale[0]), ("v", "z_label", found.second, found.scale[1]))
        for which, column, coefficients, scale in sides:
            terms = zip(given, coefficients.tolist(), strict=True)
            told = sum((nw.col(each) * (term / sqrt(scale)) for each, term in terms), nw.lit(0.0))
            left[which] = left[which] + inside * (nw.col(column) * (1.0 / sqrt(scale)) - told)
        left["r"] = left["r"] + inside * (found.correlation / 2)
    u, v, r = nw.col("u"), nw.col("v"), nw.col("r")
    unit = unit_of(design.log)
    kept = ["round_name", "side", *([unit] if unit else [])]
    rows = design.rows.with_columns(**left).with_columns(moved=u * v - (u * u + v * v) * r).select(*kept, "moved")
    sums = moment_sums(design.log, rows, ["moved"], by=["round_name", "side"])
    return {(str(name), str(side)): moments for (name, side), moments in sums.items()}


def _round(
    design: _Design,
    wanted: Sequence[_Cell],
    cells: Mapping[_Cell, Moments],
    fitted: Mapping[_Cell, Residuals],
    moved: Mapping[_Cell, Moments],
) -> _Found:
    """Return the partial correlation of a round, less that of its hold-out where one is wanted."""
    found: list[Estimate] = []
    for cell in wanted:
        n = cells[cell].n if cell in cells else 0
        if cell not in fitted:
            said = "hold-out" if cell[1] == "holdout" else "influenced"
            few = f"{n} {said} rows with earlier score and label are fewer than {_fewest(design)}. Log longer rounds."
            return _Found(None, few, n)
        if not isfinite(fitted[cell].correlation):
            why = (
                "features and current score tell the earlier score or the label exactly, so that nothing of its own is "
                "left of it. Leave features out that are scores, or compare models that differ."
            )
            return _Found(None, why, n)
        squares, units = float(moved[cell].products[0, 0]), moved[cell].units
        size, clustered = len(design.names) - 2, moved[cell].clustered
        found.append(of_influences(fitted[cell].correlation, squares, n, units, size, clustered=clustered))
    together = difference(found[0], found[1]) if len(found) == 2 else found[0]
    return _Found(together, None, min(each.n for each in found))


def _row(place: Round, found: _Found, settings: LoopSettings, caveat: str | None, *, compared: bool) -> Measurement:
    if found.estimate is None:
        why = f"{CANNOT} {found.fault}"
        return Measurement(
            metric=NAME, at=place.at, window=place.window, value=None, n=found.n, method="none", reason=why
        )
    said = "; ".join(filter(None, [caveat, None if compared else _PLAIN])) or None
    if compared:
        method = "fisher_z, sandwich, against_holdout"
        return of_estimate(
            NAME, found.estimate, level=settings.level, method=method, at=place.at, window=place.window, reason=said
        )
    ends = fisher_bounds(found.estimate, level=settings.level)
    reason = "; ".join(filter(None, [said, None if ends else no_bounds(found.estimate)])) or None
    return Measurement(
        metric=NAME, at=place.at, window=place.window, value=found.estimate.value, n=found.n, level=settings.level,
        low=ends[0] if ends else None, high=ends[1] if ends else None, method="fisher_z, sandwich", reason=reason,
    )  # fmt: skip


def _refused(reason: str) -> LoopRows:
    return LoopRows((Measurement(metric=NAME, value=None, n=0, method="none", reason=reason),))


_HELPS: tuple[Role, ...] = (
    "arm",
    "exposed",
    "action",
    "y_true",
    "y_score",
    "y_pred",
    "round",
    "model_version",
    "user",
    "cluster",
    "timestamp",
)
_OBTAIN = (
    "Keep each model when it is replaced, let it score the next round's rows too, and log that as earlier_score beside "
    "the round, the features and the label; keep a hold-out that no model touches."
)

FAMILY: Family = (
    LoopMetric(
        name=NAME,
        title="Whether new labels echo the previous model",
        question="is there a loop",
        needs=("earlier_score", "outcome"),
        helps=_HELPS,
        meaning=(
            "How much closer labels follow what the previous model said in cases that the system touched than in cases "
            "that it did not, beyond what is otherwise known of them."
        ),
        limit=LIMIT,
        why=(
            "A label should depend on the world. Where it depends on what a replaced model once said of the same case, "
            "that model is being taught to its successors: look at how labels come about."
        ),
        not_when=(
            "There is no hold-out: then a clever earlier model alone, that knows the features better than straight "
            "lines and parabolas do, looks like entanglement; the number is shown and does not ring."
        ),
        obtain=_OBTAIN,
        source=(
            "Partial correlation: R. A. Fisher (1924), The distribution of the partial correlation coefficient, Metron "
            "3, 329-332; its use by retraining round, and the difference from a hold-out, are ours."
        ),
        measure=measure_entanglement,
    ),
)
