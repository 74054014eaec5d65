"""``evenhanded doctor``: what is installed, what does not go together, what to do about it."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click

from evenhanded.printing import console, print_rows

BASE = ("numpy", "pandas", "pyarrow", "duckdb", "narwhals", "scipy", "scikit-learn", "pydantic", "matplotlib")
EXTRAS = {
    "train": ("torch", "safetensors"),
    "dashboard": ("streamlit", "plotly"),
}


@click.command("doctor")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
def command(runs: Path) -> int:
    """Say what is installed and name bad combinations with their mend; exit 2 where something is to be mended."""
    screen = console()
    rows = [["python", sys.version.split()[0], ""], *([name, _version(name), ""] for name in BASE)]
    for extra, names in EXTRAS.items():
        missing = [name for name in names if _version(name) == "-"]
        mend = f"pip install 'evenhanded[{extra}]'; from a checkout: pip install -e '.[{extra}]'" if missing else ""
        rows += [[name, _version(name), mend if name in missing else ""] for name in names]
    print_rows("Installed", ["package", "version", "to have it"], rows, out=screen)
    screen.print(f"compute: {_compute()}")
    screen.print(f"runs: {runs.resolve()} ({_writable(runs)})")
    screen.print("telemetry: none of ours; Streamlit's is switched off by our dashboard command")
    troubles = list(_troubles())
    for trouble in troubles:
        screen.print(f"to mend: {trouble}")
    if not troubles:
        screen.print("nothing to mend")
    return 2 if troubles else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _compute() -> str:
    if find_spec("torch") is None or find_spec("safetensors") is None:
        return "the trainer's extra is not installed: models cannot be trained here; audits need none of it"
    from trainer.device import environment, resolve_device

    device = resolve_device("auto")
    shown = ", ".join(f"{name} {value}" for name, value in environment(device).items())
    if device.type == "cuda" and _version("nvidia-ml-py") == "-":
        shown += "; energy is not measured: pip install nvidia-ml-py"
    return f"{shown}; GPU path not yet run on hardware"


def _writable(folder: Path) -> str:
    nearest = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    return "writable" if os.access(nearest, os.W_OK) else "NOT writable"


def _troubles() -> Iterator[str]:
    pandas, evidently, plotly = (_numbers(name) for name in ("pandas", "evidently", "plotly"))
    if evidently and pandas >= (3, 1):
        yield "evidently 0.7 does not import with pandas 3.1: pip install 'pandas<3.1'"
    if evidently and plotly >= (6,):
        yield "evidently 0.7 needs plotly 5: pip install 'plotly<6'"
    if _numbers("torch") and _numbers("torchvision"):
        yield "torchvision is not used, and a build for another torch breaks it: pip uninstall torchvision"


def _numbers(name: str) -> tuple[int, ...]:
    found = _version(name).split("+")[0].split(".")
    return tuple(int(part) for part in found[:2] if part.isdigit())
