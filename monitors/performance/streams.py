"""Counts of every watched rate by window and slice, and the risk of each that is tolerated."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import estimate
from audit.inference import intervals
from audit.measurement import Slice, Window
from audit.metrics.metric import Metric
from audit.rollup import Cells, Partition, cells_of, without_scores
from audit.tally import Tally
from audit.unknowns.outcome_coverage import concerned_by, everyone_and_groups, unlabelled_count
from audit.views import view_of
from monitors.performance.completed import completed
from monitors.performance.window_tally import in_window, windows_of, without_windows
from monitors.sequential.dependence import block_dispersion

FloatArray = npt.NDArray[np.float64]

FEWEST_WINDOWS = 8
"""Of fewer windows of the reference the dispersion is not estimated."""


class Stream(NamedTuple):
    """What one hypothesis is about: a metric of a slice.

    Examples
    --------
    >>> Stream("accuracy", (("sex", "F"),)).metric
    'accuracy'
    """

    metric: str
    slice: Slice


class Counted(NamedTuple):
    """Events and rows of streams: shape (n_streams,) of a reference, (n_windows, n_streams) of windows.

    Under weights or clusters both are the effective counts of `audit.effective`.

    Examples
    --------
    >>> Counted(np.array([3.0]), np.array([10.0])).rate.tolist()
    [0.3]
    """

    events: FloatArray
    rows: FloatArray

    @property
    def rate(self) -> FloatArray:
        """Events over rows; NaN where there are none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.events / self.rows)


class Completed(NamedTuple):
    """The counts of streams if every missing label were what was predicted, or something else; as in `Streams`.

    Examples
    --------
    >>> Completed._fields
    ('reference', 'current', 'reference_rest', 'rest')
    """

    reference: Counted
    current: Counted
    reference_rest: Counted
    rest: Counted


class Streams(NamedTuple):
    """Everything that the evidence is made of, one column per stream, in a fixed order that the reference sets.

    `losses` says of each stream whether an event is a loss: "accuracy" counts what is right, so that its loss is the
    rest. `both`: neither direction is the better one, so that both are watched. `rest` and `reference_rest` are counts
    of everyone outside the stream's group (rows of 0 for everyone). `dispersion` is that of the reference's windows,
    None where it was not estimated. `right` and `wrong` are the counts with missing labels filled in either way
    (`monitors.performance.completed`), None where no label is missing.

    Examples
    --------
    >>> Streams._fields[:2]
    ('streams', 'windows')
    """

    streams: tuple[Stream, ...]
    windows: tuple[Window, ...]
    reference: Counted
    current: Counted
    reference_rest: Counted
    rest: Counted
    higher_is_better: npt.NDArray[np.bool_]
    both: npt.NDArray[np.bool_]
    dispersion: FloatArray | None
    right: Completed | None = None
    wrong: Completed | None = None

    @property
    def feared(self) -> Counted:
        """Counts of the reference with the worst labels where they are missing: their risk is an upper bound."""
        return self.reference if self.wrong is None else self.wrong.reference

    @property
    def granted(self) -> Counted:
        """Counts of the windows with the best labels where they are missing: what is shown against them is sure."""
        return self.current if self.right is None else self.right.current


def streams_of(
    reference: Tally, current: Tally, metrics: Sequence[str], *, windows: Sequence[Window], at_random: bool = False
) -> Streams:
    """Return the counts of every metric and slice that the reference has rows for, by window.

    Groups that the reference does not hold have nothing to be held against and are no streams. Where labels are
    missing, and not declared to be missing at random, of rates that rest on labels and are neither better high nor low
    such windows say nothing; where they are missing in the reference, these are no streams.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 0, 1, 1], "p": [1, 1, 1, 0], "g": ["a", "a", "b", "b"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    >>> found = streams_of(tally, tally, ["accuracy"], windows=())
    >>> [stream.slice for stream in found.streams], found.reference.rate.tolist()
    ([(), (('g', 'a'),), (('g', 'b'),)], [0.5, 0.5, 0.5])
    """
    whole = without_windows(reference)
    every = [(stream, counted) for stream, counted in _counts(whole, metrics).items() if counted[1] > 0]
    filled = not at_random and bool(unlabelled_count(reference) or unlabelled_count(current))
    metrics = [name for name in metrics if at_random or not unlabelled_count(reference) or _bounded(whole, name)]
    streams = tuple(stream for stream, _ in every if stream.metric in metrics)
    facts = [view_of(whole, stream.metric).metric.better for stream in streams]
    plain = _completed((whole, current), metrics, streams, windows)
    sides: list[Completed | None] = [None, None]
    if filled:
        for place, right in enumerate((True, False)):
            both = completed(whole, right=right), completed(current, right=right)
            sides[place] = _where_known(_completed(both, metrics, streams, windows), current, streams)
    then = [_aligned(in_window(reference, window), metrics, streams) for window in windows_of(reference)]
    return Streams(
        streams=streams,
        windows=tuple(windows),
        **plain._asdict(),
        higher_is_better=np.array([better == "higher" for better in facts], dtype=bool),
        both=np.array([better == "neither" for better in facts], dtype=bool),
        dispersion=_dispersion(then, streams),
        right=sides[0],
        wrong=sides[1],
    )


def tolerated_risk(streams: Streams, *, tolerance: float, error: float) -> tuple[FloatArray, FloatArray]:
    """Return the largest and the smallest risk of each stream that is tolerated, shape (n_streams,).

    The largest is the upper bound of the reference's risk (with missing labels counted as losses) that fails with
    probability `error`, plus the tolerance; the smallest, of streams that are watched both ways, the lower bound less
    the tolerance (the error shared), else 0.

    Examples
    --------
    >>> none, no = Counted(np.zeros((0, 1)), np.zeros((0, 1))), np.array([False])
    >>> reference = Counted(np.array([10.0]), np.array([100.0]))
    >>> streams = Streams((Stream("false_positive_rate", ()),), (), reference, none, none, none, no, no, None)
    >>> [float(side[0].round(3)) for side in tolerated_risk(streams, tolerance=0.02, error=0.025)]
    [0.196, 0.0]
    """
    spread = 1.0 if streams.dispersion is None else streams.dispersion
    rows = streams.feared.rows / spread
    losses = loss_of(streams, streams.feared) / spread
    ends = intervals.clopper_pearson(losses, rows, alpha=np.where(streams.both, error, 2 * error))
    low = np.where(streams.both, np.maximum(ends.low - tolerance, 0.0), 0.0)
    return np.minimum(ends.high + tolerance, 1.0), low


def loss_of(streams: Streams, counted: Counted) -> FloatArray:
    """Return the losses of counts: what is not right, where an event is right.

    Examples
    --------
    >>> none, yes = Counted(np.zeros((0, 1)), np.zeros((0, 1))), np.array([True])
    >>> streams = Streams((Stream("accuracy", ()),), (), none, none, none, none, yes, ~yes, None)
    >>> loss_of(streams, Counted(np.array([[8.0]]), np.array([[10.0]]))).tolist()
    [[2.0]]
    """
    rest = np.maximum(counted.rows - counted.events, 0.0)
    return np.where(streams.higher_is_better, rest, counted.events)


def _bounded(tally: Tally, name: str) -> bool:
    """Return whether missing labels that are right, or wrong, bound a rate: not of one with no better direction."""
    metric = view_of(tally, name).metric
    return metric.better != "neither" or not any(concerned_by(metric))


def _where_known(counts: Completed, current: Tally, streams: Sequence[Stream]) -> Completed:
    """Return counts without those of rates that missing labels do not bound, in windows with missing labels."""
    open_columns = np.array([not _bounded(current, stream.metric) for stream in streams], dtype=bool)
    if not open_columns.any():
        return counts
    lacking = np.array([unlabelled_count(in_window(current, window)) > 0 for window in windows_of(current)], dtype=bool)
    gone = lacking[:, None] & open_columns[None, :]
    now, rest = (Counted(*(np.where(gone, 0.0, part) for part in side)) for side in (counts.current, counts.rest))
    return counts._replace(current=now, rest=rest)


def _completed(
    sides: tuple[Tally, Tally], metrics: Sequence[str], streams: Sequence[Stream], windows: Sequence[Window]
) -> Completed:
    """Return the counts of a reference without times, and of the windows of what is held against it."""
    now = [_aligned(in_window(sides[1], window), metrics, streams) for window in windows]
    once = _aligned(sides[0], metrics, streams)
    return Completed(
        reference=Counted(once[0], once[1]),
        current=_stacked([part[:2] for part in now], len(streams)),
        reference_rest=Counted(once[2], once[3]),
        rest=_stacked([part[2:] for part in now], len(streams)),
    )


def _counts(tally: Tally, metrics: Sequence[str]) -> dict[Stream, tuple[float, float, float, float]]:
    """Return events and rows of each stream, and of everyone outside its group."""
    found: dict[Stream, tuple[float, float, float, float]] = {}
    looked: dict[int, tuple[Tally, Cells, tuple[Partition, ...]]] = {}  # most metrics look at the counts alike
    for name in metrics:
        view = view_of(tally, name)
        if id(view.tally) not in looked:
            cells = without_scores(cells_of(view.tally))
            looked[id(view.tally)] = (view.tally, cells, tuple(everyone_and_groups(cells, tally.features)))
        _, cells, partitions = looked[id(view.tally)]
        for slices in partitions:
            events, rows = _rates(view.metric, cells, slices)
            others = _others(view.metric, cells, slices) if slices.features and len(slices.groups) > 1 else None
            for place in range(len(slices.groups)):
                outside = (0.0, 0.0) if others is None else (float(others[0][place]), float(others[1][place]))
                found[Stream(name, slices.slice_of(place))] = (float(events[place]), float(rows[place]), *outside)
    return found


def _others(metric: Metric, cells: Cells, slices: Partition) -> tuple[FloatArray, FloatArray]:
    """Return events and rows of everyone outside each group, as one slice each."""
    size = len(slices.groups)
    if cells.plain:
        events, rows = _rates(metric, cells, slices)
        return events.sum() - events, rows.sum() - rows
    events, rows = np.zeros(size), np.zeros(size)
    for place in range(size):
        halves = Partition(slices.features, ((None,), ("rest",)), (slices.member != place).astype(np.int64))
        both = _rates(metric, cells, halves)
        events[place], rows[place] = both[0][1], both[1][1]
    return events, rows


def _rates(metric: Metric, cells: Cells, slices: Partition) -> tuple[FloatArray, FloatArray]:
    found = estimate(metric, cells, slices)
    events, rows = (np.zeros(len(found.n)) if part is None else part for part in (found.successes, found.trials))
    fine = np.isfinite(events) & np.isfinite(rows) & (rows > 0)
    events, rows = np.where(fine, events, 0.0), np.where(fine, rows, 0.0)
    shrink = np.minimum(1.0, found.n / np.where(rows > 0, rows, 1.0))  # clusters never make more of rows than they are
    return events * shrink, rows * shrink


def _aligned(
    tally: Tally, metrics: Sequence[str], streams: Sequence[Stream]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    found = _counts(tally, metrics) if tally.cells.num_rows else {}
    table = np.array([found.get(stream, (0.0, 0.0, 0.0, 0.0)) for stream in streams]).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def _stacked(parts: Sequence[tuple[FloatArray, ...]], size: int) -> Counted:
    if not parts:
        return Counted(np.zeros((0, size)), np.zeros((0, size)))
    return Counted(np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts]))


def _dispersion(
    then: Sequence[tuple[FloatArray, FloatArray, FloatArray, FloatArray]], streams: Sequence[Stream]
) -> FloatArray | None:
    """Return by how much the reference's windows scatter more than rows would; 1 for streams seen in too few."""
    if len(then) < FEWEST_WINDOWS:
        return None
    events, rows = (np.stack([part[side] for part in then]) for side in (0, 1))
    found = np.ones(len(streams))
    enough = (rows > 0).sum(axis=0) >= FEWEST_WINDOWS
    if enough.any():
        found[enough] = block_dispersion(events[:, enough], rows[:, enough])
    return found
