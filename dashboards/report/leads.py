"""What a run that was made for one question answers to it, in its first sentences: a lint, a comparison, a search."""

from audit.measurement import Measurement
from audit.result import Result
from dashboards import changes, monitoring
from dashboards.gap_changes import gap_sentences
from dashboards.labels import group_label
from dashboards.lint_rows import head_sentence, is_lint, read_findings
from dashboards.loop_sentences import answers
from dashboards.loops import is_loops
from dashboards.report.groups import hidden_groups
from dashboards.report.ranking_part import merit_sentences
from dashboards.report.slices_part import publishable
from dashboards.slice_findings import all_searched, findings, searched_row, searched_sentence, slice_sentence
from dashboards.source_words import source_verdicts, verdict_words
from dashboards.tables import interval_text, value_text
from dashboards.threshold_rows import best_rows, best_sentence, gain_sentence
from dashboards.training import is_training, lead_sentences

_FIRST = 3
_NO_GROUPS = "No error rate of any group was measured here: an audit of the model's predictions does that."


def leads(result: Result, *, min_cell: int) -> tuple[str, ...]:
    """Return the sentence that answers what a run was made for, and those that belong in a list below it.

    Empty for an audit: its largest differences lead (`dashboards.report.summary.largest_gaps`).

    Parameters
    ----------
    result
        What was measured.
    min_cell
        Numbers that rest on fewer rows are not shown.

    Examples
    --------
    >>> leads(Result(measurements=[]), min_cell=10)
    ()
    """
    if any(kind(result) for kind in (is_training, is_lint, monitoring.is_monitoring, is_loops)):
        return _of_one_kind(result, min_cell)
    if searched_row(result) is not None:
        return _search(result, min_cell)
    if source_verdicts(result):
        return _sources(result, min_cell)
    hidden = hidden_groups(result, min_cell=min_cell)
    compared = changes.summary(result, min_cell=min_cell, hidden=hidden)
    if compared:
        opening = compared[0].replace("worse for sure:", "worse for sure; the list of changes names each.")
        return (opening, *gap_sentences(result, min_cell=min_cell, hidden=hidden))
    best = best_rows(result.measurements)
    if () in best:
        return (best_sentence(best[()]), *(gain_sentence(row) for row in _gains(result)))
    ranked = merit_sentences(result, min_cell)
    return ("Whether groups of items are shown as much as their relevance warrants:", *ranked) if ranked else ()


def _of_one_kind(result: Result, min_cell: int) -> tuple[str, ...]:
    """Return the answer of a run whose settings say what it is."""
    if monitoring.is_monitoring(result):
        return monitoring.lead_sentences(result, min_cell=min_cell)[:-1]
    if is_loops(result):
        return answers(result, min_cell=min_cell).in_short()
    return (*lead_sentences(result), _NO_GROUPS) if is_training(result) else _split(result)


def _split(result: Result) -> tuple[str, ...]:
    read = read_findings(result)
    found = [each.title for each in read if each.status == "found"]
    return (head_sentence(result, read), *(f"{title}." for title in found[:_FIRST]))


def _search(result: Result, min_cell: int) -> tuple[str, ...]:
    if all_searched(result):
        return (searched_sentence(result),)
    confirmed = [each for each in findings(result) if each.confirmed]
    if not confirmed:
        return ("No combination of features was confirmed to differ from the rest.", searched_sentence(result))
    shown = [each for each in publishable(result, findings(result), min_cell) if each.confirmed]
    number = "1 combination of features" if len(confirmed) == 1 else f"{len(confirmed)} combinations of features"
    opening = f"{number} confirmed to differ from the rest, on rows that were not searched; what is most certain first:"
    return (opening, *(f"{slice_sentence(each)}." for each in shown[:_FIRST]))


def _gains(result: Result) -> tuple[Measurement, ...]:
    return tuple(row for row in result.measurements if row.metric == "group_threshold_gain" and not row.slice)


def _sources(result: Result, min_cell: int) -> tuple[str, ...]:
    verdicts = source_verdicts(result)
    gap = next((row for row in result.measurements if row.metric == "held_out_error_rate_difference"), None)
    opening = "Where a gap comes from:"
    if gap is not None and gap.n >= min_cell:
        whom = group_label(gap.slice, limit=40)
        size = f"{value_text(gap)} {interval_text(gap)}".strip()
        opening = f"The error of {whom} differs from that of others by {size}. Where may that come from?"
    told: dict[str, list[str]] = {}
    for row in verdicts:
        told.setdefault(verdict_words(row), []).append(str(dict(row.at)["class"]))
    return (opening, *(f"{words}: {', '.join(names)}." for words, names in told.items()))
