import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from audit.measurement import Measurement
from audit.result import Result
from dashboards.judgements import read_gate
from dashboards.report import Section, render_report, write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A page as elements, attributes, and the text of the cells of its tables."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.headings = Counter(), [], []
        self.tables, self._stack = [], []
        self.feed(text)
        self.close()
        assert not self._stack, self._stack

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._stack.append(tag)
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(tag)
        if tag == "table":
            self.tables.append({"caption": "", "rows": [], "scoped": True})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in {"td", "th"}:
            self.tables[-1]["rows"][-1].append("")
            self.tables[-1]["scoped"] &= tag == "td" or "scope" in dict(attrs)

    def handle_startendtag(self, tag, attrs):
        self.elements[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._stack.pop() == tag

    def handle_data(self, data):
        if "caption" in self._stack:
            self.tables[-1]["caption"] += data
        elif self._stack and {"td", "th"} & set(self._stack):
            self.tables[-1]["rows"][-1][-1] += data

    def table(self, start):
        return next(table for table in self.tables if table["caption"].startswith(start))


@pytest.fixture(scope="module")
def page(result, gate):
    return render_report(result, gate=gate, title="Loans", sections=SECTIONS)


SECTIONS = (
    Section(
        title="Compared with a rule",
        text="First.\n\nSecond <b>.",
        measurements=(Measurement(metric="accuracy", at=(("model_version", "rule"),), value=0.5, n=900, method="x"),),
    ),
)


def test_same_input_same_bytes(result, gate, page, tmp_path):
    path = write_report(result, tmp_path / "report.html", gate=gate, title="Loans", sections=SECTIONS)
    assert path.read_bytes() == page.encode()


def test_the_stored_gate_gives_the_same_page(result, gate, page):
    stored = read_gate(gate.to_json())
    assert render_report(result, gate=stored, title="Loans", sections=SECTIONS, min_cell=12) == page


def test_nothing_runs_and_nothing_is_fetched(page):
    seen = Page(page)
    assert not {"script", "img", "a", "link", "iframe", "object", "form", "base"} & set(seen.elements)
    assert not [item for item in seen.attributes if item[1].startswith("on") or item[1] in {"src", "srcset", "action"}]
    assert all(value.startswith("#") for _, name, value in seen.attributes if name.endswith("href"))
    assert not re.search(r"https?:|@import|url\((?!#)", page)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in {
        value for tag, name, value in seen.attributes if (tag, name) == ("meta", "content")
    }


def test_it_can_be_read_by_everyone(page):
    seen = Page(page)
    assert ("html", "lang", "en") in seen.attributes
    assert (seen.elements["main"], seen.elements["h1"]) == (1, 1)
    levels = [int(heading[1]) for heading in seen.headings]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(table["caption"].strip() and table["scoped"] for table in seen.tables)
    pictures = [value for tag, name, value in seen.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(pictures) == seen.elements["figure"] == 10
    for feature in ("race", "sex"):
        assert any(f"Groups of {feature}" in table["caption"] for table in seen.tables)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_summary_stands_first_and_in_order(page):
    order = [
        "In short",
        "✕",
        "What is not known",
        "What would show it",
        "Who decides",
        "Group by group",
        "Largest gaps",
    ]
    order += ["Groups that overlap", "Compared with a rule", "Method and limits", "Where this comes from"]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    judged = Page(page).table("Requirements")["rows"][1:]
    assert [row[0].split()[0] for row in judged] == ["fpr-gap", "calibration", "accuracy-high", "accuracy"]
    assert [" ".join(row[0].split()[1:]) for row in judged] == [
        "✕ fails", "▲ broken evidence", "◇ not shown", "✓ holds",
    ]  # fmt: skip


def test_without_a_gate_it_says_so_and_leads_with_the_largest_gaps(result):
    text = render_report(result, title="Loans")
    assert "No policy was judged" in text
    assert not Counter(tag for tag, name, value in Page(text).attributes if value and value.startswith("verdict"))
    rows = [
        row
        for row in result.measurements
        if row.against == {"kind": "rest"} and row.metric == "selection_rate_difference" and row.value is not None
    ]
    largest = max(rows, key=lambda row: abs(row.value))
    assert f"lies {abs(100 * largest.value):.1f} points" in text


def test_every_number_in_the_tables_is_one_of_the_result(result, gate):
    seen = Page(render_report(result, gate=gate, title="Loans", min_cell=0))
    rows = json.loads(result.to_json())["measurements"]
    rows += [row["measurement"] for row in json.loads(gate.to_json())["rows"] if row["measurement"]]
    known = {f"{row['n']:,}" for row in rows}
    for row in rows:
        for number in (row["value"], row["low"], row["high"]):
            if number is not None:
                known |= {f"{abs(100 * number):.1f}", f"{abs(number):.2f}", f"{abs(number):.3f}"}
    checked = 0
    for start in ("Groups of race", "Groups of sex", "Differences", "Largest gap", "Groups of race and sex"):
        for line in seen.table(start)["rows"][1:]:
            for cell in line[1:]:
                for number in re.findall(r"\d[\d,]*(?:\.\d+)?", re.sub(r"between.*", "", cell)):
                    assert number in known, (start, line[0], cell)
                    checked += 1
    assert checked > 200


def test_small_groups_are_hidden_with_another_in_every_table(build):
    result = build([*["Large"] * 60, *["Medium"] * 38, "Tiny", "Second"], rows=500, seed=4)
    sizes = {row.slice[0][1]: row.n for row in result.measurements if row.metric == "count" and len(row.slice) == 1}
    assert sizes["Tiny"] < 10
    seen = Page(render_report(result, title="t"))
    values = {line[0]: line[1:] for line in seen.table("Groups of race")["rows"][1:]}
    said = ["hidden (n < 10, or protects such a group)", *["hidden"] * (len(values["Tiny"]) - 1)]
    assert values["Tiny"] == values["Second"] == said
    assert values["Large"][0] == f"{sizes['Large']:,}"
    for table in seen.tables:
        if "race" in table["caption"]:
            for line in table["rows"][1:]:
                assert "Tiny" not in line[0] or all("hidden" in cell for cell in line[1:])
                assert "Tiny" not in " ".join(line[1:])
    assert str(sizes["Tiny"]) not in seen.table("Groups of race")["rows"][1]
    shown = Page(render_report(result, title="t", min_cell=0)).table("Groups of race")
    assert str(sizes["Tiny"]) in {line[1] for line in shown["rows"]}


def test_the_policy_says_what_is_small(result, gate):
    assert gate.policy.min_cell == 12
    assert "fewer than 12 rows are hidden" in render_report(result, gate=gate, title="t")
    assert "fewer than 10 rows are hidden" in render_report(result, title="t")


def test_undefined_numbers_are_shown_with_their_reason():
    rows = [Measurement(metric="count", slice=(("g", name),), value=40, n=40, method="count") for name in ("a", "b")]
    rows += [
        Measurement(
            metric="accuracy", slice=(("g", "a"),), value=0.5, low=0.35, high=0.65, n=40, level=0.95, method="wilson"
        ),
        Measurement(
            metric="accuracy", slice=(("g", "b"),), value=None, n=12, method="none", reason="no labels in slice"
        ),
    ]
    result = Result(measurements=rows)
    line = Page(render_report(result, title="t")).table("Groups of g")["rows"][2]
    assert " ".join(line[2].split()) == "not enough data n = 12 no labels in slice"
    assert "1 of the 4 numbers of this audit are undefined" in render_report(result, title="t")


def test_a_gate_of_another_result_is_noticed(result, gate, build):
    other = build(["x", "y"], rows=500)
    assert "The verdicts rest on other evidence" in render_report(other, gate=gate, title="t")
    assert "The verdicts rest on other evidence" not in render_report(result, gate=gate, title="t")


def test_an_empty_result_has_a_page():
    text = render_report(Result(measurements=()), title="Nothing")
    assert "No groups were compared." in text
    assert Page(text).elements["figure"] == 0


class TestHostileNames:
    @pytest.fixture(scope="class")
    @staticmethod
    def pages(hostile, hostile_names, build):
        plain = build([f"group {place}" for place in range(len(hostile_names))], feature="feature")
        nasty = Section(title=hostile_names[0], text="\n\n".join(hostile_names))
        tame = Section(title="t", text="\n\n".join(["p"] * len(hostile_names)))
        return (
            render_report(hostile, title=hostile_names[6], sections=[nasty], min_cell=0),
            render_report(plain, title="t", sections=[tame], min_cell=0),
        )

    def test_they_make_no_element(self, pages):
        hostile, plain = map(Page, pages)
        markup = {"script", "img", "a", "i", "iframe", "style"}
        assert {tag: hostile.elements[tag] for tag in markup} == {tag: plain.elements[tag] for tag in markup}
        assert set(hostile.elements) == set(plain.elements)
        for tag in ("table", "tr", "td", "th", "svg", "section", "li"):
            assert abs(hostile.elements[tag] - plain.elements[tag]) <= 2, tag

    def test_they_make_no_attribute(self, pages):
        names = [{(tag, name) for tag, name, _ in Page(page).attributes} for page in pages]
        assert names[0] == names[1]

    def test_they_are_shown_as_text(self, pages):
        page = pages[0]
        heads = {line[0] for table in Page(page).tables for line in table["rows"]}
        assert "<script>alert(1)</script>" in heads
        assert "{{7*7}}" in heads
        assert "49" not in heads
        assert "a" * 79 + "…" in heads
        assert "\u202e" not in page
        assert "\x00" not in page
        assert "\x1b" not in page
        assert page.count("</style>") == 1
