"""Names and labels that people take for the same: they differ in a dot, spaces, case or look-alike letters."""

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_TWINS = "АAВBЕEЗ3КKМMНHОOРPСCТTХXУYЅSІIЈJаaеeоoрpсcуyхxѕsіiјjΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXοo"
LOOK_ALIKES: Mapping[int, str] = MappingProxyType({ord(_TWINS[at]): _TWINS[at + 1] for at in range(0, len(_TWINS), 2)})
"""Cyrillic and Greek letters that are drawn as a Latin one, and that one."""

_FORMATS = frozenset({"Cc", "Cf"})
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def is_unseen(mark: str) -> bool:
    r"""Return whether a character leaves nothing on the page: controls, formats, fillers, variation selectors.

    Examples
    --------
    >>> is_unseen("\u200d"), is_unseen("\ufe0f"), is_unseen("a"), is_unseen(" ")
    (True, True, False, False)
    """
    selector = "\ufe00" <= mark <= "\ufe0f" or "\u180b" <= mark <= "\u180f"
    return selector or mark in _FILLERS or (unicodedata.category(mark) in _FORMATS and not mark.isspace())


def plain_spelling(text: str) -> str:
    r"""Return what is left of a name without case, spaces at its ends, unseen characters, accents' encoding, end dots.

    Examples
    --------
    >>> plain_spelling(" >50K. "), plain_spelling("\u0410sian") == plain_spelling("ASIAN")
    ('>50k', True)
    """
    folded = unicodedata.normalize("NFKC", text.translate(LOOK_ALIKES))
    seen = "".join(mark for mark in folded if not is_unseen(mark))
    return " ".join(seen.split()).rstrip(". ").casefold()


def alike(names: Iterable[str | None]) -> tuple[tuple[str, ...], ...]:
    """Return the names that differ only in spelling, together; nothing of those that stand alone.

    Examples
    --------
    >>> alike(["F", "M", "F ", None]), alike(["A", "B"])
    ((('F', 'F '),), ())
    """
    found: dict[str, set[str]] = {}
    for name in names:
        if name is not None:
            found.setdefault(plain_spelling(name), set()).add(name)
    return tuple(tuple(sorted(group)) for _, group in sorted(found.items()) if len(group) > 1)


def quoted(values: set[str] | set[str | None]) -> str:
    """Return the first of some values for an error, each in quotes and cut short.

    Examples
    --------
    >>> quoted({"b", "a"})
    "'a', 'b'"
    """
    shown = [repr(value)[:60] for value in sorted(values, key=str)[:10]]
    return ", ".join(shown) + (", ..." if len(values) > 10 else "")


def two_label_violations(found: Mapping[str, set[str]]) -> list[str]:
    """Return what is wrong where labels are more than two; nothing where they are not.

    Parameters
    ----------
    found
        The labels by where they were found: a role ("y_true") or a part ("test").

    Examples
    --------
    >>> print(two_label_violations({"train": {"no", "yes"}, "test": {"no.", "yes."}})[0])
    expected two labels; found 4: train has 'no', 'yes', test has 'no.', 'yes.'; merge labels or audit one of them
    against the rest; 'no' and 'no.', 'yes' and 'yes.' differ only in dots, spaces or case: write them alike
    >>> two_label_violations({"y_true": {"0", "1"}})
    []
    """
    labels: set[str] = set().union(*found.values())
    if len(labels) <= 2:
        return []
    shown = ", ".join(f"{where} has {quoted(values)}" for where, values in found.items())
    wrong = f"expected two labels; found {len(labels)}: {shown}; merge labels or audit one of them against the rest"
    pairs = [" and ".join(map(repr, group)) for group in alike(labels)]
    return [f"{wrong}; {', '.join(pairs)} differ only in dots, spaces or case: write them alike" if pairs else wrong]
