"""``evenhanded demo``: the whole way on real data, without a network."""

from pathlib import Path

import click

from audit.measurement import Measurement
from dashboards.subjects import subject_text
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title
from evenhanded.options import seed_option
from evenhanded.printing import console, print_gate, print_groups, print_rows


@click.command("demo")
@click.option(
    "--act",
    type=click.Choice(["all", "audit", "weeks", "loops"]),
    default="all",
    show_default=True,
    help="audit: the model and its errors; weeks: the model in use, and what changes; loops: the model retrained on "
    "what it led to.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs.")
@seed_option("Seed of split and training.")
@click.option("--epochs", type=click.IntRange(1, 100), default=8, show_default=True, help="Passes through the data.")
def command(*, act: str, out: Path, seed: int, epochs: int) -> int:
    """Train a triage model on public health data, audit it, judge it, report it; watch it for weeks; retrain it.

    The exit code is 0 when the demo ran, whatever its policy's verdict.
    """
    if act in {"all", "audit"}:
        _audit(out, seed, epochs)
    if act in {"all", "weeks"}:
        _weeks(out, seed, epochs)
    if act in {"all", "loops"}:
        _loops(out, seed, epochs)
    console().print(f"Dashboard: evenhanded dashboard --runs {out}")
    return 0


def _weeks(out: Path, seed: int, epochs: int) -> None:
    from evenhanded.demo.weeks import run_weeks
    from evenhanded.monitoring import print_monitoring

    screen = console()
    with screen.status("starting") as status:
        outcome = run_weeks(out, seed=seed, epochs=epochs, say=status.update)
    print_monitoring(outcome.result, out=screen)
    screen.print(f"Report:    {outcome.path / 'report.html'}")
    screen.print(f"Log:       {outcome.log}")
    if outcome.evidently is not None:
        screen.print(f"Evidently: {outcome.evidently}")


def _loops(out: Path, seed: int, epochs: int) -> None:
    from evenhanded.demo.loop_rounds import reasons_of, table_of, verdict_on
    from evenhanded.demo.loops import run_demo_loops

    screen = console()
    with screen.status("starting") as status:
        outcome = run_demo_loops(out, seed=seed, epochs=epochs, say=status.update)
    head, lines = table_of(outcome.rounds, outcome.versions)
    title = metric_title(outcome.rounds.closed[0].metric) if outcome.rounds.closed else "Rounds"
    print_rows(f"{title} by retraining round", head, lines, out=screen)
    screen.print(verdict_on(outcome.rounds))
    reasons = [
        [subject_text(row), f"{value_text(row)} {interval_text(row)}".strip()] for row in reasons_of(outcome.result)
    ]
    print_rows("Why the two part", ["what", "value"], reasons, out=screen)
    screen.print(f"Report:    {outcome.path / 'report.html'}")
    screen.print(f"Log:       {outcome.log}")


def _audit(out: Path, seed: int, epochs: int) -> None:
    from evenhanded.demo.run import COMPARED, run_demo
    from evenhanded.demo.sections import verdict_on

    screen = console()
    with screen.status("starting") as status:
        outcome = run_demo(out, seed=seed, epochs=epochs, say=status.update)
    print_groups(outcome.result, out=screen)
    names = list(dict.fromkeys(str(dict(row.at)["model_version"]) for row in outcome.comparison))
    rows = [[name, *(_cell(outcome.comparison, name, metric) for metric in COMPARED)] for name in names]
    print_rows(
        "Model and simple alternatives", ["model", *(metric_title(metric) for metric in COMPARED)], rows, out=screen
    )
    screen.print(verdict_on(outcome.comparison))
    print_gate(outcome.gate, result=outcome.result, out=screen)
    screen.print(f"Report:    {outcome.path / 'report.html'}")


def _cell(rows: tuple[Measurement, ...], name: str, metric: str) -> str:
    row = next(row for row in rows if row.metric == metric and dict(row.at)["model_version"] == name)
    return f"{value_text(row)} {interval_text(row)}".strip()
