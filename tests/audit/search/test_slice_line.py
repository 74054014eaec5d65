"""The slices of SliceLine, as its authors publish them."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.search.slice_line import slice_line, slice_line_score

# The first three cases of apache/systemds, BuiltinSliceLineTest.java: 20 rows of 10 features, their errors, and
# (score, sum of errors, largest error, rows) of the ten best slices. The third case is the first two together.
ROWS_1 = (
    "2112323312 2223412132 2133223114 1221323223 3234334113 4323443411 2224332212 1122332112 4321324243 1314133232 "
    "2431241324 3243142341 4124314213 1342431423 2413243142 3241342314 4132414231 1324134243 2413243124 2332142323 "
)
ERRORS_1 = (
    "0.159 0.588 0.414 0.305 0.193 0.195 0.878 0.149 0.835 0.344 "
    "0.123 0.456 0.789 0.987 0.654 0.321 0.246 0.135 0.579 0.802 "
)
BEST_1 = (
    "0.307 2.807 0.878 4  0.307 2.807 0.878 4  0.282 2.759 0.987 4  0.157 4.046 0.987 7  0.127 2.956 0.878 5 "
    "0.122 2.942 0.878 5  0.074 3.298 0.987 6  0.064 4.197 0.878 8  0.061 2.796 0.987 5  0.038 3.194 0.878 6"
)
ROWS_2 = (
    "2111342212 3332123142 3231114342 1323232121 4311111132 2233222341 3222442411 1332131244 2122312321 4134142344 "
    "4244212114 4114143242 2122314334 4131312133 2131131212 1343122211 2443412124 3333312344 3222414231 1232432323"
)
ERRORS_2 = (
    "0.591 0.858 0.144 0.350 0.931 0.951 0.788 0.491 0.358 0.443 "
    "0.231 0.564 0.897 0.879 0.546 0.132 0.462 0.153 0.759 0.028"
)
BEST_2 = (
    "0.410 3.466 0.931 4  0.410 3.466 0.931 4  0.111 2.802 0.897 4  0.075 3.805 0.951 6  0.057 4.278 0.897 7 "
    "0.047 3.711 0.931 6  0.035 3.152 0.897 5  0.032 4.179 0.897 7  0.023 3.634 0.931 6  0.013 3.091 0.931 5"
)
BEST_BOTH = (
    "0.149 4.300 0.931 6  0.113 3.138 0.987 4  0.093 4.644 0.931 7  0.090 4.630 0.951 7  0.059 8.002 0.951 14 "
    "0.024 2.954 0.951 4  0.017 3.415 0.897 5  0.010 3.398 0.878 5  0.009 2.923 0.897 4  0.008 3.391 0.897 5"
)
CASES = [(ROWS_1, ERRORS_1, BEST_1), (ROWS_1 + ROWS_2, ERRORS_1 + ERRORS_2, BEST_BOTH)]


def sliceline_of(rows, errors, top):
    codes = np.array([[int(mark) for mark in row] for row in rows.split()])
    return slice_line(codes, [float(text) for text in errors.split()], min_rows=4, top=top)


def numbers_of(found):
    return np.array([(each.score, each.total, each.largest, each.size) for each in found])


def numbers_in(text):
    return np.array([float(number) for number in text.split()]).reshape(-1, 4)


@pytest.mark.parametrize(("rows", "errors", "expected"), CASES)
def test_sliceline_finds_all_ten_slices_of_systemds(rows, errors, expected):
    found = sliceline_of(rows, errors, 10)
    assert np.allclose(numbers_of(found), numbers_in(expected), atol=0.00051)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_sliceline_finds_a_slice_that_the_list_of_systemds_lacks():
    found = sliceline_of(ROWS_2, ERRORS_2, 11)
    lacking = [each for each in found if each.items == {1: 1, 4: 3}]
    in_it = [float(e) for row, e in zip(ROWS_2.split(), ERRORS_2.split(), strict=True) if row[1] + row[4] == "13"]
    mean = np.mean([float(e) for e in ERRORS_2.split()])
    assert len(in_it) == 4
    assert lacking[0].score == pytest.approx(0.95 * (np.mean(in_it) / mean - 1) - 0.05 * (20 / 4 - 1))
    others = [each for each in found if each not in lacking]
    assert np.allclose(numbers_of(others), numbers_in(BEST_2), atol=0.00051)


def test_sliceline_score_of_everyone_is_zero_and_without_errors_it_is_undefined():
    assert slice_line_score([3.0], [9.0], everyone=3.0, rows=9.0).tolist() == [0.0]
    assert np.isnan(slice_line_score([0.0, 1.0], [9.0, 0.0], everyone=0.0, rows=9.0)).all()
    assert slice_line(np.array([[0], [1]]), [0.0, 0.0], min_rows=1) == []


@pytest.mark.parametrize(
    ("codes", "errors", "alpha", "text"),
    [
        ([[0]], [-1.0], 0.95, "found -1.0 in row 1"),
        ([[0], [1]], [0.0, np.nan], 0.95, "found nan in row 2"),
        ([[0], [1]], [0.0], 0.95, r"got \(2, 1\) and \(1,\)"),
        ([[-1]], [0.0], 0.95, "codes must be at least 0; found -1"),
        ([[0]], [0.0], 0.0, r"alpha must lie in \(0, 1\]"),
        (np.zeros((0, 2)), [], 0.95, "one error per row"),
    ],
)
def test_sliceline_names_bad_input(codes, errors, alpha, text):
    with pytest.raises(ValueError, match=text):
        slice_line(np.array(codes), errors, min_rows=1, alpha=alpha)


def exact_slices(rows, tenths, min_rows, alpha):
    """Return the score of every slice that has one above 0, by its items, in whole numbers and fractions only."""
    found = {}
    width = len(rows[0])
    mean = Fraction(sum(tenths), len(rows))
    for size in range(1, width + 1):
        for features in combinations(range(width), size):
            for values in product(range(3), repeat=size):
                inside = [e for row, e in zip(rows, tenths, strict=True) if tuple(row[f] for f in features) == values]
                if len(inside) >= min_rows and mean > 0:
                    share = Fraction(sum(inside), len(inside)) / mean
                    score = alpha * (share - 1) - (1 - alpha) * (Fraction(len(rows), len(inside)) - 1)
                    if score > 0:
                        found[tuple(zip(features, values, strict=True))] = score
    return found


@st.composite
def tables(draw):
    width = draw(st.integers(1, 3))
    row = st.tuples(*[st.integers(0, 2)] * width)
    rows = draw(st.lists(row, min_size=1, max_size=12))
    return rows, draw(st.lists(st.integers(0, 12), min_size=len(rows), max_size=len(rows)))


@settings(max_examples=200, deadline=None)
@given(table=tables(), min_rows=st.integers(1, 4), hundredths=st.sampled_from([1, 50, 95, 100]))
@example(table=([(0,), (1,), (1,)], [1, 1, 1]), min_rows=1, hundredths=95)
@example(table=([(0,)] * 6, [1, 2, 3, 4, 5, 7]), min_rows=1, hundredths=100)
def test_the_slices_are_those_of_brute_force_in_exact_numbers(table, min_rows, hundredths):
    rows, tenths = table
    expected = exact_slices(rows, tenths, min_rows, Fraction(hundredths, 100))
    errors = [tenth / 10 for tenth in tenths]
    found = slice_line(np.array(rows), errors, min_rows=min_rows, top=1000, alpha=hundredths / 100)
    assert {tuple(each.items.items()) for each in found} == expected.keys()
    for each in found:
        inside = [place for place, row in enumerate(rows) if all(row[f] == value for f, value in each.items.items())]
        assert each.score == pytest.approx(float(expected[tuple(each.items.items())]), abs=1e-12)
        assert each.size == len(inside)
        assert each.largest == max(errors[place] for place in inside)
    ordered = sorted(expected.items(), key=lambda item: (-item[1], len(item[0])))
    assert [len(each.items) for each in found] == [len(items) for items, _ in ordered]
