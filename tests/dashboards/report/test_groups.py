from audit.measurement import Measurement
from audit.result import Result
from dashboards.report.groups import (
    LONGEST_CROSSED,
    combinations_of,
    gap_table,
    group_sections,
    headline_metrics,
    intersection_sections,
    positive_label,
)


def test_single_features_come_first(result):
    assert combinations_of(result) == (("race",), ("sex",), ("race", "sex"))


def test_metrics_of_another_kind_are_shown_too():
    rows = [
        Measurement(metric=f"error_{place}", slice=(("g", name),), value=1.5, n=40, method="x")
        for place in range(7)
        for name in "ab"
    ]
    result = Result(measurements=rows)
    assert headline_metrics(result) == tuple(f"error_{place}" for place in range(5))
    assert len(group_sections(result, min_cell=0)[0].pictures) == 5
    assert positive_label(result) is None


def test_intersections_are_sorted_by_accuracy(result):
    (section,) = intersection_sections(result, min_cell=10)
    shown = [float(row.cells[-1].value.removesuffix(" %")) for row in section.tables[0].rows]
    assert len(shown) == 6
    assert shown == sorted(shown)


def test_long_tables_say_what_is_left_out():
    rows = [
        Measurement(metric="accuracy", slice=(("a", f"{i:03}"), ("b", "x")), value=i / 100, n=40, method="x")
        for i in range(LONGEST_CROSSED + 7)
    ]
    (section,) = intersection_sections(Result(measurements=rows), min_cell=0)
    assert len(section.tables[0].rows) == LONGEST_CROSSED
    assert section.tables[0].note == "7 more groups stand in the JSON."


def test_gaps_of_hidden_groups_are_left_out_and_counted(build):
    result = build([*["Large"] * 60, *["Medium"] * 38, "Tiny", "Second"], rows=500, seed=4)
    shown = gap_table(result, min_cell=10)
    everything = gap_table(result, min_cell=0)
    assert len(shown.rows) < len(everything.rows)
    assert all("Tiny" not in " ".join(row.cells) and "Second" not in " ".join(row.cells) for row in shown.rows)
    assert shown.note.startswith(f"Not shown: {len(everything.rows) - len(shown.rows)} gaps between groups of race")


def test_no_comparison_no_gap_table():
    assert gap_table(Result(measurements=()), min_cell=10) is None
