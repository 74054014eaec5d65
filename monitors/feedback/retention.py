"""Whether one group of users comes back less than the others, and less and less: people whom a loop drives away."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.measurement import EVERYONE, Slice
from audit.predictions import PredictionLog, feature_column
from monitors.feedback.blocks import (
    Estimate,
    Label,
    Limit,
    evidence,
    jackknife,
    limit_of,
    measured,
    refused,
    user_blocks,
    window_place,
    without_each,
)
from monitors.feedback.decisions import decisions, group_of
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.feedback.trends import FEWEST, trend
from monitors.timestamps import collected
from monitors.windows import Windows, parse_windows, resolve

Floats = npt.NDArray[np.float64]

DIFFERENCE = -0.05
TREND = -0.005
SHARE_TREND = -0.02

_RETENTION, _DIFFERENCE, _TREND, _SHARE = (
    "group_retention",
    "group_retention_difference",
    "group_retention_trend",
    "group_share_trend",
)
_SEASON = "may follow the season; the rows that compare groups do not"
_FEWEST = 10  # active users of a group in a window, on average


class Activity(NamedTuple):
    """Users of a group by block and window: how many were active, and how many of them in the next window, too.

    Examples
    --------
    >>> Activity(np.array([[4.0, 2.0]]), np.array([[1.0, 1.0]])).active.sum()
    np.float64(6.0)
    """

    active: Floats
    """Shape (n_blocks, n_windows)."""

    back: Floats

    def __sub__(self, other: "Activity") -> "Activity":
        return Activity(self.active - other.active, self.back - other.back)


def retention(activity: Activity) -> Floats:
    """Return the share of active users who are back in the next window: of all blocks, and behind it without each.

    In [0, 1], larger is better, shape (n_blocks + 1,); NaN where nobody was active.

    Examples
    --------
    >>> retention(Activity(np.array([[4.0, 2.0], [2.0, 2.0]]), np.array([[1.0, 1.0], [2.0, 1.0]]))).tolist()
    [0.5, 0.75, 0.3333333333333333]
    """
    active, back = (without_each(each.sum(axis=1)) for each in activity)
    return _over(back, active)


def retention_gaps(group: Activity, rest: Activity) -> Floats:
    """Return a group's retention less that of the rest, by window: of all blocks, and behind it without each.

    What comes and goes with the season for all is in both and cancels. Shape (n_blocks + 1, n_windows); NaN where one
    of both had no active user.

    Examples
    --------
    >>> one = Activity(np.array([[4.0], [4.0]]), np.array([[1.0], [1.0]]))
    >>> two = Activity(np.array([[8.0], [8.0]]), np.array([[4.0], [4.0]]))
    >>> retention_gaps(one, two).ravel().tolist()
    [-0.25, -0.25, -0.25]
    """
    rates = [_over(without_each(each.back), without_each(each.active)) for each in (group, rest)]
    return np.asarray(rates[0] - rates[1], dtype=np.float64)


def mean_gap(group: Activity, rest: Activity) -> Floats:
    """Return the mean of `retention_gaps`, windows weighted as for one common difference (Mantel and Haenszel).

    Weights are a b / (a + b) for a and b active users: shape (n_blocks + 1,); NaN where no window has both.

    Source: S. Greenland and J. Robins (1985), doi:10.2307/2530643.

    Examples
    --------
    >>> one = Activity(np.array([[4.0, 4.0]]), np.array([[1.0, 2.0]]))
    >>> two = Activity(np.array([[4.0, 4.0]]), np.array([[2.0, 4.0]]))
    >>> float(mean_gap(one, two)[0])
    -0.375
    """
    gaps = retention_gaps(group, rest)
    here, there = without_each(group.active), without_each(rest.active)
    weights = np.where(np.isfinite(gaps), here * there / np.maximum(here + there, 1.0), 0.0)
    return _over((weights * np.where(np.isfinite(gaps), gaps, 0.0)).sum(axis=1), weights.sum(axis=1))


def measure_retention(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure by group the share of active users who come back in the next window, against the rest, and its trends.

    Parameters
    ----------
    log
        With users and times, and sensitive features where it has groups. A user is active in a window with one row or
        more; only windows that are over count.
    settings
        Window, limits and level.

    Examples
    --------
    >>> table = pa.table({"p": [1, 1], "who": ["a", "b"], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", user="who", timestamp="t")
    >>> measure_retention(log, LoopSettings()).rows[0].reason[:61]
    'cannot be measured, because the log holds 0 windows that are '
    """
    windows = resolve(parse_windows(settings.window), log)
    if windows.complete < 2:
        why = (
            f"the log holds {windows.complete} windows that are over, and to come back takes two; wait, or take "
            f"windows shorter than {settings.window}"
        )
        return LoopRows(tuple(refused(metric.name, 0, why) for metric in FAMILY))
    answers = []
    for place in range(len(log.sensitive_features)) if log.sensitive_features else (None,):
        groups = _activity(log, settings, windows, place)
        everyone = _sum(groups)
        if place in {None, 0}:
            answers.append(_rates(everyone, EVERYONE, windows, settings))
        if place is None:
            one = "there are no groups to compare; name the columns that hold users' groups as sensitive features"
            answers.append(LoopRows(tuple(refused(name, 0, one) for name in (_DIFFERENCE, _TREND, _SHARE))))
            continue
        for group, activity in groups.items():
            answers.append(_rates(activity, group, windows, settings))
            answers.append(_compared(activity, everyone - activity, group, windows, settings))
    rows = tuple(row for answer in answers for row in answer.rows)
    return LoopRows(rows, tuple(each for answer in answers for each in answer.evidence))


def _activity(
    log: PredictionLog, settings: LoopSettings, windows: Windows, place: int | None
) -> dict[Slice, Activity]:  # fmt: skip
    blocks = user_blocks(log, window=settings.window)
    group = [] if place is None else [feature_column(place)]
    rows = decisions(log).filter(~nw.col("user").is_null())
    active = (
        rows.select(*group, "user", block=blocks.expression, window=window_place(windows))
        .filter((nw.col("window") >= 0) & (nw.col("window") < windows.complete))
        .unique()
    )
    back = active.select("user", window=nw.col("window") - 1, back=nw.lit(1.0)).unique()
    cells = collected(
        log,
        active.join(back, on=["user", "window"], how="left")
        .group_by(*group, "block", "window")
        .agg(nw.col("back").sum(), n=nw.len()),
    )
    shape = (blocks.number, windows.complete)
    flat = cells["block"].cast(pa.int64()).to_numpy() * shape[1] + cells["window"].cast(pa.int64()).to_numpy()
    n, returned = (
        np.nan_to_num(cells[name].cast(pa.float64()).to_numpy(zero_copy_only=False)) for name in ("n", "back")
    )
    values = [None] * len(flat) if place is None else cells[group[0]].to_pylist()
    spelled = [EVERYONE if place is None else (group_of(log, {group[0]: value}, place),) for value in values]
    found: dict[Slice, Activity] = {}
    for each in sorted(set(spelled), key=str):
        of = np.array([one == each for one in spelled])
        table = [np.bincount(flat[of], weights=w[of], minlength=shape[0] * shape[1]) for w in (n, returned)]
        found[each] = Activity(*(np.asarray(one, dtype=np.float64).reshape(shape) for one in table))
    return found


def _sum(groups: dict[Slice, Activity]) -> Activity:
    return Activity(*(np.sum([getattr(each, name) for each in groups.values()], axis=0) for name in Activity._fields))


def _followed(activity: Activity) -> Activity:
    """Return the windows that a next one follows."""
    return Activity(activity.active[:, :-1], activity.back[:, :-1])


def _rates(activity: Activity, group: Slice, windows: Windows, settings: LoopSettings) -> LoopRows:
    followed = _followed(activity)
    rows = []
    for place in (None, *range(followed.active.shape[1])):
        part = followed if place is None else Activity(followed.active[:, [place]], followed.back[:, [place]])
        n = int(part.active.sum())
        window = None if place is None else windows.windows[place]
        if not n:
            rows.append(refused(_RETENTION, 0, "no user was active; wait for some", slice_=group, window=window))
            continue
        values = retention(part)
        label = Label(_RETENTION, n, settings.level, slice=group, window=window)
        found = jackknife(float(values[0]), values[1:])
        rows.append(measured(label, found, method="block_jackknife", bounds=(0.0, 1.0), caveat=_SEASON))
    return LoopRows(tuple(rows))


def _compared(
    activity: Activity, rest: Activity, group: Slice, windows: Windows, settings: LoopSettings
) -> LoopRows:  # fmt: skip
    here, there = _followed(activity), _followed(rest)
    n = int(min(here.active.sum(), there.active.sum()))
    names = (_DIFFERENCE, _TREND, _SHARE)
    if n < _FEWEST * here.active.shape[1]:
        why = (
            f"fewer than {_FEWEST} users of the group, or of the rest, are active in a window; wait, take longer "
            "windows, or join groups"
        )
        return LoopRows(tuple(refused(name, n, why, slice_=group) for name in names))
    gap = mean_gap(here, there)
    gaps = retention_gaps(here, there)
    both = without_each(activity.active), without_each(rest.active)
    shares = np.where((both[0] > 0) & (both[1] > 0), np.log(np.maximum(both[0], 1) / np.maximum(both[1], 1)), np.nan)
    estimates = (jackknife(float(gap[0]), gap[1:]), _trend(gaps), _trend(shares))
    limits = [limit_of(settings.limits, name, limit, "below") for name, limit in zip(names, _LIMITS, strict=True)]
    parts = [
        _row(Label(name, n, settings.level, slice=group, against={"kind": "rest"}), found, limit, windows)
        for name, found, limit in zip(names, estimates, limits, strict=True)
    ]
    return LoopRows(tuple(r for part in parts for r in part.rows), tuple(e for part in parts for e in part.evidence))


_LIMITS = (DIFFERENCE, TREND, SHARE_TREND)


def _trend(series: Floats) -> Estimate:
    deleted = series[1:] if np.isfinite(series[1:]).all() and len(series) > 2 else None
    return trend(series[0], deleted=deleted)


def _row(label: Label, found: Estimate, limit: Limit, windows: Windows) -> LoopRows:
    if not np.isfinite(found.value) or (label.metric != _DIFFERENCE and found.df < FEWEST - 2):
        few = f"a trend needs {FEWEST} windows that are over and in which users of both were active; wait"
        return LoopRows((refused(label.metric, label.n, few, slice_=label.slice),))
    method = "block_jackknife" if label.metric == _DIFFERENCE else "residual_and_block_jackknife"
    bounds = (-1.0, 1.0) if label.metric == _DIFFERENCE else None
    row = measured(label, found, method=method, bounds=bounds)
    return LoopRows((row,), evidence(row, found, limit, windows.edges[0]))


def _over(above: Floats, below: Floats) -> Floats:
    return np.asarray(above / np.where(below > 0, below, np.nan), dtype=np.float64)


_OBTAIN = (
    "Log a user (a pseudonym will do) and a time with every row, and users' groups as sensitive features, for several "
    "weeks."
)
_SOURCE = "Hashimoto et al. (2018), Fairness without demographics in repeated loss minimization, arXiv:1806.08010."
_NOT_WHEN = "Not where users need come only once, and not with groups whose own season differs (students, farmers)."


def _metric(name: str, title: str, meaning: str, why: str, limit: float | None = None) -> LoopMetric:
    return LoopMetric(
        name=name,
        title=title,
        question="for whom",
        needs=("user", "timestamp"),
        meaning=meaning,
        limit=limit,
        side="below",
        why=why,
        not_when=_NOT_WHEN if limit is not None else f"Not across seasons: {_NOT_WHEN[0].lower()}{_NOT_WHEN[1:]}",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_retention,
    )


FAMILY: tuple[LoopMetric, ...] = (
    _metric(
        _RETENTION,
        "Share of users who come back",
        "Of the users of one week, the share who are there again in the next.",
        "It describes, and moves with the season; the rows that compare groups decide.",
    ),
    _metric(
        _DIFFERENCE,
        "Who comes back less than the others",
        "The share of a group that comes back, less that of all others in the same weeks.",
        "Those whom a model serves badly leave first, and the next model is trained without them. Ask why they leave.",
        DIFFERENCE,
    ),
    _metric(
        _TREND,
        "Whose return falls from week to week",
        "How much further, each week, a group's return falls behind that of the others.",
        "A growing gap is a loop: fewer users of a group, less data of them, a worse model for them.",
        TREND,
    ),
    _metric(
        _SHARE,
        "Which group is becoming rarer",
        "By what part, each week, the ratio of a group's active users to all others changes.",
        "-.02 a week halves that ratio in eight months. Look at whether they leave, or others come.",
        SHARE_TREND,
    ),
)
"""Group retention, as the catalog lists it."""
