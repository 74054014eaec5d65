"""What a report carries below its numbers: extra sections, alarms, how the numbers were made, where they come from."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from audit.measurement import Slice, canonical_json
from audit.result import Result
from dashboards.alarm_words import is_withheld, small_groups
from dashboards.labels import safe_label
from dashboards.loops import hidden_groups, is_loops
from dashboards.report.blocks import ExtraSection, Table, TableRow, numbers_table
from dashboards.report.section import Section
from dashboards.tables import display_row, hidden_text
from monitors.log_versions import cited

LONGEST = 24
"""Most rows of the table of a section; the JSON holds them all."""

_BULLET = "• "
_TOGETHER = "simultaneous over"
_ROBUST = "cluster_robust"
_CLUSTERED = "variances that let rows of one user, place or cluster depend on each other"
_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "wilson": "Wilson score intervals for rates",
        "clopper_pearson": "exact Clopper-Pearson intervals for rates near 0 or 1 or of few rows",
        "agresti_caffo": "Agresti-Caffo intervals for differences of rates, wider for few events of several groups",
        "koopman": "Koopman score intervals for ratios of rates",
        "square_and_add": "intervals of differences made from the intervals of both sides",
        "exact_square_and_add": "intervals of differences made from the exact intervals of both sides",
        "delong": "DeLong intervals for ROC AUC",
        "delta": "delta-method intervals for smooth functions of counts and of scores",
        "mover": "intervals made from those of the rates, or of the share of a rare label, that a metric rests on",
        "paired_score": "Tango's score intervals for differences of two models' rates on the same rows",
        "paired_square_and_add": "intervals of differences of two models on the same rows, made from the intervals of "
        "both and their correlation",
        "simultaneous_bins": "bounds of calibration errors from intervals of ten ranges of scores that hold at once",
        "agresti_coull": "intervals of mean payoffs with pseudo-counts for outcomes that were rarely or never seen",
        "kernel_smoother": "thresholds chosen on a smoothed curve, with the set of thresholds not shown to be worse",
        "kakwani": "intervals of concentration indices from their linearised variance",
        "student_t": "t intervals of means, on the log scale for losses that are never negative",
        "paired_t": "paired t intervals of mean differences on the same rows",
        "bca": "bias-corrected and accelerated bootstrap intervals for metrics that a person brought",
        "tango": "Tango's score intervals for changes on the same rows or within pairs",
        "linearised queries": "linearised intervals that take whole queries for independent",
        "frechet bounds": "bounds for an attribute that is recorded with stated errors",
        "disjoint_pairs": "exact intervals of an AUC of 0 or 1 from pairs that share no row",
        "linearised": "t intervals from the influence of each row or cluster",
        "paired_delong": "DeLong intervals for differences of AUCs on the same rows",
        "mean_t": "t intervals of means",
        "order_statistics": "distribution-free intervals of quantiles",
        "shapley": "t intervals of Shapley values over the background rows",
        "rate_interval": "Wilson or exact intervals for cumulative shares",
        "manski bounds": "worst-case bounds over what the missing labels or groups might be (Manski)",
        "mantel_haenszel": "Mantel-Haenszel differences of rates with strata held fixed, Klingenberg's interval",
        "least_squares": "linear regressions, of the decision or over rounds, with robust variances",
        "student": "Student's intervals of means over rows",
        "inverse power curve": "learning curves extrapolated as inverse powers of the number of rows",
        "place_jackknife": "intervals from leaving out one place after the other",
        "delta_method": "delta-method intervals for smooth functions of means",
        "fisher_z": "intervals of correlations on Fisher's scale, with robust variances",
        "block_jackknife": "intervals from leaving out one block of users, weeks or items after the other",
        "residual_and_block_jackknife": "intervals of trends from their scatter over time and from leaving out one "
        "block after the other",
        "residual": "intervals of trends from their scatter over time",
        "jackknife_of_pairs": "intervals of means over pairs of users from leaving out one user after the other",
        "lorenz_linearised": "intervals of the share of the most active users from the linearised Lorenz curve",
        "clopper_pearson_and_poisson_curve": "intervals of a count just above a threshold over a fitted curve",
        "score_or_exact": "Wilson or exact intervals for the outcome of rows that chance decided about",
        "grid_bootstrap": "grid-bootstrap intervals of slopes from few rounds",
        "case_bootstrap": "bootstrap intervals over cases",
        "dkw_band": "intervals from the Dvoretzky-Kiefer-Wolfowitz band of a distribution",
        "label_bounds": "worst-case bounds over what unknown outcomes might be",
        "reweighted groups": "errors of the benchmark weighted as groups are in deployment",
    }
)


def interval_methods(result: Result) -> tuple[str, ...]:
    """Return how the intervals of a result were made, in words, as far as they have words.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="wilson")
    >>> interval_methods(Result(measurements=[row]))
    ('Wilson score intervals for rates',)
    """
    found = dict.fromkeys(row.method.partition(",")[0] for row in result.measurements if row.low is not None)
    told = [_METHODS.get(name) or safe_label(name.replace("_", " "), target="text") for name in sorted(found)]
    return (*told, *([_CLUSTERED] if any(_ROBUST in row.method for row in result.measurements) else []))


def reading_remarks(result: Result) -> tuple[str, ...]:
    """Return what one must know to read the intervals and the ranges of a result.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy_difference", slice=(("g", "a"),), against={"kind": "rest"}, value=0.1,
    ...                   low=0.0, high=0.2, n=90, level=0.95, method="agresti_caffo, simultaneous over 3")
    >>> reading_remarks(Result(measurements=[row]))[0].partition(",")[0]
    'Differences of the groups of one feature hold together'
    """
    remarks = []
    if any(_TOGETHER in row.method for row in result.measurements):
        remarks.append(
            "Differences of the groups of one feature hold together, and are wider for it. Every other interval holds "
            "by itself: of many, some will miss the truth."
        )
    elif any(row.low is not None for row in result.measurements):
        remarks.append("Each interval holds by itself; where many are read together, some will miss the truth.")
    if result.provenance.given.get("bins"):
        remarks.append("Ranges hold their first number and not their last: “25-45” is 25 and over, below 45.")
    return tuple(remarks)


def extra_section(section: Section, *, min_cell: int, hidden: frozenset[Slice] = frozenset()) -> ExtraSection:
    r"""Return a section as text, its measurements as a table without the numbers of `hidden` groups.

    Examples
    --------
    >>> shown = extra_section(Section(title="Baselines", text="One paragraph.\n\nAnother."), min_cell=10)
    >>> shown.paragraphs, shown.table is None
    (('One paragraph.', 'Another.'), True)
    """
    rows = section.measurements
    table = _shortened(numbers_table(section.title, rows, min_cell, hidden=hidden)) if rows else None
    return ExtraSection(
        title=safe_label(section.title, target="text", limit=160),
        paragraphs=_paragraphs(section.text),
        table=table,
        pictures=section.pictures,
    )


def _paragraphs(text: str) -> tuple[str | tuple[str, ...], ...]:
    """Return paragraphs as text; those that begin with a bullet and follow each other become one list."""
    found: list[str | tuple[str, ...]] = []
    for part in text.split("\n\n"):
        clean = safe_label(part, target="text", limit=4000)
        if not part.strip():
            continue
        if not clean.startswith(_BULLET):
            found.append(clean)
            continue
        item = clean.removeprefix(_BULLET)
        before = found.pop() if found and isinstance(found[-1], tuple) else ()
        found.append((*before, item))
    return tuple(found)


def _shortened(table: Table) -> Table:
    """Return a table without columns that are empty throughout, cut where it becomes a wall."""
    rows = table.rows[:LONGEST]
    kept = [place for place in range(len(table.head) - 1) if any(row.cells[place] for row in rows)]
    body = tuple(TableRow(head=row.head, cells=tuple(row.cells[place] for place in kept)) for row in rows)
    cut = len(table.rows) - len(rows)
    note = " ".join(filter(None, (table.note, f"{cut:,} more numbers stand in the JSON." if cut else "")))
    return replace(table, head=(table.head[0], *(table.head[1 + place] for place in kept)), rows=body, note=note)


def alarm_table(result: Result, *, min_cell: int = 0) -> Table | None:
    """Return the alarms that are raised; None where there are none.

    Those of groups that are too small to be named are counted only; evidence of a window with too few rows is hidden.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from audit.result import Alarm
    >>> alarm = Alarm(key="k", e_value=31.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> alarm_table(Result(measurements=[], alarms=[alarm])).rows[0].cells
    ('31', '20', '2026-01-05')
    >>> alarm_table(Result(measurements=[])) is None
    True
    """
    if not result.alarms:
        return None
    by_key = {row.key(): row for row in result.measurements}
    small = small_groups(result, min_cell=min_cell) | _away(result, min_cell)
    rows, unnamed = [], 0
    for alarm in result.alarms:
        found = by_key.get(alarm.key)
        if found is not None and found.slice in small:
            unnamed += 1
            continue
        withheld = found is not None and is_withheld(found, min_cell=min_cell)
        evidence = hidden_text(min_cell) if withheld else f"{alarm.e_value:.4g}"
        name = safe_label(alarm.key, target="text", limit=160) if found is None else display_row(found).name
        rows.append(TableRow(head=name, cells=(evidence, f"{alarm.limit:.4g}", f"{alarm.since:%Y-%m-%d}")))
    note = f"{unnamed:,} more are of groups too small to be named." if unnamed else ""
    head = ("Alarm", "Evidence e", "Rings at", "Since")
    return Table(caption="Alarms that are raised", head=head, rows=tuple(rows), note=note)


def _away(result: Result, min_cell: int) -> frozenset[Slice]:
    return hidden_groups(result, min_cell=min_cell) if is_loops(result) else frozenset()


def provenance_table(result: Result) -> Table:
    """Return digests, versions and settings, as recorded.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> result = Result(measurements=[], provenance=Provenance(tally=None, seed=7))
    >>> [row.cells[0] for row in provenance_table(result).rows if row.head == "seed"]
    ['7']
    """
    source = result.provenance
    facts: dict[str, Any] = {"result, SHA-256": result.digest(), "tally, SHA-256": source.tally, "seed": source.seed}
    facts["version of the prediction log"] = cited(source)
    facts |= {f"file {name}, SHA-256": digest for name, digest in sorted(source.data.items())}
    facts |= {f"{name}, version": version for name, version in sorted(source.versions.items())}
    facts |= {f"{name} (given)": value for name, value in sorted(source.given.items())}
    facts |= {f"{name} (default)": value for name, value in sorted(source.defaulted.items())}
    rows = [
        TableRow(head=safe_label(name, target="text", limit=120), cells=(_fact(value),))
        for name, value in facts.items()
        if value is not None or name.endswith(("(given)", "(default)"))
    ]
    return Table(caption="Where these numbers come from", head=("What", "Recorded"), rows=tuple(rows))


def _fact(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return safe_label(text, target="text", limit=1200)
