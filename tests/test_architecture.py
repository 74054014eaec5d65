"""The house: which package may import which, where heavy libraries live, and that no imports go in circles."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "audit": set(),
    "monitors": {"audit"},
    "checklists": {"audit", "monitors"},
    "dashboards": {"audit", "monitors", "checklists"},
    "trainer": {"audit"},
    "evenhanded": {"audit", "monitors", "checklists", "dashboards", "trainer"},
}
"""Arrows point at what is imported. There are no exceptions: what seems to need one belongs elsewhere."""

HOMES = {
    "torch": {"trainer"},
    "safetensors": {"trainer"},
    "streamlit": {"dashboards"},
    "plotly": {"dashboards"},
    "weasyprint": {"dashboards"},
    "matplotlib": {"dashboards"},
    "evidently": {"monitors"},
    "deltalake": {"monitors"},
    "sklearn": {"audit", "evenhanded"},
    "statsmodels": {"audit", "evenhanded"},
    "fairlearn": {"audit", "evenhanded"},
}
"""The packages that may import a heavy library."""

BASE = (
    "torch",
    "streamlit",
    "plotly",
    "pandas",
    "polars",
    "scipy.stats",
    "sklearn",
    "statsmodels",
    "fairlearn",
    "matplotlib",
)
"""What importing the base must not bring along; in audit, these are imported by leaves that nothing else imports."""

SOURCES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))
EAGER = [path for path in SOURCES if "evenhanded" not in path.relative_to(ROOT).parts]  # the front door imports lazily


def module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def faults(of, paths=SOURCES):
    """Return what is wrong with each file, of the files with which something is."""
    return {path.relative_to(ROOT).as_posix(): found for path in paths if (found := of(path))}


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path):
    return tuple(ast.walk(tree(path)))


def named(node):
    """Return the modules that an import statement names; relative imports are refused elsewhere."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def guarded(path):
    """Return the import statements that only type checkers see."""
    blocks = [node for node in nodes(path) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {inner for block in blocks for part in block.body for inner in ast.walk(part)}


@cache
def imports(path, *, types=False):
    """Return every module that a file imports when it runs, anywhere in it."""
    hidden = set() if types else guarded(path)
    return frozenset(name for node in nodes(path) if node not in hidden for name in named(node))


def test_every_package_is_listed():
    with (ROOT / "pyproject.toml").open("rb") as stream:
        built = tomllib.load(stream)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    on_disk = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {
        path.name for path in ROOT.iterdir() if (path / "py.typed").exists()
    }
    assert set(built) == set(ALLOWED)
    assert on_disk == set(ALLOWED)


def test_the_arrows_have_no_circle():
    left, order = dict(ALLOWED), []
    while left:
        free = [package for package, needs in left.items() if not needs & set(left)]
        assert free, f"packages import each other in a circle: {sorted(left)}"
        order += free
        left = {package: needs for package, needs in left.items() if package not in free}
    assert order[0] == "audit"
    assert order[-1] == "evenhanded"


def wrong_arrows(path):
    package = module(path).split(".")[0]
    used = {name.split(".")[0] for name in imports(path, types=True)} & set(ALLOWED)
    return used - ALLOWED[package] - {package}


def test_arrows_point_the_right_way():
    assert faults(wrong_arrows) == {}


def strangers(path):
    package = module(path).split(".")[0]
    used = {name.split(".")[0] for name in imports(path)}
    return {library for library, homes in HOMES.items() if library in used and package not in homes}


def test_heavy_libraries_stay_at_home():
    assert faults(strangers) == {}


def inner_imports(path):
    functions = [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        ast.unparse(inner)
        for function in functions
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]


def test_imports_stand_at_the_top():
    assert faults(inner_imports, EAGER) == {}


def own_package(path):
    own = module(path).split(".")[0]
    packages = {module(init) for init in (ROOT / own).rglob("__init__.py")}
    found = [
        ast.unparse(node)
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module in packages and not leaves(node)))
    ]
    found += [ast.unparse(node) for node in nodes(path) if isinstance(node, ast.Import) and own in named(node)]
    return found


def test_no_module_imports_its_own_package():
    """A module names the leaf that it needs: `from audit.tally import Tally`, never `from audit import Tally`."""
    assert faults(own_package) == {}


def leaves(node):
    """Tell whether everything that is imported from a package is a module in it."""
    folder = ROOT.joinpath(*node.module.split("."))
    return all((folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir() for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED)
def test_the_document_has_a_room_for_every_module_and_none_for_what_is_gone(package):
    """A module stands there by its name, or by the folder that it lies in."""
    rooms = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Rooms\n")[2]
    named, current = set(), ""
    for cells in (line.split("|")[1:-1] for line in rooms.partition("\n## ")[0].splitlines() if line.startswith("|")):
        current = cells[0].strip() or current
        named |= set(re.findall(r"`([\w/]+)`", " ".join(cells[1:]))) if current == package else set()
    paths = [path.relative_to(ROOT / package) for path in SOURCES if path.is_relative_to(ROOT / package)]
    paths = [path.with_suffix("") for path in paths if path.stem not in {"__init__", "__main__"}]
    assert len(named) >= 3
    assert not [str(path) for path in paths if str(path) not in named and f"{path.parts[0]}/" not in named]
    assert not [name for name in named if not (ROOT / package / name).is_dir() and Path(name) not in paths]


def test_no_modules_import_each_other_in_a_circle():
    files = {module(path): path for path in SOURCES}
    left = {name: (imports(path) & set(files)) - {name} for name, path in files.items()}
    # A package's __init__ runs when any of its modules is imported, but modules do not depend on it.
    left = {name: {used for used in needs if not name.startswith(f"{used}.")} for name, needs in left.items()}
    while free := {name for name, needs in left.items() if not needs & set(left)}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left


@pytest.mark.parametrize("package", ["audit", "monitors", "checklists", "evenhanded"])
def test_importing_a_base_package_brings_no_heavy_library(package):
    if not (ROOT / package / "__init__.py").exists():
        pytest.skip(f"{package} has no __init__ yet")
    code = f"import sys, {package}; print(*(name for name in {BASE!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_the_test_can_fail(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import torch.nn\nfrom streamlit import write\ndef f():\n    import plotly\n")
    assert {"torch.nn", "streamlit", "streamlit.write", "plotly"} <= imports(path)
    assert inner_imports(path) == ["import plotly"]
    inside = ROOT / "audit" / "bad.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "tree", lambda _: ast.parse("import torch, trainer\nfrom audit import run_audit\n"))
        assert (wrong_arrows(inside), strangers(inside)) == ({"trainer"}, {"torch"})
        assert own_package(inside) == ["from audit import run_audit"]
