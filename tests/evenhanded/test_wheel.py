"""The wheel as a stranger installs it: base dependencies only, from a CSV to a verdict and a page."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"audit", "monitors", "checklists", "dashboards", "trainer", "evenhanded"}

pytestmark = pytest.mark.wheel


def call(*command, cwd, code=0):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    call(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        ROOT,
        cwd=folder,
    )
    (built,) = folder.glob("evenhanded-*.whl")
    return built


def test_the_wheel_holds_the_six_packages_their_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.startswith("dashboards/report/templates/") for name in names)
    assert "evenhanded/demo/policy.yaml" in names


def test_a_base_install_audits_gates_and_reports(wheel, tmp_path):
    venv.create(tmp_path / "env")
    bin_ = tmp_path / "env" / "bin"
    call(
        sys.executable,
        "-m",
        "pip",
        "--python",
        bin_ / "python",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-compile",  # what is imported below compiles itself, and that is little
        "--constraint",
        ROOT / "constraints.txt",
        wheel,
        cwd=tmp_path,
    )
    heavy = ("torch", "streamlit", "plotly", "evidently")
    absent = f"from importlib.util import find_spec; print([name for name in {heavy} if find_spec(name)])"
    assert call(bin_ / "python", "-c", absent, cwd=tmp_path).stdout.strip() == "[]"

    rows = "".join(
        f"{i % 2},{int(i % 2 == 1 and i % 10 != 1)},{'FM'[i % 4 > 1]},{'ab'[i % 3 > 1]}\n" for i in range(2000)
    )
    (tmp_path / "data.csv").write_text("y,p,sex,site\n" + rows)
    (tmp_path / "policy.yaml").write_text(
        "schema: evenhanded/policy/1\nrequirements:\n"
        "  - {id: gap, metric: false_negative_rate, compare: difference, groups: [sex], max: 0.2}\n"
    )
    audit = ["audit", "data.csv", "--y-true", "y", "--y-pred", "p", "--sensitive", "sex,site"]
    call(bin_ / "evenhanded", *audit, "--html", "page.html", "--out", "runs", cwd=tmp_path)
    assert "<!DOCTYPE html>" in (tmp_path / "page.html").read_text()
    call(bin_ / "evenhanded", "gate", "latest", "--policy", "policy.yaml", cwd=tmp_path)
    refused = call(bin_ / "evenhanded", "train", "data.csv", "--target", "y", cwd=tmp_path, code=2)
    assert "evenhanded[train]" in refused.stderr
    refused = call(bin_ / "evenhanded", "dashboard", cwd=tmp_path, code=2)
    assert "evenhanded[dashboard]" in refused.stderr
