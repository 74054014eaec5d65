"""What commands leave behind: a result as JSON, verdicts as JUnit, a page, a saved run; checked before anything is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from audit.errors import raise_violations
from audit.result import Result
from audit.store import save_run, write_text
from checklists.formats.junit import junit
from checklists.gate_result import GateResult
from evenhanded.options import together
from evenhanded.printing import console

_PATH = click.Path(path_type=Path)
FILES = ("json_file", "junit_file", "html_file", "labels_file")
"""Options that name a file to write; a command has some of them, and ``out``, the folder of runs."""


json_option = click.option("--json", "json_file", type=_PATH, help="Write the result as JSON.")
html_option = click.option("--html", "html_file", type=_PATH, help="Write the report as one HTML page.")
out_option = click.option("--out", type=_PATH, metavar="FOLDER", help="Save the run in this folder of runs.")
output_options = together(json_option, html_option, click.option("--title", help="Title of the report."), out_option)
"""What a command that measures can leave behind."""

judging_options = together(
    click.option("--policy", type=_PATH, help="Policy to judge the result by; the exit code says how."),
    click.option("--stage", help="Judge only the requirements of this stage."),
    click.option("--junit", "junit_file", type=_PATH, help="Write the verdicts as JUnit XML."),
)
"""What a command that also judges takes."""


def check_outputs(options: Mapping[str, Any]) -> None:
    """Refuse targets that cannot be written before anything is: a command that ends with 2 leaves nothing behind.

    Raises
    ------
    InputError
        If a file is a folder, its folder is missing or may not be written to, the folder of runs is a file, or verdicts
        are to be written and no policy is named.

    Examples
    --------
    >>> check_outputs({"json_file": Path("/no/such/folder/result.json")})
    Traceback (most recent call last):
    audit.errors.InputError: folder /no/such/folder does not exist; make it, or name another
    """
    files = _named(options)
    out = None if options.get("out") is None else Path(options["out"]).absolute()
    violations = [f"{path} is a folder; name a file" for path in files if path.is_dir()]
    for path in [*(path.absolute().parent for path in files), *([out] if out else [])]:
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            violations.append(f"{path} cannot be written: {nearest} is no folder that may be written to; name another")
        elif path not in {nearest, out}:
            violations.append(f"folder {path} does not exist; make it, or name another")
    if options.get("junit_file") and not options.get("policy", True):
        violations.append("--junit writes verdicts; name a --policy")
    raise_violations(list(dict.fromkeys(violations)))


def write_outputs(
    result: Result,
    options: Mapping[str, Any],
    *,
    title: str,
    gate: GateResult | None = None,
    documents: Mapping[str, str] | None = None,
) -> Path | None:
    """Write what the options ask for; return the folder of the saved run, None where none was asked for.

    Parameters
    ----------
    result, gate
        What was measured and judged.
    options
        Options of the command: `FILES`, ``out``, ``title``.
    title
        Title of the page where the options give none.
    documents
        Texts that are saved with the run, by the name of the file.
    """
    page = report_of(result, gate, options.get("title") or title) if _wants_page(options) else ""
    saved = None
    if options.get("out") is not None:
        verdicts = {} if gate is None else {"gate.json": gate.to_json()}
        saved = save_run(result, options["out"], documents={"report.html": page, **verdicts, **(documents or {})})
    if options.get("json_file"):
        write_text(options["json_file"], result.to_json())
    if options.get("junit_file") and gate is not None:
        write_text(options["junit_file"], junit(gate))
    if options.get("html_file"):
        write_text(options["html_file"], page)
    return saved


def say_where(saved: Path | None, options: Mapping[str, Any]) -> None:
    """Say what was written and where the run is kept."""
    screen = console()
    for path in _named(options):
        screen.print(f"written: {path}")
    kept = f"saved: {saved}" if saved else "not saved as a run: --out runs keeps it for report and dashboard"
    screen.print(kept)


def report_of(result: Result, gate: GateResult | None, title: str) -> str:
    """Return the HTML report of a result."""
    from dashboards.report.render import render_report

    return render_report(result, gate=gate, title=title)


def _wants_page(options: Mapping[str, Any]) -> bool:
    return bool(options.get("html_file")) or options.get("out") is not None


def _named(options: Mapping[str, Any]) -> list[Path]:
    return [Path(options[name]) for name in FILES if options.get(name)]
