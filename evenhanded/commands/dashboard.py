"""``evenhanded dashboard``: saved runs in the browser, on this machine only."""

from pathlib import Path

import click

from audit.errors import InputError


@click.command("dashboard")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to listen on.")
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
def command(*, runs: Path, host: str, port: int, browser: bool) -> int:
    """Look at saved runs: what fails, for whom, how sure, what is unknown."""
    from dashboards.launch import launch

    if not runs.is_dir():
        raise InputError([f"{runs} does not exist; make a run with: evenhanded audit DATA ... --out {runs}"])
    return launch(runs, host=host, port=port, browser=browser)
