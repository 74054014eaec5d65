"""The part of the report on training: how it ended, its course, what looked like a leak, and with which settings."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from audit.result import Result
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.section import Section
from dashboards.training import LOSSES, epoch_of, epochs_of, is_training, lead_sentences, metric_of
from dashboards.training_settings import setting_rows
from dashboards.words import metric_title

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
    pictures = [_picture(result, LOSSES, "training-losses", "Loss by epoch")]
    if metric is not None:
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
            values = [float(row.value or 0.0) for row in rows]
            axes.plot(
                [epoch_of(row) for row in rows],
                values,
                color=colour,
                linestyle=dash,
                marker=mark,
                markersize=3,
                label=metric_title(name),
            )
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.legend(fontsize=7, frameon=False)
        lay_out(figure)
        return Picture(
            svg=drawn(figure, identifier=identifier, title=title), title=title, sentence=_ends(result, names)
        )


def _ends(result: Result, names: tuple[str, ...]) -> str:
    """Return what the picture shows, in words."""
    said = []
    for name in names:
        rows = [row for row in epochs_of(result, name) if row.value is not None]
        if rows:
            first, last = rows[0], rows[-1]
            ends = f"{first.value:.3g} after epoch {epoch_of(first)}, {last.value:.3g} after {epoch_of(last)}"
            said.append(f"{metric_title(name)}: {ends}.")
    return " ".join(said)
