"""Tries facts on the TensorFlow, Keras and the like that are installed, in processes of their own.

`python -m helpers.claims.fact_checks FILE ANSWERS SECONDS ID…` is such a process: it tries one fact after the other,
and writes each answer as a line of JSON. One that takes more seconds ends it.
"""

import ast
import contextlib
import faulthandler
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import CodeType
from typing import Any

from helpers.claims import facts
from helpers.claims.facts import Fact
from helpers.errors import first_line
from helpers.machine import processes

DEADLINE_S = 60.0  # for each fact
IMPORT_S = 120.0  # for TensorFlow to be imported, and for a process to die


class Truth(StrEnum):
    """What came of trying a fact."""

    TRUE = "true"
    FALSE = "false"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Answer:
    """A fact, what came of trying it, and why it is not true, or was not tried."""

    fact: Fact
    truth: Truth = Truth.NOT_TRIED
    why: str = ""


def tried(wanted: Sequence[Fact], *, path: Path | None = None, deadline_s: float = DEADLINE_S) -> Iterator[Answer]:
    """Tries facts on what is installed, and yields an answer for each as it comes.

    A fact that seems false is tried once more, in a process of its own: it is false only if it is so twice.

    Args:
        wanted: the facts.
        path: their file; None: the project's.
        deadline_s: seconds that each may take.
    """
    lacking = {fact.id: [name for name in fact.needs if importlib.util.find_spec(name) is None] for fact in wanted}
    for fact in wanted:
        if lacking[fact.id]:
            yield Answer(fact, Truth.NOT_TRIED, f"{' and '.join(lacking[fact.id])} is not installed")
    here = [fact for fact in wanted if not lacking[fact.id]]
    together = [fact for fact in here if not fact.alone]
    for group in ([together] if together else []) + [[fact] for fact in here if fact.alone]:
        for answer in _in_process(group, path, deadline_s):
            if answer.truth == Truth.TRUE:
                yield answer
            else:
                yield from _in_process([answer.fact], path, deadline_s)


def _in_process(group: list[Fact], path: Path | None, deadline_s: float) -> Iterator[Answer]:
    """Tries facts in one process, and in another one from the fact on that ended it."""
    waiting = {fact.id: fact for fact in group}
    while waiting:
        first = next(iter(waiting))
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
            answers = Path(folder, "answers")
            file = str((path or facts.default_path()).resolve())
            command = [sys.executable, "-m", __spec__.name, file, str(answers), str(deadline_s), *waiting]
            process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder)
            try:
                for told in _lines(process, answers, deadline_s + IMPORT_S):
                    yield Answer(waiting.pop(told["id"]), Truth(told["truth"]), told["why"])
                    first = next(iter(waiting), "")
            finally:
                processes.end_tree(process.pid)
                process.wait()
            if first:
                said.seek(0)
                lines = said.read().decode(errors="replace").splitlines() or [""]
                late = any(line.startswith("Timeout (") for line in lines)
                why = f"it took over {deadline_s:g} s" if late else f"its process died: {lines[-1]}"
                yield Answer(waiting.pop(first), Truth.FALSE, why)


def _lines(process: subprocess.Popen[bytes], path: Path, most_s: float) -> Iterator[dict[str, Any]]:
    """The lines of a file as a process writes them, until it ends; ends it where none comes for long."""
    read, ended, last = 0, False, time.monotonic()
    while not ended:
        ended = process.poll() is not None or time.monotonic() - last > most_s
        written = path.read_bytes() if path.exists() else b""
        whole = written[read : written.rfind(b"\n") + 1]
        for line in whole.splitlines():
            yield json.loads(line)
        if whole:
            read, last = read + len(whole), time.monotonic()
        else:
            time.sleep(0.05)


class _Counted(ast.NodeTransformer):
    """Has every assert note that it was reached."""

    def __init__(self):
        self.count = 0

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """Puts the note before it."""
        self.count += 1
        (note,) = ast.parse(f"_reached.add({self.count})").body
        return [ast.copy_location(note, node), node]


def compiled(fact: Fact) -> tuple[CodeType, int]:
    """Returns a fact's check, which puts the number of each assert that it reaches into `_reached`, and their count.

    Args:
        fact: with its check.
    """
    counted = _Counted()
    tree = ast.fix_missing_locations(counted.visit(ast.parse(fact.check)))
    return compile(tree, f"<{fact.id}>", "exec"), counted.count


def try_here(fact: Fact, names: dict[str, Any]) -> Answer:
    """Tries a fact in this process.

    Args:
        fact: to be tried.
        names: that its check may use.
    """
    code, asserts = compiled(fact)
    reached: set[int] = set()
    try:
        exec(code, {**names, "_reached": reached})
    except Exception as error:
        step = error.__traceback__
        lines = []
        while step is not None:
            lines += [step.tb_lineno] if step.tb_frame.f_code.co_filename == f"<{fact.id}>" else []
            step = step.tb_next
        line = fact.check.splitlines()[lines[-1] - 1].strip() if lines else ""
        return Answer(fact, Truth.FALSE, f"{type(error).__name__} at `{line}` {first_line(error)}".strip())
    if len(reached) < asserts:
        return Answer(fact, Truth.FALSE, f"its check reached {len(reached)} of {asserts} asserts")
    return Answer(fact, Truth.TRUE)


def main() -> None:
    """Tries the facts that the command line names."""
    path, answers, deadline_s, *ids = sys.argv[1:]
    file = facts.load(Path(path))
    by_id = {fact.id: fact for fact in file.facts}
    faulthandler.dump_traceback_later(IMPORT_S, exit=True)
    names: dict[str, Any] = {"__name__": "shared"}
    exec(compile(file.shared, "<shared>", "exec"), names)
    with open(answers, "w") as written:
        for id_ in ids:
            faulthandler.dump_traceback_later(float(deadline_s), exit=True)
            with contextlib.redirect_stdout(sys.stderr):
                answer = try_here(by_id[id_], names)
            print(json.dumps({"id": id_, "truth": answer.truth, "why": answer.why}), file=written, flush=True)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
