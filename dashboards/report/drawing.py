"""From a matplotlib figure to an inline picture of a page: no clock, no links, the same bytes each time."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dashboards.labels import safe_label

_SCALE = 1.65  # px per point
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, readable aloud
    "svg.hashsalt": "evenhanded",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "path.simplify": False,
}
"""Figures are to be made within ``matplotlib.rc_context(SETTINGS)``; names from data with ``parse_math=False``."""


def drawn(figure: Figure, *, identifier: str, title: str) -> str:
    """Return a figure as an ``<svg>`` element: no scripts, no links, every name escaped.

    Parameters
    ----------
    figure
        Made within ``matplotlib.rc_context(SETTINGS)``.
    identifier
        Unique within the page; ids inside the picture begin with it.
    title
        What the picture says, for those who do not see it.

    Examples
    --------
    >>> with mpl.rc_context(SETTINGS):
    ...     figure = Figure(figsize=(1, 1))
    ...     _ = figure.text(0.5, 0.5, "<b>")
    >>> picture = drawn(figure, identifier="f1", title="A name")
    >>> "&lt;b&gt;" in picture, "<b>" in picture, 'aria-label="A name"' in picture
    (True, False, True)
    """
    figure.patch.set_visible(False)
    stream = io.StringIO()
    with mpl.rc_context(SETTINGS), _any_letter():
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(stream.getvalue(), identifier, title)


def lay_out(figure: Figure, *, pad: float = 0.5, top: float = 1.0) -> None:
    """Fit the panels of a figure into it, whatever letters its names are written with; up to `top` of its height.

    Examples
    --------
    >>> figure = Figure(figsize=(1, 1))
    >>> figure.subplots().set_title("😀")
    Text(0.5, 1.0, '😀')
    >>> lay_out(figure)
    """
    with _any_letter():
        figure.tight_layout(pad=pad, rect=(0, 0, 1, top))


@contextmanager
def _any_letter() -> Iterator[None]:
    """Keep matplotlib from warning: text stays text, the reader's fonts draw what its own font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _inline(document: str, identifier: str, title: str) -> str:
    """Return matplotlib's document as an element of a page: its own prolog, metadata and namespaces taken off."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    _, _, inner = body.partition(">")
    box = re.search(r'viewBox="([\d. ]+)"', body)
    inner = re.sub(r"<[^>]+>", lambda tag: _with_prefix(tag.group(), identifier + "-"), inner)
    safe = safe_label(title, target="svg", limit=200)
    view = box.group(1) if box else "0 0 360 100"
    widest = round(_SCALE * float(view.split()[2]))  # px: the letters of all pictures are about as large
    opening = f'<svg class="forest" style="max-width: {widest}px" role="img" aria-label="{safe}" viewBox="{view}">'
    return f"{opening}\n<title>{safe}</title>{inner.rstrip()}"


def _with_prefix(tag: str, prefix: str) -> str:
    """Return a tag whose ids are unique within the page; names from data stand between tags and are left alone."""
    tag = tag.replace(' id="', f' id="{prefix}').replace(' xlink:href="#', f' href="#{prefix}')
    return tag.replace("url(#", f"url(#{prefix}")
