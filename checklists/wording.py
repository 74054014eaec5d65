"""Judgements in plain words, safe to print whatever the names of groups hold."""

from audit.measurement import Measurement
from checklists.requirement import Requirement


def legible(text: str) -> str:
    r"""Return a text in which everything that cannot be seen is escaped: control and direction marks, line ends.

    Examples
    --------
    >>> legible("Hispanic\n\x1b[31m")
    'Hispanic\\n\\x1b[31m'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def number(value: float | None) -> str:
    """Return a number with four significant digits; a dash where there is none.

    Examples
    --------
    >>> number(0.448468), number(1.0), number(None)
    ('0.4485', '1', '–')
    """
    return "–" if value is None else f"{value:.4g}"


def interval(measurement: Measurement) -> str:
    """Return the interval of a measurement as text.

    Examples
    --------
    >>> interval(Measurement(metric="accuracy", value=0.5, low=0.4038, high=0.5962, n=100, level=0.95, method="wilson"))
    '[0.4038, 0.5962]'
    """
    return f"[{number(measurement.low)}, {number(measurement.high)}]"


def limits(requirement: Requirement) -> str:
    """Return the limits of a requirement as text.

    Examples
    --------
    >>> limits(Requirement(id="accuracy", metric="accuracy", min=0.6))
    'at least 0.6'
    """
    texts = []
    if requirement.min is not None:
        texts.append(f"at least {requirement.min:g}")
    if requirement.max is not None:
        texts.append(f"at most {requirement.max:g}")
    return " and ".join(texts)


def measured(measurement: Measurement | None) -> str:
    """Return a measurement as text: name, value, interval, n; over several groups that is the smallest.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4038, high=0.5962, n=100, level=0.95, method="wilson")
    >>> measured(row)
    'accuracy 0.5 [0.4038, 0.5962] at level 0.95, n = 100'
    """
    if measurement is None:
        return "nothing measured"
    value = "undefined" if measurement.value is None else number(measurement.value)
    unknown = measurement.value is None and measurement.low is None and measurement.high is None
    bounds = "" if unknown or measurement.level is None else f" {interval(measurement)} at level {measurement.level:g}"
    several = (measurement.against or {}).get("kind") == "groups"
    return f"{measurement.metric} {value}{bounds}, {'smallest ' if several else ''}n = {measurement.n}"
