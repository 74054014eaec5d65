"""The front door: names, laziness, and the README's promises."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import evenhanded as eh
from evenhanded.neighbours import HiddenPackageError, check

README = Path(__file__).parents[2] / "README.md"
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


def policy_of_readme():
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    return next(block for block in blocks if "missed-gap" in block)


def python_of_readme(marker):
    return next(block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if marker in block)


def decisions(missed_women, missed_men, n=1000):
    """Return n women and n men with the condition and as many without; of those with it, so many are not flagged."""
    rows = []
    for sex, missed in (("F", missed_women), ("M", missed_men)):
        rows += [(1, int(i >= missed * n), sex) for i in range(n)] + [(0, int(i < n // 10), sex) for i in range(n)]
    return pd.DataFrame(rows, columns=["outcome", "flagged", "sex"])


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (decisions(0.40, 0.10), "FAIL"),
        (decisions(0.20, 0.20), "PASS"),
        (decisions(0.20, 0.20, n=40), "INSUFFICIENT"),
        (decisions(0.40, 0.10).query("sex == 'F'"), "INVALID"),
    ],
    ids=["biased", "fair", "too few rows", "a group is absent"],
)
def test_the_readme_gate_stops_a_biased_model_and_passes_a_fair_one(tmp_path, monkeypatch, frame, verdict):
    (tmp_path / "policy.yaml").write_text(policy_of_readme())
    monkeypatch.chdir(tmp_path)
    names = {"frame": frame}
    try:
        exec(python_of_readme("gate.require()"), names)  # noqa: S102 - our own README
    except eh.GateError as error:
        assert "missed-gap" in str(error)
    assert names["gate"].verdict == verdict
    assert (names["gate"].exit_code == 0) is (verdict == "PASS")


def test_the_readme_watching_example_rings(capsys):
    exec(python_of_readme("watch_actions"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out.startswith("2026-01-")


def test_the_readme_training_example_runs(tmp_path, monkeypatch):
    frame = pd.DataFrame({"visits": range(900), "site": ["a", "b", "c"] * 300, "sex": ["f", "m"] * 450})
    frame["ill"] = (frame["visits"] > 450) & (frame["site"] != "c")
    monkeypatch.chdir(tmp_path)
    names = {"frame": frame}
    exec(python_of_readme("eh.Learner"), names)  # noqa: S102 - our own README
    assert names["result"].find("accuracy").value > 0.7
    assert (tmp_path / "report.html").is_file()
