"""A lint in words: what a page, a report and a terminal show of its findings."""

import shlex
from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from audit.splits.findings import Finding, findings
from audit.splits.leak_checks import CHECKS

LABELS = "label_errors.csv"
"""Under this name a saved lint keeps the labels that are worth a second look."""

STATUS = {"found": "✕ found", "undecided": "◇ not decided", "clear": "✓ not found", "not checked": "– not checked"}
LIMITS = (
    "What this does not show: a leak that leaves no trace in these columns, or one that is smaller than these rows can "
    "tell. Nothing found is no proof that there is nothing."
)


def is_lint(result: Result) -> bool:
    """Return whether a result is that of a lint.

    Examples
    --------
    >>> is_lint(Result(measurements=()))
    False
    """
    return "lint" in result.provenance.given


def read_findings(result: Result) -> tuple[Finding, ...]:
    """Return the findings of a lint, worst first; none of any other result.

    Examples
    --------
    >>> read_findings(Result(measurements=()))
    ()
    """
    return findings(result) if is_lint(result) else ()


def head_sentence(result: Result, read: Sequence[Finding]) -> str:
    """Return in one sentence what was looked at and found.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> lint = Provenance(given={"lint": {"train": 900, "test": 100, "label": "paid is 1"}})
    >>> head_sentence(Result(measurements=(), provenance=lint), ())
    'Nothing was found in 900 train and 100 test rows (positive: paid is 1).'
    """
    given = result.provenance.given["lint"]
    rows = f"in {given['train']:,} train and {given['test']:,} test rows (positive: {given['label']})"
    found = [each for each in read if each.status == "found"]
    if not found:
        return f"Nothing was found {rows}."
    spoiling = sum(each.spoils for each in found)
    many = "1 finding" if len(found) == 1 else f"{len(found)} findings"
    if spoiling:
        return f"{many} {rows}: figures on this test part cannot be trusted until it is mended."
    return f"{many} {rows}: for a person to judge."


def finding_sentence(found: Finding) -> str:
    """Return a finding in full: what, why it matters, what to do.

    Examples
    --------
    >>> from audit.splits.findings import finding
    >>> row = Measurement(metric="cluster_overlap_rate", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="x")
    >>> finding_sentence(finding(row)).split(".")[-2]
    ' To do: Split by the cluster: all rows of one cluster on one side'
    """
    return f"{found.title}: {found.evidence} {found.why} To do: {found.do}"


def clear_sentence(read: Sequence[Finding]) -> str:
    """Return what was looked for and not found, as one sentence; "" where there is nothing.

    Examples
    --------
    >>> clear_sentence(())
    ''
    """
    open_ = {each.title for each in read if each.status in {"found", "undecided"}}
    titles = dict.fromkeys(each.title for each in read if each.status == "clear" and each.title not in open_)
    return f"Looked for and not found: {'; '.join(titles)}." if titles else ""


def unchecked_sentence(read: Sequence[Finding]) -> str:
    """Return what was not checked and why, as one sentence; "" where there is nothing.

    Examples
    --------
    >>> unchecked_sentence(())
    ''
    """
    texts = unchecked_texts(read)
    return f"Not checked: {'; '.join(texts)}." if texts else ""


def unchecked_texts(read: Sequence[Finding]) -> tuple[str, ...]:
    """Return what was not checked and why: a check of many features once for each reason, with how many it held for.

    Examples
    --------
    >>> from audit.splits.findings import finding
    >>> rows = [Measurement(metric="feature_roc_auc", at=(("feature", name),), value=None, n=0, method="none",
    ...                     reason="no rows, or labels of one class only") for name in "ab"]
    >>> unchecked_texts([finding(row) for row in rows])
    ('A single feature suffices (2 features: no rows, or labels of one class only)',)
    """
    found: dict[tuple[str, str], int] = {}
    for each in read:
        if each.status == "not checked":
            key = each.title, (each.row.reason or "").removeprefix("not checked: ")
            found[key] = found.get(key, 0) + 1
    return tuple(f"{title} ({f'{n} features: ' if n > 1 else ''}{why})" for (title, why), n in found.items())


def importance_rows(result: Result) -> tuple[Measurement, ...]:
    """Return what the simple model of a lint leans on, the largest first.

    Examples
    --------
    >>> importance_rows(Result(measurements=()))
    ()
    """
    rows = [row for row in result.measurements if row.metric == "permutation_importance" and not row.slice]
    return tuple(sorted((row for row in rows if row.value is not None), key=lambda row: -(row.value or 0.0)))


def suspect_share(result: Result) -> Measurement | None:
    """Return the share of labels that are worth a second look; None where there is none.

    Examples
    --------
    >>> suspect_share(Result(measurements=())) is None
    True
    """
    return next((row for row in result.measurements if row.metric == "label_suspect_rate"), None)


def known_checks() -> tuple[str, ...]:
    """Return what a lint looks for, in words.

    Examples
    --------
    >>> known_checks()[0]
    'Clusters in both parts'
    """
    return tuple(check.title for check in CHECKS.values())


def lint_command(result: Result) -> str:
    """Return the line for a shell that lints the same files in the same way; every name is quoted.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"lint": {"files": ["a b.csv", "c.csv"]}, "columns": {"y_true": "y"}, "features": ["x"]}
    >>> lint_command(Result(measurements=(), provenance=Provenance(given=given)))
    "evenhanded lint 'a b.csv' c.csv --y-true y --features x"
    """
    given = result.provenance.given
    columns = given.get("columns", {})
    words = ["evenhanded", "lint", *(given.get("lint", {}).get("files") or ["TRAIN", "TEST"])]
    for role, flag in (("y_true", "--y-true"), ("y_score", "--y-score"), ("cluster", "--cluster"),
                       ("timestamp", "--timestamp"), ("row_id", "--row-id")):  # fmt: skip
        if role in columns:
            words += [flag, str(columns[role])]
    for name in ("positive", "level"):
        if given.get(name) is not None:
            words += [f"--{name}", str(given[name])]
    if given.get("split"):
        words += ["--split", "=".join(given["split"])]
    words += ["--features", ",".join(given.get("features", []))]
    for name, limit in given.get("limits", {}).items():
        words += ["--limit", f"{name}={limit:g}"]
    seed = result.provenance.seed
    return shlex.join([*words, *(["--seed", str(seed)] if seed else [])])
