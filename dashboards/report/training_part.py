"""The part of the report on training: how it ended, its course, what looked like a leak, and with which settings."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from audit.measurement import Measurement
from audit.result import Result
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.section import Section
from dashboards.tables import value_text
from dashboards.training import LOSSES, epoch_of, epoch_ticks, epochs_of, is_training, lead_sentences, metric_of
from dashboards.training_settings import setting_rows
from dashboards.words import metric_title, unit_of

_LIMITS = (
    "The validation rows were looked at after every epoch, so the last figures on them are no test; an audit of rows "
    "that played no part in training is one."
)
_LINES = (("#0b5394", "-", "o"), ("#b45f06", "--", "s"))


def sections(result: Result) -> tuple[Section, ...]:
    """Return the section on training; none of any other result.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_training(result):
        return ()
    last = max(epoch_of(row) for row in epochs_of(result, "train_loss"))
    metric = metric_of(result)
    names = [*LOSSES, *([metric, metric.replace("valid_", "valid_ensemble_", 1)] if metric else [])]
    rows = [row for name in names for row in epochs_of(result, name) if epoch_of(row) == last]
    settings = [f"\u2022 {name}: {value}" for name, value in setting_rows(result)]
    text = "\n\n".join([*lead_sentences(result), _LIMITS, "It was trained so:", *settings])
    pictures = [] if last == 1 else [_picture(result, LOSSES, "training-losses", "Loss by epoch")]
    if metric is not None and pictures:
        pictures.append(_picture(result, (metric,), "training-metric", f"{metric_title(metric)} by epoch"))
    title = "How the model was trained"
    return (Section(title=title, text=text, measurements=tuple(rows), pictures=tuple(pictures)),)


def _picture(result: Result, names: tuple[str, ...], identifier: str, title: str) -> Picture:
    """Return lines by epoch, told apart by dashes and marks, not by colour alone."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(4.2, 2.6))
        axes: Axes = figure.subplots()
        for name, (colour, dash, mark) in zip(names, _LINES, strict=False):
            rows = [row for row in epochs_of(result, name) if row.value is not None]
            _line(axes, rows, color=colour, linestyle=dash, marker=mark, label=metric_title(name))
        _name_epochs(axes, max(epoch_of(row) for name in names for row in epochs_of(result, name)))
        if all(unit_of(name) == "share" for name in names):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1, symbol=" %"))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], min_n_ticks=3))
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.legend(fontsize=7, frameon=False)
        lay_out(figure)
        return Picture(
            svg=drawn(figure, identifier=identifier, title=title), title=title, sentence=_ends(result, names)
        )


def _line(axes: Axes, rows: Sequence[Measurement], **style: Any) -> None:  # noqa: ANN401 - what matplotlib takes
    """Draw values by epoch, with their intervals where all of them have one."""
    ranged = all(row.low is not None and row.high is not None for row in rows)
    values = [float(row.value or 0.0) for row in rows]
    arms = [
        [abs(float(getattr(row, end) or 0.0) - value) for row, value in zip(rows, values, strict=True)]
        for end in ("low", "high")
    ]
    axes.errorbar(
        [epoch_of(row) for row in rows], values, yerr=arms if ranged else None, markersize=3, capsize=2,
        elinewidth=0.8, **style,
    )  # fmt: skip


def _name_epochs(axes: Axes, last: int) -> None:
    axes.set_xlabel("epoch")
    axes.set_xticks(epoch_ticks(last))
    axes.set_xlim(1 - 0.03 * last, last + 0.03 * last)


def _ends(result: Result, names: tuple[str, ...]) -> str:
    """Return what the picture shows, in words."""
    said = []
    for name in names:
        rows = [row for row in epochs_of(result, name) if row.value is not None]
        if rows:
            first, last = rows[0], rows[-1]
            ends = f"{value_text(first)} after epoch {epoch_of(first)}, {value_text(last)} after {epoch_of(last)}"
            bars = f" The bars are intervals at {100 * last.level:g} %, each for its epoch alone." if last.level else ""
            said.append(f"{metric_title(name)}: {ends}.{bars}")
    return " ".join(said)
