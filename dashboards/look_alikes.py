"""A warning where two groups may be one: their names differ only in case, spaces, accents or look-alike letters."""

from collections.abc import Iterable

from audit.spellings import alike
from dashboards.labels import safe_label


def alike_sentences(feature: str, values: Iterable[str | None]) -> list[str]:
    """Return one sentence on the groups of a feature that may be one under several spellings; none where none may.

    Parameters
    ----------
    feature
        The feature as it is shown.
    values
        Its groups as they stand in the data.

    Examples
    --------
    >>> alike_sentences("sex", ["F", "M", "F ", None])
    ['sex has groups whose names differ only in case, spaces, dots or look-alike letters: “F” and “F␣”. They are counted
    apart; if they are one group, mend the names and run it again.']
    >>> alike_sentences("sex", ["F", "M"])
    []
    """
    pairs = [" and ".join(f"“{_coded(name)}”" for name in group) for group in alike(values)]
    if not pairs:
        return []
    return [
        f"{feature} has groups whose names differ only in case, spaces, dots or look-alike letters: "
        f"{'; '.join(pairs)}. They are counted apart; if they are one group, mend the names and run it again."
    ]


def _coded(name: str) -> str:
    """Return a name as it is shown, with the code of its first letter that is not Latin, unless that is told."""
    label = safe_label(name, target="text", limit=40)
    code = next((f"U+{ord(mark):04X}" for mark in name if not mark.isascii() and mark.isalpha()), "")
    return label if not code or code in label else f"{label} ({code})"
