"""What TensorFlow, Keras and the like do, as far as the kit relies on it: `data/facts.yml`, and who cites what."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checks, paths
from helpers.claims import reading
from helpers.errors import StudyError

FIELDS = {"id", "says", "check", "needs", "alone", "seen"}
CITED = re.compile(r"\[facts?: ([\w-]+(?:, [\w-]+)*)\]")
PIECES = re.compile(r'"\s*\n\s*f?"')
STARTS = re.compile(r'[.!?:]["\')*_]*\s+|\n\s*\n|\n\s*(?:- |\d\. )|"|>-\s*\n|#+ ')
ENDS = re.compile(r'[.!?](?=["\')*_]*\s|$)|\n\s*\n|(?=")')
CITING = (
    "notebooks/[0-9]*.ipynb",
    "notebooks/workshop/*.md",
    "data/claims.yml",
    "README.md",
    "pyproject.toml",
    "src/helpers/**/*.py",
    "benchmarks/**/*.py",
)


@dataclass(frozen=True)
class Fact:
    """One behaviour that the kit relies on.

    Attributes:
        id: what it is cited by.
        says: one sentence.
        check: Python that raises where that is false.
        needs: modules without which it cannot be tried.
        alone: whether it is tried in a process of its own, before TensorFlow has run anything.
        seen: versions of TensorFlow with which it was true.
    """

    id: str
    says: str
    check: str
    needs: tuple[str, ...] = ()
    alone: bool = False
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactFile:
    """The facts, the Python that their checks share, and what was installed beside each version of TensorFlow."""

    facts: tuple[Fact, ...]
    shared: str
    environments: dict[str, dict[str, str]]

    def named(self, ids: Iterable[str]) -> tuple[Fact, ...]:
        """Returns the facts of some ids, all where none is given.

        Raises:
            StudyError: for an id that is not there.
        """
        wanted = set(ids)
        known = [fact.id for fact in self.facts]
        for id_ in wanted:
            checks.one_of("a fact", id_, known)
        return tuple(fact for fact in self.facts if not wanted or fact.id in wanted)


@dataclass(frozen=True)
class Citation:
    """A sentence that relies on facts: the file, the line (a notebook's cell), and the sentence."""

    file: str
    at: str
    sentence: str

    def __str__(self):
        return f"{self.file}, {self.at}: {self.sentence}"


def default_path() -> Path:
    """Returns the project's file of facts."""
    return paths.project_root() / "data" / "facts.yml"


def load(path: Path | None = None) -> FactFile:
    """Reads and checks a file of facts; its form is explained at the head of `data/facts.yml`.

    Args:
        path: None: the project's.

    Raises:
        StudyError: where it is not there, is no YAML, or a fact is not as it must be.
    """
    path = path or default_path()
    content = reading.content_of(path, "facts")
    facts = tuple(_fact(path.name, entry) for entry in content["facts"])
    reading.require_own_ids((fact.id for fact in facts), path.name, "fact")
    return FactFile(facts, content.get("shared") or "", content.get("environments") or {})


def _fact(name: str, entry: Any) -> Fact:
    if not isinstance(entry, dict) or not {"id", "says", "check"} <= set(entry) <= FIELDS:
        got = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise StudyError(f"{name}: a fact must have id, says and check, and may have needs, alone and seen (got {got})")
    try:
        has_assert = any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(entry["check"])))
    except (SyntaxError, TypeError, ValueError) as error:
        raise StudyError(f"{name}: the check of {entry['id']} must be Python (got {error})") from None
    if not has_assert:
        raise StudyError(f"{name}: the check of {entry['id']} must be able to fail (got no assert)")
    return Fact(
        str(entry["id"]),
        str(entry["says"]).strip(),
        entry["check"],
        tuple(entry.get("needs", ())),
        bool(entry.get("alone", False)),
        tuple(map(str, entry.get("seen", ()))),
    )


def citations(root: Path | None = None) -> dict[str, list[Citation]]:
    """Returns who cites each fact: id -> citations, those of ids that are no fact included.

    Args:
        root: the project's folder; None: this project's.
    """
    root = root or paths.project_root()
    cited: dict[str, list[Citation]] = {}
    for pattern in CITING:
        for path in sorted(root.glob(pattern)):
            for at, sentence, ids in citations_in(path):
                for id_ in ids:
                    cited.setdefault(id_, []).append(Citation(path.relative_to(root).as_posix(), at, sentence))
    return cited


def citations_in(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yields where in a file facts are cited, the sentence, and the facts' ids.

    Args:
        path: of a notebook, or of another text.
    """
    content = path.read_text(encoding="utf-8")
    is_notebook = path.suffix == ".ipynb"
    texts = ["".join(cell["source"]) for cell in json.loads(content)["cells"]] if is_notebook else [content]
    for number, text in enumerate(texts):
        # The pieces of one string of Python are one text; of the same length, so that lines can be counted.
        plain = PIECES.sub(lambda found: " " * len(found[0]), text) if path.suffix == ".py" else text
        for found in CITED.finditer(plain):
            line = text.count("\n", 0, found.start()) + 1
            at = f"cell {number}" if is_notebook else f"line {line}"
            yield at, _sentence(plain, found.start()), found[1].split(", ")


def _sentence(text: str, at: int) -> str:
    """The sentence of a text in which a position lies."""
    start = max([0, *(found.end() for found in STARTS.finditer(text, 0, at))])
    end = ENDS.search(text, at)
    return " ".join(text[start : end.end() if end else len(text)].split())
