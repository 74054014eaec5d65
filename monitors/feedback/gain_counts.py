"""A decision log as grids of places and periods: what was found, what was fed back, the dither and the plan."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.predictions import PredictionLog
from monitors.feedback.agreement_rounds import CANNOT, round_role, rounds_of
from monitors.feedback.coverage_outcomes import with_outcomes
from monitors.feedback.decisions import decisions
from monitors.feedback.whole_sums import cut, ranges_of
from monitors.timestamps import collected, microseconds
from monitors.windows import ANCHOR, parse_windows

Array = npt.NDArray[np.float64]

_LARGEST_GRID = 20_000_000
_WEEK, _DAY, _HOUR = 604_800_000_000, 86_400_000_000, 3_600_000_000
_SAME = 1e-9
_NUMBERS = ("fed_back", "found", "attention", "plan", "dither")
_FEW_LOST = 0.01


class Grid(NamedTuple):
    """Sums by place and period, arrays of shape (n_places, n_periods); NaN where there is no such cell.

    Attributes
    ----------
    fed_back
        Sum of training weight x outcome over the rows whose outcome was observed.
    found
        Sum of these outcomes without weights.
    attention
        Sum of `exposure`; None where the log has none.
    dither
        The random shift; None where the log has none.
    plan
        Logarithm of the mean propensity; None where a cell has none.
    ordered
        Whether periods stand in the order of time.
    rows
        Number of rows that the grid rests on.
    fault
        Why there is no grid to speak of, in words; None where there is.

    Examples
    --------
    >>> nothing("the log is empty").fault
    'cannot be measured, because the log is empty'
    """

    fed_back: Array
    found: Array
    attention: Array | None
    dither: Array | None
    plan: Array | None
    ordered: bool
    rows: int
    fault: str | None = None


def grid_of(log: PredictionLog, *, window: str, dithered: bool) -> Grid:
    """Return the sums of a log by place and period.

    A period is a retraining round, or a window of time where the log has no rounds. With `dithered` it is one within
    which the dither of a place does not change: a round, else a window of the length given, else a day, else an hour.

    Parameters
    ----------
    log
        With the roles place and outcome.
    window
        Length of a window of time.
    dithered
        Whether the grid is for the dither; otherwise for attention.

    Examples
    --------
    >>> table = pa.table({"at": ["A", "A", "B", "B"], "r": [1, 2, 1, 2], "d": [0.1, -0.1, 0.2, 0.0],
    ...                   "o": [3, 1, 2, 4], "w": [1.0, 1.0, 0.5, 1.0]})
    >>> log = PredictionLog.from_frame(table, task="watch", place="at", round="r", dither="d", outcome="o",
    ...                                training_weight="w")
    >>> grid = grid_of(log, window="7d", dithered=True)
    >>> grid.fed_back.tolist(), grid.dither.tolist()
    ([[3.0, 1.0], [1.0, 4.0]], [[0.1, -0.1], [0.2, 0.0]])
    """
    candidates = _periods(log, window)
    if not candidates:
        return nothing(
            "the log names neither round nor timestamp: one period cannot be told from the next. Log the retraining "
            "round, or the time of each row."
        )
    order: list[str] = []
    if round_role(log) is not None:
        rounds = rounds_of(log)
        if rounds.fault:
            return nothing(rounds.fault)
        order = [str(each.name) for each in rounds.rounds]
    known = "timestamp" in log.columns or all(_is_number(name) for name in order)
    changing = ""
    for kind, period in candidates:
        cells = _cells(log, period)
        said = _changing(cells) if dithered else ""
        if not said:
            return _grid(cells, order if kind == "round" else [], dithered=dithered)._replace(ordered=known)
        changing = changing or said
    return nothing(changing)


def nothing(why: str) -> Grid:
    """Return a grid without cells and the reason why.

    Examples
    --------
    >>> nothing("there are no places").rows
    0
    """
    empty = np.empty((0, 0))
    said = why if why.startswith(CANNOT) else f"{CANNOT} {why}"
    return Grid(empty, empty, None, None, None, ordered=False, rows=0, fault=said)


def _periods(log: PredictionLog, window: str) -> list[tuple[str, nw.Expr]]:
    """Return what a period may be: its kind, and the expression that names it as a text or a number."""
    found: list[tuple[str, nw.Expr]] = []
    role = round_role(log)
    if role is not None:
        found.append(("round", nw.col(role)))
    if "timestamp" in log.columns:
        rule = parse_windows(window)
        lengths = [rule.amount if rule.kind == "time" else _WEEK]
        lengths += [length for length in (_DAY, _HOUR) if length < lengths[0]]
        since = nw.col("micros") - microseconds(ANCHOR)
        found += [("time", since // length) for length in lengths]
    return found


def _cells(log: PredictionLog, period: nw.Expr) -> pa.Table:
    """Return one row per place and period."""
    weight = nw.col("training_weight") if "training_weight" in log.columns else nw.lit(1.0)
    rows = with_outcomes(log, decisions(log)).with_columns(period=period)
    rows = rows.filter(~nw.col("place").is_null() & ~nw.col("period").is_null())
    found = nw.when(nw.col("observed") == 1).then(nw.col("seen")).otherwise(nw.lit(0.0))
    rows = rows.with_columns(found=found, fed_back=found * weight)
    wanted: dict[str, nw.Expr] = {
        "rows": nw.len(),
        "smallest": nw.col("found").min(),
    }
    sums = {"found": "found", "fed_back": "fed_back"}
    if "exposure" in log.columns:
        sums["attention"] = "exposure"
    if "propensity" in log.columns:
        sums["plan"] = "propensity"
    if "dither" in log.columns:
        wanted |= {"dither": nw.col("dither").max(), "dither_low": nw.col("dither").min()}
    scales = _scales(log, rows, sums)
    wanted |= {name: cut(nw.col(column), scales[name]).sum() for name, column in sums.items()}
    wanted["planned"] = nw.col(sums.get("plan", "found")).count()
    cells = collected(log, rows.group_by("place", "period").agg(**wanted))
    for name, scale in scales.items():
        count = _numbers(cells, "planned") if name == "plan" else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            value = pa.array(_numbers(cells, name) / scale / count, from_pandas=True)
        cells = cells.set_column(cells.column_names.index(name), name, value)
    return cells.drop_columns("planned")


def _scales(log: PredictionLog, rows: nw.LazyFrame[Any], sums: Mapping[str, str]) -> dict[str, float]:
    ranges = ranges_of(log, rows, {name: nw.col(column) for name, column in sums.items()})
    return {name: ranges.scale(name) for name in sums}


def _changing(cells: pa.Table) -> str:
    high, low = _numbers(cells, "dither"), _numbers(cells, "dither_low")
    known = np.isfinite(high)
    several = int((high - low > _SAME)[known].sum())
    if not several:
        return ""
    return (
        f"the dither changes within a place and period in {several:,} of {int(known.sum()):,} of them, so that what a "
        "shift brought back cannot be told apart. Draw one dither per place and period, and log that period as round."
    )


def _grid(cells: pa.Table, order: list[str], *, dithered: bool) -> Grid:
    names, periods = cells["place"].to_pylist(), cells["period"].to_pylist()
    places = {name: at for at, name in enumerate(sorted(set(names)))}
    kinds: list[Any] = [name for name in order if name in set(periods)] if order else sorted(set(periods))
    columns = {name: at for at, name in enumerate(kinds)}
    if len(places) * len(columns) > _LARGEST_GRID:
        return nothing(
            f"{len(places):,} places and {len(columns):,} periods make more cells than are held at once. Group the "
            "places, or take longer periods."
        )
    where = (np.array([places[name] for name in names], int), np.array([columns[name] for name in periods], int))
    shape = (len(places), len(columns))
    made = {name: _filled(shape, where, _numbers(cells, name)) for name in _NUMBERS if name in cells.column_names}
    plan = made.get("plan")
    present = np.isfinite(made["fed_back"])
    known_plan = plan is not None and bool((plan[present] > 0).all())
    grid = Grid(
        made["fed_back"], made["found"], made.get("attention"), made.get("dither"),
        np.log(plan) if plan is not None and known_plan else None,
        ordered=True, rows=int(np.sum(_numbers(cells, "rows"))),
    )  # fmt: skip
    return grid._replace(fault=_fault(grid, _numbers(cells, "smallest"), dithered=dithered))


def _fault(grid: Grid, smallest: Array, *, dithered: bool) -> str | None:
    if np.isfinite(grid.fed_back).any() and min(np.nanmin(grid.fed_back), np.nanmin(smallest)) < 0:
        return f"{CANNOT} outcomes are below 0: they are no counts. Log counts, or what each row brought back."
    if not dithered or grid.dither is None:
        return None
    experiment = np.isfinite(grid.dither).any(axis=0)
    present = np.isfinite(grid.fed_back[:, experiment])
    without = present & ~np.isfinite(grid.dither[:, experiment])
    if without.sum() > _FEW_LOST * present.sum():
        return (
            f"{CANNOT} {int(without.sum()):,} of {int(present.sum()):,} places and periods of the experiment have no "
            "dither: did a join lose them? Log the dither with each row."
        )
    if (~present).mean() > _FEW_LOST and smallest.min(initial=np.inf) > 0:
        return (
            f"{CANNOT} {int((~present).sum()):,} of {present.size:,} places and periods have no row, and no row says "
            "that nothing was found: it seems that only findings are logged, which hides the dithers that brought "
            "nothing back. Log a row with outcome 0 for each place and period."
        )
    return None


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _filled(shape: tuple[int, int], where: tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]], values: Array) -> Array:
    grid = np.full(shape, np.nan)
    grid[where] = values
    return grid


def _numbers(cells: pa.Table, name: str) -> Array:
    return np.asarray(cells[name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
