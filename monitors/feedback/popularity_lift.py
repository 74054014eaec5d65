"""Whether a model shows people more popular things than they choose by themselves, and some groups more than others."""

from typing import Literal, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.measurement import EVERYONE, Slice
from audit.predictions import PredictionLog, feature_column
from monitors.feedback.blocks import (
    Blocks,
    Estimate,
    Label,
    evidence,
    first_time,
    jackknife,
    limit_of,
    measured,
    one_where,
    refused,
    user_blocks,
)
from monitors.feedback.concentration_tables import item_codes, items_of
from monitors.feedback.decisions import decisions, group_of
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.feedback.whole_sums import cut
from monitors.timestamps import collected

Floats = npt.NDArray[np.float64]

LIFT = 0.1

_CELLS = 1_000_000
_FEWEST_BLOCKS = 10
_GAP = "popularity_lift_difference"
_UNITS = 2.0**30  # shares of a user add up to 1: their sum over four million users is exact in these


class Tastes(NamedTuple):
    """What the users of a group chose by themselves and what they were shown, by block and item.

    Every user counts alike: a user's rows sum to 1, so that the sum of `shown` is the number of users.

    Examples
    --------
    >>> Tastes(np.eye(2), np.eye(2)).shown.sum()
    np.float64(2.0)
    """

    profile: Floats
    """Shape (n_blocks, n_items)."""

    shown: Floats

    def __sub__(self, other: "Tastes") -> "Tastes":
        return Tastes(self.profile - other.profile, self.shown - other.shown)


def popularity_lift(tastes: Tastes, popularity: Floats) -> Floats:
    r"""Return how much more popular what a group is shown is than what it chooses: GAP shown / GAP profile - 1.

    Parameters
    ----------
    tastes
        Of the group.
    popularity
        How often the users of each block chose each item by themselves, of all groups, shape (n_blocks, n_items).

    Returns
    -------
    ndarray of float64
        In [-1, inf), 0 where a model shows items as popular as those chosen: of all blocks, and behind it without each
        block, shape (n_blocks + 1,). NaN where the group chose, or was shown, nothing that others chose.

    Notes
    -----
    GAP is the mean over the users of a group of the mean popularity of their items. The popularity that a user's items
    are judged by is that among the users of the other blocks: otherwise a profile would look popular for holding what
    it holds itself. Source: H. Abdollahpouri et al. (2019), The unfairness of popularity bias in recommendation,
    arXiv:1907.13286; M. Mansoury et al. (2020), Feedback loop and bias amplification in recommender systems,
    doi:10.1145/3340531.3412152.

    Examples
    --------
    Two blocks of one user, who both choose a twice and b once, and are shown a only: GAP shown 2/3, GAP profile 5/9.

    >>> chosen = np.array([[2.0, 1.0], [2.0, 1.0]])
    >>> tastes = Tastes(chosen / 3, np.array([[1.0, 0.0], [1.0, 0.0]]))
    >>> round(float(popularity_lift(tastes, chosen)[0]), 6)  # 6/9 over 5/9
    0.2
    """
    rows = popularity.sum(axis=1)
    blocks = len(rows)
    matches = [part @ popularity.T for part in (tastes.profile, tastes.shown)]
    users = [part.sum(axis=1) for part in (tastes.profile, tastes.shown)]
    found = np.full(blocks + 1, np.nan)
    for without in range(-1, blocks):
        kept = np.arange(blocks) != without
        total = rows[kept].sum() - rows[kept]
        gaps = []
        for match, count in zip(matches, users, strict=True):
            inside = match[np.ix_(kept, kept)]
            others = inside.sum(axis=1) - np.diag(inside)
            number = count[kept].sum()
            gaps.append(float((others / np.where(total > 0, total, np.inf)).sum() / number) if number > 0 else np.nan)
        found[without + 1] = gaps[1] / gaps[0] - 1.0 if gaps[0] > 0 else np.nan
    return found


def measure_popularity_lift(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure the popularity lift of everyone and of each group, and of each group against the rest.

    The profile of a user are the rows of the arms manual and holdout, with outcome 1 where the log has outcomes; where
    there are none, the rows with outcome 1 from before the first row of the arm model. Shown are the rows of the arm
    model, with action 1 where the log has actions.

    Parameters
    ----------
    log
        With user, item and arm.
    settings
        Limits, level and window.

    Returns
    -------
    LoopRows
        Intervals of the delete-one-block jackknife over users.

    Examples
    --------
    >>> table = pa.table({"p": [1], "who": ["a"], "what": ["x"], "arm": ["model"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", user="who", item="what", arm="arm")
    >>> measure_popularity_lift(log, LoopSettings()).rows[0].reason[:45]
    'cannot be measured, because nobody is known t'
    """
    profile = _profile(log)
    if isinstance(profile, str):
        return LoopRows((refused("popularity_lift", 0, profile), refused(_GAP, 0, profile)))
    items = items_of(log)
    blocks = user_blocks(log, window=settings.window)
    fewer = min(blocks.number, max(_CELLS // max(len(items), 1), _FEWEST_BLOCKS))
    answers = [LoopRows()]
    places = range(len(log.sensitive_features)) if log.sensitive_features else (None,)
    for place in places:
        found = _tastes(log, profile, blocks._replace(number=fewer), items, place)
        everyone = _sum(found.groups)
        if not everyone.shown.sum():
            return LoopRows(tuple(refused(name, 0, _NOT_SHOWN) for name in ("popularity_lift", _GAP)))
        if place in {None, 0}:
            answers.append(_lift(log, settings, found, EVERYONE))
        if place is not None:
            answers += [_lift(log, settings, found, group) for group in found.groups]
            answers += [_difference(log, settings, found, group) for group in found.groups if len(found.groups) > 1]
    if not any(row.metric == _GAP for answer in answers for row in answer.rows):
        one = "there are no two groups of users; name the columns that hold their groups as sensitive features"
        answers.append(LoopRows((refused(_GAP, 0, one),)))
    rows = tuple(row for answer in answers for row in answer.rows)
    return LoopRows(rows, tuple(each for answer in answers for each in answer.evidence))


class _Found(NamedTuple):
    groups: dict[Slice, Tastes]
    popularity: Floats


_NOT_SHOWN = "no row of the arm model was shown to a user; log arm and action of every row"


def _profile(log: PredictionLog) -> nw.Expr | str:
    """Return 1.0 for the rows of `decisions` that are profile, or why there are none."""
    by_themselves, taken = one_where(nw.col("arm").is_in(["manual", "holdout"])), nw.lit(1.0)
    if "outcome" in log.columns:
        taken = one_where(nw.col("outcome") == 1.0)
    timed = "timestamp" in log.columns and "outcome" in log.columns
    model = nw.when(nw.col("arm") == "model").then(nw.col("micros")) if timed else nw.lit(0)
    asked = decisions(log).select(own=by_themselves * taken, model=model, taken=taken, time=_time(timed=timed))
    row = collected(log, asked.select(nw.col("own").sum(), nw.col("model").min())).to_pylist()[0]
    if row["own"]:
        return by_themselves * taken
    if timed and row["model"] is not None:
        before = nw.col("time") < int(row["model"])
        if collected(log, asked.filter(before).select(nw.col("taken").sum()))["taken"][0].as_py():
            return one_where(nw.col("micros") < int(row["model"])) * taken
    return (
        "nobody is known to have chosen anything without the model; log what users choose in the arm manual or holdout "
        "(outcome=1), or rows with an outcome from before the model's first"
    )


def _time(*, timed: bool) -> nw.Expr:
    return nw.col("micros") if timed else nw.lit(0)


def _tastes(log: PredictionLog, profile: nw.Expr, blocks: Blocks, items: pa.Array, place: int | None) -> _Found:
    shown = nw.col("arm") == "model"
    shown = shown & (nw.col("action") == 1.0) if "action" in log.columns else shown
    group = [] if place is None else [feature_column(place)]
    table = (
        decisions(log)
        .filter(~nw.col("user").is_null() & ~nw.col("item").is_null())
        .select(
            *group,
            "user",
            "item",
            block=blocks.expression % blocks.number,
            profile=profile,
            shown=one_where(shown),
        )
        .filter((nw.col("profile") + nw.col("shown")) > 0)
    )
    users = table.group_by("user").agg(chosen=nw.col("profile").sum(), seen=nw.col("shown").sum())
    joined = table.join(users, on="user", how="left").select(
        *group, "item", "block", "profile",
        own=_share("profile", "chosen"), shown=_share("shown", "seen"),
    )  # fmt: skip
    cells = collected(
        log,
        joined.group_by(*group, "item", "block").agg(
            nw.col("profile").sum(), own=cut(nw.col("own"), _UNITS).sum(), shown=cut(nw.col("shown"), _UNITS).sum()
        ),
    )
    item = item_codes(cells["item"], items)
    flat = cells["block"].cast(pa.int64()).to_numpy() * len(items) + item
    shape = (blocks.number, len(items))
    weights = {name: cells[name].cast(pa.float64()).to_numpy() for name in ("profile", "own", "shown")}
    weights |= {name: weights[name] / _UNITS for name in ("own", "shown")}

    def dense(name: Literal["profile", "own", "shown"], rows: npt.NDArray[np.bool_]) -> Floats:
        size = shape[0] * shape[1]
        found = np.bincount(flat[rows], weights=weights[name][rows], minlength=size)
        return np.asarray(found, dtype=np.float64).reshape(shape)

    spelled = [EVERYONE] * len(flat)
    if place is not None:
        spelled = [(group_of(log, {group[0]: value}, place),) for value in cells[group[0]].to_pylist()]
    slices = sorted(set(spelled), key=str)
    number = np.array([slices.index(each) for each in spelled], dtype=np.int64)
    groups = {
        each: Tastes(dense("own", number == code), dense("shown", number == code)) for code, each in enumerate(slices)
    }
    return _Found(groups, dense("profile", np.ones(len(flat), dtype=np.bool_)))


def _share(one: str, all_of_them: str) -> nw.Expr:
    total = nw.col(all_of_them)
    return nw.when(total > 0).then(nw.col(one) / total).otherwise(nw.lit(0.0))


def _sum(groups: dict[Slice, Tastes]) -> Tastes:
    return Tastes(sum(each.profile for each in groups.values()), sum(each.shown for each in groups.values()))  # type: ignore[arg-type]


def _lift(log: PredictionLog, settings: LoopSettings, found: _Found, group: Slice) -> LoopRows:
    tastes = found.groups.get(group) if group else _sum(found.groups)
    return _answer(log, settings, "popularity_lift", group, (tastes or _sum(found.groups), None), found.popularity)


def _difference(log: PredictionLog, settings: LoopSettings, found: _Found, group: Slice) -> LoopRows:
    tastes = found.groups[group]
    return _answer(log, settings, _GAP, group, (tastes, _sum(found.groups) - tastes), found.popularity)


def _answer(
    log: PredictionLog,
    settings: LoopSettings,
    metric: str,
    group: Slice,
    of: tuple[Tastes, Tastes | None],
    popularity: Floats,
) -> LoopRows:
    parts = [each for each in of if each is not None]
    n = round(min(min(float(each.profile.sum()), float(each.shown.sum())) for each in parts))
    values = popularity_lift(parts[0], popularity)
    for rest in parts[1:]:
        values = values - popularity_lift(rest, popularity)
    if not np.isfinite(values[0]):
        why = "these users chose nothing by themselves that others chose too, or were shown nothing; log more of both"
        return LoopRows((refused(metric, n, why, slice_=group),))
    estimate: Estimate = jackknife(float(values[0]), values[1:])
    against = {"kind": "rest"} if len(parts) > 1 else None
    label = Label(metric, n, settings.level, slice=group, against=against)
    row = measured(label, estimate, method="block_jackknife", bounds=None if against else (-1.0, float("inf")))
    return LoopRows((row,), evidence(row, estimate, limit_of(settings.limits, metric, LIFT), first_time(log)))


_OBTAIN = (
    "Log user, item, arm and action of every row, and the outcome (1 = chosen); keep a hold-out, or the log of the "
    "time before the model."
)
_SOURCE = "Abdollahpouri et al. (2019), arXiv:1907.13286; Mansoury et al. (2020), doi:10.1145/3340531.3412152."

FAMILY: tuple[LoopMetric, ...] = (
    LoopMetric(
        name="popularity_lift",
        title="How much more popular than people's own choices",
        question="how strong",
        needs=("user", "item", "arm"),
        helps=("action", "outcome", "timestamp"),
        meaning="By what part the items that people are shown are more popular than those that they choose themselves.",
        limit=LIFT,
        why=(
            "People who are shown what is popular make it more popular. Above the limit, look at what people with rare "
            "tastes are still shown."
        ),
        not_when="Not where the profile was itself steered by a model; not for lists meant to be popular (news).",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_popularity_lift,
    ),
    LoopMetric(
        name=_GAP,
        title="Popularity lift, one group against the rest",
        question="for whom",
        needs=("user", "item", "arm"),
        helps=("action", "outcome", "timestamp"),
        meaning="How much further a group is pushed towards popular items than the other users are.",
        limit=LIFT,
        why="Groups whose tastes are not those of the majority lose most. Above the limit, ask the group.",
        not_when="Not with few users of a group; the interval says so.",
        obtain=f"{_OBTAIN} Name the columns that hold users' groups as sensitive features.",
        source=_SOURCE,
        measure=measure_popularity_lift,
    ),
)
"""Popularity lift, as the catalog lists it."""
