"""Who decides how well stands on the terminal, by group; what a table cuts off names the option that holds it."""

import pandas as pd


def audited(call, folder, *more):
    frame = pd.DataFrame({"true": [1, 0] * 100, "model": [1, 1] * 100, "final": [1, 0] * 50 + [0, 1] * 50})
    frame.assign(sex=["F"] * 100 + ["M"] * 100, site=list(range(40)) * 5).to_csv(folder / "scored.csv", index=False)
    asked = ("audit", "scored.csv", "--y-true", "true", "--y-pred", "model", *more)
    return call(*asked, cwd=folder, code=0).stdout


def test_errors_and_overrides_stand_by_group(call, tmp_path):
    assert "overrides" not in audited(call, tmp_path, "--sensitive", "sex")
    lines = audited(call, tmp_path, "--sensitive", "sex", "--final", "final").splitlines()
    start = lines.index(next(line for line in lines if line.startswith("Wrong decisions, and overrides")))
    rows = {line.split("  ")[0]: line for line in lines[start:]}
    # The model is wrong in half of the rows. Of the women all that it got wrong are mended, of the men none: there half
    # of the rows, all those that it got right, are spoilt.
    assert [text for text in rows["sex = F"].split() if text in {"50.0", "0.0"}] == ["50.0", "0.0", "50.0", "0.0"]
    assert [text for text in rows["sex = M"].split() if text in {"50.0", "100.0", "0.0"}] == [
        "50.0",
        "100.0",
        "0.0",
        "50.0",
    ]


def test_what_a_table_cuts_off_names_the_option_that_holds_it(call, tmp_path):
    shown = audited(call, tmp_path, "--sensitive", "site")
    assert "more groups; --json FILE holds them all" in shown
    assert "in the JSON" not in shown
