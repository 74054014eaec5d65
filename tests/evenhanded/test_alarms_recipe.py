"""The recipe of monitoring names only commands and options that there are."""

import re
from pathlib import Path

import click
import pytest

from evenhanded.cli import Commands

RECIPE = (Path(__file__).parents[2] / "docs" / "recipes" / "monitoring.md").read_text(encoding="utf-8")
LINES = sorted(set(re.findall(r"evenhanded ((?:monitor|alarms) [^`|\n]+)", RECIPE)))


def command_of(words):
    context = click.Context(Commands("evenhanded"))
    found = Commands("evenhanded").get_command(context, words[0])
    if isinstance(found, click.Group):
        return found.get_command(context, words[1])
    return found


def test_the_recipe_has_lines():
    assert len(LINES) >= 7


@pytest.mark.parametrize("line", LINES)
def test_each_line_names_a_command_and_options_that_there_are(line):
    words = line.split()
    command = command_of(words)
    assert command is not None, line
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
