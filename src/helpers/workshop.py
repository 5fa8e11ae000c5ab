"""Writes the learner's version of the lessons: the same notebooks, each solution emptied to one line.

An exercise is a heading `### Exercise: …`, code tagged `exercise` where there is some to start from, one cell tagged
`solution` and, after it, one tagged `check`, which fails until the exercise is solved.
"""

import ast
import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from helpers import paths
from helpers.errors import StudyError

HEADING = re.compile(r"^### Exercise: (.+)$", re.M)
OUTPUT_TAGS = {"keep_output", "nbval-check-output"}


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson: its heading, and the positions of its cells in the notebook."""

    heading: str
    solution: int
    check: int


def lessons() -> list[Path]:
    """Returns the lessons' notebooks, in reading order."""
    return sorted((paths.project_root() / "notebooks").glob("[0-9]*.ipynb"))


def exercises_of(notebook: Any, name: str = "the notebook") -> list[Exercise]:
    """Returns a notebook's exercises, in order.

    Args:
        notebook: as `nbformat.read` gives it.
        name: of the notebook, for the error.

    Raises:
        StudyError: where a solution lacks its heading, or a cell tagged `check` right after it.
    """
    exercises: list[Exercise] = []
    heading = None
    checks = {position for position, cell in enumerate(notebook.cells) if "check" in _tags(cell)}
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heading = next(iter(HEADING.findall(cell.source)[-1:]), heading)
        elif "solution" in _tags(cell):
            if heading is None or position + 1 not in checks:
                raise StudyError(
                    f"an exercise must have a heading '### Exercise: …', a cell tagged solution and right after it one "
                    f"tagged check (got {cell.source.splitlines()[0]!r} in {name})"
                )
            exercises.append(Exercise(heading, position, position + 1))
            heading = None
    if stray := sorted(checks - {exercise.check for exercise in exercises}):
        first_line = notebook.cells[stray[0]].source.splitlines()[0]
        raise StudyError(f"a check must come right after a solution (got {first_line!r} in {name})")
    return exercises


def learners_version(notebook: Any, name: str = "the notebook") -> Any:
    """Returns a copy of a lesson for learners: no outputs, each solution emptied to one line that tells what to make.

    Args:
        notebook: as `nbformat.read` gives it.
        name: its file's name.
    """
    learners = copy.deepcopy(notebook)
    for exercise in exercises_of(notebook, name):
        solution, check = learners.cells[exercise.solution], learners.cells[exercise.check]
        names = ", ".join(asked_for(solution.source, check.source))
        solution.source = f"# Your solution{f', which makes: {names}' if names else ''}. The next cell checks it."
    for cell in learners.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if "tags" in cell.metadata:
                cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag not in OUTPUT_TAGS]
        else:
            # Lessons link to each other, which holds here too; what else they link to is two folders up.
            cell.source = re.sub(r"\]\((?!http|#|\d\d_)([^)]+)\)", r"](../../\1)", cell.source)
    first = learners.cells[0]
    first.source += f"\n\nThe learner's version: the exercises at the end are yours. [With solutions](../../{name})"
    return learners


def asked_for(solution: str, check: str) -> list[str]:
    """Returns the names that a solution makes and its check reads, in the solution's order."""
    nodes = list(ast.walk(ast.parse(solution)))
    bound = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    bound += [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    read = {node.id for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Name)}
    return [name for name in dict.fromkeys(bound) if name in read]


def write(folder: Path) -> list[Path]:
    """Writes the learner's version of every lesson into a folder, under the lessons' names; returns the files.

    A file there that no lesson has the name of is removed if it is numbered as lessons are.

    Raises:
        StudyError: where a lesson's exercises have another form, or a lesson itself would be overwritten.
    """
    if folder.resolve() == (paths.project_root() / "notebooks").resolve():
        raise StudyError(f"the learner's version must not replace the lessons (got {folder}); name another folder")
    made = {path.name: learners_version(nbformat.read(path, as_version=4), path.name) for path in lessons()}
    if not made:
        raise StudyError("there must be lessons to make the learner's version of (got none); run it in the checkout")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9]_*.ipynb"):
        if old.name not in made:
            old.unlink()
    for name, notebook in made.items():
        nbformat.write(notebook, folder / name)
    return [folder / name for name in made]


def _tags(cell) -> set:
    return set(cell.metadata.get("tags", []))
