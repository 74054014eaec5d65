"""How the windows of a reference scatter, kept with its counts, so that they say the same as its log would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from audit.tally import Tally
from monitors.windows import WindowRule


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWindows:
    """What is known of the windows of a reference, for one way to cut it.

    Parameters
    ----------
    rule
        How it was cut.
    whole
        How many of its windows were over.
    features
        Feature -> the dispersion that they show (`monitors.scatter.shown_dispersion`); empty where they were too few.
    tally
        The reference's tally by window, where it has labels and windows enough.

    Examples
    --------
    >>> KeptWindows(rule=WindowRule(kind="rows", amount=500), whole=3, features={}).record()
    {'kind': 'rows', 'amount': 500, 'whole': 3, 'features': {}, 'tally': None}
    """

    rule: WindowRule
    whole: int
    features: Mapping[str, float]
    tally: Tally | None = None

    def record(self) -> dict[str, Any]:
        """Return all but the tally, of which the digest stands here, as it is stored."""
        return {
            "kind": self.rule.kind,
            "amount": self.rule.amount,
            "whole": self.whole,
            "features": dict(self.features),
            "tally": None if self.tally is None else self.tally.digest(),
        }


def stored_windows(record: Mapping[str, Any], tally: Tally | None) -> KeptWindows:
    """Return the windows of a record, with their tally.

    Raises
    ------
    ValueError
        If a dispersion is below 1, or the way to cut is not known.

    Examples
    --------
    >>> kept = KeptWindows(rule=WindowRule(kind="rows", amount=500), whole=9, features={"age": 2.0})
    >>> stored_windows(kept.record(), None) == kept
    True
    """
    kinds: dict[str, Literal["time", "rows"]] = {"time": "time", "rows": "rows"}
    features = {str(name): float(value) for name, value in record["features"].items()}
    if record["kind"] not in kinds or not all(value >= 1.0 for value in features.values()):
        msg = f"windows of a reference cannot be cut by {record['kind']!r}, or scatter less than 1"
        raise ValueError(msg)
    rule = WindowRule(kind=kinds[record["kind"]], amount=int(record["amount"]))
    return KeptWindows(rule=rule, whole=int(record["whole"]), features=features, tally=tally)
