"""The list of commands; each is loaded when it is called."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

FIRST = {
    "demo": "Train, audit, judge and report on real data that ships with a dependency.",
    "audit": "Error rates by subgroup with intervals, from a CSV or Parquet file.",
    "gate": "Hold a saved run against a policy; --plan writes a first policy.",
    "report": "Write a saved run as one HTML page.",
    "dashboard": "Look at saved runs in the browser.",
}
MORE = {
    "compare": "A candidate and a baseline on the same rows: who gets worse, with paired intervals.",
    "calibration": "Say whether the scores of a saved run keep their promise, by group.",
    "slices": "Find the combinations of features with most errors, and confirm them on other rows.",
    "baselines": "What a simple alternative achieves on the same test rows, and whether the model beats it.",
    "lint": "Leaks between train and test: copies, clusters, time, features that tell the label.",
    "sealed": "A test for a model that others make: labels kept back, opened once, on record.",
    "train": "Train a model on a table and write its predictions.",
    "monitor": "What changed in a log since a reference: drift, errors, traffic; by group, few false alarms; loops.",
    "loop-plan": "Whether a system can loop back on itself, what to log, how precise that gets by when.",
    "predict": "What a saved model says about new rows, on any CPU, without its training data.",
    "sources": "Where a gap comes from: evidence for and against six sources of bias.",
    "doctor": "Say what is installed and what to mend.",
    "thresholds": "What acting from each score on is worth by group, and which threshold is chosen.",
    "ingest": "Append predictions and late labels to a log with versions; correct and erase on record.",
    "alarms": "Alarms of monitors: raised, acknowledged, snoozed, cleared; all of it kept.",
}


class Commands(click.Group):
    """A group whose commands live in ``evenhanded/commands/<name>.py`` and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, the common ones first."""
        del ctx
        return [*FIRST, *MORE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None where there is none of that name."""
        del ctx
        if cmd_name not in FIRST | MORE:
            return None
        command: click.Command = import_module(f"evenhanded.commands.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; where there is none, name the nearest."""
        name = args[0]
        if name not in FIRST | MORE and not name.startswith("-"):
            near = get_close_matches(name, [*FIRST, *MORE], n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them; the less common ones behind --all."""
        shown = FIRST | MORE if ctx.params.get("show_all") else FIRST
        with formatter.section("Commands"):
            formatter.write_dl(list(shown.items()))
        if shown is FIRST:
            formatter.write_paragraph()
            formatter.write_text(f"More with --help --all: {', '.join(MORE)}.")


def _help(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - the signature of click
    if value:
        ctx.params["show_all"] = "--all" in ctx.args or "--all" in ctx.obj
        click.echo(ctx.get_help())
        ctx.exit()


@click.command(
    cls=Commands,
    invoke_without_command=True,
    add_help_option=False,
    epilog="Exit codes: 0 holds, 1 fails, 2 wrong input or use, 3 not shown, 4 broken evidence.",
)
@click.option("--help", is_flag=True, is_eager=True, expose_value=False, callback=_help, help="Show this and leave.")
@click.option("--all", "show_all", is_flag=True, help="With --help: show every command.")
@click.version_option(package_name="evenhanded", prog_name="evenhanded")
@click.pass_context
def group(ctx: click.Context, show_all: bool) -> None:  # noqa: FBT001 - an option
    """Audit and monitor models for the people they affect."""
    del show_all
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code; errors of ours pass through."""
    try:
        code: Any = group.main(arguments, prog_name="evenhanded", standalone_mode=False, obj=arguments)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.ClickException as error:
        error.show()
        return 2
    return code if isinstance(code, int) else 0
