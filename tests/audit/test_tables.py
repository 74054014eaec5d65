"""Files as people have them: each is read whole and rightly, or refused with a sentence; no row is lost in silence."""

import gzip
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.tables import _connection, open_file, open_frame

ROLES = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"]}
TWO = [("a", "1", "1", 1), ("b", "0", "0", 1)]


def groups(path, **options):
    tally = count(PredictionLog.from_file(path, **{**ROLES, **options}))
    return [(row["slice.g"], row["y_true"], row["y_pred"], row["n"]) for row in tally.cells.to_pylist()]


def csv(folder, content, name="t.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "y,p,g\n1,1,a\n0,0,b\n",
        "y,p,g\n1,1,a\n0,0,b",
        "y,p,g\r\n1,1,a\r\n0,0,b\r\n",
        "y,p,g\r1,1,a\r0,0,b\r",
        "\ufeffy,p,g\n1,1,a\n0,0,b\n",
        'y,p,g\n"1",1,"a"\n0,"0",b\n',
        "y,p,g\n\n1,1,a\n\n0,0,b\n\n",
        "y,p,g,\n1,1,a,\n0,0,b,\n",
        "y,p,g,z,z\n1,1,a,q,q\n0,0,b,r,r\n",
        'y,p,g,"a\nb"\n1,1,a,1\n0,0,b,2\n',
    ],
    ids=["plain", "no end", "crlf", "cr", "bom", "quoted", "blank lines", "nameless", "doubled, unused", "long name"],
)  # fmt: skip
def test_csv_in_many_dresses(content, tmp_path):
    assert groups(csv(tmp_path, content)) == TWO


def test_what_looks_like_something_else_in_a_csv_is_text(tmp_path):
    names = ["#1", "o'x", "'b", "a\\", "a\nb", 'q"q', "a,b", "a;b", "-- x", "NULL", "é", "\x00", "=cmd()"]
    lines = ['1,1,"' + name.replace('"', '""') + '"' for name in names]
    found = groups(csv(tmp_path, "y,p,g\n" + "\n".join(lines) + "\n"))
    assert {row[0] for row in found} == set(names)
    assert sum(row[3] for row in found) == len(names)


def test_a_line_that_starts_with_a_hash_is_a_row(tmp_path):
    path = csv(tmp_path, "g,y,p\n#1,1,1\na,0,0\nb,1,0\n")
    assert [row[0] for row in groups(path)] == ["#1", "a", "b"]


def test_tabs_and_gzip(tmp_path):
    assert groups(csv(tmp_path, "y\tp\tg\n1\t1\ta\n0\t0\tb\n", "t.tsv")) == TWO
    with gzip.open(tmp_path / "t.csv.gz", "wt") as stream:
        stream.write("y,p,g\n1,1,a\n0,0,b\n")
    assert groups(tmp_path / "t.csv.gz") == TWO


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected a table with a header and rows"),
        ("y,p,g\n", "the data has no rows; expected at least one prediction"),
        ("\n\ny,p,g\n1,1,a\n", "the first line of .* is empty; expected the names of the columns"),
        ("y;p;g\n1;1;a\n", "seems to be separated by semicolons; expected commas"),
        ("y,p,g\n1,1,a\n0,0,b,c\n", "Line: 3; Expected Number of Columns: 3 Found: 4"),
        ("y,p,g\n" + "1,1,a,z\n" * 9, "Line: 2; Expected Number of Columns: 3 Found: 4"),
        ("y,p,g\n1,1,a\n0,0\n", "Line: 3; Expected Number of Columns: 3 Found: 2"),
        ('y,p,g\n1,1,"a\n0,0,b\n', "unterminated quote"),
        ("y,p,g\n1,1,é\n".encode("latin-1"), "expected UTF-8 text with a header"),
        (b"y,p,g\n" + b"1,1,a\n" * 9999 + "1,1,é\n".encode("latin-1"), "not utf-8 encoded"),
        ("# made by x\ny,p,g\n1,1,a\n", "column 'y' .y_true. is missing; the data has '# made by x'"),
        ("y,p,g\n1,1," + "x" * 3_000_000 + "\n", "Maximum line size"),
    ],
    ids=["empty", "header only", "blank first", "semicolons", "long row", "all long", "short row", "open quote",
         "latin-1", "latin-1 far down", "comment first", "endless line"],
)  # fmt: skip
def test_csv_that_is_refused(content, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        groups(csv(tmp_path, content))
    assert "0,0,b" not in str(caught.value)  # what stands in a row may be about a person


def test_two_thousand_columns(tmp_path):
    more = [f"x{place}" for place in range(1997)]
    rows = [",".join([*start, *["7"] * 1997]) for start in (["1", "1", "a"], ["0", "0", "b"])]
    assert groups(csv(tmp_path, "\n".join([",".join(["y", "p", "g", *more]), *rows]))) == TWO


def test_names_with_wildcards_mean_themselves(tmp_path):
    other = "y,p,g\n1,1,WRONG\n"
    for name, matched in [("[1].csv", "1.csv"), ("a*.csv", "ab.csv"), ("q?.csv", "qq.csv")]:
        csv(tmp_path, other, matched)
        assert groups(csv(tmp_path, "y,p,g\n1,1,a\n0,0,b\n", name)) == TWO
    pq.write_table(pa.table({"y": [1], "p": [1], "g": ["WRONG"]}), tmp_path / "ab.parquet")
    pq.write_table(pa.table({"y": [1, 0], "p": [1, 0], "g": ["a", "b"]}), tmp_path / "a*.parquet")
    assert groups(tmp_path / "a*.parquet") == TWO


def parquet(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"y": [1, 0], "p": [1, 0], "g": ["a", "b"], **columns}), path)
    return path


def test_folders_of_parquet(tmp_path):
    folder = tmp_path / "d"
    parquet(folder / "one.parquet")
    pq.write_table(pa.table({"g": ["b"], "p": [0], "y": [0]}), folder / "two.parquet")  # in another order
    parquet(folder / "deep" / "three.parquet")
    assert groups(folder) == [("a", "1", "1", 2), ("b", "0", "0", 3)]
    pq.write_table(pa.table({"g": ["b"], "y": [0]}), folder / "x.parquet")
    with pytest.raises(InputError, match="schema mismatch"):
        groups(folder)


def test_parquet_that_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist; give the path of a CSV or Parquet file"):
        open_file(tmp_path / "none.parquet")
    text = tmp_path / "t.parquet"
    text.write_text("y,p,g\n1,1,a\n" * 9)
    with pytest.raises(InputError, match=r"cannot be read as Parquet .*is it complete"):
        open_file(text)
    whole = parquet(tmp_path / "w.parquet", x=np.arange(2).tolist()).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        open_file(tmp_path / "cut.parquet")
    (tmp_path / "hole.parquet").write_bytes(whole[:10] + b"\0" * 60 + whole[70:])
    with pytest.raises(InputError, match="cannot be read to the end"):
        groups(tmp_path / "hole.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.parquet file; give a folder that does"):
        open_file(tmp_path / "empty")


def test_endings_in_capitals(tmp_path):
    assert groups(csv(tmp_path, "y,p,g\n1,1,a\n0,0,b\n", "T.CSV")) == TWO
    assert groups(csv(tmp_path, "y\tp\tg\n1\t1\ta\n0\t0\tb\n", "T.Tsv")) == TWO
    pq.write_table(pa.table({"y": [1, 0], "p": [1, 0], "g": ["a", "b"]}), tmp_path / "T.PARQUET")
    assert groups(tmp_path / "T.PARQUET") == TWO
    (tmp_path / "folder").mkdir()
    (tmp_path / "T.PARQUET").rename(tmp_path / "folder" / "T.PARQUET")
    assert groups(tmp_path / "folder") == TWO
    with gzip.open(tmp_path / "Z.CSV.GZ", "wt") as stream:
        stream.write("y,p,g\n1,1,a\n0,0,b\n")
    assert groups(tmp_path / "Z.CSV.GZ") == TWO


def test_other_kinds_of_files_are_refused(tmp_path):
    for name in ("t.xlsx", "t.json", "t"):
        (tmp_path / name).write_text("x")
        with pytest.raises(InputError, match=re.escape("expected .csv, .csv.gz, .tsv or .parquet")):
            open_file(tmp_path / name)
    (tmp_path / "t.csv.gz").write_text("y,p,g\n1,1,a\n")
    with pytest.raises(InputError, match="Not a gzipped file"):
        open_file(tmp_path / "t.csv.gz")
    with gzip.open(tmp_path / "cut.csv.gz", "wt") as stream:
        stream.write("y,p,g\n" + "1,1,a\n" * 5000)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(cut.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cannot be read.*(GZIP|end-of-stream)"):
        groups(cut)


@pytest.mark.parametrize("data", [[1], {"a": [1]}, np.zeros((2, 2)), "t.csv", pd.Series([1]), None, 3])
def test_what_is_no_table(data):
    with pytest.raises(
        InputError, match=r"expected a pandas, Polars or Arrow table.* for a file use PredictionLog\.from"
    ):
        open_frame(data)


def test_only_wanted_pandas_columns_are_converted():
    frame = pd.DataFrame({"a": [1], "b": [object()]})
    assert open_frame(frame, wanted={"a"}).lazy.collect().to_dict(as_series=False) == {"c0": [1], "c1": [None]}
    with pytest.raises(InputError, match=r"column 'b' cannot be read: .* got object; convert it to text"):
        open_frame(frame)


def test_nothing_is_installed_or_fetched_or_printed():
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_progress_bar"):
        assert _connection().sql(f"SELECT current_setting('{name}')").fetchall() == [(False,)]


def test_tables_may_be_read_in_many_threads_at_once(tmp_path):
    paths = [csv(tmp_path, "y,p,g\n" + f"1,1,a\n0,0,g{place}\n" * 500, f"{place}.csv") for place in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(groups, paths))
    assert found == [[("a", "1", "1", 500), (f"g{place}", "0", "0", 500)] for place in range(8)]
