"""The published score tables, and the made-up ones."""

import shutil

import numpy as np
import pytest

from audit.errors import InputError
from monitors.simulators.fico import CDF, PERFORMANCE, TOTALS, example_tables, read_fico


def test_published_tables(data_folder):
    tables = read_fico(data_folder / "fico")
    assert sorted(tables.groups) == ["Asian", "Black", "Hispanic", "White"]
    assert tables.scores.shape == (198,)
    assert tables.scores[[0, -1]] == pytest.approx([300, 850])
    black, white = tables.groups["Black"], tables.groups["White"]
    assert (black.size, white.size) == (18_274, 133_165)
    assert black.size / (black.size + white.size) == pytest.approx(0.12066905, abs=1e-8)
    for group in tables.groups.values():
        assert group.shares.sum() == pytest.approx(1)
        assert (group.shares >= 0).all()
        assert (np.diff(group.repay) > -0.003).all()  # but for a few scores it rises


def test_scale_by_hand(data_folder):
    """A percentile of 46.5 lies 10.8 / 12 into the band from 600, which starts at 35.7."""
    tables = read_fico(data_folder / "fico")
    assert 645.0 in tables.scores.round(9)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no transrisk_cdf_by_race_ssa\.csv; give the folder"):
        read_fico(tmp_path)


def write(folder, cdf="Score,A\n0,0\n100,100\n", performance="Score,A\n0,90\n100,0\n", totals="Kind,A\nSSA,10\n"):
    for name, text in ((CDF, cdf), (PERFORMANCE, performance), (TOTALS, totals)):
        (folder / name).write_text(text)
    return folder


def test_small_tables(tmp_path):
    group = read_fico(write(tmp_path)).groups["A"]
    assert group.shares.tolist() == [0.0, 1.0]
    assert group.repay.tolist() == pytest.approx([0.1, 1.0])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"cdf": "Score,A\n0,zero\n1,1\n"}, "must hold numbers below its first line"),
        ({"cdf": "Score,A\n0\n100,100\n"}, "must hold numbers below its first line"),
        ({"cdf": "Score,A\n"}, "must hold one line for each score; found 0"),
        ({"performance": "Score,B\n0,1\n100,100\n"}, "do not go together"),
        ({"performance": "Score,A\n0,1\n99,100\n"}, "do not go together"),
        ({"totals": "Kind,B\nSSA,10\n"}, "do not go together"),
        ({"totals": "Kind,A\n"}, "one line with the size of each group"),
        ({"totals": "Kind,A\nSSA,many\n"}, "one line with the size of each group"),
    ],
)
def test_broken_tables_are_refused(tmp_path, broken, said):
    with pytest.raises(InputError, match=said):
        read_fico(write(tmp_path, **broken))


def test_a_copy_elsewhere_reads_the_same(data_folder, tmp_path):
    for name in (CDF, PERFORMANCE, TOTALS):
        shutil.copy(data_folder / "fico" / name, tmp_path / name)
    copied, original = read_fico(tmp_path), read_fico(data_folder / "fico")
    assert np.array_equal(copied.groups["Asian"].repay, original.groups["Asian"].repay)


def test_example_tables_differ_in_scores_not_in_repayment():
    tables = example_tables()
    low, high = tables.groups["A"], tables.groups["B"]
    assert low.shares @ tables.scores < high.shares @ tables.scores - 50
    assert np.array_equal(low.repay, high.repay)
