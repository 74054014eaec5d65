"""What pictures of retraining rounds are called and say in words, for the app and the report alike."""

from collections.abc import Sequence

from audit.measurement import Measurement
from dashboards.tables import interval_text, value_text

CLOSED, HELD_OUT = "data that the model influenced", "hold-out that it never touched"


def alternative_text(
    closed: Sequence[Measurement], held_out: Sequence[Measurement], gap: Sequence[Measurement] = ()
) -> str:
    """Return what the picture shows, for those who do not see it.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", at=(("round", k),), value=v, n=90, method="x")
    ...         for k, v in (("1", 0.7), ("2", 0.9))]
    >>> alternative_text(rows, rows)[36:92]
    'On data that the model influenced: from 70.0 % to 90.0 %'
    """
    sides = ((f"On {CLOSED}", closed), (f"On the {HELD_OUT}", held_out))
    told = [f"{name}: {_from_to(known)}." for name, rows in sides if (known := known_of(rows))]
    last = known_of(gap)
    told += [f"The gap in the last round: {gap_text(last[-1])}."] if last else []
    rounds = len({round_name(row) for row in (*closed, *held_out)})
    return " ".join([f"Two lines over {rounds} retraining rounds.", *told])


def known_of(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return the rows that have a value.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", at=(("round", "2"),), value=0.9, n=90, method="x")
    >>> len(known_of([row]))
    1
    """
    return [row for row in rows if row.value is not None]


def gap_text(row: Measurement) -> str:
    """Return value and interval of a row as text.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", at=(("round", "2"),), value=0.9, n=90, method="x")
    >>> gap_text(row)
    '90.0 %'
    """
    return f"{value_text(row)} {interval_text(row)}".strip()


def _from_to(rows: Sequence[Measurement]) -> str:
    return f"from {value_text(rows[0])} to {value_text(rows[-1])}"


def round_name(row: Measurement) -> str:
    """Return the retraining round of a row as text; empty where it has none.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", at=(("round", "2"),), value=0.9, n=90, method="x")
    >>> round_name(row)
    '2'
    """
    return str(dict(row.at).get("round", ""))
