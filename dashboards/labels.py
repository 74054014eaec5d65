"""Names that come from data, made safe for the place where they are shown."""

import html
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from audit.measurement import Slice
from audit.spellings import LOOK_ALIKES, is_unseen

Target = Literal["text", "html", "svg", "plotly", "markdown", "csv", "terminal"]

MISSING = "(missing)"
EMPTY = "(empty)"
EVERYONE_LABEL = "everyone"

_NUMBER = r"-?\d{1,15}(\.\d{1,15})?"
_BELOW = r"<=?|≤|less than|under|below|up to"
_ABOVE = r">=?|≥|greater than|more than|over|above|at least"
_NUMBERS = re.compile(
    rf"((?P<below>{_BELOW})|(?P<above>{_ABOVE}))?\s?(?P<start>{_NUMBER})"
    rf"(\s?(-|–|to)\s?{_NUMBER})?(\+|\s(and|or) (over|more))?$",
    re.IGNORECASE,
)
SPACE = "␣"
"""Stands for a space that nobody would see."""

_WORDS = re.compile(r"[^\W\d_]+")
_BREAKS = frozenset("\t\n\r\x0b\x0c\x85\u2028\u2029")
_KEPT_FORMATS = frozenset("\u200c\u200d")  # joiners that Persian, Hindi and emoji are written with
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA_STARTS = tuple("=+-@＝＋－＠")
_MARKDOWN: Mapping[int, str] = MappingProxyType(
    {ord(mark): "\\" + mark for mark in r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"""}
)
_GAP = "\u200a"
_AUTOLINKS = re.compile(r"https?(?=://)|www(?=\.)|@", re.IGNORECASE)
"""Addresses become links even where every mark is escaped; a hair space within keeps them text."""

_PLOTLY: Mapping[int, str] = MappingProxyType({ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"})


def safe_label(text: str | None, *, target: Target, limit: int = 80) -> str:
    r"""Return a name from data as one harmless line of text for a target.

    Controls, bidirectional overrides and other invisible characters become U+FFFD, so that a name that was tampered
    with looks so; line breaks and tabs become spaces; spaces that a page would swallow (at the ends, or several in a
    row) and spaces of other kinds become "␣"; a letter that is drawn like a Latin one beside which it stands is told
    by its code, and so is a spelling of accents that differs from the usual one; long names end in an ellipsis; then
    the target's own marks are escaped. Missing and empty names are written out, and a name that reads like them is put
    in quotes.

    Parameters
    ----------
    text
        The name; None where the data has no value.
    target
        "text": no escaping, for places that escape by themselves (Jinja with autoescape, matplotlib, st.dataframe);
        "html" and "svg": markup and quotes; "plotly": ``& < >``; "markdown": every mark, for st.markdown and its kin;
        "csv": an apostrophe before what a spreadsheet would run as a formula; "terminal": as text (no escape sequence
        survives in any target).
    limit
        The longest name in characters, before escaping; at least 2.

    Raises
    ------
    ValueError
        If `limit` is below 2 or the target is unknown.

    Examples
    --------
    >>> safe_label("<b>x</b>", target="html"), safe_label(None, target="html")
    ('&lt;b&gt;x&lt;/b&gt;', '(missing)')
    >>> safe_label("=cmd()", target="csv"), safe_label("a_b", target="markdown")
    ("'=cmd()", 'a\\_b')
    >>> safe_label("F ", target="text"), safe_label("\u0410sian", target="text").encode("ascii", "ignore").decode()
    ('F␣', 'sian (U+0410)')
    """
    if limit < 2:
        msg = f"limit must be at least 2 characters; got {limit}"
        raise ValueError(msg)
    if target not in get_args(Target):
        msg = f"unknown target {target!r}; expected one of {', '.join(get_args(Target))}"
        raise ValueError(msg)
    return _escaped(_readable(text, limit), target)


def slice_label(pairs: Slice, *, target: Target = "text", limit: int = 80) -> str:
    """Return whom a number is about: "race = African-American, sex = Female", or "everyone".

    Parameters
    ----------
    pairs
        Sorted (feature, value) pairs; empty = everyone.
    target, limit
        As in `safe_label`; the limit holds for each name and each value.

    Examples
    --------
    >>> slice_label((("race", "Black"), ("sex", None))), slice_label(())
    ('race = Black, sex = (missing)', 'everyone')
    """
    if not pairs:
        return EVERYONE_LABEL
    parts = [f"{_readable(name, limit)} = {_readable(value, limit)}" for name, value in pairs]
    return _escaped(", ".join(parts), target)


def group_label(pairs: Slice, *, target: Target = "text", limit: int = 80) -> str:
    """Return the values of a slice alone, for places that name its features elsewhere: "African-American, Female".

    Parameters
    ----------
    pairs
        Sorted (feature, value) pairs; empty = everyone.
    target, limit
        As in `safe_label`; the limit holds for each value.

    Examples
    --------
    >>> group_label((("race", "Black"), ("sex", None)))
    'Black, (missing)'
    """
    if not pairs:
        return EVERYONE_LABEL
    return _escaped(", ".join(_readable(value, limit) for _, value in pairs), target)


def features_label(features: tuple[str, ...], *, target: Target = "text") -> str:
    """Return the names of features as one text: "race and sex".

    Examples
    --------
    >>> features_label(("race",)), features_label(("age", "race", "sex"))
    ('race', 'age, race and sex')
    """
    names = [_readable(name, 80) for name in features]
    return _escaped(" and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names), target)


def _readable(text: str | None, limit: int) -> str:
    if text is None:
        return MISSING
    if not text.strip():
        return EMPTY
    clean = _shown_spaces("".join(_visible(text, place) for place in range(min(len(text), limit + 1))))
    if len(text) > limit:
        return clean[: limit - 1].rstrip() + "…"
    clean += _told_apart(text)
    return f"“{clean}”" if clean in {MISSING, EMPTY, EVERYONE_LABEL} else clean


def _visible(text: str, place: int) -> str:
    mark = text[place]
    if mark in _BREAKS:
        return " "
    if mark in _KEPT_FORMATS or "\ufe00" <= mark <= "\ufe0f":  # at work only behind what is no Latin letter
        before = text[place - 1 : place]
        return mark if before and not before.isspace() and not (before.isascii() and before.isalpha()) else "\ufffd"
    return "\ufffd" if unicodedata.category(mark) in _DROPPED or is_unseen(mark) else mark


def _shown_spaces(text: str) -> str:
    """Return a text whose spaces all show: those at its ends, beyond the first of several, and of other kinds."""
    inner = text.strip(" ")
    start, end = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    inner = re.sub(" {2,}", lambda found: " " + SPACE * (len(found.group()) - 1), inner)
    return SPACE * start + "".join(SPACE if mark != " " and mark.isspace() else mark for mark in inner) + SPACE * end


def _told_apart(text: str) -> str:
    """Return the codes of letters that only look like those beside them, and of accents that are spelled unusually."""
    mixed = [word for word in _WORDS.findall(text) if any(map(str.isascii, word))]
    codes = dict.fromkeys(f"U+{ord(mark):04X}" for word in mixed for mark in word if ord(mark) in LOOK_ALIKES)
    said = [*codes, *([] if unicodedata.is_normalized("NFC", text) else ["accents apart"])]
    new = [each for each in said if each not in text]  # a sentence says it of a name already
    return f" ({', '.join(new)})" if new else ""


def _escaped(text: str, target: Target) -> str:
    match target:
        case "html" | "svg":
            return html.escape(text, quote=True)
        case "plotly":
            return text.translate(_PLOTLY)
        case "markdown":
            return _AUTOLINKS.sub(lambda found: found.group() + _GAP, text).translate(_MARKDOWN)
        case "csv" if text.lstrip(" " + SPACE).startswith(_FORMULA_STARTS):
            return "'" + text
    return text


def reading_order(group: Slice) -> tuple[tuple[object, ...], ...]:
    """Return a key that sorts groups as people read them: ranges and numbers by size, then texts, the missing last.

    Examples
    --------
    >>> ages = [(("age", value),) for value in (">=45", "<25", None, "25-45", "9")]
    >>> [group[0][1] for group in sorted(ages, key=reading_order)]
    ['9', '<25', '25-45', '>=45', None]
    >>> ages = [(("age", value),) for value in ("Greater than 45", "25 - 45", "Less than 25")]
    >>> [group[0][1] for group in sorted(ages, key=reading_order)]
    ['Less than 25', '25 - 45', 'Greater than 45']
    """
    return tuple(_value_order(value) for _, value in group)


def _value_order(value: str | None) -> tuple[object, ...]:
    if value is None:
        return (2, 0.0, 0, "")
    found = _NUMBERS.match(value)
    if found is None:
        return (1, 0.0, 0, value)
    side = -1 if found["below"] else int(found["above"] is not None)
    return (0, float(found["start"]), side, value)
