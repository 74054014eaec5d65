"""Three questions about feedback loops, answered in sentences: is there one, how strong is it, what do we do."""

from collections.abc import Sequence
from typing import NamedTuple

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.alarm_words import numbered
from dashboards.labels import safe_label, slice_label
from dashboards.loop_columns import because, log_sentences, obtain_sentences, unmeasured
from dashboards.loop_strength import strength_sentences
from dashboards.loops import (
    GAIN,
    GAP,
    LoopAlarm,
    known_rows,
    limit_of,
    limit_words,
    loop_alarms,
    published,
    shows_a_loop,
)
from dashboards.subjects import arm_label
from dashboards.tables import hidden_text, interval_text, is_small, value_text
from monitors.feedback.catalog import BY_NAME, CATALOG

IS_THERE, HOW_STRONG, WHAT_TO_DO = "Is there a loop?", "How strong is it?", "What do we do?"

_MOST = 6
_COLUMNS = 3
_UNKNOWN = "It cannot be said: nothing that would show a loop could be measured."
_PERHAPS = "Perhaps. No alarm rings, but with their whole interval beyond the limit lie:"
_EACH = (
    "Each interval holds by itself, and of several one may miss by chance; an alarm waits for evidence that holds for "
    "all metrics together. Look again with more rows."
)
_NO_PROOF = (
    "That is no proof that there is none: a weak loop, or one in few rows, does not ring, and what is not measured "
    "cannot ring."
)


class Answers(NamedTuple):
    """The answers, each a few sentences of which the first says most.

    Examples
    --------
    >>> Answers(("No.",), ("-",), ("-",)).questions[0]
    ('Is there a loop?', ('No.',))
    """

    is_there: tuple[str, ...]
    how_strong: tuple[str, ...]
    what_to_do: tuple[str, ...]

    @property
    def questions(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Question and answer, in the order in which people ask."""
        return tuple(zip((IS_THERE, HOW_STRONG, WHAT_TO_DO), self, strict=True))

    def in_short(self) -> tuple[str, ...]:
        """Return the answers as a report opens with them: whether there is a loop first, then what says most."""
        about = tuple(f"{HOW_STRONG} {text}" for text in self.how_strong[:1])
        return (f"{IS_THERE} {self.is_there[0]}", *self.is_there[1:3], *about)


def answers(result: Result, *, min_cell: int) -> Answers:
    """Return what a run says to the three questions.

    Parameters
    ----------
    result
        Made by `monitors.feedback.run.run_loops`.
    min_cell
        Numbers that rest on fewer rows are not shown.

    Examples
    --------
    >>> answers(Result(measurements=()), min_cell=10).is_there[0]
    'It cannot be said: nothing that would show a loop could be measured.'
    """
    public = published(result, min_cell=min_cell)
    alarms = loop_alarms(public)
    strong = strength_sentences(public, min_cell=min_cell)
    return Answers(_is_there(public, alarms, min_cell), strong, _what_to_do(public, alarms))


def _is_there(result: Result, alarms: Sequence[LoopAlarm], min_cell: int) -> tuple[str, ...]:
    quiet, told = _quiet(result), [each for each in alarms if each.is_named]
    rang = f"{numbered(len(alarms), 'alarm')} {'rings' if len(alarms) == 1 else 'ring'}"
    unnamed = len(alarms) - len(told)
    listed = [alarm_sentence(result, each, min_cell=min_cell) for each in told[:_MOST]]
    listed += [f"{len(told) - _MOST} more stand in the table of alarms."] if len(told) > _MOST else []
    listed += [f"{numbered(unnamed, 'alarm')} of groups too small to be named, or that protect one."] if unnamed else []
    if any(shows_a_loop(each.metric) for each in alarms):
        return (f"Yes: what the model did comes back to it. {rang}.", *listed)
    if alarms:
        sign = f"{rang} about what makes a loop, or about whom it would harm"
        head = "No loop is shown" if quiet else "Whether there is a loop cannot be said"
        return (f"{head}, but {sign}.", *listed, *([_NO_PROOF] if quiet else _why_unknown(result)))
    if not quiet:
        return (_UNKNOWN, *_why_unknown(result))
    passing = [row for row in quiet if _passes(result, row) and not is_small(row, min_cell=min_cell)]
    others = [row for row in quiet if row not in passing][:_MOST]
    shown = [f"{_measured(row, min_cell)}; it {limit_words(result, BY_NAME[row.metric])}." for row in passing]
    before = "Not shown to be beyond it: " if passing else ""
    shown += [f"{before}{_measured(row, min_cell)}; it {limit_words(result, BY_NAME[row.metric])}." for row in others]
    if passing:
        return (_PERHAPS, *shown, _EACH)
    return ("No alarm of a loop rings. What could have shown one was measured:", *shown, _NO_PROOF)


def _quiet(result: Result) -> tuple[Measurement, ...]:
    """Return the rows that could have shown a loop, those of everyone, else those of groups."""
    found: list[Measurement] = []
    for metric in filter(shows_a_loop, CATALOG):
        rows = known_rows(result, metric.name)
        found += [row for row in rows if not row.slice][:1] or rows[:2] or _last(result, metric.name)
    return tuple(found)


def _last(result: Result, name: str) -> list[Measurement]:
    """Return the row of the last round, of a metric that has none of the whole log."""
    rows = [row for row in result.measurements if row.metric == name and row.value is not None and row.window]
    return rows[-1:]


def _why_unknown(result: Result) -> tuple[str, ...]:
    rows = [row for row in unmeasured(result) if row.metric in {GAIN, GAP}]
    return tuple(f"{BY_NAME[row.metric].title}: not measured, because {_told(because(row))}." for row in rows)


def alarm_sentence(result: Result, each: LoopAlarm, *, min_cell: int) -> str:
    """Return one alarm in a sentence: what, of whom, how large, against which limit, since when.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from audit.result import Alarm
    >>> row = Measurement(metric="loop_gain", value=0.98, low=0.87, high=1.09, n=520, level=0.95, method="x")
    >>> alarm = Alarm(key=row.key(), e_value=90.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> run = Result(measurements=[row], alarms=[alarm])
    >>> alarm_sentence(run, loop_alarms(run)[0], min_cell=10)
    'How much of its own attention the model gets back: 0.980 [0.870, 1.090], n = 520; it rings above 0.7, \
since 2026-01-05.'
    """
    said = f"{each.metric.title}{_whom(each.slice)}" if each.row is None else _measured(each.row, min_cell)
    since = f", since {each.since}" if each.since else ""
    return f"{said}; it {limit_words(result, each.metric)}{since}."


def _measured(row: Measurement, min_cell: int) -> str:
    if is_small(row, min_cell=min_cell):
        return f"{row_title(row)}: {hidden_text(min_cell)}"
    return f"{row_title(row)}: {f'{value_text(row)} {interval_text(row)}'.strip()}, n = {row.n:,}"


def row_title(row: Measurement) -> str:
    """Return what a row of the catalog is called: the metric's title, of whom, in which round; all, unless said.

    Examples
    --------
    >>> row_title(Measurement(metric="usage", at=(("round", "3"),), value=0.5, n=90, method="wilson"))
    'How much of the world the model touches, round 3'
    """
    at = {key: value for key, value in row.at if key in {"round", "place", "bin", "feature"}}
    where = "".join(f", {key} {safe_label(str(value), target='text')}" for key, value in at.items())
    arm = dict(row.at).get("arm")
    where += f", {arm_label(str(arm))}" if arm not in {None, "model"} else ""
    return f"{BY_NAME[row.metric].title}{_whom(row.slice)}{where}"


def _whom(slice_: Slice) -> str:
    return f", {slice_label(slice_)}" if slice_ else ""


def _passes(result: Result, row: Measurement) -> bool:
    """Whether the whole interval of a row lies beyond the limit of its metric."""
    metric = BY_NAME[row.metric]
    limit, end = limit_of(result, metric), row.low if metric.side == "above" else row.high
    if limit is None or end is None:
        return False
    return end > limit if metric.side == "above" else end < limit


def _what_to_do(result: Result, alarms: Sequence[LoopAlarm]) -> tuple[str, ...]:
    rung = {each.metric.name: each.metric for each in alarms}
    said = [f"{metric.title}: {metric.why}" for metric in rung.values()]
    quiet = _quiet(result)
    beyond = {row.metric: row for row in quiet if _passes(result, row) and row.metric not in rung}
    said += [f"No alarm yet, but look: {BY_NAME[name].title}: {BY_NAME[name].why}" for name in beyond]
    if quiet and not said:
        said.append("Nothing has to be mended because of these numbers; measure again after each retraining.")
    return (*said, *obtain_sentences(result), *log_sentences(result, most=_COLUMNS))


def _told(text: str) -> str:
    return safe_label(text, target="text", limit=400)
