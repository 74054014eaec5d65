"""The picture of retraining rounds for a report: data that the model influenced, the hold-out, the gap between them."""

from collections.abc import Collection, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.measurement import Measurement
from dashboards.labels import safe_label
from dashboards.loop_captions import CLOSED, HELD_OUT, alternative_text
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.theme import EMPHASIS, PALETTE, POINT
from dashboards.words import metric_title

_SCORES = ("brier_skill_score", "r2_score")
_READING = (
    "The score is 1 for a perfect forecast, 0 for one that tells everybody the same, and below 0 for one that is worse "
    "than that. "
)
_BARS = "Bars are intervals; the shade is the gap."


def rounds_picture(
    closed: Sequence[Measurement],
    held_out: Sequence[Measurement],
    *,
    gap: Sequence[Measurement] = (),
    rang: Collection[str] = (),
    identifier: str = "loop-rounds",
) -> Picture:
    """Return the two lines over the rounds with the gap between them shaded.

    Parameters
    ----------
    closed, held_out, gap, rang
        As in `dashboards.figures.loop_rounds.rounds_figure`; `closed` holds at least one row.
    identifier
        Unique within the report.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", at=(("round", k),), value=v, n=90, method="x")
    ...         for k, v in (("1", 0.7), ("2", 0.9))]
    >>> rounds_picture(rows, rows).sentence
    'Bars are intervals; the shade is the gap.'
    """
    metric = closed[0].metric
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 3.2))
        axes = figure.subplots()
        _draw(axes, closed, held_out, rang)
        axes.set_xlabel("retraining round", color=INK)
        axes.set_ylabel(metric_title(metric), color=INK)
        axes.margins(x=0.1, y=0.15)
        axes.grid(color=GRID, linewidth=0.5)
        axes.tick_params(colors=MUTED)
        axes.legend(frameon=False, fontsize=7)
        lay_out(figure)
        svg = drawn(figure, identifier=identifier, title=alternative_text(closed, held_out, gap))
    sentence = (_READING if metric in _SCORES else "") + _BARS
    return Picture(svg=svg, title="How good the model looks, by retraining round", sentence=sentence)


def _draw(axes: Axes, closed: Sequence[Measurement], held_out: Sequence[Measurement], rang: Collection[str]) -> None:
    names = list(dict.fromkeys(_round(row) for row in (*closed, *held_out)))
    places = {name: float(place) for place, name in enumerate(names)}
    lines = []
    styles = ((CLOSED, closed, PALETTE["orange"], "s", "-"), (HELD_OUT, held_out, POINT, "o", "--"))
    for name, rows, colour, mark, dash in styles:
        shown = [row for row in rows if row.value is not None]
        x, y = [places[_round(row)] for row in shown], [row.value or 0.0 for row in shown]
        arms = [[_arm(row, end) for row in shown] for end in ("low", "high")]
        axes.errorbar(x, y, yerr=arms, color=colour, marker=mark, markersize=5, linestyle=dash, label=name)
        lines.append(dict(zip(x, y, strict=True)))
    top, bottom = lines
    both = sorted(set(top) & set(bottom))
    low, high = ([line[x] for x in both] for line in (bottom, top))
    axes.fill_between(both, low, high, color=PALETTE["sky"], alpha=0.25, linewidth=0, label="the gap")
    for name in sorted(set(rang) & set(names)):
        point = (places[name], top.get(places[name], 0.0))
        axes.annotate(
            "alarm ", point, xytext=(0, 12), textcoords="offset points", ha="right", color=EMPHASIS, fontsize=7
        )
    axes.set_xticks(range(len(names)), [safe_label(name, target="text", limit=12) for name in names], parse_math=False)


def _round(row: Measurement) -> str:
    return str(dict(row.at).get("round", ""))


def _arm(row: Measurement, end: str) -> float:
    limit = getattr(row, end)
    return 0.0 if limit is None else abs(float(limit) - float(row.value or 0.0))
