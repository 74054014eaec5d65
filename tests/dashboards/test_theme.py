from itertools import combinations

import pytest

from checklists.verdict import WORDS
from dashboards.theme import PALETTE, VERDICTS, verdict_text


def test_verdicts_differ_in_words_shape_and_colour():
    assert set(VERDICTS) == set(WORDS)
    for field in ("words", "shape", "colour", "name"):
        assert len({getattr(style, field) for style in VERDICTS.values()}) == 4
    assert all(style.colour in PALETTE.values() for style in VERDICTS.values())


def test_what_fails_is_read_first():
    assert list(VERDICTS) == ["FAIL", "INVALID", "INSUFFICIENT", "PASS"]
    assert verdict_text("PASS") == "✓ holds"


# Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1.0
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881))
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))


@pytest.mark.parametrize("matrix", [DEUTERANOPIA, PROTANOPIA])
def test_colours_stay_apart_for_colour_blind_readers(matrix):
    seen = {verdict: simulated(style.colour, matrix) for verdict, style in VERDICTS.items()}
    for one, two in combinations(seen, 2):
        assert sum((a - b) ** 2 for a, b in zip(seen[one], seen[two], strict=True)) ** 0.5 > 0.1, (one, two)


def simulated(colour, matrix):
    linear = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
    mixed = [sum(w * c for w, c in zip(row, linear, strict=True)) for row in matrix]
    return [min(max(value, 0.0), 1.0) ** (1 / 2.2) for value in mixed]
