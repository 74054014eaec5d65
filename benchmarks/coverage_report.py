"""The tables of ``python benchmarks/coverage.py``: printed, and written into a document between its marks."""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import coverage_adjusted as adjusted
import coverage_answers as answers
import coverage_limits as limits
import coverage_paired as paired
import coverage_scores as scores
import coverage_verdicts as verdicts
import numpy as np
from coverage import Row, largest_rows, rate_rows, ratio_rows


class Family(NamedTuple):
    """A table: its mark in the document, its heading, what its figures are, and where they come from."""

    mark: str
    title: str
    figure: str
    rows: Callable[..., Iterator[Row]]
    head: tuple[str, str, str, str] = ("setting", "usual way", "it", "here")


_VERDICTS = ("setting", "estimate within the limit", "PASS", "FAIL")

FAMILIES = (
    Family("rates", "One rate", "coverage, nominal .95, exact", rate_rows),
    Family("design", "Weights and clusters", "coverage, nominal .95", verdicts.design_rows),
    Family("gaps", "The gap of two groups", "coverage, nominal .95, exact", verdicts.gap_rows),
    Family("largest", "All pairs, and the largest gap", "coverage, nominal .95", largest_rows),
    Family("ratios", "The ratio of two rates", "coverage, nominal .95, exact", ratio_rows),
    Family(
        "paired-exact", "Two models on the same rows, exact", "coverage, nominal .95 or as named", paired.exact_rows
    ),
    Family("paired", "Two models on the same rows, every metric", "coverage, nominal .95", paired.simulated_rows),
    Family("paired-design", "The same under weights and clusters", "coverage, nominal .95", paired.designed_rows),
    Family("paired-groups", "The same for groups", "coverage, nominal .95", paired.group_rows),
    Family("scores", "Metrics of scores", "coverage, nominal .95", scores.score_rows),
    Family("means", "Means of losses", "coverage, nominal .95", scores.mean_rows),
    Family("looks", "Looking again", "share of models at the limit that ever pass; 5 % promised", verdicts.look_rows),
    Family("verdicts", "False verdicts at the limit", "share; PASS 2.5 %, FAIL 5 % promised", verdicts.verdict_rows),
    Family(
        "limits",
        "False verdicts at the limit, every kind",
        "share; PASS 2.5 %, FAIL 5 % promised",
        limits.limit_rows,
        _VERDICTS,
    ),
    Family(
        "limits-design",
        "The same under weights and clusters",
        "share; PASS 2.5 %, FAIL 5 % promised",
        limits.design_limit_rows,
        _VERDICTS,
    ),
    Family(
        "tiny",
        "Tiny groups beside a huge one",
        "share of samples in which any of equal groups seems to differ, worst of the rates .6-.9; 5 % promised",
        limits.tiny_rows,
        ("setting", "times its share that one such interval errs", "Agresti & Caffo alone", "here"),
    ),
    Family("planning", "Rows needed", "share decided; 80 % promised", verdicts.planning_rows),
    Family("multiplicity", "Many tests", "share; 5 % promised", verdicts.multiplicity_rows),
    Family("slices", "Searches for slices", "share; noise: 5 % promised", scores.slice_rows),
    Family("bounds", "Labels that are missing", "share of samples that hold the rate of all rows", answers.bound_rows),
    Family("payoffs", "Payoffs and concentration", "coverage, nominal .95", answers.payoff_rows),
    Family("adjusted", "Adjusted gaps", "coverage of the effect within strata, nominal .95", adjusted.adjusted_rows),
    Family("own", "Metrics of one's own", "share of samples of equal groups, nominal .95", answers.own_metric_rows),
)
"""In the order of the document. A new kind of interval: one function, one line here, one pair of marks there."""


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    asked = argparse.ArgumentParser(description="Coverage of the intervals, the usual way beside ours.")
    asked.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the marks of this document")
    asked.add_argument("--full", action="store_true", help="repeat more often (several minutes)")
    asked.add_argument("--only", metavar="MARK", action="append", help="only this family")
    options = asked.parse_args()
    text = None if options.write is None else options.write.read_text(encoding="utf-8")
    started = time.perf_counter()
    for family in FAMILIES:
        if options.only and family.mark not in options.only:
            continue
        rows = list(family.rows(full=options.full))
        print(f"\n{family.title} ({family.figure})")
        for row in rows:
            figures = f"{_figure(row.wrong):>6}   here {_figure(row.right):>6}"
            print(f"  {row.setting:<58} {row.usual:<22} {figures}  {row.note}".rstrip())
        if text is not None:
            text = with_table(text, family, rows)
            options.write.write_text(text, encoding="utf-8")
    print(f"{time.perf_counter() - started:.1f} s")


def with_table(text: str, family: Family, rows: Sequence[Row]) -> str:
    """Return a document with the table of a family between its marks.

    Raises
    ------
    ValueError
        If the document lacks the marks.
    """
    begin, end = f"<!-- {family.mark} -->", f"<!-- end {family.mark} -->"
    if begin not in text or end not in text:
        msg = f"the document lacks the marks {begin} and {end}; add them where the table is to stand"
        raise ValueError(msg)
    noted = any(row.note for row in rows)
    head = "| " + " | ".join(family.head) + " |" + (" width here |" if noted else "")
    lines = [head, "|---|---|---|---|" + ("---|" if noted else "")]
    for row in rows:
        cells = [row.setting, row.usual, _figure(row.wrong), _figure(row.right)]
        lines.append("| " + " | ".join([*cells, *([row.note] if noted else [])]) + " |")
    table = "\n".join([begin, "", f"Figures: {family.figure}.", "", *lines, "", end])
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: table, text, flags=re.DOTALL)


def _figure(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
