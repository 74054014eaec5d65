"""What docs/feedback-loops.md says is run; its table is the catalog's (`python tests/test_loop_docs.py` writes it)."""

import re
import shlex
from pathlib import Path

import click
import pytest

from audit.inference.looks import level_of_look
from audit.reading import ROLES
from checklists.policy import load_policy
from evenhanded.cli import group
from monitors.feedback.catalog import BY_NAME, CATALOG, FIRST
from monitors.feedback.loop_plan import GainPlan
from monitors.simulators.mitigations import urn_mitigations

PATH = Path(__file__).parents[1] / "docs" / "feedback-loops.md"
TEXT = PATH.read_text(encoding="utf-8")
RECIPE = (PATH.parent / "recipes" / "loops.md").read_text(encoding="utf-8")
LINES = re.findall(r"^evenhanded (.*)$", (TEXT + RECIPE).replace("\\\n", " "), re.MULTILINE)
BEGIN, END = "<!-- metrics -->\n", "<!-- end of metrics -->"
SAYS = "# -> "
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def rings(metric):
    if metric.limit is None:
        return "-"
    return f"{metric.side} {metric.limit:g}" + ("" if metric.of_a_log else "; Python only")


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table():
    head = "| metric | what it means | needs | rings | not to be used |\n|---|---|---|---|---|\n"
    rows = (
        (f"`{each.name}`", each.meaning, ", ".join(f"`{role}`" for role in each.needs), rings(each), each.not_when)
        for each in CATALOG
    )
    return head + "".join(f"| {' | '.join(map(cell, row))} |\n" for row in rows)


def rows_under(title):
    part = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]


def test_the_table_of_metrics_is_the_catalogs():
    assert TEXT.partition(BEGIN)[2].partition(END)[0] == table(), "python tests/test_loop_docs.py writes it anew"


def test_the_first_six_and_the_roles_are_all_named():
    named = [row[0].strip("`") for row in rows_under("The first six numbers")[2:]]
    assert named == list(FIRST)
    roles = {name for row in rows_under("The log of decisions")[2:] for name in re.findall(r"`(\w+)`", row[0])}
    read = {role for metric in CATALOG for role in (*metric.needs, *metric.helps)}
    assert roles <= set(ROLES)
    assert read - roles <= {"y_true", "cluster", "label_timestamp"}, "these stand in the text"
    assert set(re.findall(r"metric: (\w+)", TEXT)) <= set(BY_NAME)


@pytest.mark.parametrize("code", BLOCKS)
def test_a_block_prints_what_it_says(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = (line.partition(SAYS) for line in code.splitlines())
    said = [part for _, sign, text in lines if sign for part in text.split(" | ")]
    exec(code, {"__name__": "document"})  # noqa: S102 - our own document
    assert said
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("line", LINES)
def test_a_command_and_its_options_exist_and_roles_are_roles(line):
    words = shlex.split(line)
    command = group.get_command(click.Context(group), words[0])
    if isinstance(command, click.Group):
        command = command.commands[words[1]]
    known = {name for option in command.params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known
    named = [words[at + 1].partition("=")[0] for at, word in enumerate(words) if word == "--role"]
    assert set(named) <= set(ROLES)


def test_the_policy_of_the_recipe_asks_for_metrics_that_there_are(tmp_path):
    block = re.search(r"^```yaml\n(.*?)^```", RECIPE, re.DOTALL | re.MULTILINE)
    (tmp_path / "policy.yaml").write_text(block[1], encoding="utf-8")
    asked = load_policy(tmp_path / "policy.yaml").requirements
    assert {each.metric for each in asked} <= set(BY_NAME)


def test_the_level_of_a_look_is_what_the_recipe_says():
    assert [round(1 - level_of_look(look), 4) for look in (1, 2)] == [0.025, 0.0083]


def test_weeks_until_the_gain_is_precise():
    rows = rows_under("The loop gain, and why it needs a dither")[2:]
    assert len(rows) == 4
    for places, count, *weeks in rows:
        plan = GainPlan(places=int(places), weekly_count=float(count))
        found = [plan.weeks_for(0.15, dither=dither) for dither in (0.1, 0.3, 0.5)]
        assert [int(each.split()[0]) for each in weeks] == found


@pytest.mark.slow
def test_what_mitigations_do_in_the_urn():
    rows = [row for row in rows_under("Simulators to learn with") if len(row) == 3 and row[1][:1] == "."]
    names = (
        "none", "exploration", "exploration_and_propensity", "propensity_weighting", "rejection_correction",
        "half_reported", "reported_only",
    )  # fmt: skip
    found = {(each.mitigation, each.figure): each for each in urn_mitigations()}
    assert len(rows) == len(names)
    for (_, share, runaway), name in zip(rows, names, strict=True):
        assert float(share) == pytest.approx(found[name, "share_of_first_place"].value, abs=0.0006)
        assert float(runaway) == pytest.approx(found[name, "runaway"].value, abs=0.0006)


if __name__ == "__main__":
    before, _, rest = TEXT.partition(BEGIN)
    PATH.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}", encoding="utf-8")
