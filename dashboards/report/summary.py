"""The first screen of a report: what was asked and found, for whom it fails first, what is not known, who decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from audit.measurement import Measurement
from audit.publishing.redaction import redacted
from audit.result import Result
from checklists.verdict import Verdict
from dashboards.gap_changes import unpublished_sentence
from dashboards.judgements import JudgedGate, JudgedRow, verdict_counts
from dashboards.labels import features_label, group_label, safe_label, slice_label
from dashboards.look_alikes import alike_sentences
from dashboards.report.groups import combinations_of, headline_metrics, hidden_groups, positive_label
from dashboards.report.leads import leads
from dashboards.report.pair_rates import judged_rates, rows_needed_of, spoken_of, without_rows_needed
from dashboards.report.withheld import hidden_sentence
from dashboards.tables import FEW_ROWS, interval_text, is_small, plain_rows, value_text
from dashboards.weights import weights_text
from dashboards.words import base_metric, metric_title

_LEADING = 3
_SURELY = "the group that surely differs most from all others (so much that chance alone hardly explains it)"
_LARGEST = f"For each attribute, {_SURELY}:"
UNJUDGED = f"For each attribute, {_SURELY}, where the policy sets no limit:"
_NONE_SURE = "No group is shown to differ from all others: every difference may be chance."

_FINDINGS: dict[Verdict, str] = {
    "PASS": "Every requirement holds on these rows: {counts}.",
    "FAIL": "Not every requirement holds on these rows: {counts}.",
    "INSUFFICIENT": "Nothing was shown to fail, but not everything was shown to hold: {counts}.",
    "INVALID": "The evidence is broken; until it is mended, nothing can be concluded from the whole: {counts}.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The first screen, as text.

    Parameters
    ----------
    verdict
        The verdict of the gate; None where no policy was judged.
    rows
        What was audited, in one sentence.
    asked, found, decides
        One sentence each.
    failing
        The first requirements that fail, one sentence each.
    judged
        The requirements, what fails first.
    leading
        Without a gate: the largest gaps.
    unjudged
        With one: the largest gaps that no requirement speaks of.
    unknown
        What is not known, one sentence each.
    needed
        What would show it, one sentence each.

    Examples
    --------
    >>> summary = summarise(Result(measurements=[]), None, min_cell=10)
    >>> summary.verdict is None, summary.judged, summary.failing
    (True, (), ())
    """

    verdict: Verdict | None
    rows: str
    asked: str
    found: str
    decides: str
    failing: tuple[str, ...]
    judged: tuple[JudgedRow, ...]
    leading: tuple[str, ...]
    unjudged: tuple[str, ...]
    unknown: tuple[str, ...]
    needed: tuple[str, ...]


def summarise(result: Result, gate: JudgedGate | None, *, min_cell: int) -> Summary:
    """Return the first screen of a report.

    Parameters
    ----------
    result
        What was measured.
    gate
        What was judged; None where no policy was.
    min_cell
        Numbers that rest on fewer rows are not shown.

    Examples
    --------
    >>> summarise(Result(measurements=[]), None, min_cell=10).asked
    'No policy was judged: nothing on this page says whether these numbers are acceptable.'
    """
    unknown = _unknown(result, min_cell)
    if gate is None:
        public = redacted(result, hidden_groups(result, min_cell=min_cell))
        answer = leads(public, min_cell=min_cell)
        leading = answer[1:] if answer else largest_gaps(result, min_cell=min_cell)
        return Summary(
            verdict=None,
            rows=_rows_sentence(result),
            asked="No policy was judged: nothing on this page says whether these numbers are acceptable.",
            found=next(iter(answer), _opening(result, leading, min_cell)),
            decides="Whoever may decide on the use of this model has to say which limits must hold, in a policy.",
            failing=(),
            judged=(),
            leading=leading,
            unjudged=(),
            unknown=unknown,
            needed=(),
        )
    return Summary(
        verdict=gate.verdict,
        rows=_rows_sentence(result),
        asked=_asked(gate),
        found=_FINDINGS[gate.verdict].format(counts=verdict_counts(gate)),
        decides="This page decides nothing. It says what was measured against the limits of the policy; whether the "
        "model may be used is for the people who answer for that policy.",
        failing=tuple(_failing_sentence(row, result, min_cell) for row in gate.having("FAIL")[:_LEADING]),
        judged=gate.rows,
        leading=(),
        unjudged=_unjudged(gate, result, min_cell),
        unknown=_gate_unknown(gate, result) + unknown,
        needed=tuple(
            f"{row.id}: {rows_needed_of(row.reason) or row.rows_needed}." for row in gate.rows if row.rows_needed
        ),
    )


def _opening(result: Result, leading: tuple[str, ...], min_cell: int) -> str:
    if leading:
        return _LARGEST
    return _NONE_SURE if _from_rest(result, min_cell=min_cell) else "No groups were compared."


def largest_gaps(result: Result, *, min_cell: int, spoken: frozenset[tuple[str, str]] = frozenset()) -> tuple[str, ...]:
    """Return for each single feature the difference between a group and the rest that is largest for sure.

    Largest for sure: by the end of the interval that is nearer to 0, so that few rows with a wide interval do not lead;
    a feature of which every interval reaches 0 has no place in the list (`_feature_unknown` says so). Only groups that
    the report may show take part, and no metric and feature that are `spoken` of.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.6, n=90, method="count"),
    ...         Measurement(metric="accuracy_difference", slice=(("sex", "F"),), against={"kind": "rest"}, value=-0.1,
    ...                     low=-0.2, high=-0.01, n=90, level=0.95, method="agresti_caffo")]
    >>> largest_gaps(Result(measurements=rows), min_cell=10)
    ('Accuracy: sex = F lies 10.0 points below the rest [−20.0, −1.0], n = 90.',)
    """
    found: dict[str, Measurement] = {}
    for row in _from_rest(result, min_cell=min_cell, spoken=spoken):
        if _for_sure(row) > 0:
            found.setdefault(row.slice[0][0], row)
    return tuple(map(_gap_sentence, list(found.values())[:_LEADING]))


def _from_rest(result: Result, *, min_cell: int, spoken: frozenset[tuple[str, str]] = frozenset()) -> list[Measurement]:
    """Return the differences between a group and all others that may be shown, what is largest for sure first."""
    singles = [features for features in combinations_of(result) if len(features) == 1]
    metrics = headline_metrics(result)
    hidden = frozenset().union(*(hidden_groups(result, features, min_cell=min_cell) for features in singles))
    from_rest = [
        row
        for row in result.measurements
        if row.against is not None
        and row.against["kind"] == "rest"
        and row.value is not None
        and base_metric(row.metric)[1] == "difference"
        and base_metric(row.metric)[0] in metrics
        and row.slice not in hidden
        and (base_metric(row.metric)[0], row.slice[0][0]) not in spoken
        and not row.at
        and not is_small(row, min_cell=min_cell)
    ]
    return sorted(from_rest, key=lambda row: (-_for_sure(row), -abs(row.value or 0.0), row.key()))


def _for_sure(row: Measurement) -> float:
    """Return how far a difference lies from 0 at least; 0 where its interval reaches 0 or is none."""
    if row.low is None or row.high is None:
        return 0.0
    return max(row.low, -row.high, 0.0)


def _gap_sentence(row: Measurement) -> str:
    side = "above" if (row.value or 0.0) >= 0 else "below"
    size = value_text(row).lstrip("+−")
    name = metric_title(base_metric(row.metric)[0])
    interval = interval_text(row)
    where = f"{name}: {slice_label(row.slice)} lies {size} {side} the rest"
    return f"{where}{' ' + interval if interval else ''}, n = {row.n:,}."


def _asked(gate: JudgedGate) -> str:
    path = dict(gate.policy).get("path")
    named = f" of the policy {PurePath(path).name}" if path else ""
    stage = f" for the stage {gate.stage}" if gate.stage else ""
    level = f" at confidence {100 * gate.level:g} %" if gate.level is not None else ""
    number = "1 requirement" if len(gate.rows) == 1 else f"{len(gate.rows):,} requirements"
    verb = "was" if len(gate.rows) == 1 else "were"
    return f"{number}{named} {verb} judged{stage}, by the interval{level} and not by the estimate alone."


def _unjudged(gate: JudgedGate, result: Result, min_cell: int) -> tuple[str, ...]:
    """Return the largest gaps that are there for sure and that no requirement speaks of; none where evidence broke."""
    if gate.having("INVALID"):
        return ()
    spoken = spoken_of(row.judged for row in gate.rows)
    return largest_gaps(result, min_cell=min_cell, spoken=spoken)


def _failing_sentence(row: JudgedRow, result: Result, min_cell: int) -> str:
    if row.measured is None:
        return f"{row.id} fails{': ' + row.reason if row.reason else ''}."
    where = f" ({row.measured.note})" if row.measured.note else ""
    interval = f" {row.measured.interval}" if row.measured.interval else ""
    rates = judged_rates(row.judged, result, min_cell=min_cell)
    found = f"{row.measured.name}{where}: {row.measured.value}{interval}, where the policy asks for {row.limit}."
    return f"{found} {rates}" if rates else found


def _rows_sentence(result: Result) -> str:
    features = [names[0] for names in combinations_of(result) if len(names) == 1]
    parts = [f"{row.n:,} rows" for row in plain_rows(result, features=(), metrics=("count",))]
    parts += [f"groups by {features_label(tuple(features))}"] if features else []
    positive = positive_label(result)
    parts += [f"positive prediction: “{safe_label(positive, target='text', limit=40)}”"] if positive is not None else []
    parts += [text for text in [weights_text(result)] if text]
    return "; ".join(parts)


def _gate_unknown(gate: JudgedGate, result: Result) -> tuple[str, ...]:
    texts = [f"Not auditable, as declared: {text}." for text in gate.not_auditable]
    if gate.result and gate.result != result.digest():
        texts.insert(
            0, f"The verdicts rest on other evidence (digest {gate.result}) than the result that is shown below."
        )
    by_reason: dict[str, list[str]] = {}
    for row in gate.rows:
        if row.verdict in {"INSUFFICIENT", "INVALID"} and row.reason:
            by_reason.setdefault(without_rows_needed(row.reason), []).append(row.id)
    texts += [f"{', '.join(names)}: {reason}." for reason, names in by_reason.items()]
    return tuple(texts)


def _unknown(result: Result, min_cell: int) -> tuple[str, ...]:
    hidden = hidden_groups(result, min_cell=min_cell)
    texts = [hidden_sentence(hidden, min_cell=min_cell)] if hidden else []
    texts += [text for text in [unpublished_sentence(result, hidden=hidden)] if text]
    counts = {row.slice: row for row in result.measurements if row.metric == "count" and row.against is None}
    labelled = plain_rows(result, features=(), metrics=("prevalence",))
    if labelled and () in counts and labelled[0].n < counts[()].n:
        texts.append(
            f"The true label is known for {labelled[0].n:,} of {counts[()].n:,} rows; error rates rest on those."
        )
    from_rest = _from_rest(result, min_cell=min_cell)
    for features in combinations_of(result):
        if len(features) == 1:
            texts += _feature_unknown(result, features[0], min_cell, from_rest)
    groups: dict[str, dict[str | None, None]] = {}
    for row in result.measurements:
        if len(row.slice) == 1:
            groups.setdefault(row.slice[0][0], {})[row.slice[0][1]] = None
    texts += [text for name, values in groups.items() for text in alike_sentences(features_label((name,)), values)]
    undefined = sum(row.value is None for row in result.measurements)
    if undefined:
        texts.append(
            f"{undefined:,} of the {len(result.measurements):,} numbers of this audit are undefined; the saved result "
            "says why of each."
        )
    return tuple(texts)


def _feature_unknown(result: Result, feature: str, min_cell: int, shown: Sequence[Measurement]) -> list[str]:
    rows = plain_rows(result, features=(feature,), metrics=("count", *headline_metrics(result)))
    name = features_label((feature,))
    texts = []
    hidden = hidden_groups(result, (feature,), min_cell=min_cell)
    for row in rows:
        if row.metric == "count" and row.slice[0][1] is None:
            number = "some (hidden)" if row.slice in hidden else f"{row.n:,}"
            texts.append(f"{name} is missing in {number} rows; they are a group of their own, outside the largest gap.")
    few = sorted({group_label(row.slice) for row in rows if row.n < FEW_ROWS and row.slice not in hidden})
    if any(each.slice[0][0] == feature for each in shown) and all(
        _for_sure(each) == 0 for each in shown if each.slice[0][0] == feature
    ):
        texts.append(f"By {name} no group is shown to differ from all others: every difference may be chance.")
    if few:
        texts.append(f"Too few rows to say much (some rate rests on fewer than {FEW_ROWS}), {name}: {'; '.join(few)}.")
    return texts
