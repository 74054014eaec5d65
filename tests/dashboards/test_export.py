import csv
import io

from dashboards.export import COLUMNS, csv_text


def test_numbers_are_those_of_the_rows_and_names_run_nothing(hostile):
    rows = [row for row in hostile.measurements if row.slice and row.against is None]
    table = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == len(rows)
    for row, line in zip(rows, table, strict=True):
        assert line["n"] == str(row.n)
        assert line["value"] == ("" if row.value is None else str(row.value))
    for line in table:
        for name in ("metric", "slice", "at", "against", "method", "reason"):
            assert not line[name].lstrip().startswith(("=", "+", "-", "@"))


def test_a_feature_that_begins_a_formula_is_quoted(build):
    result = build(["a", "b"], rows=200, feature="=HYPERLINK(1)")
    rows = [row for row in result.measurements if row.metric == "count" and row.slice]
    lines = csv_text(rows).splitlines()[1:]
    assert any(line.startswith("count,'=HYPERLINK(1) = a") for line in lines)
