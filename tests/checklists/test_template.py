"""The first policy: it reads back to the names in the data, whatever they are, and says what the data can decide."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.values import canonical
from checklists.gate import judge
from checklists.planning import plan
from checklists.policy import Policy, load_policy
from checklists.template import policy_template, quoted

HOSTILE = [
    "a: b", "- x", "#", "'", '"', "\\", "{x}", "[1]", "null", "NO", "~", "1.0", "!!python/object:os.system", "&a", "*a",
    "\n- {id: evil}", "\r\nschema: 2", "\u202etxt", "\x85", "\u2028", "\x00", "\x1b[31m", "😀", " ", "\ufeff", "%x",
    "---", "k" * 1500,
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12)).filter(lambda name: canonical(name) == name)
PLENTY = (100, 100, 100, 100)


def written(folder: Path, result: Any, **options: Any) -> tuple[str, Policy]:
    text = policy_template(result, plan(result, **options))
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    return text, load_policy(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(NAMES, min_size=2, max_size=4, unique=True),
    features=st.lists(NAMES, min_size=1, max_size=2, unique=True),
)
def test_names_read_back_exactly(tmp_path: Path, result_of: Any, groups: list[str], features: list[str]) -> None:
    counts = {(group,) * len(features): PLENTY for group in groups}
    counts |= {("tiny " + groups[0],) * len(features): (1, 1, 1, 1)}
    result = result_of(counts, features=features)
    text, policy = written(tmp_path, result)
    assert policy.expect == {feature: tuple(sorted(groups)) for feature in features}
    gaps = [needed for needed in policy.requirements if needed.compare == "difference"]
    assert [needed.groups for needed in gaps] == [(feature,) for feature in features for _ in range(3)]
    assert policy.not_auditable == ()
    assert "\r" not in text
    assert not [char for line in text.split("\n") for char in line if not char.isprintable()]
    assert {one.verdict for one in judge(result, policy).judgements} <= {"PASS", "INSUFFICIENT"}


@given(text=st.text())
def test_a_quoted_name_stays_on_one_line_and_within_its_quotes(text: str) -> None:
    line = quoted(text)
    assert line.isprintable()
    assert line[0] == line[-1] == '"'
    inside = line[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside


def test_limits_are_what_the_expected_groups_can_decide(tmp_path: Path, result_of: Any) -> None:
    result = result_of({"a": (400, 50, 100, 450), "b": (200, 20, 50, 180), "c": (9, 30, 1, 30)})
    text, policy = written(tmp_path, result)
    assert policy.expect == {"race": ("a", "b")}
    limits = {needed.id: needed.max for needed in policy.requirements}
    decidable = plan(result).find("race", "false_negative_rate").decidable_gap
    assert decidable is not None
    assert 0 <= limits["race-false-negative-rate-gap"] - decidable < 0.01
    assert [needed.compare for needed in policy.requirements].count("baseline") == 3
    assert (
        '#  - {slice: {"race": "c"}, reason: "fewer than 30: 70 with rows, 60 with negative labels, 10 with positive '
        'labels", owner: ..., expires: YYYY-MM-DD}'
    ) in text
    uncommented = text.replace("not_auditable: []", "not_auditable:").replace("#  - {slice", "  - {slice")
    path = tmp_path / "signed.yaml"
    path.write_text(uncommented.replace("owner: ...", "owner: R. Sato").replace("YYYY-MM-DD", "2027-03-01"))
    assert load_policy(path).not_auditable[0].slice == {"race": "c"}


def test_where_no_gap_can_be_decided_the_policy_still_asks_for_no_worse(tmp_path: Path, result_of: Any) -> None:
    text, policy = written(tmp_path, result_of({"a": (9, 5, 3, 4), "b": (2, 2, 2, 2)}))
    assert policy.expect == {}
    assert {needed.compare for needed in policy.requirements} == {"baseline"}
    assert "false_negative_rate by race: too few rows to decide any gap" in text


def test_features_that_look_alike_get_ids_of_their_own(tmp_path: Path, result_of: Any) -> None:
    result = result_of({("x", "x", "x"): PLENTY, ("y", "y", "y"): PLENTY}, features=("a b", "a-b", "???"))
    _, policy = written(tmp_path, result)
    ids = [needed.id for needed in policy.requirements if needed.metric == "selection_rate"]
    assert ids == [
        "a-b-selection-rate-gap",
        "a-b-2-selection-rate-gap",
        "feature-selection-rate-gap",
        "no-worse-selection-rate",
    ]


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_level_and_the_smallest_n_are_those_of_the_plan(tmp_path: Path, result_of: Any, level: float) -> None:
    _, policy = written(tmp_path, result_of({"a": PLENTY, "b": PLENTY}), level=level, min_n=50)
    assert (policy.level, policy.min_n) == (level, 50)
