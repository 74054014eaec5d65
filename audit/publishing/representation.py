"""Who is in the data, against who is in a reference population that the user names."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import fsum, isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audit.errors import InputError, raise_violations
from audit.estimates import design, spread
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.rollup import Cells, Floats, Partition, cells_of, partition
from audit.rows import Row, measurement
from audit.tally import Tally

_ONE = 1e-3
_SHOWN = 20


class Shares(NamedTuple):
    """Shares of groups in the data with simultaneous intervals; arrays of shape (n_groups,), n rows in all.

    Examples
    --------
    >>> Shares(("F",), np.array([0.4]), Interval(np.array([0.3]), np.array([0.5])), 90, "wilson").n
    90
    """

    groups: tuple[str, ...]
    value: Floats
    bounds: Interval
    n: int
    method: str


def representation(
    tally: Tally, feature: str, reference: Mapping[str, float], *, level: float = 0.95
) -> tuple[Measurement, ...]:
    """Compare the groups of a feature in the data with their shares in a reference population.

    Parameters
    ----------
    tally
        The data.
    feature
        The feature whose groups are compared.
    reference
        Share (summing to 1) or count of each group in the population; taken as known exactly.
    level
        Joint level of the intervals over all groups and, separately, over each of the three comparisons.

    Returns
    -------
    tuple of Measurement
        For every group of either side, among the rows whose value is known: ``representation_share`` (its share in the
        data), ``representation_ratio`` (over its share in the reference; 1 is as in the population) and
        ``representation_difference`` (minus it, in [-1, 1]). A group that the data lacks is 0 of n with an upper bound.
        A group that the reference lacks has a share, and neither ratio nor difference: its row says so. Missing values
        are no group here; every row says how many there are.

    Raises
    ------
    InputError
        If the feature is unknown or has no known value, or the reference is empty, negative, infinite, sums neither to
        1 nor to a count of people, or shares no name with the data: every violation at once.

    Notes
    -----
    Shares have the intervals of `audit.inference.intervals.rate` (with effective counts under weights or clusters),
    simultaneous over the groups by Bonferroni; the reference is a constant, so ratio and difference are theirs, scaled
    and moved.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0] * 50, "p": [1, 0] * 50, "sex": ["F"] * 20 + ["M"] * 80})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> rows = representation(tally, "sex", {"F": 50, "M": 40, "X": 10})
    >>> [(row.slice[0][1], row.value) for row in rows if row.metric == "representation_ratio"]
    [('F', 0.4), ('M', 2.0), ('X', 0.0)]
    >>> [(row.low, round(row.high, 3), row.n) for row in rows if row.metric == "representation_share"][2]
    (0.0, 0.047, 100)
    """
    cells = cells_of(tally)
    raise_violations(_violations(cells, feature, reference, level))
    total = fsum(reference.values())
    expected = {group: value / total for group, value in reference.items()}
    shares = _shares(cells, partition(cells, [feature]), list(reference), level)
    missing = _missing(cells, feature)
    rows: list[Measurement] = []
    for place, group in enumerate(shares.groups):
        one = (float(shares.value[place]), float(shares.bounds.low[place]), float(shares.bounds.high[place]))
        rows += _group_rows(feature, group, expected.get(group), one, shares, (level, missing))
    return tuple(rows)


def read_reference(path: Path) -> dict[str, float]:
    r"""Read a reference population from a CSV: a header, then one group and one share or count per line.

    Raises
    ------
    InputError
        If the file cannot be read, has no header, or a line holds other than a group and a number of at least 0, or a
        group stands twice.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "census.csv"
    ...     _ = path.write_text("group,people\nF,51\nM,49\n")
    ...     read_reference(path)
    {'F': 51.0, 'M': 49.0}
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} cannot be read ({error}); expected a CSV with a header and lines of group,share"
        raise InputError([msg]) from error
    found: dict[str, float] = {}
    violations = [] if len(lines) > 1 else [f"{path} holds no groups; expected a header and lines of group,share"]
    if lines and len(lines[0]) == 2 and _number(lines[0][1]) is not None:
        violations.append(f"{path}, line 1: expected a header such as group,share; got {','.join(lines[0])[:60]!r}")
    for number, line in enumerate(lines[1:], start=2):
        value = _number(line[1]) if len(line) == 2 else None
        if value is None or not (isfinite(value) and value >= 0):
            came = ",".join(line)[:60]
            violations.append(f"{path}, line {number}: expected group,share with a number of at least 0; got {came!r}")
        elif line[0] in found:
            violations.append(f"{path}, line {number}: group {line[0]!r} stands twice; add its shares up")
        else:
            found[line[0]] = value
    raise_violations(violations)
    return found


def strangers(groups: Sequence[str], reference: Mapping[str, float], *, whole: bool = False) -> list[str]:
    """Return what is wrong where a reference shares no name with the data, or (`whole`) lacks one of their groups.

    Examples
    --------
    >>> strangers(["F", "M"], {"female": 0.5, "male": 0.5})[0][:59]
    'the reference population shares no group with the data: it '
    >>> strangers(["F", "M"], {"F": 1.0}), len(strangers(["F", "M"], {"F": 1.0}, whole=True))
    ([], 1)
    """
    lacking = [group for group in groups if group not in reference]
    if not reference or not lacking or (len(lacking) < len(groups) and not whole):
        return []
    what = "shares no group with the data" if len(lacking) == len(groups) else f"lacks {lacking[:_SHOWN]} of the data"
    names = f"it names {list(reference)[:_SHOWN]}, the data hold {list(groups)[:_SHOWN]}"
    return [f"the reference population {what}: {names}; name the groups as the data do"]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _shares(cells: Cells, groups: Partition, wanted: list[str], level: float) -> Shares:
    names = [group[0] for group in groups.groups]
    known = [name for name in names if name is not None]
    every = tuple(dict.fromkeys([*wanted, *known]))
    here = np.array([name is not None for name in names])[groups.member]
    total = float(cells.w[here].sum())
    n = int(cells.n[here].sum())
    everyone = Partition((), ((),), np.zeros(len(cells.n), dtype=np.int64))
    kish = total**2 / max(float(spread(cells, everyone, here.astype(np.float64))[0]), 1e-300)
    value, trials = np.zeros(len(every)), np.full(len(every), min(kish, float(n)))
    for place, name in enumerate(every):
        inside = here & (groups.member == names.index(name)) if name in known else np.zeros_like(here)
        value[place] = cells.w[inside].sum() / total
        influence = np.where(here, (inside - value[place]) / total, 0.0)
        variance = float(spread(cells, everyone, influence)[0]) * (1.0 if cells.plain else kish / max(kish - 1.0, 1.0))
        if not cells.plain and variance > 1e-18:
            trials[place] = min(value[place] * (1 - value[place]) / variance, n)
    if cells.plain:
        trials[:] = n
    df = None if cells.plain else max(kish - 1.0, 0.0)
    successes = (value * trials).round(9)
    bounds = intervals.rate(successes, trials, level=level, df=df, comparisons=len(every))
    exact = intervals.uses_clopper_pearson(successes, trials).any()
    method = f"{'clopper_pearson' if exact else 'wilson'}{design(cells)}, simultaneous over {len(every)}"
    return Shares(every, value, bounds, n, method)


def _group_rows(
    feature: str,
    group: str,
    expected: float | None,
    one: tuple[float, float, float],
    shares: Shares,
    facts: tuple[float, int],
) -> list[Measurement]:
    level, missing = facts
    value, low, high = one
    notes = [f"{missing:,} rows without a value left out"] if missing else []
    notes += ["none of these rows"] if not value else []
    if expected is None:
        notes.append("not in the reference population")
    else:
        notes.append(f"reference share {expected:.6g}")
    text = "; ".join(notes)
    forms = {"share": (1.0, 0.0)}
    if expected is not None:
        forms |= {"ratio": (1 / expected if expected else np.nan, 0.0), "difference": (1.0, -expected)}
    rows = [
        measurement(
            Row(f"representation_{form}", ((feature, group),), None, level),
            value=value * factor + shift, low=low * factor + shift, high=high * factor + shift, n=shares.n,
            method=shares.method,
            reason=f"the reference share is 0; {text}" if np.isnan(factor) else text,
        )
        for form, (factor, shift) in forms.items()
    ]  # fmt: skip
    return [replace(row, at=(("feature", feature),)) for row in rows]  # of the feature, not an error rate of the group


def _missing(cells: Cells, feature: str) -> int:
    codes, values = cells.features[feature]
    absent = np.array([value is None for value in values])[codes]
    return int(cells.n[absent].sum())


def _violations(cells: Cells, feature: str, reference: Mapping[str, float], level: float) -> list[str]:
    violations = []
    if feature not in cells.features:
        violations.append(f"unknown feature {feature!r}; the tally has {list(cells.features)}")
    elif _missing(cells, feature) == int(cells.n.sum()):
        violations.append(f"{feature!r} is missing in every row; nothing can be compared")
    else:
        named = [str(value) for value in cells.features[feature][1] if value is not None]
        violations += strangers(named, reference)
    bad = {group: value for group, value in reference.items() if not (isfinite(value) and value >= 0)}
    violations += [f"the reference share of {group!r} must be a finite number of at least 0; got {value}"
                   for group, value in bad.items()]  # fmt: skip
    if not reference:
        violations.append("the reference population has no groups; name a share or a count for each")
    elif not bad:
        violations += _sum_violations(fsum(reference.values()))
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations


def _sum_violations(total: float) -> list[str]:
    if abs(total - 1) <= _ONE or total >= 2:
        return []
    shown = f"{total:.6g}"
    return [f"the reference population sums to {shown}; expected shares that sum to 1, or counts (at least 2 people)"]
