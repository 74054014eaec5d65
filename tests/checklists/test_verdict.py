"""Verdicts and exit codes."""

from itertools import product

import pytest

from checklists.verdict import EXIT_CODES, PRECEDENCE, WORDS, exit_code, overall


@pytest.mark.parametrize("verdicts", list(product(PRECEDENCE, repeat=3)))
def test_the_worst_verdict_decides_whatever_the_order(verdicts: tuple) -> None:
    if "INVALID" in verdicts:
        expected = ("INVALID", 4)
    elif "FAIL" in verdicts:
        expected = ("FAIL", 1)
    elif "INSUFFICIENT" in verdicts:
        expected = ("INSUFFICIENT", 3)
    else:
        expected = ("PASS", 0)
    assert (overall(verdicts), exit_code(verdicts)) == expected


def test_no_evidence_never_passes() -> None:
    assert overall([]) == "INVALID"
    assert exit_code([]) == 4


def test_only_verdicts_are_judged() -> None:
    with pytest.raises(ValueError, match="a verdict is one of INVALID, FAIL, INSUFFICIENT, PASS; got 'OK'"):
        overall(["PASS", "OK"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="a verdict is one of"):
        exit_code("PASS")  # type: ignore[arg-type]


def test_every_verdict_has_a_word_and_a_code_and_none_is_the_code_of_wrong_use() -> None:
    assert set(WORDS) == set(EXIT_CODES) == set(PRECEDENCE)
    assert len(set(EXIT_CODES.values())) == 4
    assert 2 not in EXIT_CODES.values()
