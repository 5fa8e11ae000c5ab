import ast
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
NOTEBOOKS = [*LESSONS, *sorted((ROOT / "notebooks" / "sweeps").glob("*.ipynb"))]


def cells(path, kind=None):
    found = json.loads(path.read_text())["cells"]
    return [cell for cell in found if kind is None or cell["cell_type"] == kind]


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def text(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_one_parameters_cell_of_plain_typed_described_literals(path):
    tagged = ["parameters" in tags(cell) for cell in cells(path, "code")]
    assert tagged == [True] + [False] * (len(tagged) - 1), "exactly one, and no code before it"
    parameters = cells(path, "code")[0]
    for line in text(parameters).splitlines():
        assert re.fullmatch(r"\w+: (int|float|bool|str|dict|list) = [^#]+  # .+", line), line
    for statement in ast.parse(text(parameters)).body:
        ast.literal_eval(statement.value)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_but_for_those_that_are_checked(path):
    stray = [text(cell)[:60] for cell in cells(path, "code") if cell["outputs"] and "keep_output" not in tags(cell)]
    assert stray == []
    for cell in cells(path, "code"):
        assert ("keep_output" in tags(cell)) == ("nbval-check-output" in tags(cell))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_its_parts_in_order(path):
    told = "\n".join(text(cell) for cell in cells(path, "markdown"))
    headings = re.findall(r"^(#+) ", told, re.M)
    assert headings.count("#") == 1 and headings[0] == "#"
    assert all(len(after) <= len(before) + 1 for before, after in itertools.pairwise(headings))
    for part in ("**What you'll do:**", "**What you'll learn:**", "**What you need:**", "**Minutes:**"):
        assert part in told
    for part in ("You should see", "## Takeaways", "## Exercises", "**Next:**"):
        assert part in told, part
    learn = told.split("**What you'll learn:**")[1].split("**What you need")[0]
    takeaways = told.split("## Takeaways")[1].split("## Exercises")[0]
    assert len(re.findall(r"^\d\. ", learn, re.M)) == len(re.findall(r"^\d\. ", takeaways, re.M))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_asserts_something_checks_an_output_and_has_two_exercises(path):
    code = cells(path, "code")
    assert any("assert " in text(cell) for cell in code)
    assert any("nbval-check-output" in tags(cell) for cell in code)
    assert sum("solution" in tags(cell) for cell in code) >= 2
    assert max(text(cell).count("\n") for cell in code) < 30


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_what_a_lesson_links_to_is_there(path):
    told = "\n".join(text(cell) for cell in cells(path, "markdown"))
    for target in re.findall(r"\]\(([^)#]+)\)", told):
        assert target.startswith("http") or (path.parent / target).is_file(), target


def test_the_readme_links_to_what_is_there_and_lists_every_lesson():
    readme = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert target.startswith("http") or (ROOT / target).exists(), target
    assert [path.name for path in LESSONS if path.name not in readme] == []


def test_papermill_shows_what_the_parameters_mean():
    command = [sys.executable, "-m", "papermill", "--help-notebook", str(LESSONS[0])]
    shown = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    (parameters,) = [text(cell) for cell in cells(LESSONS[0], "code") if "parameters" in tags(cell)]
    for name, kind, default, meaning in re.findall(r"^(\w+): (\w+) = (.+?)  # (.+)$", parameters, re.M):
        assert f"{name}: {kind} (default {default}) {meaning}" in shown
    assert parameters.count("\n") + 1 == shown.count("(default ")
