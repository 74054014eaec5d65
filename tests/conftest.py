"""What tests of several packages share: the folder of real data."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data: EVENHANDED_DATA where it is set, else shared/data beside the checkout."""
    named = os.environ.get("EVENHANDED_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set EVENHANDED_DATA to the folder that holds compas/, adult/, ...")
    return folder


@pytest.fixture(scope="session")
def compas_file(data_folder: Path) -> Path:
    """Return ProPublica's COMPAS table, one row per defendant."""
    path = data_folder / "compas" / "compas_two_years_min.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path
