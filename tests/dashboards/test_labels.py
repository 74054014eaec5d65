import html
import unicodedata

import pytest

from dashboards.labels import EMPTY, EVERYONE_LABEL, MISSING, features_label, group_label, safe_label, slice_label

TARGETS = ("text", "html", "svg", "plotly", "markdown", "csv", "terminal")


@pytest.mark.parametrize("target", TARGETS)
def test_no_control_or_direction_mark_survives(target, hostile_names):
    for name in (*hostile_names, "a\u2028b\ufeffc\u200bd\ud800e\U000e0041"):
        label = safe_label(name, target=target)
        assert not [mark for mark in label if unicodedata.category(mark) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
        label.encode("utf-8")


def test_a_tampered_name_differs_from_the_plain_one():
    assert safe_label("Ca\u200bt", target="text") == "Ca\ufffdt"
    assert safe_label("کتاب\u200cها", target="text") == "کتاب\u200cها"


def test_long_names_end_in_an_ellipsis_at_the_limit():
    assert safe_label("a" * 10_000, target="text", limit=10) == "aaaaaaaaa…"
    assert safe_label("a" * 10, target="text", limit=10) == "a" * 10


@pytest.mark.parametrize("target", ["html", "svg"])
def test_markup_is_text(target, hostile_names):
    for name in hostile_names:
        label = safe_label(name, target=target)
        assert not {"<", ">", '"', "'"} & set(label)
        assert html.unescape(label) == safe_label(name, target="text")


def test_plotly_has_no_tags():
    assert safe_label("<b>&</b>", target="plotly") == "&lt;b&gt;&amp;&lt;/b&gt;"


def test_every_mark_of_markdown_is_escaped():
    label = safe_label("![x](http://x) *a* _b_ `c` :red[d] $e$", target="markdown")
    assert label.replace("\u200a", "") == r"\!\[x\]\(http\:\/\/x\) \*a\* \_b\_ \`c\` \:red\[d\] \$e\$"


@pytest.mark.parametrize("text", ["https://evil.example", "HTTP://evil", "www.evil.example", "a@evil.example"])
def test_an_address_is_no_link(text):
    # Markdown makes links of bare addresses after it has taken the escapes away.
    assert text not in safe_label(text, target="markdown").replace("\\", "")
    assert safe_label(text, target="text") == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", " @", "\r\n+"])
def test_csv_starts_no_formula(start):
    assert safe_label(start + "1", target="csv").startswith("'")
    assert safe_label("1" + start, target="csv").startswith("1")


def test_missing_empty_and_what_reads_like_them():
    assert safe_label(None, target="text") == MISSING
    assert safe_label(" \t", target="text") == EMPTY
    assert [safe_label(name, target="text") for name in (MISSING, EVERYONE_LABEL)] == ["“(missing)”", "“everyone”"]


def test_slices():
    pairs = (("race", "African-American"), ("sex", "Female"))
    assert slice_label(pairs) == "race = African-American, sex = Female"
    assert slice_label(pairs, target="markdown") == r"race \= African\-American\, sex \= Female"
    assert group_label(pairs) == "African-American, Female"
    assert slice_label(()) == group_label(()) == "everyone"
    assert features_label(("a", "<b>"), target="html") == "a and &lt;b&gt;"


def test_wrong_use_says_what_is_expected():
    with pytest.raises(ValueError, match="at least 2"):
        safe_label("a", target="text", limit=1)
    with pytest.raises(ValueError, match="expected one of text, html"):
        safe_label("a", target="pdf")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "twin",
    ["F ", " F", "F\t", "F\u00a0", "F\u200d", "F\ufe0f", "F\u200b", "F\u3164", "F\u034f", "F\u2800", "F\u00ad"],
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_name_that_differs_in_what_nobody_sees_is_shown_to_differ(twin, target):
    assert safe_label(twin, target=target) != safe_label("F", target=target)
    assert group_label((("g", twin),), target=target) != group_label((("g", "F"),), target=target)


def test_spaces_within_that_a_page_swallows_are_shown():
    assert safe_label("Asian  Other", target="html") == "Asian ␣Other"
    assert safe_label("Asian\u00a0Other", target="html") == "Asian␣Other"
    assert safe_label("Asian Other", target="html") == "Asian Other"


def test_letters_and_accents_that_only_look_alike_are_told_apart():
    assert safe_label("\u0410sian", target="text").endswith("sian (U+0410)")
    assert safe_label("Cafe\u0301", target="text") == "Cafe\u0301 (accents apart)"
    once = safe_label("\u0410sian", target="text")
    assert safe_label(f"{once}: 5 rows.", target="text") == f"{once}: 5 rows."


def test_names_in_other_scripts_stay_as_they_are():
    for name in ("Женщины", "Ελλάδα", "کتاب\u200cها", "👩\u200d👧", "❤\ufe0f", "क\u094dष", "Café"):
        assert safe_label(name, target="text") == name
    assert safe_label("group Женщины lies below", target="text") == "group Женщины lies below"
