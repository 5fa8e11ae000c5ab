import ast

import nbformat
import pytest

from helpers import cli, paths, workshop
from helpers.errors import StudyError

LESSONS = workshop.lessons()
LEARNERS = paths.project_root() / "notebooks" / "workshop" / "learner"


def read(path):
    return nbformat.read(path, as_version=4)


def names(source, kind):
    return {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learner")
    assert cli.main(["exercises", "--out", str(folder)]) == cli.DONE
    return folder


def test_the_learners_version_is_up_to_date(written):
    fresh = {path.name: path.read_text() for path in written.iterdir()}
    kept = {path.name: path.read_text() for path in LEARNERS.glob("*.ipynb")}
    stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
    assert stale == [], "run `study exercises`, and commit what it writes"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_a_prediction_and_a_repair_each_with_a_check(path):
    found = workshop.exercises_of(read(path), path.name)
    assert len(found) >= 2
    assert any("predict" in exercise.heading for exercise in found), "one to predict, then run"
    assert any(word in exercise.heading for exercise in found for word in ("repair", "fault", "mend")), "one to repair"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_an_emptied_solution_is_one_line_and_nothing_else_of_the_lesson_needs_it(path, written):
    lesson, learners = read(path), read(written / path.name)
    found = workshop.exercises_of(lesson, path.name)
    apart = {place for exercise in found for place in (exercise.solution, exercise.check)}
    for exercise in found:
        prompt = learners.cells[exercise.solution].source
        assert prompt.startswith("# Your solution") and "\n" not in prompt
        own = {exercise.solution, exercise.check}
        others = [cell for place, cell in enumerate(lesson.cells) if place not in own]
        elsewhere = [cell.source for cell in others if cell.cell_type == "code"]
        made_here = names(lesson.cells[exercise.solution].source, ast.Store)
        made_elsewhere = set().union(*(names(source, ast.Store) for source in elsewhere))
        needed = set().union(*(names(source, ast.Load) for source in elsewhere))
        assert (made_here - made_elsewhere) & needed == set(), "a cell that stays uses what a solution made"
    for place, cell in enumerate(lesson.cells):
        if place not in apart and cell.cell_type == "code":
            assert learners.cells[place].source == cell.source


def notebook(*cells):
    made = nbformat.v4.new_notebook()
    for tag, source in cells:
        made.cells.append(nbformat.v4.new_markdown_cell(source) if tag is None else nbformat.v4.new_code_cell(source))
        made.cells[-1].metadata["tags"] = [tag] if tag else []
    return made


def test_the_prompt_names_what_the_check_reads():
    lesson = notebook(
        (None, "# Try\n[data](../data/README.md) [next](01_compare.ipynb)"),
        (None, "### Exercise: repair this\n\nMend it."),
        ("solution", "help_ = 1\nmended = help_ + 1\ndef twice(x): return 2 * x"),
        ("check", "assert mended == 2 and twice(1) == 2"),
    )
    learners = workshop.learners_version(lesson, "00_try.ipynb")
    assert learners.cells[2].source == "# Your solution, which makes: mended, twice. The next cell checks it."
    assert (
        "](../../../data/README.md)" in learners.cells[0].source and "](01_compare.ipynb)" in learners.cells[0].source
    )
    assert lesson.cells[2].source.startswith("help_")


@pytest.mark.parametrize(
    "cells",
    [
        [("solution", "a = 1"), ("check", "assert a")],
        [(None, "### Exercise: repair"), ("solution", "a = 1")],
        [(None, "### Exercise: repair"), ("solution", "a = 1"), ("", "b = 1"), ("check", "assert a")],
        [(None, "### Exercise: repair"), ("check", "assert True")],
    ],
)
def test_an_exercise_of_another_form_is_refused(cells):
    with pytest.raises(StudyError, match=r"got 'a|got 'assert"):
        workshop.learners_version(notebook(*cells))


def test_the_command_writes_every_lesson_says_where_and_clears_away_those_of_another_time(tmp_path, capsys):
    folder = tmp_path / "new" / "learner"
    folder.mkdir(parents=True)
    (folder / "99_long_gone.ipynb").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    assert cli.main(["exercises", "--out", str(folder)]) == cli.DONE
    assert capsys.readouterr().out == f"{len(LESSONS)} lessons without solutions are in {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(path.name for path in LESSONS), "notes.txt"])
    assert not any(cell.get("outputs") for path in folder.glob("*.ipynb") for cell in read(path).cells)


def test_the_lessons_are_never_overwritten(capsys):
    before = {path: path.read_bytes() for path in LESSONS}
    assert cli.main(["exercises", "--out", str(paths.project_root() / "notebooks")]) == cli.BAD_INPUT
    assert "must not replace the lessons" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in LESSONS} == before
