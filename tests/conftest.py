"""What tests of several packages share: threads, Spark, the folder of real data, how many examples Hypothesis draws."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHECKOUT = Path(__file__).resolve().parent.parent
THOROUGH = "thorough"
TIMES, MOST = 10, 2000
"""How many times its own examples a test draws under the profile, and the most it draws."""

FILES_BETWEEN = 15
_files: set[Path] = set()

settings.register_profile(THOROUGH, derandomize=False, deadline=None, print_blob=True, max_examples=1000)


# One thread per process, here and in every process that a test starts: the matrices of tests are small, and where as
# many processes as cores compute, threads that wait for each other made a fit of 2 ms take 100. The libraries read
# this when they are first imported, and conftest is read before that.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


class SparkTogether(LoadFileScheduling):
    """One process for each file, and one for all tests of Spark: its session takes a core 15 seconds to start."""

    def _split_scope(self, nodeid: str) -> str:
        return "spark" if "_spark_" in nodeid else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Let ``--dist loadfile`` keep the tests of Spark together."""
    return SparkTogether(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the collector pass over what importing made: some libraries collect at every call (Streamlit, statsmodels).

    With all packages imported one collection takes a third of a second; of what tests make themselves, milliseconds.
    """
    if session.items:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Do so again after every few files, for what they imported."""
    if nextitem is None or nextitem.path == item.path:
        return
    _files.add(item.path)
    if len(_files) % FILES_BETWEEN == 0:
        gc.collect()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Hand everything back to the collector, so that libraries can take leave in order."""
    gc.unfreeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Widen every Hypothesis test under ``--hypothesis-profile=thorough``: those that set their own number, too.

    A profile alone reaches no test whose decorator names a number or asks for the same examples every time. There is
    no public way to change the settings of a decorated test; tests/test_thorough.py fails where this way is gone.
    """
    if config.getoption("--hypothesis-profile", None) != THOROUGH:
        return
    functions = {item.obj for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}
    for function in functions:
        own = function._hypothesis_internal_use_settings
        named = own.max_examples if own.max_examples != settings().max_examples else 100
        wider = settings(own, max_examples=min(TIMES * named, MOST), derandomize=False, print_blob=True)
        function._hypothesis_internal_use_settings = wider


@pytest.fixture(scope="session")
def new_session() -> Iterator[Callable[[], "SparkSession"]]:
    """Return what gives this process's one session of Spark, and starts it again where a test has stopped it."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer, which is not installed")
    from pyspark.sql import SparkSession

    given = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }

    def start() -> SparkSession:
        session = SparkSession.builder.master("local[2]").config(map=given).getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        return session

    yield start
    start().stop()


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
