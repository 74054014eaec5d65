"""Policies: what is read, and what is refused with file, line and key."""

from datetime import date
from pathlib import Path

import pytest

from audit.errors import InputError
from checklists.policy import NotAuditable, Policy, load_policy
from checklists.requirement import Requirement

GOOD = """\
schema: evenhanded/policy/1
profile: regulated
level: 0.9
min_n: 20
min_cell: 5
expect: {race: [African-American, NO, 01, 1, 2.50, true, null, 2026-01-02, "2.50"]}
requirements:
  - {id: fnr-gap, metric: false_negative_rate, compare: difference, groups: [race], max: 0.05, stages: [expand]}
  - id: accuracy
    metric: accuracy
    min: 0.6
    level: 0.99
    min_n: 50
  - {id: one, metric: selection_rate, slice: {race: 1}, compare: ratio, against: {race: NO}, min: 8e-1, max: 1.25}
not_auditable:
  - {slice: {race: Asian}, reason: "23 negatives", owner: "R. Sato", expires: 2027-03-01}
"""


def load(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def faults(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as error:
        load(tmp_path, text)
    return tuple(fault.removeprefix(f"{tmp_path}/") for fault in error.value.violations)


def requirement_faults(tmp_path: Path, fields: str) -> tuple[str, ...]:
    return faults(tmp_path, f"schema: evenhanded/policy/1\nrequirements:\n  - {{id: a, {fields}}}\n")


def test_everything_that_the_schema_names_is_read(tmp_path: Path) -> None:
    policy = load(tmp_path, GOOD)
    assert (policy.profile, policy.level, policy.min_n, policy.min_cell) == ("regulated", 0.9, 20, 5)
    gap, accuracy, one = policy.requirements
    assert (gap.compare, gap.groups, gap.max, gap.stages, gap.window) == (
        "difference", ("race",), 0.05, ("expand",), "latest",
    )  # fmt: skip
    assert (accuracy.level, accuracy.min_n, accuracy.min, accuracy.max) == (0.99, 50, 0.6, None)
    assert (one.slice, one.against, one.min, one.max) == ({"race": "1"}, {"race": "NO"}, 0.8, 1.25)
    entry = NotAuditable(slice={"race": "Asian"}, reason="23 negatives", owner="R. Sato", expires=date(2027, 3, 1))
    assert policy.not_auditable == (entry,)


def test_group_names_are_spelled_as_the_data_spells_them(tmp_path: Path) -> None:
    expected = ("African-American", "NO", "01", "1", "2.5", "true", None, "2026-01-02", "2.50")
    assert load(tmp_path, GOOD).expect == {"race": expected}


def test_the_line_of_each_requirement_is_kept(tmp_path: Path) -> None:
    policy = load(tmp_path, GOOD)
    assert [policy.line(needed.id) for needed in policy.requirements] == [8, 9, 14]
    assert policy.source is not None
    assert policy.source.path == str(tmp_path / "policy.yaml")


def test_the_digest_follows_the_content_and_not_the_spelling(tmp_path: Path) -> None:
    policy = load(tmp_path, GOOD)
    respelled = load(tmp_path, "# a comment\n" + GOOD.replace("min_n: 20\nmin_cell: 5", "min_cell: 5\nmin_n: 20"))
    assert respelled.digest() == policy.digest()
    assert load(tmp_path, GOOD.replace("max: 0.05", "max: 0.06")).digest() != policy.digest()


def test_all_faults_come_at_once_each_with_its_line_and_key(tmp_path: Path) -> None:
    text = """\
schema: evenhanded/policy/2
levl: 0.9
level: 0.05
min_n: 0
source: {path: x, lines: {}}
expect: {race: []}
requirements:
  - {id: a, metric: accuracy, mx: 1}
  - {id: a, metric: accuracy, max: .nan, groups: race}
  - {id: b c, metric: accuracy, compare: difference, max: 5, stages: [supervized]}
  - 3
not_auditable:
  - {slice: {}, reason: "", expires: soon}
"""
    keys = "schema, profile, level, min_n, min_cell, missing_labels, expect, requirements, not_auditable"
    assert faults(tmp_path, text) == (
        "policy.yaml:1: schema: expected 'evenhanded/policy/1'; got 'evenhanded/policy/2'",
        "policy.yaml:2: levl: unknown key; did you mean 'level'?",
        "policy.yaml:3: level: expected a confidence level above 0.5 and below 1, such as 0.95; got 0.05",
        "policy.yaml:4: min_n: expected 1 or more; got 0",
        f"policy.yaml:5: source: unknown key; expected one of {keys}",
        "policy.yaml:6: expect.race: expected at least one entry; got []",
        "policy.yaml:8: requirements[0].max: expected a limit: min, max or both; got neither",
        "policy.yaml:8: requirements[0].mx: unknown key; did you mean 'max'?",
        "policy.yaml:9: requirements[1].groups: expected a list, such as [race, sex]; got 'race'",
        "policy.yaml:9: requirements[1].id: 'a' is the id of line 8 already; ids are unique",
        "policy.yaml:9: requirements[1].max: expected a finite number; got nan",
        "policy.yaml:10: requirements[2].compare: a gap lies between groups; name features in groups, such as [race]",
        "policy.yaml:10: requirements[2].id: expected up to 100 letters, digits, _, . and -; got 'b c'",
        "policy.yaml:10: requirements[2].stages[0]: expected 'ready', 'shadow', 'supervised', 'expand' or 'general'; "
        "got 'supervized'",
        "policy.yaml:11: requirements[3]: expected keys and values; got 3",
        "policy.yaml:13: not_auditable[0].expires: expected a date, such as 2027-03-01; got 'soon'",
        "policy.yaml:13: not_auditable[0].owner: this key is missing",
        "policy.yaml:13: not_auditable[0].reason: expected text that is not empty; got ''",
        "policy.yaml:13: not_auditable[0].slice: expected at least one entry; got {}",
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("metric: accuracy, min: 0.7, max: 0.6", "max: expected min <= max; got min 0.7 and max 0.6"),
        ("metric: accuracy", "max: expected a limit: min, max or both; got neither"),
        ("metric: accuracy, max: .inf", "max: expected a finite number; got inf"),
        ('metric: accuracy, max: "0.1"', "max: expected a number; got '0.1'"),
        ("metric: accuracy, max: true", "max: expected a number; got True"),
        ("metric: accuracy, max: 60", "max: expected a limit that some values in [0, 1] meet and others miss"),
        ("metric: accuracy, max: 1", "max: expected a limit that some values in [0, 1] meet and others miss"),
        ("metric: accuracy, min: 0", "min: expected a limit that some values in [0, 1] meet and others miss"),
        ("metric: accuracy, max: -0.1", "max: expected a limit that some values in [0, 1] meet and others miss"),
        ("metric: accuracy, min: 0.5, groups: [r], slice: {r: x}", "slice: groups and slice exclude each other"),
        ("metric: accuracy, min: 0.5, groups: [r, r]", "groups: expected each feature once"),
        ("metric: accuracy, min: 0.5, against: {r: x}, groups: [r]", "against: against names a reference group"),
        ("metric: accuracy, compare: difference, slice: {r: x}, max: 0.1", "against: one slice is compared with"),
        (
            "metric: accuracy, compare: difference, slice: {r: x}, against: {r: x}, max: 0.1",
            "against: a slice cannot be compared with itself",
        ),
        (
            "metric: accuracy, compare: difference, groups: [r, s], against: {r: x}, max: 0.1",
            "against: expected a value for each of r, s",
        ),
        ("metric: accuracy, compare: difference, groups: [r], min: 0.1", "min: the largest gap has no smallest"),
        ("metric: accuracy_difference, compare: ratio, groups: [r], max: 0.1", "compare: accuracy_difference is a gap"),
        ("metric: equalized_odds_difference, max: 0.1", "compare: a gap lies between groups"),
        ("metric: Accuracy, max: 0.1", "metric: expected the name of a metric"),
        ("metric: accuracy, min: 0.5, at: {hour: 3}", "at: expected keys among arm, bin, class"),
        ("metric: accuracy, min: 0.5, min_n: 30.5", "min_n: expected a whole number; got 30.5"),
        ("metric: accuracy, min: 0.5, slice: {r: [x]}", "slice.r: a group or label must be text"),
        ("metric: accuracy, min: 0.5, expires: 2026-13-45", "expires: month must be in 1..12; got '2026-13-45'"),
    ],
)
def test_a_requirement_that_cannot_decide_is_refused(tmp_path: Path, fields: str, fault: str) -> None:
    found = requirement_faults(tmp_path, fields)
    assert [text for text in found if text.startswith(f"policy.yaml:3: requirements[0].{fault}")], found


def test_metrics_that_only_a_result_may_know_are_left_to_the_gate(tmp_path: Path) -> None:
    text = "schema: evenhanded/policy/1\nrequirements:\n  - {id: psi, metric: population_stability_index, max: 20}\n"
    assert load(tmp_path, text).requirements[0].metric == "population_stability_index"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "policy.yaml is empty; expected a policy"),
        ("# nothing\n", "policy.yaml is empty; expected a policy"),
        ("- 1\n", "policy.yaml:1: expected keys such as schema and requirements; got list"),
        ("a: 1\na: 2\n", "policy.yaml:2: a: this key stands on line 1 already; keep one"),
        ("a: &x [1]\nb: *x\n", "policy.yaml:1: anchors and aliases (& and *) are refused"),
        ("a: 1\nb: !!python/object:os.system [ls]\n", "policy.yaml:2: the tag 'tag:yaml.org,2002:python/object"),
        ("a: 1\n<<: {b: 2}\n", "policy.yaml:2: <<: unknown key"),
        ("a: 1\n---\nb: 2\n", "policy.yaml:2: expected one document"),
        ("a: [1\nb: 2\n", "policy.yaml:2: expected YAML"),
        ("? [1, 2]\n: 3\n", "policy.yaml:1: the document: expected a plain key"),
        ("a: " + "[" * 100_000, "policy.yaml:1: nested more than 20 deep"),
        ("a: \x1b[31m\n", "policy.yaml: expected YAML; "),
        ("x: " + "9" * 5_000, "policy.yaml:1: x: unknown key"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    found = faults(tmp_path, text)
    assert [line for line in found if line.startswith(fault)], found


def test_a_bomb_of_aliases_is_refused_before_it_grows(tmp_path: Path) -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "anchors and aliases" in faults(tmp_path, "\n".join(layers))[0]


def test_files_that_are_none_or_too_large_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory; expected a YAML file"):
        load_policy(tmp_path)
    with pytest.raises(InputError, match=r"missing\.yaml does not exist; expected a YAML file"):
        load_policy(tmp_path / "missing.yaml")
    assert "is larger than 1,048,576 bytes" in faults(tmp_path, "#" * (1024 * 1024 + 1))[0]
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(InputError, match=r"is no UTF-8 text \(byte 3\)"):
        load_policy(path)


def test_a_policy_made_in_python_obeys_the_same_rules() -> None:
    accurate = Requirement(id="accuracy", metric="accuracy", min=0.6)
    with pytest.raises(InputError, match="expected unique ids; repeated: accuracy"):
        Policy(schema="evenhanded/policy/1", requirements=(accurate, accurate))
    with pytest.raises(InputError, match="repeated in race"):
        Policy(schema="evenhanded/policy/1", requirements=(accurate,), expect={"race": ("a", "a")})
    with pytest.raises(InputError, match="requirements"):
        Policy(schema="evenhanded/policy/1", requirements=())
    with pytest.raises(AttributeError):
        accurate.min = 0.1  # type: ignore[misc]
