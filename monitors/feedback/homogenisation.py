"""Whether a model makes people see the same things: how alike the lists of pairs of users are, against a hold-out."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.predictions import PredictionLog
from monitors.feedback.blocks import Estimate, Label, evidence, first_time, limit_of, measured, one_where, refused
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.timestamps import collected

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ALIKE = 0.02

_NAME = "homogenisation"
_USERS = 300
_FEWEST_USERS = 30
_ROWS = (2, 20)
_DRAWS = 5


class Histories(NamedTuple):
    """What users saw: one entry per row of the log, users and items as whole numbers from 0.

    Examples
    --------
    >>> Histories(np.array([0, 0]), np.array([4, 2])).item.tolist()
    [4, 2]
    """

    user: Codes
    item: Codes


def mean_similarity(histories: Histories, users: Codes, *, rows: int, rng: np.random.Generator) -> Floats:
    r"""Return how alike each user's items are to those of all other users, at equally many rows of each.

    Parameters
    ----------
    histories
        What they saw.
    users
        Who is compared, shape (n_users,); each with at least `rows` rows.
    rows
        Rows drawn of each user, without replacement: sets of unlike size are never alike.
    rng
        Of the draws, which are repeated and averaged.

    Returns
    -------
    ndarray of float64
        Shape (n_users,): the mean Jaccard index with the others, in [0, 1]. Its mean is that of all pairs.

    Notes
    -----
    Jaccard index of the sets A and B of items: abs(A and B) / abs(A or B). As a measure of homogenisation: A. Chaney,
    B. Stewart and B. Engelhardt (2018), How algorithmic confounding in recommendation systems increases homogeneity and
    decreases utility, doi:10.1145/3240323.3240370.

    Examples
    --------
    Users 0 and 1 saw the same, user 2 shares one of three items with each.

    >>> seen = Histories(np.array([0, 0, 1, 1, 2, 2]), np.array([5, 6, 5, 6, 6, 7]))
    >>> found = mean_similarity(seen, np.array([0, 1, 2]), rows=2, rng=np.random.default_rng(0))
    >>> found.round(4).tolist()
    [0.6667, 0.6667, 0.3333]
    """
    place = np.full(int(max(histories.user.max(), users.max())) + 1, -1)
    place[users] = np.arange(len(users))
    kept = place[histories.user] >= 0
    who, (names, what) = place[histories.user[kept]], np.unique(histories.item[kept], return_inverse=True)
    total = np.zeros(len(users))
    for _ in range(_DRAWS):
        order = np.lexsort((rng.random(len(who)), who))
        starts = np.searchsorted(who[order], np.arange(len(users)))
        drawn = order[(starts[:, None] + np.arange(rows)).ravel()]
        seen = np.zeros((len(users), len(names)), dtype=np.float32)
        seen[who[drawn], what[drawn]] = 1.0
        both = (seen @ seen.T).astype(np.float64)
        size = np.diag(both)
        alike = both / (size[:, None] + size[None, :] - both)
        total += (alike.sum(axis=1) - 1.0) / (len(users) - 1)
    return total / _DRAWS


def similarity_difference(first: tuple[Codes, Floats], second: tuple[Codes, Floats]) -> Estimate:
    r"""Return the mean similarity of all pairs of one arm less that of another.

    Parameters
    ----------
    first, second
        Users, and how alike each is to the others of the arm (`mean_similarity`).

    Returns
    -------
    Estimate
        Its error is the jackknife's over users, exact for means over pairs; a user of both arms is left out of both.

    Notes
    -----
    With the mean T of all pairs of n users and that of user i, T_i, leaving i out gives T - 2 (T_i - T) / (n - 2).
    Source: J. N. Arvesen (1969), Jackknifing U-statistics, Annals of Mathematical Statistics 40, 2076-2100,
    doi:10.1214/aoms/1177697287.

    Examples
    --------
    >>> one = np.arange(4), np.array([0.5, 0.5, 0.6, 0.4])
    >>> two = np.arange(4, 8), np.array([0.1, 0.3, 0.2, 0.2])
    >>> found = similarity_difference(one, two)
    >>> round(found.value, 6), round(found.standard_error, 6), found.df
    (0.3, 0.173205, 3)
    """
    users, place = np.unique(np.concatenate([first[0], second[0]]), return_inverse=True)
    influence = np.zeros(len(users))
    for sign, (who, similar), where in ((1.0, first, place[: len(first[0])]), (-1.0, second, place[len(first[0]) :])):
        n = len(who)
        np.add.at(influence, where, sign * 2.0 * (similar - similar.mean()) / (n - 2) * np.sqrt((n - 1) / n))
    error = float(np.sqrt((influence**2).sum()))
    return Estimate(float(first[1].mean() - second[1].mean()), error, min(len(first[0]), len(second[0])) - 1)


def measure_homogenisation(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure how much more alike the items of two users are in the model's arm than in the hold-out.

    At most 300 users of each arm are sampled (seeded), all of their pairs compared, so that the cost does not grow with
    the log. Compared with the arm holdout, or manual, or explore: the first that is there.

    Parameters
    ----------
    log
        With user, item and arm; in the model's arm rows with action 1 count where the log has actions, in the others as
        well, unless none was acted on.
    settings
        Limit, level and seed.

    Examples
    --------
    >>> table = pa.table({"p": [1], "who": ["a"], "what": ["x"], "arm": ["model"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", user="who", item="what", arm="arm")
    >>> measure_homogenisation(log, LoopSettings()).rows[0].reason[:51]
    'cannot be measured, because no arm but the model is'
    """
    arms = _arms(log)
    other = next((arm for arm in ("holdout", "manual", "explore") if arm in arms), None)
    if "model" not in arms or other is None:
        why = "no arm but the model is logged" if "model" in arms else "no row of the arm model is logged"
        return LoopRows((refused(_NAME, 0, f"{why}; keep users whom the model does not act on, in an arm holdout"),))
    rng = np.random.default_rng(settings.seed)
    chosen = _sampled(log, arms, other, rng)
    if isinstance(chosen, str):
        return LoopRows((refused(_NAME, 0, chosen),))
    seen = [
        (who, mean_similarity(_histories(log, arm, chosen.names, acted=acted), who, rows=chosen.rows, rng=rng))
        for who, (arm, acted) in zip(chosen.users, (("model", arms["model"]), (other, arms[other])), strict=True)
    ]
    found = similarity_difference(seen[0], seen[1])
    n = min(map(len, chosen.users))
    against = {"kind": "slice", "slice": {"arm": other}}
    label = Label(_NAME, n, settings.level, at=(("arm", "model"),), against=against)
    said = f"all pairs of {n} sampled users of each arm, {chosen.rows} rows of each user; n counts users"
    row = measured(label, found, method="jackknife_of_pairs", bounds=(-1.0, 1.0), caveat=said)
    limit = limit_of(settings.limits, _NAME, ALIKE)
    return LoopRows((row,), evidence(row, found, limit, first_time(log)))


class _Sample(NamedTuple):
    names: list[str]
    users: tuple[Codes, Codes]
    """Of the model's arm and of the other, as places among the names."""

    rows: int


def _arms(log: PredictionLog) -> dict[str, bool]:
    """Return the arms with rows that count, and whether only those with action 1 do."""
    shown = one_where(nw.col("action") == 1.0) if "action" in log.columns else nw.lit(0.0)
    rows = decisions(log).filter(~nw.col("arm").is_null()).select("arm", shown=shown)
    found = collected(log, rows.group_by("arm").agg(nw.col("shown").sum())).to_pylist()
    acted = {row["arm"]: bool(row["shown"]) for row in found}
    if "action" in log.columns and not acted.get("model", True):
        del acted["model"]
    return acted


def _of_arm(arm: str, *, acted: bool) -> nw.Expr:
    return one_where((nw.col("arm") == arm) & (nw.col("action") == 1.0)) if acted else one_where(nw.col("arm") == arm)


def _sampled(log: PredictionLog, arms: dict[str, bool], other: str, rng: np.random.Generator) -> _Sample | str:
    model, there = _of_arm("model", acted=arms["model"]), _of_arm(other, acted=arms[other])
    rows = decisions(log).filter(~nw.col("user").is_null() & ~nw.col("item").is_null())
    counts = rows.select("user", model=model, other=there).group_by("user").agg(nw.col("model", "other").sum())
    table = collected(log, counts).sort_by("user")
    found = np.stack([table[name].cast(pa.float64()).to_numpy() for name in ("model", "other")])
    of_other = found[1][found[1] > 0]
    rows_each = int(np.clip(np.median(of_other), *_ROWS)) if of_other.size else _ROWS[0]
    eligible = found >= rows_each
    if (eligible[0] & eligible[1]).sum() > eligible[1].sum() / 2:
        eligible &= eligible[0] & eligible[1]  # rows, not users, were drawn: the same users are compared
    places = [np.flatnonzero(each) for each in eligible]
    if min(map(len, places)) < _FEWEST_USERS:
        return (
            f"{len(places[0])} users of the arm model and {len(places[1])} of the arm {other} have {rows_each} rows or "
            f"more, and {_FEWEST_USERS} of each are needed; wait, or make the arm {other} larger"
        )
    drawn = [np.sort(rng.choice(each, min(len(each), _USERS), replace=False)) for each in places]
    union = np.unique(np.concatenate(drawn))
    names = table["user"].take(pa.array(union)).to_pylist()
    return _Sample(names, (np.searchsorted(union, drawn[0]), np.searchsorted(union, drawn[1])), rows_each)


def _histories(log: PredictionLog, arm: str, names: list[str], *, acted: bool) -> Histories:
    chosen = decisions(log).filter(nw.col("user").is_in(names) & ~nw.col("item").is_null())
    rows = chosen.select("user", "item", n=_of_arm(arm, acted=acted)).filter(nw.col("n") > 0)
    table = collected(log, rows.group_by("user", "item").agg(nw.col("n").sum())).sort_by(
        [("user", "ascending"), ("item", "ascending")]
    )
    times = table["n"].cast(pa.int64()).to_numpy()
    place = {name: code for code, name in enumerate(names)}
    user = np.array([place[name] for name in table["user"].to_pylist()], dtype=np.int64)
    item = np.unique(np.array(table["item"].to_pylist(), dtype=str), return_inverse=True)[1]
    return Histories(np.repeat(user, times), np.repeat(item, times))


FAMILY: tuple[LoopMetric, ...] = (
    LoopMetric(
        name=_NAME,
        title="How alike people's lists have become",
        question="is there a loop",
        needs=("user", "item", "arm"),
        helps=("action",),
        meaning="How much more two people's items overlap where the model decides than where it does not.",
        limit=ALIKE,
        why=(
            "A model that learns from what it showed to others shows everybody the same. Above the limit, look at "
            "which items everybody sees, and at what is no longer shown to anyone."
        ),
        not_when=(
            "Not where all users should see the same (safety notices), and not where other users' choices are seen in "
            "the hold-out, too: the difference is then too small."
        ),
        obtain="Keep some users whom the model does not act on (arm holdout), and log user, item, arm and action.",
        source="Chaney, Stewart & Engelhardt (2018), doi:10.1145/3240323.3240370; Jaccard at equal rows per user.",
        measure=measure_homogenisation,
    ),
)
"""Homogenisation, as the catalog lists it."""
