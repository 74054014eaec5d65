"""Colours and marks: a palette for colour-blind readers too, and verdicts that never rest on colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from checklists.verdict import WORDS, Verdict

PALETTE: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky": "#56B4E9",
        "green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "purple": "#CC79A7",
    }
)
"""Okabe & Ito 2008, Color universal design, https://jfly.uni-koeln.de/color/"""

POINT = PALETTE["blue"]
EMPHASIS = PALETTE["vermilion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictStyle:
    """How a verdict is shown: in words, by a shape, and by a colour that only repeats what the first two say.

    Parameters
    ----------
    words
        "holds", "fails", "not shown", "broken evidence".
    shape
        One character that differs in form, not only in colour.
    name
        Name of the style, for a class in HTML.
    colour
        A colour of `PALETTE`.

    Examples
    --------
    >>> style = VERDICTS["INSUFFICIENT"]
    >>> style.words, style.shape, style.name, style.colour == PALETTE["orange"]
    ('not shown', '◇', 'insufficient', True)
    """

    words: str
    shape: str
    name: str
    colour: str


VERDICTS: Mapping[Verdict, VerdictStyle] = MappingProxyType(
    {
        "FAIL": VerdictStyle(words=WORDS["FAIL"], shape="✕", name="fail", colour=PALETTE["vermilion"]),
        "INVALID": VerdictStyle(words=WORDS["INVALID"], shape="▲", name="invalid", colour=PALETTE["purple"]),
        "INSUFFICIENT": VerdictStyle(
            words=WORDS["INSUFFICIENT"], shape="◇", name="insufficient", colour=PALETTE["orange"]
        ),
        "PASS": VerdictStyle(words=WORDS["PASS"], shape="✓", name="pass", colour=PALETTE["blue"]),
    }
)
"""In the order in which they are read: what fails first."""


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as shape and words.

    Examples
    --------
    >>> verdict_text("FAIL"), verdict_text("INSUFFICIENT")
    ('✕ fails', '◇ not shown')
    """
    style = VERDICTS[verdict]
    return f"{style.shape} {style.words}"
