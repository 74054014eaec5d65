"""What the documents say is run: every block of Python, every command, every option, every printed number."""

import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pandas as pd
import pytest

import evenhanded as eh
from audit.metrics.catalog import METRICS
from dashboards.pages import PAGES
from dashboards.words import metric_sentence, metric_title
from evenhanded.cli import FIRST, MORE, group, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
DOCUMENTS = {"README.md": README, "docs/guide.md": GUIDE, "CHANGELOG.md": CHANGELOG}
NEVER_RUN = {"dashboard", "demo"}  # a server, and a minute of training; tested where they live
SAYS = "# -> "


class Block(NamedTuple):
    language: str
    code: str


def blocks_of(text):
    return [Block(*found) for found in re.findall(r"^```(python|sh|yaml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def sections_of(text):
    return {part.partition("\n")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def prose_of(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def said(code):
    """Return the lines that a block says it prints."""
    lines = (line.partition(SAYS) for line in code.splitlines())
    return [part for _, sign, text in lines if sign for part in text.split(" | ")]


def commands_of(code):
    """Return the command lines of a block, continued lines joined, and the exit code that stands beside each."""
    joined = [line for line in code.replace("\\\n", " ").splitlines() if line.startswith("evenhanded ")]
    noted = [re.search(r"# exit code (\d)$", line) for line in joined]
    return [
        (shlex.split(line, comments=True), int(note[1]) if note else 0)
        for line, note in zip(joined, noted, strict=True)
    ]


def named_commands(text):
    """Return every command that a document names, as words: those of its blocks and those between backticks."""
    blocks = re.findall(r"^```(?:\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found = [words for code in blocks for words, _ in commands_of(code)]
    inline = re.findall(r"`(evenhanded [^`]+)`", prose_of(text))
    return [*found, *(shlex.split(" ".join(line.split())) for line in inline)]


def command_named(words):
    """Return the command, a subcommand where one is named, and the words after it."""
    command, rest = group, words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return None, rest
        command, rest = found, rest[1:]
    return command, rest


def problems_of(words):
    command, rest = command_named(words[1:])
    if command is None:
        return [f"{shlex.join(words)}: there is no command {rest[0]!r}"]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = [word.partition("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)]
    return [f"{shlex.join(words)}: there is no option {name}" for name in given if name not in known]


def test_a_wrong_command_and_a_wrong_option_are_seen():
    assert problems_of(shlex.split("evenhanded audits x.csv")) == [
        "evenhanded audits x.csv: there is no command 'audits'"
    ]
    assert problems_of(shlex.split("evenhanded sealed open box p.csv --who me"))[0].endswith("no option --who")
    assert problems_of(shlex.split("evenhanded audit x.csv --y-true y -c a.yaml")) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_named_exists_with_its_options(document):
    named = named_commands(DOCUMENTS[document])
    assert len(named) >= 3, "the pattern still finds them"
    assert [problem for words in named for problem in problems_of(words)] == []


def test_options_that_the_guide_names_between_backticks_exist_somewhere():
    commands = [group, *(group.get_command(click.Context(group), name) for name in FIRST | MORE)]
    below = [sub for command in commands[1:] if isinstance(command, click.Group) for sub in command.commands.values()]
    known = {name for command in [*commands, *below] for option in command.params for name in option.opts}
    named = re.findall(r"`(--[a-z-]+)", prose_of(GUIDE) + prose_of(README))
    assert len(named) >= 5
    assert set(named) <= known


def test_every_command_is_in_the_guide():
    named = {words[1] for words in named_commands(GUIDE)}
    assert set(FIRST | MORE) - named == set()


@pytest.mark.parametrize(
    "title", [pytest.param(title, marks=[pytest.mark.slow] * ("Spark" in title)) for title in sections_of(GUIDE)]
)
def test_a_section_of_the_guide_runs_and_prints_what_it_says(title, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(sections_of(GUIDE)[title])
    assert blocks, "a section shows how"
    for block in blocks:
        if block.language == "yaml":
            (tmp_path / "policy.yaml").write_text(block.code, encoding="utf-8")
            assert eh.load_policy("policy.yaml").requirements
        elif block.language == "sh":
            for words, code in commands_of(block.code):
                if words[1] not in NEVER_RUN:
                    assert run(words[1:]) == code, shlex.join(words)
        else:
            printed = by_itself(block.code) if "pyspark" in block.code else in_here(block.code, capsys)
            assert said(block.code), "a block says what it prints"
            assert printed == said(block.code)


def in_here(code, capsys):
    capsys.readouterr()
    exec(code, {"__name__": "guide"})  # noqa: S102 - our own guide
    return capsys.readouterr().out.splitlines()


def by_itself(code):
    """Run a block in a process of its own: a session of Spark is one per process, and others have theirs."""
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer, which is not installed")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md"])
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", prose_of(DOCUMENTS[document]))
    assert len(links) >= 5
    for target, anchor in links:
        assert "://" not in target, "documents name no page that may change"
        path = (folder / target) if target else ROOT / document
        assert path.is_file(), target
        assert not anchor or anchor in anchors_of(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


def anchors_of(text):
    """Return the anchors of headings as GitHub makes them: lower case, punctuation gone, spaces to hyphens."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_a_source_and_is_explained(name):
    metric = METRICS[name]
    assert re.search(r"\d{4}", metric.source), "author, year and where"
    sentence = metric_sentence(name, "1")
    assert sentence.endswith(".")
    assert len(sentence.split()) >= 4
    assert "{" not in sentence
    assert "_" not in metric_title(name)
    assert re.search(r">>> .*\b" + re.escape(name), inspect.getdoc(metric.function) or "", re.DOTALL), "an example"


@pytest.mark.parametrize("name", sorted(eh.__all__))
def test_a_public_name_loads_and_has_an_example(name):
    text = inspect.getdoc(getattr(eh, name)) or ""
    assert text.partition("\n")[0].endswith((".", ":")), "the first line says what it is"
    assert ">>> " in text


# --- the README -------------------------------------------------------------------------------------------------------


def readme_block(language, marker):
    found = [block.code for block in blocks_of(README) if block.language == language and marker in block.code]
    assert len(found) == 1, f"one block of the README shows {marker}"
    return found[0]


def test_every_python_block_of_the_readme_is_run_below():
    markers = ("gate.require()", "eh.watch_actions", "eh.Learner(")
    assert [block for block in blocks_of(README) if block.language == "python"] == [
        Block("python", readme_block("python", marker)) for marker in sorted(markers, key=README.index)
    ]


def test_the_readme_names_every_page_and_every_call_that_there_is():
    table = [line.split("|") for line in README.splitlines() if line.startswith("| [")]
    pages = {page.strip() for cells in table for page in cells[4].split(",") if page.strip()}
    assert pages == {page.title for page in PAGES.values()}
    calls = set(re.findall(r"`eh\.(\w+)", README)) | set(re.findall(r"\beh\.(\w+)", GUIDE))
    assert calls <= {*eh.__all__}
    assert len(calls) > 40


def decisions(missed_women, missed_men, n=1000):
    """Return n women and n men with the condition and as many without; of those with it, so many are not flagged."""
    rows = []
    for sex, missed in (("F", missed_women), ("M", missed_men)):
        rows += [(1, int(i >= missed * n), sex) for i in range(n)] + [(0, int(i < n // 10), sex) for i in range(n)]
    return pd.DataFrame(rows, columns=["outcome", "flagged", "sex"])


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (decisions(0.40, 0.10), "FAIL"),
        (decisions(0.20, 0.20), "PASS"),
        (decisions(0.20, 0.20, n=40), "INSUFFICIENT"),
        (decisions(0.40, 0.10).query("sex == 'F'"), "INVALID"),
    ],
    ids=["biased", "fair", "too few rows", "a group is absent"],
)
def test_the_readme_gate_stops_a_biased_model_and_passes_a_fair_one(tmp_path, monkeypatch, frame, verdict):
    (tmp_path / "policy.yaml").write_text(readme_block("yaml", "missed-gap"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = {"frame": frame}
    if verdict == "PASS":
        exec(readme_block("python", "gate.require()"), names)  # noqa: S102 - our own README
    else:
        with pytest.raises(eh.GateError, match="missed-gap"):
            exec(readme_block("python", "gate.require()"), names)  # noqa: S102 - our own README
    assert names["gate"].verdict == verdict
    assert (names["gate"].exit_code == 0) is (verdict == "PASS")


def test_the_readme_watching_example_rings(capsys):
    exec(readme_block("python", "eh.watch_actions"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out.startswith("2026-01-")


def test_the_readme_training_example_trains_audits_and_gates_in_thirty_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, names = readme_block("python", "eh.Learner("), {}
    assert len(code.splitlines()) <= 30
    exec(code, names)  # noqa: S102 - our own README
    assert capsys.readouterr().out.splitlines() == said(code) == [names["judged"].verdict]
    assert names["result"].find("accuracy").value > 0.8
    assert "holds" in (tmp_path / "report.html").read_text(encoding="utf-8")
    names["frame"].drop(columns="ill").head(9).to_csv("new.csv", index=False)
    assert run(["predict", "model", "new.csv"]) == 0
    assert len(pd.read_parquet("new-predictions.parquet")) == 9


def test_the_two_lines_of_the_readme_make_its_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = re.search(r"^```\n(python -c .*?)^```", README, re.DOTALL | re.MULTILINE)
    script = block[1].replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(["/bin/sh", "-c", script], check=True, timeout=60)
    table = pd.read_csv("scored.csv")
    assert list(table) == ["outcome", "flagged", "sex", "race"]
    assert len(table) == 2000


def test_the_readme_activates_what_it_installs_before_it_calls_it_by_its_bare_name():
    assert README.index(". .venv/bin/activate") < README.index("\nevenhanded ")


def test_the_readme_goes_from_a_csv_to_a_page(tmp_path, monkeypatch):
    """Run the commands of the README one after the other, on a table that holds the columns that they name."""
    frame = decisions(0.40, 0.10).assign(race=["A", "B"] * 2000)
    frame.to_csv(tmp_path / "scored.csv", index=False)
    monkeypatch.chdir(tmp_path)
    text = sections_of(README)["From a CSV to a page"]
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [words for code in blocks for words, _ in commands_of(code)]
    codes = [run(words[1:]) for words in lines if words[1] not in NEVER_RUN]
    assert [words[1] for words in lines] == ["audit", "gate", "gate", "gate", "report", "dashboard"]
    assert codes == [0, 0, 1, 1, 0]
    assert "<h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")
