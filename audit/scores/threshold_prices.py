"""What a threshold of its own for each group would gain or cost, against one threshold for everyone.

Shown, never applied: whether decisions may depend on the group at all is a question of law and of ethics that no number
here answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError
from audit.measurement import At, Measurement
from audit.metrics.metric import Array
from audit.rollup import FN, FP, TN, TP, Cells, GroupValues, Partition, cells_of, partition
from audit.rows import Row, measurement
from audit.scores.outcome_means import EXCLUDED, OutcomeMeans, mean_interval, method_of, outcome_means
from audit.scores.threshold_choice import Choice, choose_thresholds, named_edge
from audit.scores.thresholds import bins_of
from audit.scores.utility import Payoff
from audit.tally import COUNTS, Codes, Tally

OPTIMISTIC = "chosen on the same rows: optimistic"
_NO_CHANGE, _POSITIVE, _NEGATIVE = 0, 1, 3  # outcome codes; one more where the action is dropped


class Chosen(NamedTuple):
    """One threshold for everyone, and one for each group of a feature.

    Examples
    --------
    >>> chosen = Chosen("sex", 0.5, {("F",): 0.4, ("M",): 0.5})
    >>> chosen.groups[("F",)]
    0.4
    """

    feature: str
    common: float
    groups: Mapping[GroupValues, float]


def halves(tally: Tally, *, random_state: int = 0) -> tuple[Tally, Tally]:
    """Return a tally split at random into two of (nearly) as many rows: to choose on one and to measure on the other.

    Rows that fall into one cell are alike, so drawing counts without replacement is drawing rows.

    Parameters
    ----------
    tally
        A tally of rows that count alike and are independent.
    random_state
        Seed of the draw.

    Raises
    ------
    InputError
        If rows are weighted or clustered: the halves must then be made from the rows, cluster by cluster.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 0] * 10, "p": [1, 1] * 10})
    >>> one, two = halves(count(PredictionLog.from_frame(frame, y_true="y", y_pred="p")))
    >>> one.rows, two.rows
    (10, 10)
    """
    if tally.weights != "none" or tally.clustered:
        msg = (
            "counts of weighted or clustered rows cannot be split; divide the file by cluster (or at random) and pass "
            "the second part as held out (held_out=..., --held-out FILE)"
        )
        raise InputError([msg])
    n = tally.cells["n"].to_numpy()
    rng = np.random.default_rng(random_state)
    first = rng.multivariate_hypergeometric(n, int(n.sum()) // 2, method="marginals")
    return _with_counts(tally, first), _with_counts(tally, n - first)


def chosen_for(tally: Tally, payoff: Payoff, feature: str, *, level: float = 0.95) -> tuple[Chosen, Choice, Choice]:
    """Return the thresholds for everyone and for the groups of a feature, and the two choices that they come from.

    A group without labelled rows gets the threshold for everyone.

    Raises
    ------
    InputError
        As `audit.scores.threshold_choice.choose_thresholds`; also where no row has a label.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [0, 1] * 50, "s": [0.2, 0.8] * 50, "g": ["a", "a", "b", "b"] * 25})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    >>> chosen, _, _ = chosen_for(count(log), Payoff(tp=1, fp=-1, fn=0, tn=0), "g")
    >>> chosen.groups[("a",)] == chosen.groups[("b",)], 0.2 < chosen.common <= 0.8
    (True, True)
    """
    everyone = choose_thresholds(tally, payoff, level=level)
    if everyone.best[0] < 0:
        msg = "no row has a true label, so no threshold can be chosen; join the labels"
        raise InputError([msg])
    groups = choose_thresholds(tally, payoff, features=[feature], level=level)
    common = float(everyone.thresholds[everyone.best[0]])
    own = {
        group: common if best < 0 else float(groups.thresholds[best])
        for group, best in zip(groups.slices.groups, groups.best.tolist(), strict=True)
    }
    return Chosen(feature, common, own), everyone, groups


def choice_rows(tally: Tally, choice: Choice, *, level: float = 0.95) -> tuple[Measurement, ...]:
    """Return the chosen thresholds as rows of ``best_threshold`` with their confidence set as low and high.

    Low and high are the ends of the set of thresholds not shown to be worse than another (see
    `audit.scores.threshold_choice.choose_thresholds`), named as the chosen one is; a set with holes is said. A
    threshold above 1 acts on nobody.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [0, 1] * 50, "s": [0.2, 0.8] * 50})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> row, = choice_rows(tally, choose_thresholds(tally, Payoff(tp=1, fp=-1, fn=0, tn=0)))
    >>> row.metric, row.low, row.high, row.n  # every edge above 0.2 and up to 0.8 acts on the same rows
    ('best_threshold', 0.8, 0.8, 100)
    """
    cells = cells_of(tally)
    labelled = np.isin(cells.quadrant, (TP, FP, FN, TN))
    slices = partition(cells, choice.slices.features)
    n = np.bincount(slices.member[labelled], weights=cells.n[labelled], minlength=len(slices.groups)).astype(int)
    rows = []
    for place, best in enumerate(choice.best.tolist()):
        row = Row("best_threshold", choice.slices.slice_of(place), None, level)
        if best < 0:
            rows.append(measurement(row, value=np.nan, n=0, method="kernel_smoother", reason="no labels in slice"))
            continue
        kept = np.flatnonzero(choice.kept[place])
        ends = [float(choice.thresholds[named_edge(int(edge), choice.decision[place])]) for edge in kept[[0, -1]]]
        method = f"kernel_smoother, not shown worse than the best of {choice.compared[place]}"
        notes = ["above 1: acts on nobody"] if ends[1] > 1 else []
        notes += ["some thresholds between the ends are shown to be worse"] if np.any(np.diff(kept) > 1) else []
        rows.append(
            measurement(
                row, value=float(choice.thresholds[best]), low=ends[0], high=ends[1], n=int(n[place]), method=method,
                reason="; ".join(notes) or None,
            )
        )  # fmt: skip
    return tuple(rows)


def price_rows(
    tally: Tally, payoff: Payoff, chosen: Chosen, *, held_out: bool, level: float = 0.95
) -> tuple[Measurement, ...]:
    """Return what each group and everyone gain from group thresholds, as rows of ``group_threshold_gain``.

    The gain is the mean change of payoff per labelled row, in the unit of the payoffs; larger is better, negative is a
    loss. Only rows between the two thresholds change, so the interval is that of a paired difference
    (`audit.scores.outcome_means.mean_interval`), simultaneous over everyone and the groups.

    Parameters
    ----------
    tally
        The rows on which the gain is measured.
    payoff, chosen
        What outcomes are worth, and the thresholds.
    held_out
        Whether the thresholds were chosen on other rows; if not, every row says that it is optimistic.
    level
        Joint level of the intervals.

    Examples
    --------
    Group a acts on its score of 0.4 with its own threshold, and wins 1 for half of its rows.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [0, 1] * 50, "s": [0.2, 0.4] * 50, "g": ["a", "a", "b", "b"] * 25})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    >>> chosen = Chosen("g", 0.5, {("a",): 0.3, ("b",): 0.5})
    >>> rows = price_rows(count(log), Payoff(tp=1, fp=-1, fn=0, tn=0), chosen, held_out=True)
    >>> [(dict(row.slice), row.value) for row in rows]
    [({}, 0.25), ({'g': 'a'}, 0.5), ({'g': 'b'}, 0.0)]
    """
    cells = cells_of(tally)
    groups, everyone = partition(cells, [chosen.feature]), partition(cells, [])
    own = np.array([chosen.groups.get(group, chosen.common) for group in groups.groups])
    edges, common = _edge(own, cells.n_bins), int(_edge(np.array(chosen.common), cells.n_bins))
    outcome, values = _change(cells, edges[groups.member], common, payoff)
    lower, higher = edges < common, edges > common
    of_group = np.stack([np.ones(len(edges), dtype=bool), lower, higher, lower, higher], axis=1)
    note = f"against {chosen.common:g} for everyone" + ("" if held_out else f"; {OPTIMISTIC}")
    count = len(groups.groups) + 1
    rows: list[Measurement] = []
    of_everyone = np.asarray(of_group.any(axis=0, keepdims=True))
    points: tuple[list[At], list[At]] = (
        [(("feature", chosen.feature),)],
        [(("threshold", value),) for value in own.tolist()],
    )
    for slices, possible, at in zip((everyone, groups), (of_everyone, of_group), points, strict=True):
        means = outcome_means(cells, slices, outcome, values)
        rows += _gain_rows(cells, slices, means, possible, (level, count, note), at)
    return tuple(rows)


def _gain_rows(
    cells: Cells,
    slices: Partition,
    means: OutcomeMeans,
    possible: npt.NDArray[np.bool_],
    facts: tuple[float, int, str],
    at: Sequence[At],
) -> list[Measurement]:
    level, comparisons, note = facts
    bounds = mean_interval(means, level=level, comparisons=comparisons, possible=possible)
    method = f"{method_of(cells)}, simultaneous over {comparisons}"
    columns = zip(means.value.tolist(), bounds.low.tolist(), bounds.high.tolist(), means.n.tolist(), strict=True)
    return [
        replace(
            measurement(
                Row("group_threshold_gain", slices.slice_of(place), None, level), value=value, low=low, high=high, n=n,
                method=method, reason=note if n else "no labels in slice",
            ),
            at=at[place],
        )
        for place, (value, low, high, n) in enumerate(columns)
    ]  # fmt: skip


def _change(cells: Cells, own: Codes, common: int, payoff: Payoff) -> tuple[Codes, list[float]]:
    """Return what the own threshold changes for the rows of each cell, and what each change is worth."""
    bins = bins_of(cells)
    acts, acted = bins >= own, bins >= common
    positive = (cells.quadrant == TP) | (cells.quadrant == FN)
    labelled = positive | (cells.quadrant == FP) | (cells.quadrant == TN)
    changed = np.where(positive, _POSITIVE, _NEGATIVE) + np.where(acts, 0, 1)
    outcome = np.where(labelled, np.where(acts == acted, _NO_CHANGE, changed), EXCLUDED)
    hit, alarm = payoff.tp - payoff.fn, payoff.fp - payoff.tn
    return outcome, [0.0, hit, -hit, alarm, -alarm]


def _edge(thresholds: Array, bins: int) -> Codes:
    return np.asarray(np.minimum(np.rint(thresholds * bins), bins), dtype=np.int64)


def _with_counts(tally: Tally, n: Codes) -> Tally:
    """Return a tally with other counts; sums of scores keep their mean in each cell, others are not known."""
    table = tally.cells
    given = {"n": pa.array(n), "w": pa.array(n.astype(float)), "w2": pa.array(n.astype(float))}
    kept = n / table["n"].to_numpy()
    given |= {name: pa.array(table[name].to_numpy() * kept) for name in ("score", "score2") if tally.bins is not None}
    for name in COUNTS:
        column = given.get(name, pa.nulls(len(n), table[name].type))
        table = table.set_column(table.column_names.index(name), name, column)
    return replace(tally, cells=table.filter(pc.greater(table["n"], 0)))
