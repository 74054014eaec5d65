"""The front door: names and laziness; what the README promises is run in test_docs."""

import subprocess
import sys
import traceback

import pandas as pd
import pytest

import evenhanded as eh
from evenhanded.neighbours import HiddenPackageError, check

HEAVY = {"numpy", "pandas", "duckdb", "torch", "streamlit", "plotly", "matplotlib", "scipy", "sklearn", "audit"}
FRAME = pd.DataFrame({"y": [1, 0] * 20, "p": [1, 1] * 20, "sex": ["F", "M"] * 20})


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


def test_a_saved_run_is_named_by_a_text_too(tmp_path):
    result = eh.run_audit(eh.PredictionLog.from_frame(FRAME, y_true="y", y_pred="p"))
    saved = eh.save_run(result, str(tmp_path / "runs"))
    assert eh.load_run(str(saved)) == result
    assert [entry.path for entry in eh.list_runs(str(tmp_path / "runs"))] == [saved]


def test_a_keyword_that_is_no_role_names_the_one_that_was_meant():
    with pytest.raises(eh.InputError, match=r"unknown role 'sensitive'.*did you mean sensitive_features\?"):
        eh.PredictionLog.from_frame(FRAME, y_true="y", y_pred="p", sensitive=["sex"])
    with pytest.raises(eh.InputError, match="y_true must be the name of a column; got list"):
        eh.PredictionLog.from_frame(FRAME, y_true=["y"], y_pred="p")


def test_a_table_is_no_log():
    with pytest.raises(TypeError, match=r"got DataFrame: make one with PredictionLog\.from_frame"):
        eh.run_audit(FRAME)


def test_a_requirement_of_python_is_refused_in_plain_words():
    with pytest.raises(eh.InputError, match=r"compare: expected 'value', 'difference'.*; got 'diff'") as refused:
        eh.Requirement(id="a", metric="accuracy", compare="diff", min=0.5)
    assert "pydantic.dev" not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(eh.InputError, match="metrc: unknown key; did you mean 'metric'"):
        eh.Requirement(id="a", metrc="accuracy", min=0.5)
