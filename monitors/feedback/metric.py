"""What is said of a metric of feedback loops: its question, what it needs, when it alarms, when not to use it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.settings import LoopRows, LoopSettings

Question = Literal["is there a loop", "how strong", "for whom", "what do we do"]

Measure = Callable[[PredictionLog, LoopSettings], LoopRows]
"""Measures one family of metrics on a decision log whose columns are there and without faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopMetric:
    """One metric of feedback loops, as the catalog lists it.

    Parameters
    ----------
    name
        Name of its rows (`Measurement.metric`).
    title
        Its name on a page, in plain words, without the field's jargon.
    question
        Which of a reader's questions it answers.
    needs
        Roles that a log must have for it.
    helps
        Roles that it uses where they are there.
    meaning
        What it means, in one sentence that a reviewer without statistics understands.
    limit
        The value that matters; None where the metric only describes.
    side
        On which side of the limit it matters.
    why
        Why that value matters; what an alarm asks a person to look at.
    not_when
        When it must not be used.
    obtain
        What a team has to log, or do, to get what it needs.
    source
        Where formula and reading come from.
    measure
        The function that measures it; the metrics of one family share theirs.
    of_a_log
        Whether a log alone answers it; otherwise the Python function asks for more (such as the models' parameters).

    Examples
    --------
    >>> LoopMetric(name="adherence", title="How often people follow the model", question="how strong",
    ...            needs=("y_pred", "human_decision"), meaning="The share of decisions that are what the model said.",
    ...            why="", not_when="", obtain="", source="", measure=None).side
    'above'
    """

    name: str
    title: str
    question: Question
    needs: tuple[Role, ...]
    helps: tuple[Role, ...] = ()
    meaning: str
    limit: float | None = None
    side: Literal["above", "below"] = "above"
    why: str
    not_when: str
    obtain: str
    source: str
    measure: Measure | None
    of_a_log: bool = True


Family = tuple[LoopMetric, ...]
