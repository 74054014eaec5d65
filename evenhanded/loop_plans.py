"""What `evenhanded loop-plan` says: loops that are possible, what to log, how much chance for how precise a number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from dashboards.labels import safe_label
from evenhanded.printing import print_rows
from monitors.feedback.catalog import BY_NAME, FIRST
from monitors.feedback.loop_plan import exploration_for
from monitors.feedback.possible_loops import GainStep, LoopAnswers, LoopPlan, plan_loops

_DITHER = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a team answered, what it wants to know, and what that takes.

    Parameters
    ----------
    answers
        Of the team.
    plan
        Of `monitors.feedback.possible_loops.plan_loops`.
    worth
        The share of a row that each logged row is to be worth for valuing another model.
    exploration
        Share of decisions that chance must take for that; None where no share is enough.

    Examples
    --------
    >>> asked = {"decides": "person", "fed_back": "all", "observed": "everything"}
    >>> wanted(asked).exploration is None
    True
    """

    answers: LoopAnswers
    plan: LoopPlan
    worth: float
    exploration: float | None


def wanted(options: Mapping[str, Any]) -> Wanted:
    """Return the plan that the options of the command ask for.

    Parameters
    ----------
    options
        ``decides``, ``fed_back`` and ``observed`` as the command spells them, and any of its numbers.

    Raises
    ------
    InputError
        If an answer is none of those that are possible, or a number lies outside its range.

    Examples
    --------
    >>> found = wanted({"decides": "model", "fed_back": "acted-on", "observed": "acted-on", "weekly_count": 60.0})
    >>> found.plan.weeks, found.plan.holdout_rows, round(found.exploration, 3)
    (3, 197, 0.084)
    """
    spelled = {name: str(options[name]).replace("-", "_") for name in ("decides", "fed_back", "observed")}
    names = ("has", "places", "weekly_count", "weekly_rows", "half_width", "gap")
    numbers = {name: options[name] for name in names if options.get(name) is not None}
    chosen: Any = {**spelled, **numbers}
    answers = LoopAnswers(**chosen)
    plan = plan_loops(answers, metrics=[BY_NAME[name] for name in FIRST])
    worth = options.get("worth", 0.3)
    actions, disagreement = options.get("actions", 2), options.get("disagreement", 0.1)
    exploration = exploration_for(worth, actions=actions, disagreement=disagreement) if plan.loops else None
    return Wanted(answers=answers, plan=plan, worth=worth, exploration=exploration)


def plan_record(found: Wanted) -> dict[str, Any]:
    """Return a plan as plain JSON values.

    Examples
    --------
    >>> asked = {"decides": "model", "fed_back": "engagement", "observed": "everything"}
    >>> [loop["name"] for loop in plan_record(wanted(asked))["loops"]]
    ['recommender', 'performative']
    """
    plan = found.plan
    return {
        "verdict": plan.verdict,
        "loops": [
            {name: getattr(loop, name) for name in ("name", "title", "sentence", "example", "remedy")}
            for loop in plan.loops
        ],
        "log": [each._asdict() for each in plan.log],
        "metrics": [{**each._asdict(), "lacks": list(each.lacks), "today": each.today} for each in plan.metrics],
        "gain": [step._asdict() for step in plan.gain],
        "weeks": plan.weeks,
        "holdout_rows": plan.holdout_rows,
        "holdout_share": plan.holdout_share,
        "exploration": found.exploration,
    }


def print_loop_plan(found: Wanted, *, out: Console) -> None:
    """Print a plan for people.

    Examples
    --------
    >>> from io import StringIO
    >>> page = StringIO()
    >>> asked = {"decides": "person", "fed_back": "all", "observed": "everything"}
    >>> print_loop_plan(wanted(asked), out=Console(file=page, width=200))
    >>> page.getvalue().partition(":")[0]
    'No loop through the model'
    """
    plan = found.plan
    out.print(plan.verdict, style="bold")
    for loop in plan.loops:
        out.print(f"{loop.title}. {loop.sentence} {loop.remedy}")
    if plan.log:
        print_rows("To log from tomorrow", ["column", "what"], [[each.role, each.why] for each in plan.log], out=out)
    titles = ["metric", "to have it"]
    print_rows("The first six numbers", titles, [[each.title, _today(each.lacks)] for each in plan.metrics], out=out)
    _print_gain(found, out)
    for sentence in _sentences(found):
        out.print(sentence)


def _today(lacks: tuple[str, ...]) -> str:
    return f"log {' and '.join(lacks)}" if lacks else "can be measured today"


def _print_gain(found: Wanted, out: Console) -> None:
    steps = found.plan.gain
    if not steps:
        return
    dithers = list(dict.fromkeys(step.dither for step in steps))
    by_weeks: dict[int, dict[float, GainStep]] = {}
    for step in steps:
        by_weeks.setdefault(step.weeks, {})[step.dither] = step
    head = ["weeks", *(f"dither {dither:g}" for dither in dithers)]
    rows = [
        [str(weeks), *(f"± {of[dither].half_width:.2f}" if dither in of else "" for dither in dithers)]
        for weeks, of in by_weeks.items()
    ]
    print_rows("How precise the loop gain gets (half of its 95 % interval)", head, rows, out=out)


def _sentences(found: Wanted) -> list[str]:
    """Return how much chance it takes, one sentence for each kind."""
    plan, answers, said = found.plan, found.answers, []
    if plan.weeks is not None:
        said.append(
            f"Dither: shift each place's planned attention by exp(d), d drawn each week with standard deviation "
            f"{_DITHER:g}: the gain is known to ± {answers.half_width:g} after {plan.weeks:,} weeks."
        )
    elif any(loop.retrains for loop in plan.loops):
        said.append(f"Dither: {answers.places} places are too few for an interval of the loop gain; it takes six.")
    if plan.holdout_rows is not None and plan.holdout_share is not None:
        share = plan.holdout_share
        enough = f"{100 * share:.1f} % of four weeks' decisions" if share <= 1 else f"{4 * share:.0f} weeks' decisions"
        said.append(
            f"Hold-out: keep {plan.holdout_rows:,} rows of each retraining round untouched, drawn by chance "
            f"({enough}), so that a gap of {answers.gap:g} does not go unseen."
        )
    if found.exploration is not None:
        said.append(
            f"Exploration: let chance decide {100 * found.exploration:.1f} % of the cases, with the chance logged: "
            f"each row is then worth {found.worth:g} of a row for valuing another model."
        )
    elif plan.loops:
        said.append(f"Exploration: no share makes a logged row worth {found.worth:g} of a row; ask for less.")
    if plan.loops:
        said.append("Then: evenhanded monitor --loops --current LOG")
    return [safe_label(text, target="terminal", limit=800) for text in said]
