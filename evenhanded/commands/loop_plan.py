"""``evenhanded loop-plan``: which feedback loops a system can have, what to log, and how precise that gets by when."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from audit.errors import raise_violations
from evenhanded.options import Command, InParts, Names, config_option
from evenhanded.printing import console

_PARTS = {
    "Three answers": ("decides", "fed_back", "observed"),
    "How large it is": ("places", "weekly_count", "weekly_rows", "actions", "disagreement"),
    "What is wanted": ("half_width", "gap", "worth"),
    "More": ("has", "as_json", "config", "help"),
}

_HELP = """Will this loop? Say who decides, what is fed back and what becomes known; nothing has to be measured yet.

\b
  evenhanded loop-plan --decides model --fed-back acted-on --observed acted-on
  evenhanded loop-plan --decides person-with-model --fed-back all --observed reported \\
      --places 40 --weekly-count 60 --half-width 0.15 --has arm,round,outcome
"""


class _Question(NamedTuple):
    option: str
    asks: str
    choices: Mapping[str, str]


_QUESTIONS = (
    _Question(
        "decides",
        "Who decides what is seen, shown, granted or visited?",
        {
            "model": "the model",
            "person-with-model": "a person who sees what the model says",
            "person": "a person who does not",
        },
    ),
    _Question(
        "fed_back",
        "What is the next model trained on?",
        {
            "all": "all outcomes",
            "acted-on": "outcomes of those that were acted on",
            "engagement": "clicks, views, ratings",
            "nothing": "it is never trained again",
        },
    ),
    _Question(
        "observed",
        "What becomes known?",
        {
            "everything": "how everything turned out",
            "acted-on": "only how those turned out that were acted on",
            "reported": "what others report",
        },
    ),
)


def _choice(question: _Question) -> Callable[[Command], Command]:
    words = "; ".join(f"{name}: {text}" for name, text in question.choices.items())
    return click.option(
        f"--{question.option.replace('_', '-')}",
        question.option,
        type=click.Choice(list(question.choices)),
        help=f"{question.asks} {words}.",
    )


@click.command("loop-plan", cls=InParts, parts=_PARTS, help=_HELP)
@config_option
@_choice(_QUESTIONS[0])
@_choice(_QUESTIONS[1])
@_choice(_QUESTIONS[2])
@click.option("--places", type=int, default=20, show_default=True, help="Districts, shops, kinds of items.")
@click.option("--weekly-count", type=float, default=5.0, show_default=True, help="What one of them feeds back a week.")
@click.option("--weekly-rows", type=float, default=1000.0, show_default=True, help="Decisions a week.")
@click.option("--actions", type=int, default=2, show_default=True, help="How many actions there are to choose from.")
@click.option(
    "--disagreement", type=float, default=0.1, show_default=True, help="Cases another model acts on otherwise."
)
@click.option("--half-width", type=float, default=0.15, show_default=True, help="How precise the loop gain is to be.")
@click.option("--gap", type=float, default=0.1, show_default=True, help="The self-agreement gap not to go unseen.")
@click.option(
    "--worth", type=float, default=0.3, show_default=True, help="What a logged row is to tell of another model."
)
@click.option("--has", type=Names(), default="", help="Roles that the log holds today: arm,round,outcome.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Ask what nobody said where a person sits at the terminal, and print what is possible."""
    from evenhanded.loop_plans import plan_record, print_loop_plan, wanted

    asked = {**options, **_answers(options)}
    plan = wanted(asked)
    if options["as_json"]:
        click.echo(json.dumps(plan_record(plan), indent=1))
    else:
        print_loop_plan(plan, out=console())
    return 0


def _answers(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the three answers; asked for where none was given at a terminal."""
    missing = [question for question in _QUESTIONS if options[question.option] is None]
    if missing and len(missing) == len(_QUESTIONS) and sys.stdin.isatty() and not options["as_json"]:
        return {question.option: _asked(question) for question in missing}
    raise_violations(
        [
            f"--{question.option.replace('_', '-')} is not named ({question.asks}); expected one of "
            f"{', '.join(question.choices)}"
            for question in missing
        ]
    )
    return {}


def _asked(question: _Question) -> str:
    screen = console()
    screen.print(question.asks)
    for name, text in question.choices.items():
        screen.print(f"  {name}: {text}")
    return str(click.prompt("Your answer", type=click.Choice(list(question.choices))))
