import ast
import json
import re

import nbformat
import pytest

from helpers import cli, paths, workshop
from helpers.errors import StudyError
from helpers.workshop import exercises

LESSONS = workshop.lessons()
LEARNERS = paths.project_root() / "notebooks" / "workshop" / "learner"


def read(path):
    return nbformat.read(path, as_version=4)


def learners_of(notebook):
    """A learner's version without its cell for Colab, so that the cells stand where the lesson's do."""
    assert workshop.COLAB in notebook.cells[1].metadata["tags"]
    del notebook.cells[1]
    return notebook


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
    kept = {path.name: path.read_text() for path in LEARNERS.iterdir() if path.is_file()}
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
    lesson, learners = read(path), learners_of(read(written / path.name))
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


QUESTION = re.compile(r"^\*\*(\d)\.\*\* .+?(?=^\*\*\d\.\*\* |\Z)", re.M | re.S)


def quiz_of(path):
    """The five questions of a lesson's quiz, each with what follows it."""
    (cell,) = [cell.source for cell in read(path).cells if cell.source.startswith("## Quiz\n")]
    return [question.group() for question in QUESTION.finditer(cell)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_quiz_has_five_questions_with_explained_answers_which_learners_do_not_get(path, written):
    questions, asked = quiz_of(path), quiz_of(written / path.name)
    assert len(questions) == len(asked) == 5
    for question, without in zip(questions, asked, strict=True):
        choices = re.findall(r"^- ([abc])\) .+", question, re.M)
        (right, why) = re.search(r"<summary>Answer</summary>([abc])\) (.+)</details>", question).groups()
        assert choices == ["a", "b", "c"] and right in choices
        assert len(why.split()) >= 8, "an answer says why"
        assert "Answer" not in without and why not in without and re.findall(r"^- ([abc])\)", without, re.M) == choices


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_hints_are_graded_and_stay_with_the_learners(path, written):
    lesson, learners = read(path), read(written / path.name)
    headings = [cell for cell in lesson.cells if "### Exercise: " in cell.source and cell.cell_type == "markdown"]
    for cell in headings:
        told = cell.source.rpartition("### Exercise: ")[2]
        hints = re.findall(r"<details><summary>Hint (\d)</summary>.+?</details>", told)
        assert len(hints) >= 2 and hints == [str(number) for number in range(1, len(hints) + 1)], told[:60]
    hints_of = lambda notebook: sum(cell.source.count("<summary>Hint") for cell in notebook.cells)  # noqa: E731
    assert hints_of(lesson) == hints_of(learners) > 0


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
    learners = learners_of(workshop.learners_version(lesson, "00_try.ipynb"))
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


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != workshop.MANIFEST}


def test_the_command_writes_every_lesson_says_where_and_leaves_alone_what_is_not_its_own(tmp_path, capsys):
    folder = tmp_path / "new" / "learner"
    folder.mkdir(parents=True)
    (folder / "99_of_my_own.ipynb").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    assert cli.main(["exercises", "--out", str(folder)]) == cli.DONE
    assert capsys.readouterr().out == f"{len(LESSONS)} lessons without solutions are in {folder}\n"
    assert sorted(contents(folder)) == sorted([*(path.name for path in LESSONS), "99_of_my_own.ipynb", "notes.txt"])
    assert not any(cell.get("outputs") for path in LESSONS for cell in read(folder / path.name).cells)
    before = contents(folder)
    assert cli.main(["exercises", "--out", str(folder)]) == cli.DONE
    assert contents(folder) == before


def test_what_it_wrote_itself_is_replaced_and_goes_with_its_lesson(tmp_path, monkeypatch):
    workshop.write(tmp_path)
    monkeypatch.setattr(exercises, "lessons", lambda: LESSONS[1:])
    workshop.write(tmp_path)
    assert sorted(contents(tmp_path)) == [path.name for path in LESSONS[1:]]


@pytest.mark.parametrize("written_before", [False, True], ids=["of one's own", "solved"])
def test_a_notebook_that_it_did_not_write_so_is_refused_by_name_and_nothing_is_touched(
    tmp_path, capsys, written_before
):
    if written_before:
        workshop.write(tmp_path)
    (tmp_path / LESSONS[3].name).write_text("my work")
    before = contents(tmp_path)
    assert cli.main(["exercises", "--out", str(tmp_path)]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert str(tmp_path / LESSONS[3].name) in told and "--force" in told and told.count("\n") == 1
    assert contents(tmp_path) == before


def test_force_keeps_what_it_replaces(tmp_path):
    for work in ("first", "second"):
        (tmp_path / LESSONS[0].name).write_text(work)
        assert cli.main(["exercises", "--out", str(tmp_path), "--force"]) == cli.DONE
    kept = [tmp_path / f"{LESSONS[0].name}.bak{number}" for number in ("", 1)]
    assert [path.read_text() for path in kept] == ["first", "second"]
    assert read(tmp_path / LESSONS[0].name).cells


def test_a_list_of_what_was_written_that_somebody_made_up_reaches_no_other_file(tmp_path):
    (tmp_path / "mine.ipynb").write_text("mine")
    outside = tmp_path / "outside.ipynb"
    outside.write_text("mine")
    folder = tmp_path / "learner"
    folder.mkdir()
    digest = exercises._hash(b"mine")
    (folder / workshop.MANIFEST).write_text(json.dumps({"../outside.ipynb": digest, str(outside): digest}))
    workshop.write(folder)
    assert outside.read_text() == "mine"


def test_the_lessons_are_never_overwritten(capsys):
    before = {path: path.read_bytes() for path in LESSONS}
    assert cli.main(["exercises", "--out", str(paths.project_root() / "notebooks")]) == cli.BAD_INPUT
    assert "must not replace the lessons" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in LESSONS} == before
