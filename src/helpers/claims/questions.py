"""Questions that people ask in public, with the evidence that answers each: read from `data/questions.yml`, checked."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checks, paths
from helpers.claims import file, reading
from helpers.claims.judgement import Judgement
from helpers.errors import StudyError

THREAD = re.compile(r"[\w.-]+/[\w.-]+#\d+")
SENTENCE = re.compile(r"[.?!](?=\s|$)")
MOST_SENTENCES = 3
KINDS = ("claim", "lesson", "fact", "run")


@dataclass(frozen=True)
class Evidence:
    """What decides an answer.

    Attributes:
        kind: "claim", "lesson", "fact" or "run".
        told: the claim's id, the lesson's file, the fact's id, or lines of Python.
        verdict: the claim's, that the answer rests on; "" for other kinds.
    """

    kind: str
    told: str
    verdict: str = ""

    def __str__(self):
        if self.kind == "claim":
            return f"claim {self.told}: {self.verdict}"
        return "lines of Python, see data/questions.yml" if self.kind == "run" else f"{self.kind} {self.told}"


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: short name.
        threads: where it was asked, as owner/name#number of GitHub.
        question: in our words.
        answer: in at most three sentences.
        evidence: what decides it here.
        needs: modules that its lines need and the kit does not install.
        backend: of Keras, that its lines run on.
    """

    id: str
    threads: tuple[str, ...]
    question: str
    answer: str
    evidence: Evidence
    needs: tuple[str, ...] = ()
    backend: str = "tensorflow"

    @property
    def links(self) -> list[str]:
        """The threads' addresses; GitHub leads a pull request's number to the pull request."""
        return [f"https://github.com/{thread.replace('#', '/issues/')}" for thread in self.threads]

    @property
    def tag(self) -> str:
        """Of the lesson's cell that decides it."""
        return f"answers-{self.id}"


def load(path: str | Path | None = None) -> list[Question]:
    """Reads and checks a file of questions; its form is explained at the head of `data/questions.yml`.

    Args:
        path: None: the project's `data/questions.yml`.

    Raises:
        StudyError: where it is not there, is no YAML, or a question is not as it must be.
    """
    path = Path(path) if path else paths.project_root() / "data" / "questions.yml"
    listed = reading.content_of(path, "questions")["questions"]
    known = {claim.id for claim in file.load()}
    questions = [_question(f"{path.name}: question {number}", entry, known) for number, entry in enumerate(listed, 1)]
    reading.require_own_ids((question.id for question in questions), path.name, "question")
    return questions


def find(questions: list[Question], words: tuple[str, ...]) -> list[Question]:
    """Returns the questions that hold all of the words in id, threads, question or answer, in upper or lower case."""

    def text(question):
        return " ".join((question.id, *question.threads, question.question, question.answer)).lower()

    return [question for question in questions if all(word.lower() in text(question) for word in words)]


def _question(name, entry, claims):
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise StudyError(f"{name} must be a mapping with an id (got {entry!r:.60})")
    name = f"{name.rpartition(' question')[0]} question {entry['id']}"
    for key in ("threads", "question", "answer", "evidence"):
        if not entry.get(key):
            raise StudyError(f"{name}: it needs {key} (got {', '.join(entry)})")
    checks.known(
        f"{name}: unknown setting", entry, {"id", "threads", "question", "answer", "evidence", "needs", "backend"}
    )
    threads, needs, backend = entry["threads"], entry.get("needs", []), entry.get("backend", "tensorflow")
    checks.one_of(f"{name}: backend", backend, ("tensorflow", "jax"))
    if not isinstance(threads, list) or not all(THREAD.fullmatch(str(thread)) for thread in threads):
        raise StudyError(f"{name}: threads must be a list of owner/name#number (got {threads!r:.60})")
    if not isinstance(needs, list) or not all(isinstance(module, str) for module in needs):
        raise StudyError(f"{name}: needs must be a list of modules (got {needs!r:.60})")
    question, answer = (" ".join(str(entry[key]).split()) for key in ("question", "answer"))
    if len(SENTENCE.findall(answer)) > MOST_SENTENCES:
        raise StudyError(f"{name}: an answer has at most {MOST_SENTENCES} sentences (got {answer!r:.60}…); shorten it")
    evidence = _evidence(name, entry["evidence"], claims)
    return Question(entry["id"], tuple(threads), question, answer, evidence, tuple(needs), backend)


def _evidence(name, entry, claims):
    kinds = [kind for kind in KINDS if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1:
        raise StudyError(f"{name}: evidence must be one of {', '.join(KINDS)} (got {entry!r:.60})")
    (kind,), told = kinds, str(entry[kinds[0]])
    checks.known(f"{name}: unknown setting of evidence", entry, {kind, "verdict"} if kind == "claim" else {kind})
    if kind == "claim":
        checks.one_of(f"{name}: claim", told, claims)
        checks.one_of(f"{name}: verdict", entry.get("verdict"), [verdict.value for verdict in Judgement])
    if kind == "run":
        _check_lines(name, told)
    return Evidence(kind, told.rstrip(), str(entry.get("verdict", "")))


def _check_lines(name: str, lines: str) -> Any:
    """Lines must be Python that asserts something, and tells what it found."""
    try:
        nodes = list(ast.walk(ast.parse(lines)))
    except SyntaxError as error:
        raise StudyError(f"{name}: run must be Python (line {error.lineno}: {error.msg})") from None
    prints = any(isinstance(node, ast.Name) and node.id == "print" for node in nodes)
    if not prints or not any(isinstance(node, ast.Assert) for node in nodes):
        raise StudyError(f"{name}: run must print what it finds and assert what the answer says (got {lines!r:.60})")
