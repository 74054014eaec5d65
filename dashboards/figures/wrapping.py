"""Headings and names of axes in lines that a narrow screen holds: Plotly itself cuts them off."""

from textwrap import wrap

from dashboards.labels import safe_label

_WIDTH = 44  # characters of a heading that 360 px hold
LINE = 20  # px


def wrapped(text: str) -> str:
    """Return a text for Plotly in lines of at most 44 characters; a longer word is broken.

    Examples
    --------
    >>> wrapped("Difference in false positive rate (percentage points)")
    'Difference in false positive rate<br>(percentage points)'
    >>> wrapped("<b>")
    '&lt;b&gt;'
    """
    lines = wrap(safe_label(text, target="text", limit=120), _WIDTH) or [""]
    return "<br>".join(safe_label(line, target="plotly", limit=_WIDTH) if line else "" for line in lines)


def added_height(text: str) -> int:
    """Return the px that the further lines of a wrapped text take.

    Examples
    --------
    >>> added_height("Accuracy"), added_height("Difference in false positive rate (percentage points)")
    (0, 20)
    """
    return LINE * wrapped(text).count("<br>")
