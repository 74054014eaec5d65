"""Errors in the words of the command line: what Python calls `y_score=` is `--y-score` there."""

import re

_OPTIONS = {
    "y_true": "--y-true",
    "y_pred": "--y-pred",
    "y_score": "--y-score",
    "sample_weight": "--weight",
    "human_decision": "--human",
    "sensitive_features": "--sensitive",
    "score_max": "--score-max",
    "random_state": "--seed",
    "held_out": "--held-out",
}
"""Parameters whose names no sentence uses otherwise."""

_SENTENCES = (
    (r"name y_pred, or y_score together with a threshold", "--y-pred, or --y-score with --threshold"),
    (r"and split=\(column, value[^)]*\)", "and --split part=test"),
    (r"\(positive=\.\.\.(, --positive \.\.\.)?\)", "(--positive LABEL)"),
    (r"\b(pass|name) positive\b", "name it: --positive LABEL"),
    (r"\((?:labels|abstain|held_out)=[^()]*, (--[^()]*)\)", r"(\1)"),
    (r"\(sensitive_features, (--[^()]*)\)", r"(\1)"),
    (r"write both alike, or name y_score if", "write both alike, or --y-score with --threshold if"),
    (r"\bname y_score \((--y-score[^()]*)\)", r"name \1"),
    (r"bins=\{[^}]*\} or (--bin )", r"\1"),
    (r"\bon=\.\.\. or --on \.\.\.", "--on COLUMN"),
    (r"\bon=\.\.\.", "--on COLUMN"),
    (r"\bmissing='group'", "--missing group"),
    (r"\bmissing must be ", "--missing must be "),
    (r"\b(score_max|threshold)=([\d.]+)", lambda found: f"--{found[1].replace('_', '-')} {found[2]}"),
    (r"\bthreshold must ", "--threshold must "),
    (r"(?<=pass )score_max\b", "--score-max"),
    (r"name action \(the final decision\)", "--final (the final decision)"),
    (r"name human_decision, action \(the final decision\)", "name --human, --final (the final decision)"),
)  # fmt: skip
"""Whole phrases that name a way of Python, or both ways; in this order, before single names."""

_NAMES = re.compile(rf"(?<![\w'\"(/.=-])({'|'.join(_OPTIONS)})(?![\w'\"/=]|\.\w)")


def in_options(text: str) -> str:
    """Return an error with the options of the command line in place of the parameters of Python.

    Names in quotes or in round brackets are left alone: they are columns of the data, or the part that one plays.

    Examples
    --------
    >>> in_options("no predictions: name y_pred, or y_score together with a threshold")
    'no predictions: --y-pred, or --y-score with --threshold'
    >>> in_options("column 'y_pred' (y_pred) is missing; pass score_max=10")
    "column 'y_pred' (y_pred) is missing; pass --score-max 10"
    """
    for pattern, words in _SENTENCES:
        text = re.sub(pattern, words, text)
    return _NAMES.sub(lambda found: _OPTIONS[found[1]], text)
