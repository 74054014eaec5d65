"""What the rows of a lint mean: which are findings, in plain sentences, worst first."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from audit.measurement import Measurement
from audit.result import Result
from audit.splits.leak_checks import CHECKS, Check

Status = Literal["found", "clear", "undecided", "not checked"]


class Finding(NamedTuple):
    """A row of a lint, read: its status and what a person needs to know, in plain sentences.

    `evidence` may hold names from the data: escape it where it is shown.

    Examples
    --------
    >>> row = Measurement(metric="cluster_overlap_rate", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="x")
    >>> found = finding(row)
    >>> found.status, found.spoils
    ('found', True)
    >>> print(found.evidence)
    50.0 % of the test rows belong to a cluster that train knows (95 % interval 40.0 to 60.0 %, n = 90).
    """

    title: str
    status: Status
    spoils: bool
    evidence: str
    why: str
    do: str
    row: Measurement


def findings(result: Result) -> tuple[Finding, ...]:
    """Return the rows of a lint as findings: what was found, worst first; then undecided, clear and unchecked ones.

    Examples
    --------
    >>> findings(Result(measurements=()))
    ()
    """
    limits = dict(result.provenance.defaulted.get("limits", {})) | dict(result.provenance.given.get("limits", {}))
    read = [finding(row, limit=limits.get(row.metric)) for row in result.measurements if row.metric in CHECKS]
    read = [each._replace(evidence=f"{each.evidence} {_more(each, result)}".rstrip()) for each in read]
    order: dict[Status, int] = {"found": 0, "undecided": 1, "clear": 2, "not checked": 3}
    kinds = list(CHECKS)
    return tuple(
        sorted(read, key=lambda each: (order[each.status], kinds.index(each.row.metric), -_distance(each.row)))
    )


def finding(row: Measurement, *, limit: float | None = None) -> Finding:
    """Read one row: a finding only where the whole interval lies beyond the limit; undecided where only the value does.

    Raises
    ------
    KeyError
        If the metric is none of `CHECKS`.

    Examples
    --------
    >>> row = Measurement(metric="split_roc_auc", value=0.6, low=0.53, high=0.67, n=90, level=0.95, method="delong")
    >>> finding(row).status, finding(row, limit=0.52).status, finding(row, limit=0.7).status
    ('undecided', 'found', 'clear')
    """
    check = CHECKS[row.metric]
    status = _status(row, check, check.limit if limit is None else limit)
    names = {"feature": dict(row.at).get("feature", ""), "class": dict(row.at).get("class", "")}
    return Finding(
        title=check.title,
        status=status,
        spoils=check.spoils,
        evidence=_evidence(row, check, names),
        why=check.why.format(**names),
        do=check.do.format(**names),
        row=row,
    )


def _status(row: Measurement, check: Check, limit: float) -> Status:
    if row.value is None:
        return "not checked"
    # A count stands for itself; an estimate without an interval shows nothing.
    low, high = (row.value, row.value) if row.level is None else (float("-inf"), float("inf"))
    low, high = low if row.low is None else row.low, high if row.high is None else row.high
    top = check.middle + limit
    bottom = check.middle - limit if check.side == "apart" else float("-inf")
    if low > top or high < bottom:
        return "found"
    return "undecided" if row.value > top or row.value < bottom else "clear"


def _evidence(row: Measurement, check: Check, names: Mapping[str, str | int | float]) -> str:
    if row.value is None:
        return f"{row.reason}."
    share = "{share}" in check.says
    scale, unit = (100, " %") if share else (100, " points") if "{points}" in check.says else (1, "")
    digits = 1 if unit else 3
    shown = f"{scale * row.value:.{digits}f}{unit}"
    says = check.says.format(share=shown, points=shown, number=shown, **names)
    ends = ""
    if row.low is not None and row.high is not None and row.level is not None:
        ends = f"{100 * row.level:g} % interval {scale * row.low:.{digits}f} to {scale * row.high:.{digits}f}{unit}, "
    more = f" {row.reason[:1].upper()}{row.reason[1:]}." if row.reason else ""
    return f"{says} ({ends}n = {row.n:,}).{more}"


def _more(found: Finding, result: Result) -> str:
    """Return what other rows of the result add to the evidence of a finding."""
    metric = found.row.metric
    if found.row.value is None:
        return ""
    if metric == "split_roc_auc":
        drops = [row for row in result.measurements if row.metric == "split_roc_auc_drop" and (row.low or 0) > 0][:3]
        named = ", ".join(f"{dict(row.at)['feature']} ({row.value:.3f})" for row in drops)
        return f"Shuffling these features lowers it most: {named}." if named else ""
    name = "near_duplicate_rate" if metric.startswith("near_") else "duplicate_rate"
    shares = [row for row in result.measurements if row.metric == name and row.value is not None]
    if not shares or not metric.startswith(("near_", "duplicate_", "twin_")):
        return ""
    almost = "almost the same" if metric.startswith("near_") else "exactly the same"
    return f"{100 * (shares[0].value or 0):.1f} % of the test rows have {almost} features as a train row."


def _distance(row: Measurement) -> float:
    return 0.0 if row.value is None else abs(row.value - CHECKS[row.metric].middle)
