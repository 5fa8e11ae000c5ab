"""Answers to what people ask: printed, and their evidence run again."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from enum import StrEnum

from helpers.claims import fact_checks, facts
from helpers.claims.fact_checks import Truth
from helpers.claims.judgement import Judgement
from helpers.claims.questions import Question, find, load
from helpers.errors import StudyError, first_line
from helpers.machine import processes
from helpers.report.run import find as find_run, judge, open_runs

DEADLINE_S = 60.0  # for the lines of one question
PRELUDE = "import numpy as np, tensorflow as tf\n"
WIDTH = 100


class State(StrEnum):
    """How an answer fares when its evidence is run again."""

    STANDS = "stands"
    CHANGED = "changed"
    NOT_TRIED = "not tried here"


OF_TRUTH = {Truth.TRUE: State.STANDS, Truth.FALSE: State.CHANGED, Truth.NOT_TRIED: State.NOT_TRIED}


@dataclass(frozen=True)
class Outcome:
    """What the evidence of a question came to: its state, and what was found or why not."""

    state: State
    told: str


def show(words: tuple[str, ...] = ()) -> None:
    """Prints the questions that hold all of the words, each with its answer and its evidence; without words, all.

    Raises:
        StudyError: where none does.
    """
    found = find(load(), words)
    if not found:
        raise StudyError(f"no question holds all of these words (got {' '.join(words)}); `study answers` prints all")
    for question in found:
        print(f"\n{question.question}  [{question.id}]")
        print(textwrap.fill(question.answer, WIDTH, initial_indent="  ", subsequent_indent="  "))
        print(f"  Decided by: {question.evidence}")
        print(f"  Asked in: {' '.join(question.links)}")


def check(words: tuple[str, ...] = ()) -> bool:
    """Runs the evidence of the questions that hold all of the words, and prints how each answer fares.

    Lessons are run by their own tests, and are left out. Claims are judged on the newest run, or the kit's results.

    Returns:
        Whether all answers that were tried stand.
    """
    verdicts = None
    outcomes = []
    for question in find(load(), words):
        if question.evidence.kind == "lesson":
            continue
        if question.evidence.kind == "claim" and verdicts is None:
            verdicts = _verdicts()
        outcomes.append(outcome(question, verdicts))
        print(f"{outcomes[-1].state:14} {question.id}: {outcomes[-1].told}", flush=True)
    counts = {state: sum(seen.state == state for seen in outcomes) for state in State}
    print(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    return not counts[State.CHANGED]


def outcome(question: Question, verdicts: tuple[str, dict[str, str]] | None) -> Outcome:
    """Tries the evidence of a question that is not a lesson's.

    Args:
        question: from `helpers.claims.questions`.
        verdicts: a run's name, and the verdict of every claim on it; None where no claim decides.
    """
    evidence = question.evidence
    if evidence.kind == "claim":
        return _of_claim(evidence, verdicts)
    if evidence.kind == "fact":
        return _of_fact(evidence.told)
    if lacking := missing(question):
        return Outcome(State.NOT_TRIED, f"it needs {', '.join(lacking)}, which is not installed")
    return run(question)


def missing(question: Question) -> list[str]:
    """Returns the modules that the lines of a question need and that are not installed."""
    return [module for module in question.needs if importlib.util.find_spec(module) is None]


def run(question: Question) -> Outcome:
    """Runs the lines of a question in a process of its own, which is ended at a deadline.

    An answer has changed where an assertion fails; what fails otherwise could not be tried.
    """
    command = [sys.executable, "-P", "-W", "ignore", "-c", PRELUDE + question.evidence.told]
    try:
        ran = processes.run(command, deadline_s=DEADLINE_S, env={**os.environ, "KERAS_BACKEND": question.backend})
    except subprocess.TimeoutExpired:
        return Outcome(State.NOT_TRIED, f"it took over {DEADLINE_S:g} s and was ended")
    said = (ran.stdout.strip().splitlines() or ["it printed nothing"])[-1]
    if ran.returncode == 0:
        return Outcome(State.STANDS, said)
    reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
    if reason.startswith("AssertionError"):
        return Outcome(State.CHANGED, said)
    return Outcome(State.NOT_TRIED, f"it failed ({first_line(reason)})")


def _of_claim(evidence, verdicts):
    name, judged = verdicts
    verdict = judged[evidence.told]
    said = f"claim {evidence.told} is {verdict} in {name}, the answer rests on {evidence.verdict}"
    if verdict == Judgement.UNDECIDED and evidence.verdict != verdict:
        return Outcome(State.NOT_TRIED, said)
    return Outcome(State.STANDS if verdict == evidence.verdict else State.CHANGED, said)


def _verdicts() -> tuple[str, dict[str, str]]:
    opened, *_ = open_runs(find_run())
    judged = judge(opened)
    return opened.name, dict(zip(judged["id"], judged["verdict"], strict=True))


def _of_fact(id_):
    wanted = [fact for fact in facts.load().facts if fact.id == id_]
    if not wanted:
        return Outcome(State.CHANGED, f"data/facts.yml has no fact {id_}")
    (answer,) = fact_checks.tried(wanted)
    return Outcome(OF_TRUTH[answer.truth], f"fact {id_}: {answer.why or answer.truth}")
