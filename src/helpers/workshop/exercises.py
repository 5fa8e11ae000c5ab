"""What lessons need: their learner's version, with each solution emptied to one line, and expectations that may fail.

An exercise is a heading `### Exercise: …`, code tagged `exercise` where there is some to start from, one cell tagged
`solution` and, after it, one tagged `check`, which fails until the exercise is solved.
"""

import ast
import copy
import functools
import hashlib
import itertools
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from helpers import files, paths
from helpers.errors import StudyError
from helpers.workshop import colab

MANIFEST = ".written-by-study.json"
HEADING = re.compile(r"^### Exercise: (.+)$", re.M)
STRICT = "STUDY_STRICT_LESSONS"  # "1" where the kit itself is tested
ANSWER = re.compile(r"\n*<details><summary>Answer</summary>.*?</details>", re.S)  # of a quiz; hints stay
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
    """Returns a copy of a lesson for learners: no outputs, no answers to its quiz, solutions emptied to one line each.

    After the heading it has a cell for Google Colab, `colab.cell`, which does nothing elsewhere.

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
            cell.source = ANSWER.sub("", cell.source)
            # Lessons link to each other, which holds here too; what else they link to is two folders up.
            cell.source = re.sub(r"\]\((?!http|#|\d\d[a-z]?_)([^)]+)\)", r"](../../\1)", cell.source)
    first = learners.cells[0]
    learners.cells.insert(1, colab.cell())
    for number, cell in enumerate(learners.cells):
        cell.id = str(number)  # as nbstripout counts them
    first.source += f"\n\nThe learner's version: the exercises at the end are yours. [With solutions](../../{name})"
    return learners


def asked_for(solution: str, check: str) -> list[str]:
    """Returns the names that a solution makes and its check reads, in the solution's order."""
    nodes = list(ast.walk(ast.parse(solution)))
    bound = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    bound += [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    read = {node.id for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Name)}
    return [name for name in dict.fromkeys(bound) if name in read]


def expect(came_true: bool, what: str) -> None:
    """Prints whether an expectation of a lesson came true: one about speed, which no machine is bound to meet.

    Args:
        came_true: whether it did.
        what: was expected, as the end of a sentence: "the map of batches takes less time".

    Raises:
        AssertionError: where it did not, and the environment variable `STRICT` is "1".
    """
    if came_true:
        print(f"As expected: {what}.")
        return
    if os.environ.get(STRICT) == "1":
        raise AssertionError(f"it was expected that {what}")
    print(f"It was expected that {what}. Here it came out the other way; lesson 03 tells why that happens.")


def write(folder: Path, *, force: bool = False) -> list[Path]:
    """Writes the learner's version of every lesson into a folder, under the lessons' names; returns the files.

    It touches only what it wrote itself, which it knows by the hashes in a file `MANIFEST` of that folder: an earlier
    version is replaced, and removed where its lesson is gone. Whatever else is there, a solved exercise too, stays.

    Args:
        folder: where they go.
        force: replace also what was not written here or was changed since; it stays beside as NAME.bak.

    Raises:
        StudyError: where a lesson's exercises have another form, a lesson itself would be overwritten, or a file
            that was not written here; then nothing is touched.
    """
    if folder.resolve() == (paths.project_root() / "notebooks").resolve():
        raise StudyError(f"the learner's version must not replace the lessons (got {folder}); name another folder")
    made = {
        path.name: nbformat.writes(learners_version(nbformat.read(path, as_version=4), path.name)).encode() + b"\n"
        for path in lessons()
    }
    if not made:
        raise StudyError("there must be lessons to make the learner's version of (got none); run it in the checkout")
    written = _manifest(folder)
    mine = {name for name, digest in written.items() if _hash_of(folder / name) == digest}
    present = {name for name in made if (folder / name).exists()}
    others = sorted(name for name in present - mine if _hash_of(folder / name) != _hash(made[name]))
    if others and not force:
        raise StudyError(
            f"only what `study exercises` wrote may be replaced (got {folder / others[0]}, which it did not write, or "
            "was changed since); give --force to keep that as .bak, or another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in others:
        shutil.copy2(folder / name, _free_name(folder / f"{name}.bak"))
    for name in mine - set(made):
        (folder / name).unlink()
    for name, content in made.items():
        files.write_whole(folder / name, functools.partial(Path.write_bytes, data=content))
    files.write_json(folder / MANIFEST, {name: _hash(content) for name, content in made.items()})
    return [folder / name for name in made]


def _manifest(folder):
    """Returns name -> hash of what was written into a folder; {} where there is no such list."""
    try:
        listed = files.read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return {}
    plain = listed if isinstance(listed, dict) else {}
    return {name: digest for name, digest in plain.items() if Path(name).name == name and name.endswith(".ipynb")}


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def _hash_of(path):
    """Returns the hash of a file; "" for what is no file of its own, such as a link."""
    return _hash(path.read_bytes()) if path.is_file() and not path.is_symlink() else ""


def _free_name(path):
    """Returns the path, with a number behind it where something is there."""
    names = (path.with_name(f"{path.name}{number or ''}") for number in itertools.count())
    return next(name for name in names if not name.exists())


def _tags(cell) -> set:
    return set(cell.metadata.get("tags", []))
