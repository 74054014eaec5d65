"""Whether new users and new items are shown less, and judged worse, than those that the model knows."""

from typing import Literal, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.measurement import At
from audit.predictions import PredictionLog
from monitors.feedback.blocks import (
    Blocks,
    Estimate,
    Label,
    evidence,
    jackknife,
    limit_of,
    measured,
    one_where,
    refused,
    user_blocks,
    window_place,
    without_each,
)
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.timestamps import collected
from monitors.windows import Windows, parse_windows, resolve

Floats = npt.NDArray[np.float64]
Who = Literal["user", "item"]

EXPOSURE = -0.1
ERROR = 0.05

_SHARE, _EXPOSURE, _ERROR = "newcomer_exposure_share", "newcomer_exposure_difference", "newcomer_error_difference"
_FEWEST = 30
_FEWEST_WINDOWS = 4
_FEWEST_SWINGS = 6


class Cells(NamedTuple):
    """A sum and its number of rows, by block, window and whether the row is of a newcomer (place 1) or not (place 0).

    Examples
    --------
    >>> Cells(np.zeros((2, 3, 2)), np.ones((2, 3, 2))).rows.shape
    (2, 3, 2)
    """

    total: Floats
    """Shape (n_blocks, n_windows, 2)."""

    rows: Floats


def newcomer_difference(cells: Cells) -> Estimate:
    r"""Return the mean of newcomers' rows less that of the others in the same windows.

    Parameters
    ----------
    cells
        Of the windows that count.

    Returns
    -------
    Estimate
        NaN where no window has both. The standard error is the larger of two jackknifes: over blocks of users (or
        items), and, from six windows on, over windows.

    Notes
    -----
    sum_t w_t (a_t - b_t) / sum_t w_t, with w_t = n_t m_t / (n_t + m_t), n and m the rows of newcomers and of the others
    in window t: what moves all rows of a window cancels. Source: S. Greenland and J. Robins (1985),
    doi:10.2307/2530643.

    Examples
    --------
    In both windows newcomers have 1 of 2 wrong, the others 1 of 4.

    >>> total, rows = np.ones((1, 2, 2)), np.tile([4.0, 2.0], (1, 2, 1))
    >>> newcomer_difference(Cells(total, rows)).value
    0.25
    """
    by_block = _differences(without_each(cells.total), without_each(cells.rows))
    found = jackknife(float(by_block[0]), by_block[1:])
    windows = cells.rows.shape[1]
    if windows < _FEWEST_SWINGS:
        return found
    kept = ~np.eye(windows, dtype=np.bool_)
    totals, rows = (each.sum(axis=0)[None] * kept[:, :, None] for each in cells)
    by_window = jackknife(found.value, _differences(totals, rows))
    if np.isfinite(found.standard_error) and not by_window.standard_error > found.standard_error:
        return found
    return by_window


def _differences(total: Floats, rows: Floats) -> Floats:
    """Return the weighted mean difference of each of many tables, shape (n_tables, n_windows, 2)."""
    mean = total / np.where(rows > 0, rows, np.nan)
    gap = mean[..., 1] - mean[..., 0]
    weight = np.where(np.isfinite(gap), rows[..., 0] * rows[..., 1] / np.maximum(rows.sum(axis=-1), 1.0), 0.0)
    whole = weight.sum(axis=-1)
    summed = (weight * np.where(np.isfinite(gap), gap, 0.0)).sum(axis=-1)
    return np.asarray(summed / np.where(whole > 0, whole, np.nan), dtype=np.float64)


def measure_newcomers(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure exposure and error of users, and of items, in the window in which the log sees them first.

    The first quarter of the windows is left out: there, everybody seems new.

    Parameters
    ----------
    log
        With times and users or items; action for exposure, y_true with y_pred or y_score for error.
    settings
        Window, limits and level.

    Examples
    --------
    >>> table = pa.table({"p": [1], "who": ["a"], "t": ["2026-01-05T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", user="who", timestamp="t")
    >>> measure_newcomers(log, LoopSettings()).rows[0].reason[:56]
    'cannot be measured, because the log holds 1 window, and '
    """
    windows = resolve(parse_windows(settings.window), log)
    kinds: list[Who] = [who for who in ("user", "item") if who in log.columns]
    if len(windows) < _FEWEST_WINDOWS or not kinds:
        some = "window" if len(windows) == 1 else "windows"
        why = (
            f"the log holds {len(windows)} {some}, and who is new shows after {_FEWEST_WINDOWS}; wait, or take shorter"
        )
        none = "the log names no user and no item; log one of them"
        return LoopRows(tuple(refused(metric.name, 0, why if kinds else none) for metric in FAMILY))
    answers = [_measured(log, settings, windows, who) for who in kinds]
    rows = tuple(row for answer in answers for row in answer.rows)
    return LoopRows(rows, tuple(each for answer in answers for each in answer.evidence))


def _measured(log: PredictionLog, settings: LoopSettings, windows: Windows, who: Who) -> LoopRows:
    blocks = user_blocks(log, window=settings.window, role=who)
    first = max(1, len(windows) // 4)
    found = {
        name: Cells(cells.total[:, first:], cells.rows[:, first:])
        for name, cells in _cells(log, windows, who, blocks).items()
    }
    start = windows.edges[first]
    at: At = (("feature", who),)
    share = _share(found["shown"], settings, at)
    has_misses = bool((found["shown"].total < found["shown"].rows).any())
    parts = [share]
    for name, cells, limit in (
        (_EXPOSURE, found["shown"] if has_misses else None, limit_of(settings.limits, _EXPOSURE, EXPOSURE, "below")),
        (_ERROR, found.get("error"), limit_of(settings.limits, _ERROR, ERROR)),
    ):
        if cells is None:
            parts.append(LoopRows((refused(name, 0, _LACKING[name], at=at),)))
            continue
        n = int(cells.rows.sum(axis=(0, 1)).min())
        estimate = newcomer_difference(cells)
        if n < _FEWEST or not np.isfinite(estimate.value):
            why = f"{n} rows of new {who}s, or of others, can be compared, and {_FEWEST} are needed; wait"
            parts.append(LoopRows((refused(name, n, why, at=at),)))
            continue
        row = measured(
            Label(name, n, settings.level, at=at, against={"kind": "rest"}), estimate, method="block_jackknife"
        )
        numeric = name == _ERROR and log.reading.task in {"regression", "ranking"}
        said = () if numeric else evidence(row, estimate, limit, start)
        parts.append(LoopRows((row,), said))
    return LoopRows(tuple(r for part in parts for r in part.rows), tuple(e for part in parts for e in part.evidence))


def _share(shown: Cells, settings: LoopSettings, at: At) -> LoopRows:
    totals = without_each(shown.total.sum(axis=1))
    n = int(totals[0].sum())
    if not n:
        return LoopRows((refused(_SHARE, 0, "nothing was shown; log action=1 where an item was shown", at=at),))
    values = totals[:, 1] / np.where(totals.sum(axis=1) > 0, totals.sum(axis=1), np.nan)
    found = jackknife(float(values[0]), values[1:])
    return LoopRows(
        (measured(Label(_SHARE, n, settings.level, at=at), found, method="block_jackknife", bounds=(0, 1)),)
    )


_LACKING = {
    _EXPOSURE: "every row was shown, so that nobody was passed over; log the candidates that were not shown (action=0)",
    _ERROR: "errors need y_true with y_pred or y_score; log what turned out to be true",
}


def _cells(log: PredictionLog, windows: Windows, who: Who, blocks: Blocks) -> dict[str, Cells]:
    """Return exposures ("shown"), and errors ("error") where the log has labels, of newcomers and others."""
    shown = one_where(nw.col("action") == 1.0) if "action" in log.columns else nw.lit(1.0)
    error = _error(log)
    rows = (
        decisions(log)
        .filter(~nw.col(who).is_null())
        .select(
            who,
            window=window_place(windows),
            block=blocks.expression,
            shown=shown,
            error=nw.lit(0.0) if error is None else error,
        )
        .filter(nw.col("window") >= 0)
    )
    firsts = rows.group_by(who).agg(first=nw.col("window").min())
    joined = rows.join(firsts, on=who, how="left")
    table = collected(
        log,
        joined.select("window", "block", "shown", "error", new=one_where(nw.col("first") == nw.col("window")))
        .group_by("window", "block", "new")
        .agg(nw.col("shown", "error").sum(), n=nw.len(), labelled=nw.col("error").count()),
    )
    shape = (blocks.number, len(windows), 2)
    place = [table[name].cast(pa.int64()).to_numpy() for name in ("block", "window", "new")]

    def dense(name: str) -> Floats:
        found = np.zeros(shape)
        found[place[0], place[1], place[2]] = np.nan_to_num(
            table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        )
        return found

    found = {"shown": Cells(dense("shown"), dense("n"))}
    return found if error is None else found | {"error": Cells(dense("error"), dense("labelled"))}


def _error(log: PredictionLog) -> nw.Expr | None:
    """Return how wrong each row is: 1 or 0 for labels, the distance for numbers; null where not known."""
    if "y_true" not in log.columns:
        return None
    if "y_pred" in log.columns or log.reading.threshold is not None:
        return (nw.col("y_pred") - nw.col("y_true")).abs()
    return (nw.col("y_score") - nw.col("y_true")).abs() if "y_score" in log.columns else None


_OBTAIN = "Log user or item, and a time, with every row; the candidates that were not shown, too (action=0)."
_SOURCE = "Schein et al. (2002), Methods and metrics for cold-start recommendations, doi:10.1145/564376.564421."

FAMILY: tuple[LoopMetric, ...] = (
    LoopMetric(
        name=_SHARE,
        title="Share of exposures that go to newcomers",
        question="for whom",
        needs=("timestamp",),
        helps=("user", "item", "action"),
        meaning="The part of all that is shown that goes to users, or items, in the week they first appear.",
        why="It describes: how many newcomers there are is for the service to know.",
        not_when="Not as a verdict: with few newcomers it is small.",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_newcomers,
    ),
    LoopMetric(
        name=_EXPOSURE,
        title="Whether newcomers are passed over",
        question="for whom",
        needs=("timestamp", "action"),
        helps=("user", "item"),
        meaning="How often a newcomer's row is acted on, less how often that of others is, in the same weeks.",
        limit=EXPOSURE,
        side="below",
        why=(
            "What is never shown is never chosen, and so never shown: newcomers stay out. Look at whether the model "
            "explores, and at what it knows of something new."
        ),
        not_when="Not where newcomers are held back on purpose (checks of new sellers).",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_newcomers,
    ),
    LoopMetric(
        name=_ERROR,
        title="Whether the model is worse for newcomers",
        question="for whom",
        needs=("timestamp", "y_true"),
        helps=("user", "item", "y_pred", "y_score"),
        meaning="The model's error on newcomers less that on all others in the same weeks.",
        limit=ERROR,
        why="A model that learns from its own history errs most on those without one. Look at what it is told of them.",
        not_when="Not where labels of newcomers come later than others': compare when all are in.",
        obtain=f"{_OBTAIN} Log what turned out to be true (y_true).",
        source=_SOURCE,
        measure=measure_newcomers,
    ),
)
"""Newcomers, as the catalog lists it."""
