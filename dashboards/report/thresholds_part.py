"""The part of the report on thresholds: what each pays, which one is chosen, what group thresholds would cost."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.concentration import KINDS, ordered_features, points_of
from dashboards.labels import features_label, group_label, safe_label
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.groups import combinations_of, hidden_groups
from dashboards.report.section import Section
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, number_text
from dashboards.theme import PALETTE
from dashboards.threshold_rows import (
    LAW,
    UTILITY,
    best_rows,
    best_sentence,
    curves,
    gain_rows,
    gain_sentence,
    of_features,
    payoffs_of,
    threshold_of,
)

MOST = 6
"""Most groups in one picture of the report; the JSON and the dashboard hold all."""

_STYLES = (
    ("blue", "-"),
    ("vermilion", "--"),
    ("green", ":"),
    ("purple", "-."),
    ("orange", (0, (6, 2))),
    ("black", "-"),
)


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return what a report says of thresholds and of who bears harms; nothing where neither was measured.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    found: list[Section] = []
    best = best_rows(result.measurements)
    if best:
        found.append(_everyone(result, best))
        features = [names[0] for names in combinations_of(result) if len(names) == 1]
        sized = (
            (name, _by_feature(result, name, best, number, min_cell)) for number, name in enumerate(features, start=1)
        )
        found += [section for _, section in sized if section is not None]
    ordered = ordered_features(result.measurements)
    found += [_concentration(result, name, number) for number, name in enumerate(ordered, start=1)]
    return tuple(found)


def curves_svg(
    found: Mapping[Slice, Sequence[Measurement]], best: Mapping[Slice, Measurement], *, identifier: str, title: str
) -> str:
    """Return curves over thresholds as an ``<svg>`` element, a diamond at each chosen one.

    Raises
    ------
    ValueError
        If there is no curve.

    Examples
    --------
    >>> rows = [Measurement(metric="expected_utility", at=(("threshold", t),), value=t, n=9, method="x")
    ...         for t in (0.2, 0.5)]
    >>> picture = curves_svg({(("g", "<b>"),): rows}, {}, identifier="t1", title="Pay by threshold")
    >>> "&lt;b&gt;" in picture, "<b>" in picture
    (True, False)
    """
    if not found:
        msg = "a picture of thresholds needs at least one curve; got none"
        raise ValueError(msg)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 2.9))
        axes, handles = figure.subplots(), {}
        for (colour, dash), (group, rows) in zip(_STYLES, found.items(), strict=False):
            x = [min(threshold_of(row) or 0.0, 1.0) for row in rows]
            y = [float("nan") if row.value is None else row.value for row in rows]
            (handles[group],) = axes.plot(x, y, color=PALETTE[colour], linestyle=dash, linewidth=1.5)
            chosen = best.get(group)
            if chosen is not None and chosen.value is not None:
                near = min(range(len(x)), key=lambda place: abs(x[place] - min(chosen.value or 0.0, 1.0)))
                axes.plot([x[near]], [y[near]], marker="D", color=PALETTE[colour], markersize=5, linestyle="none")
        _dress(axes, "threshold: act where the score is at least", "mean payoff per row")
        _name(axes, handles)
        lay_out(figure)
        return drawn(figure, identifier=identifier, title=title)


def _everyone(result: Result, best: Mapping[Slice, Measurement]) -> Section:
    payoffs = payoffs_of(result)
    stated = ", ".join(f"{name} {number_text(value, unit='ratio')}" for name, value in payoffs.items())
    texts = [
        f"What is done and what is true make four outcomes: acting on a true signal (tp) or on a false one (fp), not "
        f"acting on a true signal (fn) or on a false one (tn). Their payoffs were stated: {stated or 'unknown'}. The "
        f"threshold was chosen on a smoothed curve, as the highest point of a bumpy one is a lucky one."
    ]
    texts += [best_sentence(best[()])] if () in best else []
    found = of_features(curves(result.measurements, UTILITY), ())
    pictures: tuple[Picture, ...] = ()
    if found:
        title = "Mean payoff by threshold, everyone"
        svg = curves_svg(found, best, identifier="thresholds-0", title=title)
        pictures = (Picture(svg=svg, title=title, sentence="The diamond is the chosen threshold."),)
    rows = tuple(row for group, row in best.items() if not group)
    return Section(title="Which threshold pays", text="\n\n".join(texts), measurements=rows, pictures=pictures)


def _by_feature(
    result: Result, feature: str, best: Mapping[Slice, Measurement], number: int, min_cell: int
) -> Section | None:
    hidden = hidden_groups(result, [feature], min_cell=min_cell)
    found = of_features(curves(result.measurements, UTILITY), [feature])
    shown = {group: rows for group, rows in found.items() if group not in hidden}
    if not shown:
        return None
    whom = features_label((feature,))
    first = dict(sorted(shown.items(), key=lambda item: -max(row.n for row in item[1]))[:MOST])
    gains = gain_rows(result.measurements, feature)
    texts = [gain_sentence(row) for row in gains if not row.slice]
    texts += [LAW] if number == 1 else []
    if len(shown) > MOST:
        texts.append(f"The picture shows the {MOST} largest groups of {len(shown)}.")
    title = f"Mean payoff by threshold and {whom}"
    svg = curves_svg(first, best, identifier=f"thresholds-{number}", title=title)
    rows = [row for row in gains if row.slice not in hidden]
    rows += [best[group] for group in shown if group in best]
    return Section(
        title=f"Thresholds by {whom}, and their price",
        text="\n\n".join(texts),
        measurements=tuple(rows),
        pictures=(Picture(svg=svg, title=title, sentence="A diamond is the threshold that pays most for the group."),),
    )


def _concentration(result: Result, feature: str, number: int) -> Section:
    rows = [row for row in result.measurements if dict(row.at).get("feature") == feature]
    index = [row for row in rows if row.metric.endswith("_concentration_index")]
    order = result.provenance.given.get("order", {}).get(feature, ())
    whom = safe_label(feature, target="text", limit=60)
    named = ", ".join(safe_label(str(group), target="text", limit=30) for group in order)
    texts = [f"People stand in the stated order of {whom}, the least powerful first{f': {named}' if named else ''}."]
    texts += [_index_sentence(row) for row in index]
    title = f"Harms and benefits over {whom}"
    pictures: tuple[Picture, ...] = ()
    sentence = (
        "On the dashed line, harms or benefits are spread as people are; above it, they fall on the first groups."
    )
    if points_of(rows, "people", feature):  # the steps of the curve would tell how large a hidden group is
        svg = _concentration_svg(rows, feature, identifier=f"concentration-{number}", title=title)
        pictures = (Picture(svg=svg, title=title, sentence=sentence),)
    else:
        texts.append("The picture is not shown: it would tell how large a hidden group is.")
    return Section(
        title=f"Who bears the harms, who has the benefits, by {whom}",
        text="\n\n".join(texts),
        measurements=tuple(index),
        pictures=pictures,
    )


def _index_sentence(row: Measurement) -> str:
    what = "Harms" if row.metric.startswith("harm") else "Benefits"
    if row.value is None or row.low is None or row.high is None:
        return f"{what}: not enough data (n = {row.n:,})."
    if row.low <= 0 <= row.high:
        found = "are not shown to fall on either end"
    else:
        found = "fall on the first groups" if row.value < 0 else "fall on the last groups"
    number = f"{number_text(row.value, unit='number')} {interval_text(row)}"
    return f"{what} {found}: concentration index {number}, n = {row.n:,}."


def _concentration_svg(rows: Sequence[Measurement], feature: str, *, identifier: str, title: str) -> str:
    people = [0.0, *(row.value or 0.0 for row in points_of(rows, "people", feature))]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 3.2))
        axes = figure.subplots()
        for name, (label, colour, dash, _) in KINDS.items():
            points = points_of(rows, name, feature)
            if points and all(row.value is not None for row in points):
                style = "-" if dash == "solid" else "--"
                values = [0.0, *(row.value or 0.0 for row in points)]
                axes.plot(people, values, color=colour, linestyle=style, marker="o", markersize=4, label=label)
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        _dress(axes, "share of people, from the first group", "share of harms, of benefits")
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
        lay_out(figure)
        return drawn(figure, identifier=identifier, title=title)


def _name(axes: Axes, handles: Mapping[Slice, Artist]) -> None:
    """Write the names of the curves; a name from data is never read as mathematics."""
    names = [group_label(group, limit=24) for group in handles]
    legend = axes.legend([*handles.values()], names, fontsize=7, frameon=False, labelcolor=INK)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _dress(axes: Axes, across: str, up: str) -> None:
    axes.patch.set_visible(False)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(colors=MUTED, length=2, labelsize=7)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.set_xlabel(across, fontsize=8, color=MUTED)
    axes.set_ylabel(up, fontsize=8, color=MUTED)
