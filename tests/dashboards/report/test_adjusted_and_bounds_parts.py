"""The parts on missing labels and on features held fixed say nothing of groups whose numbers are hidden."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from audit.measurement import Measurement
from audit.result import Result
from dashboards.report import adjusted_part, bounds_part
from evenhanded.commands.audit import command

HIDDEN = re.compile("Beta|Gamma")
PARTS = re.compile("support|held fixed|Lowest possible|Highest possible|true label|largest gap between groups")


def people(seed=0):
    random = np.random.default_rng(seed)
    race = np.repeat(["Alpha", "Delta", "Beta", "Gamma"], [500, 300, 40, 3])
    label = random.integers(0, 2, len(race)).astype(str)
    predicted = np.where(random.random(len(race)) < 0.8, label, "0")
    missing = random.random(len(race)) < np.where(race == "Beta", 0.4, 0.1)
    return pd.DataFrame(
        {"race": race, "dept": random.choice(list("XYZ"), len(race)), "y": np.where(missing, None, label),
         "p": predicted}
    )  # fmt: skip


def texts(page):
    """Return the words of every sentence, picture and row of a page."""
    body = page[page.index("<body") :]
    parts = re.findall(r"<(p|li|tr|text|title|td|dd|figcaption)\b[^>]*>(.*?)</\1>", body, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", " ", inside)) for _, inside in parts]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hidden")
    frame = people()
    frame.loc[::9, "race"] = None
    frame.to_csv(folder / "d.csv", index=False)
    asked = f"{folder / 'd.csv'} --y-true y --y-pred p --positive 1 --sensitive race --reference race=Alpha"
    asked += f" --control dept --bounds --html {folder / 'r.html'}"
    found = CliRunner().invoke(command, asked)
    assert found.exit_code == 0, found.output
    return (folder / "r.html").read_text(encoding="utf-8")


def test_no_number_stands_beside_a_hidden_name(page):
    seen = [text for text in texts(page) if HIDDEN.search(text)]
    assert seen
    unsaid = re.compile(r"hidden \(n < 10, or protects such a group\)|\(some rate rests on fewer than 30\)")
    told = [text for text in seen if re.search(r"\d", unsaid.sub("", text))]
    assert told == []


def test_the_parts_still_speak_of_the_others(page):
    told = [text for text in texts(page) if PARTS.search(text)]
    assert any("Delta" in text for text in told)
    assert not any(HIDDEN.search(text) for text in told)


def adjusted(against, group, **changed):
    row = {"metric": "accuracy_difference", "slice": (("g", group),), "at": (("feature", "dept"),), "value": 0.123,
           "against": {"kind": "slice", "slice": {"g": against}, "by": "strata"}, "n": 60, "method": "x"}  # fmt: skip
    return Measurement(**(row | changed))


def counts():
    return [
        Measurement(metric="count", slice=(("g", name),), value=n, n=n, method="count")
        for name, n in (("Alpha", 500), ("Delta", 300), ("Beta", 40), ("Gamma", 3))
    ]


def test_a_gap_against_a_hidden_group_and_its_support_are_left_out():
    support = {"metric": "accuracy_adjustment_support", "value": 0.5, "reason": "7 of 40 rows lie in strata"}
    rows = [*counts(), adjusted("Beta", "Alpha"), adjusted("Alpha", "Delta"), adjusted("Alpha", "Beta", **support)]
    (section,) = adjusted_part.sections(Result(measurements=rows))
    assert "Delta against g = Alpha" in section.text
    assert not HIDDEN.search(section.text)
    assert "7 of 40" not in section.text
    assert len(section.measurements) == 1
    (everything,) = adjusted_part.sections(Result(measurements=rows), 0)
    assert "7 of 40 rows lie in strata (Beta)" in everything.text


def test_bounds_and_coverage_of_hidden_groups_are_left_out():
    rows = counts()
    for name, value in ((None, 0.9), ("Delta", 0.8), ("Beta", 0.3)):
        group = () if name is None else (("g", name),)
        rows.append(Measurement(metric="outcome_coverage", slice=group, value=value, n=60, method="wilson"))
        rows.append(
            Measurement(metric="accuracy_lower_bound", slice=group, at=(("class", "1"),), value=value, n=60, method="x")
        )
    for metric, other in (("precision", "Beta"), ("accuracy", "Delta")):
        rows.append(
            Measurement(
                metric=f"{metric}_difference_upper_bound", at=(("feature", "g"),), value=0.4, n=60, method="x",
                against={"kind": "groups", "features": ["g"]}, reason=f"between Alpha and {other}",
            )
        )  # fmt: skip
    labels, groups = bounds_part.sections(Result(measurements=rows))
    assert "fewest in Delta (80.0 %)" in labels.text
    assert {row.slice for row in labels.measurements} == {(), (("g", "Delta"),)}
    assert not HIDDEN.search(groups.text)
    assert len(groups.measurements) == 1
    labels, groups = bounds_part.sections(Result(measurements=rows), 0)
    assert "fewest in Beta (30.0 %)" in labels.text
    assert len(groups.measurements) == 2
