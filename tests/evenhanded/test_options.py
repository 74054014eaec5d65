"""Options from a YAML file: by the names of the command line, as they are written, and one error for all faults."""

from pathlib import Path

import click
import pytest

from audit.errors import InputError
from audit.seeds import MAX_SEED
from evenhanded.cli import FIRST, MORE, group
from evenhanded.commands.audit import command as audit
from evenhanded.commands.gate import command as gate
from evenhanded.commands.train import command as train
from evenhanded.options import MAX_CONFIG_BYTES, from_config


def options(tmp_path, text, *arguments, command=audit):
    path = tmp_path / "audit.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    context = command.make_context(command.name, ["d.csv", *arguments, "-c", str(path)])
    return context.params


def violations(tmp_path, text):
    with pytest.raises(InputError) as caught:
        options(tmp_path, text)
    return caught.value.violations


START = "y-true: y\ny-pred: p\nsensitive: [race, age]\n"


def test_options_by_their_names_on_the_command_line(tmp_path):
    text = START + "bin: {age: [25, 45]}\nreference: {race: A}\njson: r.json\nhtml: r.html\njunit: r.xml\nlevel: 0.9\n"
    found = options(tmp_path, text)
    assert found["sensitive"] == ("race", "age")
    assert found["bins"] == (("age", "25,45"),)
    assert found["reference"] == (("race", "A"),)
    assert (found["json_file"], found["html_file"], found["junit_file"]) == (
        Path("r.json"),
        Path("r.html"),
        Path("r.xml"),
    )
    assert (found["y_true"], found["level"]) == ("y", 0.9)
    assert options(tmp_path, START.replace("y-true", "y_true"))["y_true"] == "y"


def test_the_command_line_wins(tmp_path):
    found = options(tmp_path, START + "level: 0.9\nreference: {race: A}\n", "--level", "0.8", "--reference", "race=B")
    assert (found["level"], found["reference"]) == (0.8, (("race", "B"),))


@pytest.mark.parametrize(
    "written", ["yes", "no", "NO", "on", "1.0", "01", "1e3", "0.50", "2026-01-01", "12:30", "True"]
)
def test_values_stay_as_they_are_written(written, tmp_path):
    found = options(tmp_path, START + f"positive: {written}\nreference: {{race: {written}}}\nmetrics: [{written}]\n")
    assert found["positive"] == written
    assert found["reference"] == (("race", written),)
    assert found["metrics"] == (written,)
    assert options(tmp_path, START + f"positive: '{written}'\n")["positive"] == written


@pytest.mark.parametrize(("written", "value"), [("true", True), ("false", False), ('"false"', False), ("~", False)])
def test_flags(written, value, tmp_path):
    assert options(tmp_path, START + f"all-pairs: {written}\n")["all_pairs"] is value


def test_names_and_pairs_in_their_other_spellings(tmp_path):
    found = options(tmp_path, 'y-true: y\nsensitive: race, sex\nreference: [race=A, "sex=F"]\nbin: age=25,45\n')
    assert found["sensitive"] == ("race", "sex")
    assert found["reference"] == (("race", "A"), ("sex", "F"))
    assert found["bins"] == (("age", "25,45"),)
    assert options(tmp_path, "y-true: y\nsensitive: ['a,b', c]\n")["sensitive"] == ("a,b", "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected options as `name: value`"),
        ("# only words\n\n", "is empty; expected options"),
        ("- a\n", "must hold options as `name: value`; got list"),
        ("just words", "must hold options as `name: value`; got str"),
        (START + "levle: 0.9\n", "unknown option 'levle'; did you mean 'level'?"),
        (START + "json_file: x\n", "unknown option 'json_file'"),
        (START + "zzz: 0.9\n", "unknown option 'zzz'; expected one of "),
        (START + "config: x\n", "unknown option 'config'"),
        (START + "y_true: z\n", "option 'y_true' is given twice, with - and with _"),
        (START + "level: 0.9\nlevel: 0.99\n", "level: this key stands on line 4 already"),
        (START + "level: [0.9]\n", "level: expected one value; got a list"),
        (START + "title: {a: b}\n", "title: expected one value; got a mapping"),
        (START + "metrics: {a: b}\n", "metrics: expected names, as in [sex, race]"),
        (START + "metrics: [[a]]\n", "metrics: expected names"),
        (START + "bin: {age: {a: b}}\n", "bin: expected values by feature"),
        (START + "bin: [[a]]\n", "bin: expected values by feature"),
        ("y-true: &a y\ny-pred: *a\n", "anchors and aliases"),
        ("y-true: !!python/name:os.system y\n", "the tag"),
        ("y-true: 2026-13-45\n", "y-true: month must be in 1..12"),
        ("a: " + "[" * 500 + "]" * 500, "nested more than 20 deep"),
        ("a: {b\n", "expected YAML"),
        ("a: \x07\n", "expected YAML"),
        ("a: 1\n---\nb: 2\n", "expected one document"),
        ("{[a]: b}", "expected a plain key"),
        (b"\xff\xfe", "is no UTF-8 text"),
        ("a: " + "x" * MAX_CONFIG_BYTES, "is larger than 1,000,000 bytes"),
    ],
)
def test_each_malformed_file_is_one_error(text, message, tmp_path):
    assert any(message in found for found in violations(tmp_path, text))


def test_all_violations_at_once(tmp_path):
    assert len(violations(tmp_path, START + "a: 1\nb: 2\nlevel: [1]\n")) == 3


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read: .*; name a YAML file with options"):
            audit.make_context("audit", ["d.csv", "-c", str(path)])


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert options(tmp_path, "\ufeff" + START)["y_true"] == "y"


@pytest.mark.parametrize("command", [audit, train, gate])
def test_every_option_may_stand_in_a_file(command, tmp_path):
    (tmp_path / "c.yaml").write_text("x: 1\n")
    with pytest.raises(InputError) as caught:
        from_config(click.Context(command), command.params[0], tmp_path / "c.yaml")
    for parameter in command.params:
        long = [name.removeprefix("--") for name in parameter.opts if name.startswith("--")]
        assert all(name in str(caught.value) for name in long if name != "config")


def test_every_seed_is_checked_where_it_is_read():
    context = click.Context(group)
    commands = [group.get_command(context, name) for name in (*FIRST, *MORE)]
    seeds = {each.name: option for each in commands for option in each.params if option.name == "seed"}
    assert {"lint", "sources", "thresholds", "slices", "baselines", "train", "demo"} <= seeds.keys()
    for name, option in seeds.items():
        assert option.type.convert(str(MAX_SEED), option, None) == MAX_SEED, name
        for wrong in ("-1", str(MAX_SEED + 1), "1.5"):
            with pytest.raises(click.BadParameter):
                option.type.convert(wrong, option, None)
