"""The recipe of the log is run as it stands."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("deltalake")

RECIPE = (Path(__file__).parents[2] / "docs" / "recipes" / "log.md").read_text(encoding="utf-8")


def day(number):
    return pd.DataFrame(
        {
            "case": [f"c{row}" for row in range(10 * number, 10 * number + 10)],
            "at": f"2026-01-{number + 5:02d}T09:00:00+01:00",
            "flagged": [0, 1] * 5,
            "score": [0.2, 0.9] * 5,
            "sex": list("FFFMM") * 2,
            "age": range(30, 40),
            "person": ["ada", "bob", "eve", "kim", "lee"] * 2,
            "note": "no reason",
        }
    )


def test_the_recipe_does_what_it_says(call, tmp_path, monkeypatch, capsys):
    day(0).to_csv(tmp_path / "monday.csv", index=False)
    day(1).to_csv(tmp_path / "tuesday.csv", index=False)
    outcomes = pd.DataFrame({"case": [f"c{row}" for row in range(16)], "outcome": [0, 1] * 8})
    outcomes.assign(known="2026-02-01T00:00Z").to_csv(tmp_path / "outcomes.csv", index=False)
    pd.DataFrame({"case": ["c4"], "age": [71]}).to_csv(tmp_path / "corrected.csv", index=False)
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", RECIPE, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    commands = [shlex.split(line)[1:] for line in shell.splitlines() if line]
    assert len(commands) == 8
    for words in commands:
        call(*words, cwd=tmp_path, code=0)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", RECIPE, re.DOTALL | re.MULTILINE)
    for block in blocks:
        exec(compile(block, "log.md", "exec"), {})  # noqa: S102 - our own document
    promised = [line.partition("# -> ")[2] for block in blocks for line in block.splitlines() if "# -> " in line]
    assert capsys.readouterr().out.splitlines() == promised
    assert len(promised) == 4
