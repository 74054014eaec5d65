"""The part of the report on time: what changed since the reference, since when, for whom, how sure that is."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.alarm_words import alarms_of, is_withheld, numbered
from dashboards.labels import slice_label
from dashboards.monitoring import (
    Change,
    advice_sentences,
    changes_of,
    episode_sentence,
    episodes_of,
    is_monitoring,
    lead_sentences,
    publishable,
    series_of,
)
from dashboards.monitoring_sentences import (
    further_sentences,
    promise_sentence,
    retraining_rows,
    retraining_sentence,
)
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.section import Section
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.tables import DEFAULT_MIN_CELL
from dashboards.theme import EMPHASIS, POINT
from dashboards.two_verdicts import two_verdicts
from dashboards.words import metric_title, unit_of

MOST = 12
"""Most changes that the report tells one by one; the JSON and the dashboard hold all."""

_SHOWN = ("accuracy", "false_negative_rate", "false_positive_rate", "selection_rate")
_PICTURES = 2
_TICKS, _BESIDE = 6, 30
_WIDE = 0.05
"""Of a wider range percents are told without decimals."""


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return the section on what changed; none of any other result.

    Groups that hold fewer rows than may be published over all windows are counted, not named; windows of other groups
    with fewer rows are neither drawn nor told.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_monitoring(result):
        return ()
    changes = changes_of(result)
    told = publishable(result, changes, min_cell=min_cell)
    episodes = episodes_of(told)
    number = alarms_of(result.alarms)
    of = f", of {numbered(len(changes), 'change')}" if number != len(changes) else ""
    rang = f"{numbered(number, 'alarm')} rang{of}"
    texts = [f"{rang}; the earliest first:" if told else lead_sentences(result, min_cell=min_cell)[0]]
    texts += [f"• {episode_sentence(episode)}" for episode in episodes[:MOST]]
    if len(episodes) > MOST:
        texts.append("More of them stand in the JSON and on the page Over time.")
    if len(told) < len(changes):
        texts.append(f"{len(changes) - len(told)} of the changes are of groups too small to be named.")
    advice = advice_sentences(told)
    texts += [*(["What to do:"] if advice else []), *(f"• {each}" for each in advice)]
    texts += [*further_sentences(result), promise_sentence(result)]
    tabled = {row.key(): row for change in told if (row := change.shown) is not None}
    text = "\n\n".join(texts)
    kept = frozenset({(), *(change.slice for change in told)})
    pictures = _pictures(result, told, kept, min_cell)
    first = Section(
        title="What changed since the reference",
        text=text,
        measurements=tuple(tabled.values())[:MOST],
        pictures=pictures,
    )
    return (first, *_retraining(result, min_cell), *_evidently(result))


def _retraining(result: Result, min_cell: int) -> tuple[Section, ...]:
    """Return the section on mixes of old and new rows, by everyone; why there is none stands in the first section."""
    mixes = tuple(row for row in retraining_rows(result) if not row.slice and row.n >= min_cell)
    if not mixes:
        return ()
    return (Section(title="Which rows to retrain on", text=retraining_sentence(result), measurements=mixes),)


def _evidently(result: Result) -> tuple[Section, ...]:
    """Return the section on Evidently's verdicts: how often they differ from ours, and why."""
    verdicts = two_verdicts(result)
    if not verdicts:
        return ()
    differ = [each for each in verdicts if each.why]
    texts = [
        f"Evidently tests every feature of every window by itself, with a fixed threshold. In {len(differ)} of "
        f"{len(verdicts)} verdicts it differs from ours."
    ]
    texts += [
        f"• {each.since:%Y-%m-%d}, {each.feature}: {each.theirs}; {each.ours}. Why: {each.why}."
        for each in differ[:MOST]
    ]
    if len(differ) > MOST:
        texts.append("More of them stand in the JSON and on the page Over time.")
    return (Section(title="Evidently on the same windows", text="\n\n".join(texts)),)


def _pictures(result: Result, told: Sequence[Change], kept: frozenset[Slice], min_cell: int) -> tuple[Picture, ...]:
    found: list[Picture] = []
    rung = [change for change in told if change.metric in _SHOWN]
    metrics = list(dict.fromkeys([*(change.metric for change in rung), *_SHOWN]))
    for metric in metrics:
        series = {
            slice_: tuple(row for row in rows if not is_withheld(row, min_cell=min_cell))
            for slice_, rows in series_of(result, metric).items()
            if slice_ in kept
        }
        if len(found) == _PICTURES or not any(row.value is not None for rows in series.values() for row in rows):
            continue
        first = next((change for change in rung if change.metric == metric and change.slice in series), None)
        lines = {(): series.get((), ())} | ({first.slice: series[first.slice]} if first else {})
        title = f"{metric_title(metric)} by window"
        svg = _drawn(lines, first, identifier=f"over-time-{len(found) + 1}", title=title)
        sentence = "Circles and lines are values and intervals of everyone; diamonds those of the group with the alarm."
        text = sentence if first and first.slice else "Values and intervals of everyone."
        found.append(Picture(svg=svg, title=title, sentence=text))
    return tuple(found)


def _drawn(series: dict[Slice, tuple[Measurement, ...]], first: Change | None, *, identifier: str, title: str) -> str:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 2.6))
        axes = figure.subplots()
        styles = ((POINT, "o"), (EMPHASIS, "D"))
        for place, ((slice_, rows), (colour, mark)) in enumerate(zip(series.items(), styles, strict=False)):
            shown = [row for row in rows if row.value is not None and row.window]
            times = [row.window[0] + place * (row.window[1] - row.window[0]) / _BESIDE for row in shown if row.window]
            values = [row.value or 0.0 for row in shown]
            arms = [[_arm(row, end) for row in shown] for end in ("low", "high")]
            axes.errorbar(
                times, values, yerr=arms, color=colour, marker=mark, markersize=4, linewidth=1,  # type: ignore[arg-type]
                label=slice_label(slice_, limit=40),
            )  # fmt: skip
        if first is not None:
            axes.axvline(first.since, color=EMPHASIS, linestyle="--", linewidth=0.8)  # type: ignore[arg-type]
            axes.text(first.since, axes.get_ylim()[1], " alarm", va="top", color=INK, fontsize=7)  # type: ignore[arg-type]
        if unit_of(next(row.metric for rows in series.values() for row in rows)) == "share":
            low, high = axes.get_ylim()
            axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0 if high - low > _WIDE else 1))
        _at_windows(axes, series)
        axes.grid(color=GRID, linewidth=0.5)
        axes.tick_params(colors=MUTED)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
        lay_out(figure)
        return drawn(figure, identifier=identifier, title=title)


def _at_windows(axes: Axes, series: dict[Slice, tuple[Measurement, ...]]) -> None:
    """Put the ticks where windows start, at every second or n-th of many."""
    starts = sorted({row.window[0] for rows in series.values() for row in rows if row.window})
    shown = starts[:: -(-len(starts) // _TICKS) or 1]
    texts = [f"{start:%Y-%m-%d}" for start in shown]
    if len(set(texts)) < len(texts):
        texts = [f"{start:%m-%d %H:%M}" for start in shown]
    axes.set_xticks(shown, texts)  # type: ignore[arg-type]


def _arm(row: Measurement, end: str) -> float:
    limit = getattr(row, end)
    return 0.0 if limit is None else abs(float(limit) - float(row.value or 0.0))
