"""What the rounds of the loop say: closed data against hold-out, in a table, a sentence and sections."""

from collections.abc import Sequence
from typing import NamedTuple

from audit.measurement import Measurement
from audit.result import Result
from dashboards.loop_captions import CLOSED, HELD_OUT
from dashboards.report.section import Section
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title

GAP = "self_agreement_gap"
WHY = ("self_agreement_trend", "uplift", "prediction_label_entanglement", "outcome_coverage", "outcome_coverage_change")
"""Metrics that say why the lines part."""

_QUALITIES = ("brier_skill_score", "r2_score", "accuracy")
_HEAD = ("round", "model", "data it influenced", "hold-out", "gap", "alarm")


class Rounds(NamedTuple):
    """The rows of the rounds, in their order, and those of them that an alarm of the gap is about.

    Examples
    --------
    >>> Rounds((), (), (), frozenset()).rang
    frozenset()
    """

    closed: tuple[Measurement, ...]
    held_out: tuple[Measurement, ...]
    gap: tuple[Measurement, ...]
    rang: frozenset[str]


def rounds_of(result: Result) -> Rounds:
    """Return the rounds that a result of `monitors.feedback.run.run_loops` tells of.

    Examples
    --------
    >>> row = Measurement(metric=GAP, at=(("round", "1"),), value=0.2, n=90, method="delta_method")
    >>> rounds_of(Result(measurements=[row])).gap[0].value
    0.2
    """
    sides: dict[str, list[Measurement]] = {"closed": [], "holdout": []}
    for row in result.measurements:
        arm = str(dict(row.at).get("arm", ""))
        if row.metric in _QUALITIES and arm in sides and _round(row):
            sides[arm].append(row)
    gap = tuple(row for row in result.measurements if row.metric == GAP and _round(row))
    rang = {_round(row) for place, last in enumerate(gap) for row in _about(gap[: place + 1], last, result)}
    return Rounds(tuple(sides["closed"]), tuple(sides["holdout"]), gap, frozenset(rang))


def _about(rows: Sequence[Measurement], last: Measurement, result: Result) -> list[Measurement]:
    """Return the rounds from the first that speaks for the alarm of a round up to that round; none without an alarm."""
    since = next((alarm.since for alarm in result.alarms if alarm.key == last.key()), None)
    if since is None:
        return []
    return [row for row in rows if row is last or (row.window is not None and row.window[0] >= since)]


def table_of(rounds: Rounds, versions: Sequence[str]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return heading and lines of the rounds, as a terminal shows them.

    Parameters
    ----------
    rounds
        What was measured.
    versions
        The `model_version` of each round.

    Examples
    --------
    >>> row = Measurement(metric=GAP, at=(("round", "1"),), value=0.2, low=0.1, high=0.3, n=90, level=0.95, method="x")
    >>> table_of(Rounds((), (), (row,), frozenset("1")), ["3f90f3f7c1ce"])[1]
    [['1', '3f90f3f7', '', '', '0.200 [0.100, 0.300]', 'rings']]
    """
    closed, held = ({_round(row): row for row in rows} for rows in (rounds.closed, rounds.held_out))
    lines = [
        [
            _round(row),
            version[:8],
            *(_cell(side.get(_round(row))) for side in (closed, held)),
            _cell(row),
            "rings" if _round(row) in rounds.rang else "",
        ]
        for row, version in zip(rounds.gap, versions, strict=False)
    ]
    return _HEAD, lines


def verdict_on(rounds: Rounds) -> str:
    """Say what the closed data claim, what the hold-out says, and whether the gap rang.

    Examples
    --------
    >>> values = {"closed": (0.7, 0.9), "holdout": (0.7, 0.6)}
    >>> rows = {arm: tuple(Measurement(metric="accuracy", at=(("arm", arm), ("round", k)), value=v, n=90, method="x")
    ...                    for k, v in zip("12", both)) for arm, both in values.items()}
    >>> said = verdict_on(Rounds(rows["closed"], rows["holdout"], (), frozenset()))
    >>> said[:66], said[-20:]
    ('Accuracy on data that the model influenced: from 70.0 % to 90.0 %.', 'No alarm of the gap.')
    """
    sides = [[row for row in rows if row.value is not None] for rows in (rounds.closed, rounds.held_out)]
    if not all(sides):
        return "The rounds cannot be compared: closed data or hold-out hold too few rows."
    told = [f"from {value_text(rows[0])} to {value_text(rows[-1])}" for rows in sides]
    first = next((_round(row) for row in rounds.gap if _round(row) in rounds.rang), None)
    rang = "No alarm of the gap." if first is None else f"The alarm of the gap rings, since round {first}."
    title = metric_title(rounds.closed[0].metric)
    return f"{title} on {CLOSED}: {told[0]}. On the {HELD_OUT}: {told[1]}. {rang}"


def reasons_of(result: Result) -> tuple[Measurement, ...]:
    """Return the rows of the log as a whole, and of its last round, that say why the lines part.

    Examples
    --------
    >>> rows = [Measurement(metric="prediction_label_entanglement", at=(("round", k),), value=0.1, n=90, method="x")
    ...         for k in "23"]
    >>> [dict(row.at) for row in reasons_of(Result(measurements=rows))]
    [{'round': '3'}]
    """
    found = {}
    for row in result.measurements:
        if row.metric in WHY and row.value is not None and not row.slice and set(dict(row.at)) <= {"round"}:
            found[row.metric] = row
    return tuple(found[metric] for metric in WHY if metric in found)


def sections(result: Result) -> tuple[Section, ...]:
    """Return what the report of the loop says beside the metrics themselves."""
    rounds = rounds_of(result)
    rows = tuple(row for group in zip(rounds.closed, rounds.held_out, rounds.gap, strict=False) for row in group)
    return (
        Section(title="What was simulated", text=_WHAT),
        Section(title="Better, or only more sure of itself?", text=verdict_on(rounds), measurements=rows),
        Section(title="Why", text=_why(result, rounds), measurements=reasons_of(result)),
    )


def _why(result: Result, rounds: Rounds) -> str:
    """Return what the numbers show of the cause, and nothing that they do not show."""
    if not rounds.rang:
        return "Nothing rings: in these rounds the model does not agree with itself more than with the world."
    known = {row.metric: row for row in reasons_of(result)}
    entangled = known.get("prediction_label_entanglement")
    coverage, uplift = known.get("outcome_coverage"), known.get("uplift")
    told = [_AGREES]
    if uplift is not None and uplift.low is not None and uplift.low > 0:
        more = f"{100 * (uplift.value or 0.0):.0f}"
        told.append(f"Of a hundred people whom chance called, {more} more became high users than of those it left.")
    if entangled is not None and entangled.low is not None and entangled.low > 0:
        told.append("What the earlier model said stands in the new labels: the entanglement lies above 0.")
    if coverage is not None:
        told.append(f"What became of people is known for {value_text(coverage)}; the others count as no high use.")
    return " ".join([*told, _ADVICE])


def _round(row: Measurement) -> str:
    return str(dict(row.at).get("round", ""))


def _cell(row: Measurement | None) -> str:
    return "" if row is None else f"{value_text(row)} {interval_text(row)}".strip()


_WHAT = (
    "A triage calls the fifth of the people with the highest scores (staff call some in poor health besides), and is "
    "retrained after each round. The people are those of the RAND Health Insurance Experiment, other persons in every "
    "round; what they would have done anyhow is what they did in the study. Two rules make the loop, and nothing else "
    "does. Whoever is called gets follow-up visits, the more the higher the score, and the record counts these visits "
    "like any others. Of the people who are not called the record holds only those whose bills are reported, and no "
    "record is read as no high use.\n\n"
    "A fifth of the people, drawn by lot, are the hold-out: never called, never learnt from, their charts read at the "
    "end. Another fifth are called or not by lot, with the chance written down. Each round's model is a checkpoint "
    "of the trainer; its digest is the version in the log."
)
_AGREES = (
    "The gap between the two lines is how much the model agrees with itself rather than with the world. The newest "
    "data alone would have praised it; the hold-out shows that it has not come to know people better."
)
_ADVICE = (
    "What helps: count the visits that the triage ordered apart from the others, learn from a random sample whose "
    "charts are read, and keep the hold-out."
)
