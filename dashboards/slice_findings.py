"""What a subgroup search found, read from its rows: confirmed slices first, each in words, and what was searched."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from audit.measurement import Measurement, Slice, as_slice
from audit.result import Result
from audit.search.slices import SEARCHED, is_candidate, is_confirmed, is_exploratory
from dashboards.labels import Target, features_label, slice_label
from dashboards.tables import interval_text, number_text
from dashboards.words import base_metric, metric_title, unit_of

_FLAGS = {
    "y_true": "--y-true",
    "y_pred": "--y-pred",
    "y_score": "--y-score",
    "sample_weight": "--weight",
    "cluster": "--cluster",
    "model_version": "--model-version",
}
_SETTINGS = ("metric", "min_support", "max_depth", "limit", "epsilon", "quantiles", "positive", "threshold",
             "score_max", "weights", "missing", "level")  # fmt: skip


EXPLORATORY = (
    "Exploratory: all rows were searched and none kept to confirm on, so nothing here is confirmed. Of many slices the "
    "largest differences are partly chance; measure a slice again on new rows before you act on it."
)
"""What stands first wherever a search of all rows is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A slice that went to confirmation, or (of a search of all rows) that was listed.

    Parameters
    ----------
    row
        Its difference to the rest on the confirming half; of a search of all rows its difference to everyone, without
        an interval.
    confirmed
        Whether the whole interval lies on the worse side of 0.
    scores
        What made it a candidate, by name: ``difference``, ``t``, ``support``, ``score``, ``folded``; of the search half
        and without an interval. A name is absent where the value is undefined.
    parts
        How much each of its items adds to the difference on the search half (Shapley value), by feature, in points as
        fractions.
    inside
        The first of the slices within it that say the same, with their difference to it.
    overlap
        The earlier slice that shares at least half of their common rows with it, and the share.

    Examples
    --------
    >>> row = Measurement(metric="accuracy_difference", slice=(("sex", "F"),), against={"kind": "rest"}, value=-0.1,
    ...                   low=-0.2, high=-0.02, n=90, level=0.95, method="exact_square_and_add")
    >>> Finding(row=row, confirmed=True, scores={}).inside
    ()
    """

    row: Measurement
    confirmed: bool
    scores: dict[str, float]
    parts: tuple[tuple[str, float], ...] = ()
    inside: tuple[Measurement, ...] = ()
    overlap: tuple[Slice, float] | None = None


def findings(result: Result) -> tuple[Finding, ...]:
    """Return the slices of a search: confirmed ones by what is certain of their difference, then the others by t.

    Those of a search of all rows come in the order in which they are listed, none of them confirmed.

    Examples
    --------
    >>> facts = {"metric": "accuracy_difference", "against": {"kind": "rest"}, "n": 90, "level": 0.95,
    ...          "method": "exact_square_and_add, found on one half, confirmed on the other"}
    >>> rows = [Measurement(slice=(("sex", sex),), value=value, low=value - 0.1, high=value + 0.1, **facts)
    ...         for sex, value in (("F", -0.05), ("M", -0.3), ("X", -0.2))]
    >>> [(found.row.slice[0][1], found.confirmed) for found in findings(Result(measurements=rows))]
    [('M', True), ('X', True), ('F', False)]
    """
    beside: dict[Slice, list[Measurement]] = {}
    within: dict[Slice, list[Measurement]] = {}
    explored = all_searched(result)
    for row in result.measurements:
        if row.metric.startswith("exploratory_") and row.against is not None:
            other = as_slice(row.against["slice"])
            if row.metric == "exploratory_difference" and other:
                within.setdefault(other, []).append(row)
            else:
                beside.setdefault(row.slice, []).append(row)
    found = [
        _finding(row, beside.get(row.slice, []), within.get(row.slice, []))
        for row in result.measurements
        if is_candidate(row) or (explored and row.metric == "exploratory_difference")
    ]
    return tuple(sorted(found, key=lambda each: (not each.confirmed, -_certain(each) if each.confirmed else 0.0)))


def grouped(found: Sequence[Finding]) -> tuple[tuple[Finding, ...], ...]:
    """Return findings in groups of slices that share most of their rows, each group led by its first.

    A slice joins the group of the slice that it overlaps (`Finding.overlap`), where that one is among them.

    Examples
    --------
    >>> from dataclasses import replace
    >>> row = Measurement(metric="accuracy_difference", against={"kind": "rest"}, value=-0.1, low=-0.2, high=-0.02,
    ...                   n=90, level=0.95, method="exact_square_and_add")
    >>> slices = [(("sex", "F"),), (("old", "1"),), (("old", "1"), ("sex", "F"))]
    >>> alone = [Finding(row=replace(row, slice=pairs), confirmed=True, scores={}) for pairs in slices]
    >>> joined = [*alone[:2], replace(alone[2], overlap=(slices[0], 0.8))]
    >>> [[each.row.slice for each in group] for group in grouped(joined)] == [[slices[0], slices[2]], [slices[1]]]
    True
    """
    here = {each.row.slice: each for each in found}
    groups: dict[Slice, list[Finding]] = {}
    for each in found:
        top = each
        while top.overlap is not None and top.overlap[0] in here:  # always an earlier candidate: no circles
            top = here[top.overlap[0]]
        groups.setdefault(top.row.slice, []).append(each)
    return tuple(map(tuple, groups.values()))


def slice_sentence(found: Finding, *, target: Target = "text") -> str:
    """Return a finding in words.

    Examples
    --------
    >>> row = Measurement(metric="false_positive_rate_difference", slice=(("sex", "F"),), against={"kind": "rest"},
    ...                   value=0.12, low=0.031, high=0.204, n=90, level=0.95, method="agresti_caffo")
    >>> slice_sentence(Finding(row=row, confirmed=True, scores={"support": 0.25}))
    'sex = F: false positive rate 12.0 points higher than in the rest [+3.1, +20.4], n = 90; 25.0 % of the rows'
    """
    row = found.row
    whom = slice_label(row.slice, target=target, limit=40)
    name = _lowered(metric_title(base_metric(row.metric)[0]))
    share = found.scores.get("support")
    held = "" if share is None else f"; {number_text(share, unit='share')} % of the rows"
    where = " on the confirming half" if row.against == {"kind": "rest"} else ""
    if row.value is None:
        return f"{whom}: {name} not measured{where} ({row.reason}){held}"
    side = "higher" if row.value >= 0 else "lower"
    if not where:
        t = f", t = {found.scores['t']:.2f}" if "t" in found.scores else ""
        size = number_text(abs(row.value), unit="points")
        return f"{whom}: {size} points {side} than everyone{t}, n = {row.n:,}{held}"
    size = number_text(abs(row.value), unit=unit_of(row.metric))
    return f"{whom}: {name} {size} points {side} than in the rest {interval_text(row)}, n = {row.n:,}{held}"


def searched_sentence(result: Result) -> str:
    """Return what was searched, and how many slices went to confirmation; "" where nothing was.

    Examples
    --------
    >>> searched_sentence(Result(measurements=[])), searched_row(Result(measurements=[])) is None
    ('', True)
    >>> rows = [Measurement(metric="slices_searched", value=316, n=3086, method="count")]
    >>> searched_sentence(Result(measurements=rows))
    '316 slices were searched on one half of the rows (3,086 rows); none of them stood out enough to be confirmed.'
    """
    row = searched_row(result)
    if row is None or row.value is None:
        return ""
    settings = {**result.provenance.defaulted, **result.provenance.given}
    of = f" of {features_label(tuple(settings['features']))}" if settings.get("features") else ""
    depth = settings.get("max_depth")
    deep = f", at most {depth} of them combined" if depth and of else ""
    support = settings.get("min_support")
    large = f", each with at least {100 * support:g} % of these rows" if support else ""
    many = f"{row.value:,.0f} slices{of}{deep}{large}"
    if is_exploratory(row):
        name = _lowered(metric_title(str(settings.get("metric", "rate"))))
        return f"{EXPLORATORY} {many} were searched on all {row.n:,} rows by their {name}."
    text = f"{many} were searched on one half of the rows ({row.n:,} rows)"
    chosen = [each for each in result.measurements if is_candidate(each)]
    if not chosen:
        return f"{text}; none of them stood out enough to be confirmed."
    number = "The most striking one was" if len(chosen) == 1 else f"The {len(chosen)} most striking ones were"
    level = "" if chosen[0].level is None else f" at {100 * chosen[0].level:g} %"
    return f"{text}. {number} measured again on the other half; the intervals hold together{level}."


def cut_sentence(result: Result) -> str:
    """Return where numbers were cut at quantiles of the search half; "" where none were.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"edges_from_the_search_half": {"age": [28.0, 37.5]}}
    >>> cut_sentence(Result(measurements=[], provenance=Provenance(given=given)))
    'Cut at quantiles of the search half: age at 28, 37.5.'
    """
    given = result.provenance.given
    where = "the search half" if "edges_from_the_search_half" in given else "all rows"
    edges = given.get(f"edges_from_{where.replace(' ', '_')}", {})
    parts = [
        f"{features_label((name,))} at {', '.join(f'{edge:.10g}' for edge in cuts)}"
        for name, cuts in edges.items()
    ]  # fmt: skip
    return f"Cut at quantiles of {where}: {'; '.join(parts)}." if parts else ""


def searched_row(result: Result) -> Measurement | None:
    """Return the row that says how many slices were searched; None where the result holds no search.

    Examples
    --------
    >>> row = Measurement(metric="slices_searched", value=316, n=3086, method="count")
    >>> searched_row(Result(measurements=[row])) == row
    True
    """
    return next((row for row in result.measurements if row.metric == SEARCHED), None)


def all_searched(result: Result) -> bool:
    """Return whether a result holds a search of all rows, of which nothing is confirmed.

    Examples
    --------
    >>> row = Measurement(metric="slices_searched", value=154, n=6172, method="count, all rows searched")
    >>> all_searched(Result(measurements=[row])), all_searched(Result(measurements=[]))
    (True, False)
    """
    row = searched_row(result)
    return row is not None and is_exploratory(row)


def slices_command(result: Result) -> str:
    """Return the line for a shell that makes the search again, or searches what was audited; every name is quoted.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"columns": {"y_true": "label", "y_pred": "flag it"}, "features": ["sex"], "metric": "precision"}
    >>> slices_command(Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given, seed=3)))
    "evenhanded slices a.csv --y-true label --y-pred 'flag it' --features sex --metric precision --seed 3"
    """
    given = result.provenance.given
    words = ["evenhanded", "slices", *(list(result.provenance.data) or ["DATA"])[:1]]
    for role, flag in _FLAGS.items():
        if role in given.get("columns", {}):
            words += [flag, str(given["columns"][role])]
    words += ["--features", ",".join(given.get("features") or given.get("sensitive_features", []))]
    for name in _SETTINGS:
        if name == "max_depth" and "max_depth" in given and given["max_depth"] is None:
            words.append("--all-depths")
        elif given.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", str(given[name])]
    for feature, edges in sorted(given.get("bins", {}).items()):
        words += ["--bin", f"{feature}={','.join(f'{float(edge)!r}' for edge in edges)}"]
    words += ["--all-rows"] if given.get("confirm") is False else []
    words += [] if result.provenance.seed is None else ["--seed", str(result.provenance.seed)]
    return shlex.join(words)


def _finding(row: Measurement, beside: Sequence[Measurement], within: Sequence[Measurement]) -> Finding:
    named = {each.metric.removeprefix("exploratory_"): each for each in beside if not each.at}
    overlap = named.pop("overlap", None)
    return Finding(
        row=row,
        confirmed=is_confirmed(row),
        scores={name: each.value for name, each in named.items() if each.value is not None},
        parts=tuple((str(each.at[0][1]), each.value) for each in beside if each.at and each.value is not None),
        inside=tuple(within),
        overlap=None if overlap is None or overlap.against is None or overlap.value is None
        else (as_slice(overlap.against["slice"]), overlap.value),
    )  # fmt: skip


def _certain(found: Finding) -> float:
    return min(abs(found.row.low or 0.0), abs(found.row.high or 0.0))


def _lowered(title: str) -> str:
    """Return a title within a sentence: "False positive rate" begins small, "ROC AUC" does not."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
