"""Context that a report carries beside the audit itself: a comparison, a remark, a finding with its numbers."""

from dataclasses import dataclass

from audit.measurement import Measurement
from dashboards.report.blocks import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An extra section of a report.

    Parameters
    ----------
    title
        Its heading.
    text
        Plain text; an empty line begins a new paragraph. Never read as HTML or Markdown.
    measurements
        Numbers for a table below the text; empty = no table.
    pictures
        Pictures between the text and the table, made by `dashboards.report.drawing.drawn`.

    Examples
    --------
    >>> Section(title="Baselines", text="Always predicting the majority class is right as often as this.").measurements
    ()
    """

    title: str
    text: str
    measurements: tuple[Measurement, ...] = ()
    pictures: tuple[Picture, ...] = ()
