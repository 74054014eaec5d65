"""Whether a small number of very active users set for all what is popular."""

from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.inference.intervals import quantile
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.blocks import (
    Blocks,
    Estimate,
    Label,
    Limit,
    evidence,
    first_time,
    jackknife,
    limit_of,
    measured,
    refused,
    sure,
    user_blocks,
    without_each,
)
from monitors.feedback.concentration_tables import item_codes, items_of
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.timestamps import collected

Floats = npt.NDArray[np.float64]

TOP_USERS = 0.01
LARGEST_SHARE = 0.2
LEAST_CORRELATION = 0.9

_SHARE, _CORRELATION = "heavy_user_share", "leave_top_out_correlation"
_FEWEST_USERS = 200
_FEWEST_ITEMS = 10
_FEWEST_ROWS = 10
_NO_SKEW = 1e-6
_CELLS = 1_000_000
_FEWEST_BLOCKS = 10


class Share(NamedTuple):
    """The share of the heaviest users, its standard error, the skewness of the estimate and its degrees of freedom.

    Examples
    --------
    >>> Share(0.3, 0.05, 0.4, 9).df
    9
    """

    value: float
    standard_error: float
    skewness: float
    df: int
    """Heavy users less one: they carry the error."""


def heavy_user_share(weights: npt.ArrayLike, *, top: float = TOP_USERS) -> Share:
    r"""Return the share of all rows (or training weight) that come from the users with the most.

    Larger is worse, in [top, 1].

    Parameters
    ----------
    weights
        Rows or weight of each user, at least 0, shape (n_users,).
    top
        Which share of the users is meant, in (0, 1); at least one user.

    Returns
    -------
    Share
        Of these users, and how much it would differ among others like them. NaN where all weights are 0.

    Notes
    -----
    With the quantile q that the part p of the users lies above, the influence of a user with weight w on the share
    theta is ((w - q)_+ + p q - theta w) / mean w. Source: C. M. Beach and R. Davidson (1983), Distribution-free
    statistical inference with Lorenz curves and income shares, doi:10.2307/2297772.

    Examples
    --------
    One of a hundred users has half of the rows.

    >>> heavy_user_share([99] + [1] * 99).value
    0.5
    """
    w = np.asarray(weights, dtype=np.float64)
    users = len(w)
    total = float(w.sum())
    if users == 0 or total <= 0:
        return Share(float("nan"), float("nan"), 0.0, 0)
    number = max(1, int(np.ceil(top * users - 1e-9)))
    ordered = np.sort(w)[::-1]
    share = float(ordered[:number].sum()) / total
    part, cut = number / users, float(ordered[number]) if number < users else 0.0
    influence = (np.maximum(w - cut, 0.0) + part * cut - share * w) / (total / users)
    variance = float((influence**2).sum()) / max(users - 1, 1)
    if variance <= 0:
        return Share(share, 0.0, 0.0, number - 1)
    skewness = float((influence**3).mean()) / variance**1.5 / np.sqrt(users)
    return Share(share, float(np.sqrt(variance / users)), float(skewness), number - 1)


def share_bounds(found: Share, *, level: float) -> tuple[float, float]:
    r"""Return the interval of a share, with its skewness: of few very heavy users the heaviest are not seen yet.

    Notes
    -----
    The pivot is h(t) = ((1 + g t / 3)^3 - 1) / g + g / 6 for t = (estimate - truth) / se and the skewness g of the
    estimate, held against Student's t with as many degrees of freedom as heavy users less one. Source: P. Hall (1992),
    On the removal of skewness by transformation, doi:10.1111/j.2517-6161.1992.tb01876.x; the degrees of freedom are
    ours. Of log-normal weights (sigma .5 to 1.5) and 600 users or more, intervals of 95 % cover in 92 to 98 %.

    Examples
    --------
    >>> low, high = share_bounds(Share(0.3, 0.05, 0.4, 9), level=0.95)
    >>> round(low, 3), round(high, 3)
    (0.212, 0.522)
    """
    critical = float(quantile(level, df=found.df))
    low, high = (found.value - found.standard_error * _unskewed(x, found.skewness) for x in (critical, -critical))
    return max(low, 0.0), min(high, 1.0)


def _unskewed(pivot: float, skewness: float) -> float:
    if abs(skewness) < _NO_SKEW:
        return pivot
    return 3.0 / skewness * (float(np.cbrt(1.0 + skewness * (pivot - skewness / 6.0))) - 1.0)


def _pivot(t: float, skewness: float) -> float:
    if abs(skewness) < _NO_SKEW:
        return t
    return ((1.0 + skewness * t / 3.0) ** 3 - 1.0) / skewness + skewness / 6.0


def leave_top_out_correlation(everyone: Floats, heavy: Floats) -> Floats:
    """Return Spearman's rank correlation of the items' popularity with and without the heavy users.

    Smaller is worse, in [-1, 1]: near 1 the heavy users like what all like.

    Parameters
    ----------
    everyone, heavy
        Rows (or weight) of all users, and those of the heavy ones among them, shape (..., n_items).

    Returns
    -------
    ndarray of float64
        Shape (...,); NaN where one of both popularities is the same for all items.

    Examples
    --------
    The heavy users put the last item first.

    >>> all_rows, of_heavy = np.array([[30.0, 20.0, 40.0]]), np.array([[0.0, 0.0, 30.0]])
    >>> leave_top_out_correlation(all_rows, of_heavy).tolist()
    [-0.5]
    """
    ranks = [_ranks(each) for each in (everyone, everyone - heavy)]
    one, two = (each - each.mean(axis=-1, keepdims=True) for each in ranks)
    size = np.sqrt((one**2).sum(axis=-1) * (two**2).sum(axis=-1))
    return np.asarray((one * two).sum(axis=-1) / np.where(size > 0, size, np.nan), dtype=np.float64)


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rank of each value in its row, from 1; equal values share the mean of theirs."""
    ordered = np.sort(values, axis=-1)
    found = np.empty(values.shape)
    for place in np.ndindex(values.shape[:-1]):
        below = np.searchsorted(ordered[place], values[place], side="left")
        found[place] = (below + np.searchsorted(ordered[place], values[place], side="right") + 1) / 2
    return found


def measure_heavy_users(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure what part of the rows heavy users have, and whether items rank as they do without them.

    Parameters
    ----------
    log
        With users; `training_weight` and `item` where it has them.
    settings
        Limits and level.

    Examples
    --------
    >>> table = pa.table({"p": [1] * 3, "who": ["a", "a", "b"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", user="who")
    >>> measure_heavy_users(log, LoopSettings()).rows[0].reason[:60]
    'cannot be measured, because the log has 2 users, and the hea'
    """
    weights = _of_users(log)
    if len(weights) < _FEWEST_USERS or not weights.any():
        few = (
            f"the log has {len(weights):,} users, and the heaviest one per cent of them can be told from "
            f"{_FEWEST_USERS} on; wait for more"
        )
        none = "all training weights are 0; log the weight with which each row was trained on"
        why = few if len(weights) < _FEWEST_USERS else none
        return LoopRows((refused(_SHARE, len(weights), why), refused(_CORRELATION, len(weights), why)))
    share = _share(log, settings, weights)
    number = max(1, int(np.ceil(TOP_USERS * len(weights) - 1e-9)))
    cut = float(np.sort(weights)[::-1][number - 1])
    correlation = _correlation(log, settings, cut) if "item" in log.columns else LoopRows()
    return LoopRows((*share.rows, *correlation.rows), (*share.evidence, *correlation.evidence))


def _weight(log: PredictionLog) -> nw.Expr:
    return nw.col("training_weight").fill_null(0.0) if "training_weight" in log.columns else nw.lit(1.0)


def _of_users(log: PredictionLog) -> Floats:
    rows = decisions(log).filter(~nw.col("user").is_null()).select("user", w=_weight(log))
    found = collected(log, rows.group_by("user").agg(nw.col("w").sum()))["w"]
    return np.asarray(found.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _share(log: PredictionLog, settings: LoopSettings, weights: Floats) -> LoopRows:
    found = heavy_user_share(weights)
    n = len(weights)
    what = "training weight" if "training_weight" in log.columns else "rows"
    said = f"share of {what}; n counts users"
    if not sure(Estimate(found.value, found.standard_error, found.df), level=settings.level):
        few = f"{said}; no interval: fewer than six users make up one per cent, or all are alike"
        return LoopRows((Measurement(metric=_SHARE, value=found.value, n=n, method="count", reason=few),))
    low, high = share_bounds(found, level=settings.level)
    fields: dict[str, Any] = {"metric": _SHARE, "value": found.value, "n": n, "level": settings.level}
    row = Measurement(**fields, low=low, high=high, method="lorenz_linearised", reason=said)
    limit = limit_of(settings.limits, _SHARE, LARGEST_SHARE)
    pivot = _pivot((found.value - limit.value) / found.standard_error, found.skewness)
    return LoopRows((row,), evidence(row, Estimate(pivot, 1.0, found.df), Limit(0.0, limit.side), first_time(log)))


def _correlation(log: PredictionLog, settings: LoopSettings, cut: float) -> LoopRows:
    items = items_of(log)
    blocks = user_blocks(log, window=settings.window)
    number = int(min(blocks.number, max(_CELLS // max(len(items), 1), _FEWEST_BLOCKS)))
    every, heavy, rows = _by_item(log, blocks._replace(number=number), items, cut)
    kept = rows >= _FEWEST_ROWS
    if kept.sum() < _FEWEST_ITEMS:
        why = (
            f"{int(kept.sum())} items have {_FEWEST_ROWS} rows or more, and ranks need {_FEWEST_ITEMS} such items; "
            "wait, or log categories of items"
        )
        return LoopRows((refused(_CORRELATION, int(kept.sum()), why),))
    values = leave_top_out_correlation(without_each(every[:, kept]), without_each(heavy[:, kept]))
    if not np.isfinite(values[0]):
        return LoopRows((refused(_CORRELATION, int(kept.sum()), "all items are equally popular; nothing is ranked"),))
    found = jackknife(float(values[0]), values[1:])
    left = int((~kept).sum())
    said = f"n counts items; {left:,} items with fewer than {_FEWEST_ROWS} rows left out" if left else "n counts items"
    label = Label(_CORRELATION, int(kept.sum()), settings.level)
    row = measured(label, found, method="block_jackknife", bounds=(-1.0, 1.0), caveat=said)
    limit = limit_of(settings.limits, _CORRELATION, LEAST_CORRELATION, "below")
    return LoopRows((row,), evidence(row, found, limit, first_time(log)))


def _by_item(log: PredictionLog, blocks: Blocks, items: pa.Array, cut: float) -> tuple[Floats, Floats, Floats]:
    """Return the weight of all users and of the heavy ones by block and item, and the rows by item."""
    rows = (
        decisions(log)
        .filter(~nw.col("user").is_null() & ~nw.col("item").is_null())
        .select("user", "item", block=blocks.expression % blocks.number, w=_weight(log))
    )
    users = (
        decisions(log)
        .filter(~nw.col("user").is_null())
        .select("user", total=_weight(log))
        .group_by("user")
        .agg(nw.col("total").sum())
    )
    joined = rows.join(users, on="user", how="left")
    is_heavy = nw.when(nw.col("total") >= cut).then(nw.col("w")).otherwise(nw.lit(0.0))
    cells = collected(
        log,
        joined.select("item", "block", "w", heavy=is_heavy)
        .group_by("item", "block")
        .agg(nw.col("w").sum(), nw.col("heavy").sum(), n=nw.len()),
    )
    flat = cells["block"].cast(pa.int64()).to_numpy() * len(items) + item_codes(cells["item"], items)

    def dense(name: Literal["w", "heavy", "n"]) -> Floats:
        values = cells[name].cast(pa.float64()).to_numpy()
        found = np.bincount(flat, weights=values, minlength=blocks.number * len(items))
        return np.asarray(found, dtype=np.float64).reshape(blocks.number, len(items))

    return dense("w"), dense("heavy"), np.asarray(dense("n").sum(axis=0), dtype=np.float64)


_OBTAIN = "Log the user of every row (a pseudonym will do), and the weight with which the row was trained on."
_WHY = (
    "A small number of very enthusiastic users can set what everybody is shown, and attract more like themselves. "
    "Above the limit, look at who they are and whether others want the same."
)

FAMILY: tuple[LoopMetric, ...] = (
    LoopMetric(
        name=_SHARE,
        title="Share of the data from the most active 1 % of users",
        question="for whom",
        needs=("user",),
        helps=("training_weight",),
        meaning="The part of the rows, or of the training weight, that comes from the most active one per cent.",
        limit=LARGEST_SHARE,
        why=_WHY,
        not_when="Not where one user stands for many people (a kiosk, a reseller); mend the user first.",
        obtain=_OBTAIN,
        source="Beach & Davidson (1983), doi:10.2307/2297772; course notes on enthusiastic users.",
        measure=measure_heavy_users,
    ),
    LoopMetric(
        name=_CORRELATION,
        title="Would items rank alike without the most active 1 %",
        question="for whom",
        needs=("user", "item"),
        helps=("training_weight",),
        meaning="1: without the most active users the items rank as before; lower: those users made the ranking.",
        limit=LEAST_CORRELATION,
        side="below",
        why="Below the limit the ranking is theirs: compare the items that fall with what other users choose.",
        not_when="Not with items of few rows, whose ranks are chance; those are left out, and how many is said.",
        obtain=f"{_OBTAIN} Log the item, too.",
        source="Spearman (1904), doi:10.2307/1412159; delete-one-block jackknife over users.",
        measure=measure_heavy_users,
    ),
)
"""Influence of heavy users, as the catalog lists it."""
