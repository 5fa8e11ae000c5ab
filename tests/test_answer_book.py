"""The answer book: every question has evidence, which runs, and which fails where the answer is wrong."""

import dataclasses

import nbformat
import pytest
from wrong_answers import WRONG

from helpers import claims, cli, paths
from helpers.claims import facts, questions
from helpers.claims.questions import Evidence, Question
from helpers.errors import StudyError
from helpers.report import answer_book
from helpers.report.answer_book import State

BOOK = questions.load()
RUN = [question for question in BOOK if question.evidence.kind == "run"]
LESSONS = [question for question in BOOK if question.evidence.kind == "lesson"]
ASKED = [
    "keras-team/keras#12683",
    "sayakpaul/TF-2.0-Hacks#4",
    "frankkramer-lab/aucmedi#192",
    "keras-team/keras#16333",
    "tensorflow/tensorflow#39523",
    "tensorflow/tensorflow#56258",
    "tensorflow/tensorflow#44274",
    "tensorflow/tensorflow#47755",
    "tensorflow/tensorflow#36626",
    "tensorflow/tensorflow#27128",
    "tensorflow/tensorflow#122752",
    "tensorflow/tensorflow#44491",
    "tensorflow/tensorflow#58819",
    "google/scaaml#53",
    "keras-team/keras#20425",
    "keras-team/keras#23283",
    "keras-team/keras#19365",
    "keras-team/keras#23245",
    "tensorflow/tensorflow#53672",
    "tensorflow/tensorflow#59744",
    "tensorflow/tensorflow#25254",
    "tensorflow/tensorflow#82838",
    "google/grain#1164",
    "keras-team/keras#21494",
]


def name_of(question):
    return question.id


def test_the_book_has_thirty_questions_and_those_that_started_it():
    threads = {thread for question in BOOK for thread in question.threads}
    assert len(BOOK) >= 30 and set(ASKED) <= threads


@pytest.mark.parametrize("question", LESSONS, ids=name_of)
def test_a_lesson_that_decides_has_a_tagged_cell_that_can_fail(question):
    notebook = nbformat.read(paths.project_root() / "notebooks" / question.evidence.told, as_version=4)
    tagged = [cell for cell in notebook.cells if question.tag in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 and ("assert " in tagged[0].source or "expect(" in tagged[0].source)


def test_no_lesson_has_a_tag_of_a_question_that_is_not_there():
    known = {question.tag for question in LESSONS}
    for path in (paths.project_root() / "notebooks").glob("[0-9]*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            tags = {tag for tag in cell.metadata.get("tags", []) if tag.startswith("answers-")}
            assert tags <= known, path.name


@pytest.mark.slow
@pytest.mark.parametrize("question", RUN, ids=name_of)
def test_an_answer_stands_and_falls_with_its_evidence(question):
    if answer_book.missing(question):
        pytest.skip(f"{', '.join(question.needs)} is not installed here")
    right = answer_book.run(question)
    assert right.state == State.STANDS, right.told
    told = question.evidence.told
    old, new = WRONG[question.id]
    assert told.count(old) == 1, old
    wrong = answer_book.run(dataclasses.replace(question, evidence=Evidence("run", told.replace(old, new))))
    assert wrong.state == State.CHANGED, wrong.told


def test_every_evidence_that_runs_has_a_wrong_version():
    assert sorted(WRONG) == sorted(question.id for question in RUN)


def evidence(lines):
    return Question("made-up", (), "", "", Evidence("run", lines))


def test_lines_stand_change_or_cannot_be_tried(monkeypatch):
    monkeypatch.setattr(answer_book, "PRELUDE", "")
    monkeypatch.setattr(answer_book, "DEADLINE_S", 2.0)
    states = [
        answer_book.run(evidence(lines)).state
        for lines in ("print(1)\nassert True", "print(1)\nassert False", "print(1)\nraise OSError", "while True: pass")
    ]
    assert states == [State.STANDS, State.CHANGED, State.NOT_TRIED, State.NOT_TRIED]


def test_a_claims_answer_changes_with_its_verdict(monkeypatch):
    question = next(question for question in BOOK if question.evidence.kind == "claim")
    states = {}
    for verdict in claims.Judgement:
        states[verdict] = answer_book.outcome(question, ("a run", {question.evidence.told: verdict})).state
    assert states.pop(question.evidence.verdict) == State.STANDS
    assert states.pop("undecided yet") == State.NOT_TRIED
    assert set(states.values()) == {State.CHANGED}


def test_a_facts_answer_stands_where_the_fact_does(tmp_path, monkeypatch):
    path = tmp_path / "facts.yml"
    path.write_text(
        "facts: [{id: right, says: one is true, check: assert 1}, {id: wrong, says: none is, check: assert 0}]"
    )
    monkeypatch.setattr(facts, "default_path", lambda: path)
    asked = [Question("made-up", (), "", "", Evidence("fact", id_)) for id_ in ("right", "wrong", "gone")]
    assert [answer_book.outcome(each, None).state for each in asked] == [State.STANDS, State.CHANGED, State.CHANGED]


def test_an_answer_that_changed_is_exit_code_1(monkeypatch, capsys):
    changed = answer_book.Outcome(State.CHANGED, "it is otherwise")
    monkeypatch.setattr(answer_book, "outcome", lambda question, verdicts: changed)
    assert cli.main(["answers", "--check", "shuffle-buffer"]) == cli.SOME_FAILED
    assert "changed        shuffle-buffer: it is otherwise" in capsys.readouterr().out


def test_study_answers_finds_by_words_and_prints_the_link(capsys):
    assert cli.main(["answers", "SHUFFLE", "buffer"]) == cli.DONE
    out = capsys.readouterr().out
    assert "https://github.com/tensorflow/tensorflow/issues/36626" in out and "[shuffle-buffer]" in out
    assert "grain" not in out


def test_words_that_nothing_holds_are_one_line(capsys):
    assert cli.main(["answers", "no such question"]) == cli.BAD_INPUT
    assert "no question holds all of these words" in capsys.readouterr().err


GOOD = {
    "id": "a",
    "threads": ["owner/name#1"],
    "question": "Why?",
    "answer": "So.",
    "evidence": {"run": "print(1)\nassert 1"},
}
BAD = {
    "needs threads": {"threads": None},
    "owner/name#number": {"threads": ["https://github.com/owner/name/issues/1"]},
    "unknown setting": {"colour": "red"},
    "at most 3 sentences": {"answer": "One. Two. Three. Four."},
    "evidence must be one of": {"evidence": {"remembered": "yes"}},
    "claim must be one of": {"evidence": {"claim": "Z9", "verdict": "supported"}},
    "verdict must be one of": {"evidence": {"claim": "A1", "verdict": "true"}},
    "must be Python": {"evidence": {"run": "assert ="}},
    "print what it finds and assert": {"evidence": {"run": "print(1)"}},
    "needs must be a list": {"needs": "grain"},
    "backend must be one of": {"backend": "torch"},
}


@pytest.mark.parametrize("said", BAD)
def test_a_question_that_is_not_as_it_must_be_is_one_line(said, tmp_path):
    import yaml

    file = tmp_path / "questions.yml"
    file.write_text(yaml.safe_dump({"questions": [GOOD]}))
    assert questions.load(file)[0].id == "a"
    file.write_text(yaml.safe_dump({"questions": [GOOD | BAD[said]]}))
    with pytest.raises(StudyError, match=said):
        questions.load(file)


def test_two_questions_of_one_id_or_no_list_are_one_line(tmp_path):
    import yaml

    file = tmp_path / "questions.yml"
    for content, said in (({"questions": [GOOD, GOOD]}, "an id of its own"), ({"asked": []}, "a list named questions")):
        file.write_text(yaml.safe_dump(content))
        with pytest.raises(StudyError, match=said):
            questions.load(file)
    file.write_text("questions: [")
    with pytest.raises(StudyError, match="must be YAML"):
        questions.load(file)
