"""Which feedback loops a system can have, from three answers; what to log from tomorrow, and what it tells by when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from audit.errors import raise_violations
from audit.reading import ROLES, Role
from monitors.feedback.loop_kinds import KINDS, LoopKind
from monitors.feedback.loop_plan import GainPlan, holdout_rows
from monitors.feedback.metric import LoopMetric
from monitors.kinds import NUMBER, Wanted, wrong_kind, wrong_names

Decides = Literal["model", "person_with_model", "person"]
FedBack = Literal["all", "acted_on", "engagement", "nothing"]
Observed = Literal["everything", "acted_on", "reported"]

_WEEKS = (13, 26, 52)
_DITHERS = (0.1, 0.3, 0.5)
_OTHERS: dict[Role, tuple[Role, ...]] = {
    "outcome": ("y_true",),
    "round": ("model_version",),
    "outcome_observed": ("outcome", "y_true"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopAnswers:
    """What a team says of its system: three answers, and how large it is.

    Parameters
    ----------
    decides
        Who decides what is seen, shown, granted or visited: "model", "person_with_model" (a person who sees what the
        model says), "person" (one who does not).
    fed_back
        What the next model is trained on: "all" outcomes, outcomes of "acted_on" rows, "engagement" (clicks, views,
        ratings), "nothing" (it is never trained again).
    observed
        What becomes known: "everything", outcomes of "acted_on" rows only, what is "reported" by others.
    has
        Roles that the log holds today.
    places
        How many places (districts, shops, kinds of items) could get a dither of their own.
    weekly_count
        What one place feeds back to training in a week, on average.
    weekly_rows
        Decisions per week.
    half_width
        How precise the loop gain is to be: half the width of its interval.
    gap
        The self-agreement gap that must not go unseen.

    Raises
    ------
    InputError
        If an answer is none of those that are possible, or a number lies outside its range: all at once.

    Examples
    --------
    >>> LoopAnswers(decides="model", fed_back="acted_on", observed="acted_on").places
    20
    """

    decides: Decides
    fed_back: FedBack
    observed: Observed
    has: Collection[Role] = ()
    places: int = 20
    weekly_count: float = 5.0
    weekly_rows: float = 1000.0
    half_width: float = 0.15
    gap: float = 0.1

    def __post_init__(self) -> None:
        raise_violations(_wrong_kinds(self))
        choices = (("decides", self.decides, Decides), ("fed_back", self.fed_back, FedBack))
        found = [
            f"{name} must be one of {', '.join(get_args(kind))}; got {given!r}"
            for name, given, kind in (*choices, ("observed", self.observed, Observed))
            if given not in get_args(kind)
        ]
        found += [f"has names {role!r}, which is no role of a log" for role in self.has if role not in ROLES]
        numbers = {"weekly_count": self.weekly_count, "weekly_rows": self.weekly_rows, "half_width": self.half_width}
        found += [
            f"{name} must be a positive number; got {n}" for name, n in numbers.items() if not 0 < n < float("inf")
        ]
        if not 0 < self.gap < 1:
            found.append(f"gap must lie in (0, 1); got {self.gap}")
        if self.places < 1:
            found.append(f"places must be at least 1; got {self.places}")
        raise_violations(found)


def _wrong_kinds(answers: LoopAnswers) -> list[str]:
    numbers = {name: getattr(answers, name) for name in ("weekly_count", "weekly_rows", "half_width", "gap")}
    found = wrong_names("has", answers.has, what="roles")
    found += wrong_kind("places", answers.places, Wanted("a whole number", (int,)))
    return found + [fault for name, value in numbers.items() for fault in wrong_kind(name, value, NUMBER)]


class Logged(NamedTuple):
    """A column to log from tomorrow, and what for.

    Examples
    --------
    >>> Logged("round", "which model decided").role
    'round'
    """

    role: Role
    why: str


class Measurable(NamedTuple):
    """Whether a metric can be measured today, and the roles that it lacks.

    Examples
    --------
    >>> Measurable("usage", "How much of the world the model touches", ("exposed",)).today
    False
    """

    name: str
    title: str
    lacks: tuple[Role, ...]

    @property
    def today(self) -> bool:
        """Whether nothing is lacking."""
        return not self.lacks


class GainStep(NamedTuple):
    """How precise the loop gain is after some weeks of a dither: half the width of its interval.

    Examples
    --------
    >>> GainStep(26, 0.3, 0.15).weeks
    26
    """

    weeks: int
    dither: float
    half_width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlan:
    """What can be said of a system before anything is measured.

    Parameters
    ----------
    loops
        The loops that it can have; none where the model decides nothing, or nothing comes back.
    log
        Columns to log from tomorrow that are not logged yet.
    metrics
        Which metrics can be measured today.
    gain
        How precise the loop gain will be by when; empty where nothing comes back, or there are fewer than six places.
    weeks
        Weeks until the gain is as precise as was asked for, with a dither of 0.3; None where `gain` is empty.
    holdout_rows
        Rows that must be held out in a retraining round so that the gap is seen; None where there is no loop.
    holdout_share
        That, as a share of four weeks' decisions; above 1 it takes longer than four weeks.
    verdict
        All this in one sentence.

    Examples
    --------
    >>> plan_loops(LoopAnswers(decides="person", fed_back="all", observed="everything")).loops
    ()
    """

    loops: tuple[LoopKind, ...]
    log: tuple[Logged, ...]
    metrics: tuple[Measurable, ...]
    gain: tuple[GainStep, ...]
    weeks: int | None
    holdout_rows: int | None
    holdout_share: float | None
    verdict: str


def possible_loops(answers: LoopAnswers) -> tuple[LoopKind, ...]:
    """Return the feedback loops that a system can have.

    Examples
    --------
    >>> granted = LoopAnswers(decides="model", fed_back="acted_on", observed="acted_on")
    >>> [loop.name for loop in possible_loops(granted)]
    ['policing', 'credit', 'hidden_loop', 'performative']
    """
    if answers.decides == "person":
        return ()
    names = ["performative"]
    learns = answers.fed_back in {"all", "acted_on"}
    if learns:
        names.append("hidden_loop")
    if learns and "acted_on" in {answers.observed, answers.fed_back}:
        names += ["policing", "credit"]
    if answers.fed_back == "engagement":
        names.append("recommender")
    return tuple(kind for kind in KINDS if kind.name in names)


def plan_loops(answers: LoopAnswers, *, metrics: Sequence[LoopMetric] = ()) -> LoopPlan:
    """Return which loops are possible, what to log, what can be measured today, and how precise it gets by when.

    Parameters
    ----------
    answers
        Of the team.
    metrics
        Those that are asked about, such as the six of the first page (`monitors.feedback.catalog.FIRST`).

    Examples
    --------
    >>> plan = plan_loops(LoopAnswers(decides="model", fed_back="acted_on", observed="acted_on", has=["y_pred"]))
    >>> plan.weeks, plan.holdout_rows, plan.gain[4].weeks, round(plan.gain[4].half_width, 3)
    (28, 197, 26, 0.154)
    """
    asked = Wanted("LoopAnswers", (LoopAnswers,))
    raise_violations(wrong_kind("answers", answers, asked, then="name decides, fed_back and observed"))
    loops = possible_loops(answers)
    returns = any(loop.retrains for loop in loops)
    planned = None
    if returns and answers.places >= 6:
        planned = GainPlan(places=answers.places, weekly_count=answers.weekly_count)
    steps = [] if planned is None else [(weeks, dither) for weeks in _WEEKS for dither in _DITHERS]
    held = holdout_rows(answers.gap) if returns else None
    return LoopPlan(
        loops=loops,
        log=_to_log(answers, loops),
        metrics=tuple(Measurable(each.name, each.title, _lacks(each, answers.has)) for each in metrics),
        gain=tuple(
            GainStep(weeks, dither, planned.half_width(dither=dither, weeks=weeks))
            for weeks, dither in steps
            if planned is not None
        ),
        weeks=None if planned is None else planned.weeks_for(answers.half_width, dither=0.3),
        holdout_rows=held,
        holdout_share=None if held is None else held / (4 * answers.weekly_rows),
        verdict=_verdict(answers, loops),
    )


def _to_log(answers: LoopAnswers, loops: Sequence[LoopKind]) -> tuple[Logged, ...]:
    wanted = [
        Logged("timestamp", "when it was decided"),
        Logged("round", "which retraining the deciding model came from"),
        Logged("y_pred", "what the model said"),
        Logged("action", "what was done"),
        Logged("outcome", "how it turned out, empty where nobody knows"),
        Logged("outcome_observed", "whether anybody knows how it turned out"),
    ]
    if loops:
        wanted.append(Logged("arm", "who decided: the model, the process before it, chance, or the hold-out"))
    if answers.decides == "person_with_model":
        wanted.append(Logged("exposed", "whether the person had seen what the model said"))
        wanted.append(Logged("human_decision", "what the person decided"))
    elif loops:
        wanted.append(Logged("exposed", "whether the model's output was used for this row"))
    wanted += [Logged(role, why) for loop in loops for role, why in loop.log]
    if answers.observed == "reported":
        wanted.append(Logged("outcome_source", "whether it was found by looking, reported by others, or by an audit"))
    first = {each.role: each for each in reversed(wanted)}
    order = list(dict.fromkeys(each.role for each in wanted))
    return tuple(first[role] for role in order if role not in answers.has)


def _lacks(metric: LoopMetric, has: Collection[Role]) -> tuple[Role, ...]:
    return tuple(
        role for role in metric.needs if role not in has and not any(other in has for other in _OTHERS.get(role, ()))
    )


def _verdict(answers: LoopAnswers, loops: Sequence[LoopKind]) -> str:
    if not loops:
        return (
            "No loop through the model: it decides nothing that anyone sees. People's own decisions may still choose "
            "what is known; keep a random share observed."
        )
    if not any(loop.retrains for loop in loops):
        return (
            "No loop through training, because the model is never trained again. People and places may still change "
            "in answer to it; watch them beside a hold-out."
        )
    titles = [loop.title.lower() for loop in loops if loop.retrains]
    mild = ""
    if answers.observed == "reported" and answers.fed_back == "all":
        mild = (
            " What others report does not depend on where one looks, as long as nobody is asked where the model says."
        )
    return f"Expect a loop: {'; '.join(titles)}. Plan for it before the next retraining, not after.{mild}"
