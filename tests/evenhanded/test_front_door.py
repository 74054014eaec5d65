"""The front door: names and laziness; what the README promises is run in test_docs."""

import subprocess
import sys

import pytest

import evenhanded as eh
from evenhanded.neighbours import HiddenPackageError, check

HEAVY = {"numpy", "pandas", "duckdb", "torch", "streamlit", "plotly", "matplotlib", "scipy", "sklearn", "audit"}


def loaded_after(code):
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_every_public_name_loads():
    for name in eh.__all__:
        assert getattr(eh, name) is not None
    assert set(dir(eh)) == set(eh.__all__)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'run_audits'.*run_audit"):
        eh.run_audits  # noqa: B018 - the access is what is tested


def test_the_front_door_and_help_load_nothing_heavy():
    assert not loaded_after("import evenhanded") & HEAVY
    code = "from evenhanded.__main__ import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert not loaded_after(code) & HEAVY


def test_commands_without_a_trainer_or_browser_load_neither():
    code = "import evenhanded.commands.audit, evenhanded.commands.gate"
    assert not loaded_after(code) & {"torch", "streamlit", "plotly", "matplotlib"}


def test_a_package_of_another_project_is_refused_by_name_of_both_files(tmp_path):
    with pytest.raises(HiddenPackageError, match="rename yours") as caught:
        check(tmp_path)
    assert str(tmp_path / "audit" / "__init__.py") in str(caught.value)
