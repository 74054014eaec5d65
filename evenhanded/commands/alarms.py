"""``evenhanded alarms``: which alarms are raised, and what was done about them."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from audit.errors import InputError
from audit.measurement import Measurement, utc_text
from dashboards.alarm_words import alarm_words, sureness
from dashboards.labels import safe_label
from dashboards.tables import interval_text, value_text
from evenhanded.printing import console, print_rows
from monitors.alarms.states import AlarmState, acknowledge, check_runs, clear, load_alarms, snooze
from monitors.windows import parse_windows

_HELP = """Alarms of monitors: raised, acknowledged, snoozed, cleared; all of it is kept in runs/alarms.jsonl.

\b
  evenhanded alarms list
  evenhanded alarms ack 3766 --by "Your Name" --note "looking into it"
  evenhanded alarms snooze 3766 --until 7d --by "Your Name"
  evenhanded alarms clear 3766 --by "Your Name" --evidence "data feed mended in 1.4"
"""

_runs_option = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="The folder of runs."
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_by_option = click.option("--by", required=True, metavar="NAME", help="Who says so; kept as given.")
_note_option = click.option("--note", metavar="TEXT", help="What to remember; name no people affected.")


@click.group("alarms", help=_HELP, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> int:
    """List the alarms where nothing else is asked."""
    if context.invoked_subcommand is None:
        return _list(Path("runs"), show_all=False, as_json=False, as_code=False)
    return 0


@command.command("list")
@_runs_option
@click.option("--all", "show_all", is_flag=True, help="Cleared ones, too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--exit-code", "as_code", is_flag=True, help="Leave with 1 where an alarm is raised, for cron and CI.")
def list_(runs: Path, *, show_all: bool, as_json: bool, as_code: bool) -> int:
    """Show the alarms that are not cleared."""
    return _list(runs, show_all=show_all, as_json=as_json, as_code=as_code)


@command.command("ack")
@click.argument("alarm")
@_runs_option
@_by_option
@_note_option
def ack(alarm: str, runs: Path, by: str, note: str | None) -> int:
    """Say that somebody has seen ALARM and takes care of it."""
    return _said(acknowledge(runs, alarm, by=by, note=note).alarm, f"acknowledged by {by}")


@command.command("snooze")
@click.argument("alarm")
@_runs_option
@_by_option
@_note_option
@click.option("--until", required=True, metavar="TIME", help="7d, 12h, a day (00:00 UTC), or 2026-12-01T08:00Z.")
def snooze_(alarm: str, runs: Path, by: str, note: str | None, until: str) -> int:
    """Show ALARM as snoozed until a time; then it is raised again."""
    time = _time(until)
    return _said(snooze(runs, alarm, by=by, until=time, note=note).alarm, f"snoozed until {utc_text(time)} by {by}")


@command.command("clear")
@click.argument("alarm")
@_runs_option
@_by_option
@click.option("--evidence", required=True, metavar="TEXT", help="What shows that the cause is gone.")
def clear_(alarm: str, runs: Path, by: str, evidence: str) -> int:
    """Say that the cause of ALARM is gone; it is raised again if a later window still shows it."""
    return _said(clear(runs, alarm, by=by, evidence=evidence).alarm, f"cleared by {by}")


def _list(runs: Path, *, show_all: bool, as_json: bool, as_code: bool) -> int:
    check_runs(runs)
    states = load_alarms(runs)
    shown = [state for state in states if show_all or state.status != "cleared"]
    code = 1 if as_code and any(state.status == "raised" for state in states) else 0
    if as_json:
        click.echo(json.dumps([_record(state) for state in shown], indent=1))
        return code
    if not shown:
        cleared = len(states) - len(shown)
        console().print("no alarms" + (f"; {cleared} cleared (--all shows them)" if cleared else ""))
        return code
    head = ("alarm", "status", "since", "latest", "what", "size", "how sure")
    named = any(state.log is not None for state in shown)
    logs = [safe_label(state.log or "", target="terminal", limit=60) for state in shown]
    rows = [[*_cells(state), *([log] if named else [])] for state, log in zip(shown, logs, strict=True)]
    print_rows("alarms", (*head, "log") if named else head, rows)
    return code


def _record(state: AlarmState) -> dict[str, Any]:
    fields = {name: getattr(state, name) for name in AlarmState.__slots__}
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in fields.items()}


def _cells(state: AlarmState) -> list[str]:
    status = state.status if state.by is None or state.status == "raised" else f"{state.status} by {state.by}"
    status += "" if state.sent in {None, True} else " (not sent)"
    since, latest = state.since.date().isoformat(), state.latest.date().isoformat()
    sure = sureness(state.key, state.e_value)
    cells = [state.alarm, status, since, latest, alarm_words(state.key), _size(state), sure]
    return [safe_label(cell, target="terminal", limit=80) for cell in cells]


def _size(state: AlarmState) -> str:
    """Return the number of the window `latest` with its interval, after that of the reference where it is known."""
    if state.shown is None or state.value is None:
        return ""
    level = None if state.low is None and state.high is None else 0.95
    now = Measurement(
        metric=state.shown,
        value=state.value,
        low=state.low,
        high=state.high,
        n=1,
        level=level,
        method="stored",
        reason="unbounded on one side",
    )
    text = f"{value_text(now)} {interval_text(now)}".strip()
    if state.before is None:
        return text
    before = Measurement(metric=state.shown, value=state.before, n=1, method="stored")
    return f"from {value_text(before)} to {text}"


def _time(text: str) -> datetime:
    """Read a day (00:00 UTC), a time with a zone, or how long from now."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) + _length(text)
    if time.tzinfo is None and _DAY.fullmatch(text):
        return time.replace(tzinfo=UTC)
    if time.tzinfo is None:
        raise InputError([f"--until {text!r} has no time zone; add one, as in 2026-12-01T08:00Z"])
    return time.astimezone(UTC)


def _length(text: str) -> timedelta:
    try:
        rule = parse_windows(text)
    except InputError:
        rule = None
    if rule is None or rule.kind != "time":
        raise InputError(
            [f"--until {text!r}: expected 7d, 12h, a day (00:00 UTC), or a time with a zone, as in 2026-12-01T08:00Z"]
        )
    return timedelta(microseconds=rule.amount)


def _said(alarm: str, what: str) -> int:
    console().print(safe_label(f"{alarm}: {what}", target="terminal", limit=300))
    return 0
