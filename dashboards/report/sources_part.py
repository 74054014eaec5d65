"""The part of the report on where a gap comes from: each source of bias with its evidence, and what would help."""

import matplotlib as mpl
from matplotlib.figure import Figure

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import group_label, safe_label
from dashboards.learning_curves import curve_points, curve_text, expected_gain
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn
from dashboards.report.section import Section
from dashboards.source_words import MEANINGS, evidence_of, source_verdicts, verdict_words, why_words
from dashboards.tables import DEFAULT_MIN_CELL, hidden_text, interval_text, value_text
from dashboards.theme import EMPHASIS, POINT

_CARE = (
    "A source is named only where numbers speak for it; that others are not supported does not clear them. Unbiased "
    "data is not unbiased decisions: the model and its use matter, too."
)


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return the verdict on each source with its sentence, the learning curve and the evidence; nothing without them.

    What rests on fewer than `min_cell` rows is hidden; the verdict stands.

    Examples
    --------
    >>> row = Measurement(metric="bias_source", slice=(("sex", "F"),), at=(("class", "historical"),), value=0.0, n=90,
    ...                   method="evidence", reason="true outcomes differ by +0.1 points")
    >>> print(sections(Result(measurements=[row]))[0].text.splitlines()[0])
    • ○ not supported: historical. The world itself treats groups differently; a record of it that is right still holds
    that. Here: true outcomes differ by +0.1 points.
    """
    verdicts = source_verdicts(result)
    if not verdicts:
        return ()
    gap = next((row for row in result.measurements if row.metric == "held_out_error_rate_difference"), None)
    texts = [_gap_text(gap)] if gap is not None and gap.n >= min_cell else []
    texts += [_verdict_text(row, min_cell) for row in verdicts]
    pictures = _pictures(result, min_cell)
    supported = [str(dict(row.at)["class"]) for row in verdicts if row.value == 1]
    rows = tuple(row for source in supported for row in evidence_of(result, source) if "k" not in dict(row.at))
    group = group_label(verdicts[0].slice, limit=40)
    title = f"Where the gap of {group} comes from"
    return (Section(title=title, text="\n\n".join([*texts, _CARE]), measurements=rows, pictures=pictures),)


def _gap_text(gap: Measurement) -> str:
    return (
        f"On rows that the model was not fitted on, the error of {group_label(gap.slice, limit=40)} differs from that "
        f"of others by {value_text(gap)} {interval_text(gap)}."
    )


def _verdict_text(row: Measurement, min_cell: int) -> str:
    source = str(dict(row.at)["class"])
    why = hidden_text(min_cell) if 0 < row.n < min_cell else why_words(row)
    return f"• {verdict_words(row)}: {source}. {MEANINGS.get(source, '')} Here: {why}."


def _pictures(result: Result, min_cell: int) -> tuple[Picture, ...]:
    points, gain = curve_points(result), expected_gain(result)
    if not points or min(row.n for row in points) < min_cell:
        return ()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.2, 2.6))
        axes = figure.add_axes((0.1, 0.2, 0.86, 0.72))
        sizes = [int(dict(row.at)["k"]) for row in points]
        values = [row.value or 0.0 for row in points]
        ends = [[v - (r.low if r.low is not None else v) for r, v in zip(points, values, strict=True)],
                [(r.high if r.high is not None else v) - v for r, v in zip(points, values, strict=True)]]  # fmt: skip
        axes.errorbar(sizes, values, yerr=ends, color=POINT, marker="o", markersize=5, linewidth=1.6, capsize=3)
        ticks = list(sizes)
        if gain is not None and gain.value is not None:
            at = sizes[-1] + int(dict(gain.at)["k"])
            low, high = (
                gain.low if gain.low is not None else gain.value,
                gain.high if gain.high is not None else gain.value,
            )
            reach = [[max(high - gain.value, 0.0)], [max(gain.value - low, 0.0)]]
            axes.errorbar([at], [values[-1] - gain.value], yerr=reach, color=EMPHASIS, marker="D", markersize=6,
                          markerfacecolor="none", capsize=3, linestyle="none")  # fmt: skip
            ticks.append(at)
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
        axes.minorticks_off()
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("rows of the group in the training data (diamond: expected from the curve)")
        for side in ("right", "top"):
            axes.spines[side].set_visible(False)
    title = f"Held-out error of {group_label(points[0].slice, limit=40)} as rows of it are added"
    svg = drawn(figure, identifier="learning-curve", title=title)
    return (Picture(svg=svg, title=title, sentence=safe_label(curve_text(points, gain), target="text", limit=900)),)
