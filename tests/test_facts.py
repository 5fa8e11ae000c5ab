"""What the kit relies on in TensorFlow and Keras: a fact for each sentence that does, and a check for each fact."""

import ast
import re
from pathlib import Path

import nbformat
import other_versions
import pytest
import yaml

from helpers import cli, workshop
from helpers.claims import fact_checks, facts
from helpers.claims.fact_checks import Truth
from helpers.errors import StudyError

FILE = facts.load()
ROOT = Path(__file__).resolve().parents[1]
MOST_WORDS = 35
THEIRS = re.compile(
    r"TensorFlow|tf\.data|Keras|TFDS|tfds|papermill|autotune|\bfit\b|Sequence|PyDataset|ImageDataGenerator|\bcache|"
    r"prefetch|shuffl|steps_per_epoch|repeat\(|drop_remainder|deterministic|XLA|worker|num_parallel|from_generator|"
    r"interleave\(|threadpool|multiprocessing|Rescaling|preprocess_input|\bbuffer|iterator|\blayers?\b",
    re.IGNORECASE,
)
# Sentences of takeaways that name TensorFlow or Keras and do not rely on what it does, and why.
NO_FACT = {
    "A Sequence gives the batch it is asked for": "what the two words mean",
    "compute it before you call": "arithmetic",
    "The library under a Sequence": "measured in the lesson, on the reader's machine",
    "A cache counts when it has been read": "the next sentence has the facts",
    "Source, cache, shuffle, batch": "the order that the lesson measures",
    "Cache the source, augment after": "the sentence before has the fact",
    "took less time in tf.data here": "measured in the lesson",
    "costs a Sequence more to hand over": "measured in the lesson",
    "A new iterator of Grain begins": "measured in the lesson",
    "or each epoch is the same": "measured in the lesson",
    "Workers fill a queue during that start": "measured in the lesson",
    "`fit` may take more than all of it": "measured in the lesson",
    "Layers are another operation": "decided by parity",
    "short epochs and small batches favour": "measured in the lesson",
    "A buffer as long as one class": "arithmetic, and counted in the lesson",
    "Leave `steps_per_epoch` out": "the sentence before has the facts",
    "a way through the network for every batch": "measured in the lesson",
    "Some epochs under autotune are long": "the next sentence has the fact",
    "no support for the published claim": "measured in the lesson",
    "Give the model for scales": "what the doctor asks for",
}
# Functions of the doctor that name TensorFlow or Keras in what they tell, and rely on nothing of it.
NO_FACT_OF_THE_DOCTOR = {
    "biased_split": "arithmetic of a split",
}


def sentences(text):
    text = re.sub(r"```[^`]*```|^\|.*$|^#.*$|!\[.*?\]\(.*?\)", "\n\n", text, flags=re.M)
    text = re.sub(r"\]\(.*?\)", "]", text)
    parts = re.split(r"\n\s*\n|\n(?=\d\. |- )|(?<=[^0-9][.!?…])[)”\"*_]*\s+", text)
    return [part.strip() for part in parts if part.strip()]


def takeaways(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and "## Takeaways" in cell.source:
            yield from sentences(cell.source.split("## Takeaways")[1].split("## Exercises")[0])


@pytest.mark.parametrize("fact", FILE.facts, ids=lambda fact: fact.id)
def test_a_fact_is_one_short_sentence_that_was_seen_true(fact):
    assert fact.says.endswith(".") and len(fact.says.split()) <= MOST_WORDS
    assert set(fact.seen) <= set(FILE.environments) and "2.21.0" in fact.seen


def test_what_is_cited_is_a_fact_and_every_fact_is_cited():
    assert sorted(facts.citations()) == sorted(fact.id for fact in FILE.facts)


@pytest.mark.parametrize("path", workshop.lessons(), ids=lambda path: path.stem)
def test_a_takeaway_that_relies_on_tensorflow_or_keras_cites_a_fact(path):
    bare = [told for told in takeaways(path) if THEIRS.search(told) and not facts.CITED.search(told)]
    assert [told for told in bare if not any(start in told for start in NO_FACT)] == []


def test_no_exception_is_left_over():
    told = "\n".join(sentence for path in workshop.lessons() for sentence in takeaways(path))
    assert [start for start in NO_FACT if start not in told] == []


def texts_of(function):
    """The strings of a function, those of an f-string in one, without its docstring."""
    doc = function.body[0].value if isinstance(function.body[0], ast.Expr) else None
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not doc and " " in node.value:
            yield node.value


def advice():
    """(function, its texts) of the doctor's functions that make a finding or a remedy."""
    for path in sorted((ROOT / "src" / "helpers" / "doctor").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                called = {getattr(each.func, "id", "") for each in ast.walk(node) if isinstance(each, ast.Call)}
                if called & {"measured", "suspected", "Remedy"}:
                    yield node.name, list(texts_of(node))


def test_advice_that_relies_on_tensorflow_or_keras_cites_a_fact():
    bare = [
        name for name, texts in advice() if any(map(THEIRS.search, texts)) and not any(map(facts.CITED.search, texts))
    ]
    assert [name for name in bare if name not in NO_FACT_OF_THE_DOCTOR] == []
    assert len(list(advice())) > 30


def test_what_a_claim_says_that_tensorflow_or_keras_does_by_itself_cites_a_fact():
    claims = yaml.safe_load((ROOT / "data" / "claims.yml").read_text())["claims"]
    told = [sentence for claim in claims for sentence in re.split(r"(?<=[.;])\s+", claim.get("reads", ""))]
    by_itself = re.compile(
        r"(TensorFlow|Keras|it)('s? default| sets| makes| adds| does by itself| would do| is to make)"
    )
    found = [
        sentence
        for sentence in told
        if by_itself.search(sentence) and "what Keras does by itself does not" not in sentence
    ]
    assert len(found) >= 4
    assert [sentence for sentence in found if not facts.CITED.search(sentence)] == []


def test_a_citation_is_found_with_its_file_its_place_and_its_sentence(tmp_path):
    (tmp_path / "notebooks").mkdir()
    cell = nbformat.v4.new_markdown_cell("# Head\n\nOne. Two cites [facts: a-b, c].\n\n1. Three [fact: c]: four.")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "00_x.ipynb")
    (tmp_path / "src" / "helpers").mkdir(parents=True)
    (tmp_path / "src" / "helpers" / "x.py").write_text('told = (\n    "do this "\n    "[fact: c]",\n)\n')
    cited = facts.citations(tmp_path)
    assert list(map(str, cited["a-b"])) == ["notebooks/00_x.ipynb, cell 0: Two cites [facts: a-b, c]."]
    assert [str(each).partition(": ")[2] for each in cited["c"]] == [
        "Two cites [facts: a-b, c].",
        "Three [fact: c]: four.",
        "do this [fact: c]",
    ]
    assert cited["c"][2].at == "line 3"


def made_up(folder, **checks):
    path = folder / "facts.yml"
    listed = [{"id": name, "says": "Something is so.", "check": check} for name, check in checks.items()]
    path.write_text(yaml.safe_dump({"shared": "import os, time", "environments": {}, "facts": listed}))
    return path


@pytest.mark.slow
def test_what_is_false_hangs_dies_or_proves_nothing_is_told_and_the_rest_is_tried(tmp_path):
    path = made_up(
        tmp_path,
        holds="assert 1 + 1 == 2",
        false="two = 1\nassert two == 2, 'one is not two'",
        hangs="time.sleep(60)\nassert True",
        dies="os._exit(3)\nassert True",
        skips="for _ in ():\n    assert False\nassert True",
        last="assert True",
    )
    answers = {answer.fact.id: answer for answer in fact_checks.tried(facts.load(path).facts, path=path, deadline_s=2)}
    assert {name: str(answer.truth) for name, answer in answers.items()} == {
        **dict.fromkeys(("holds", "last"), "true"),
        **dict.fromkeys(("false", "hangs", "dies", "skips"), "false"),
    }
    assert answers["false"].why == "AssertionError at `assert two == 2, 'one is not two'` one is not two"
    assert answers["hangs"].why == "it took over 2 s" and "died" in answers["dies"].why
    assert answers["skips"].why == "its check reached 1 of 2 asserts"


def test_what_is_not_installed_is_not_tried(tmp_path):
    fact = facts.Fact("x", "It is so.", "assert False", needs=("no_such_module",))
    (answer,) = fact_checks.tried([fact])
    assert answer.truth == Truth.NOT_TRIED and answer.why == "no_such_module is not installed"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("facts: 3", "a list named facts"),
        ("facts: [{id: a, says: b}]", "id, says and check"),
        ("facts: [{id: a, says: b, check: 'x ='}]", "must be Python"),
        ("facts: [{id: a, says: b, check: 'x = 1'}]", "no assert"),
        ("facts: [{id: a, says: b, check: 'assert 1'}, {id: a, says: c, check: 'assert 1'}]", "a twice"),
        ("facts: [", "must be YAML"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path, content, error):
    path = tmp_path / "facts.yml"
    path.write_text(content)
    with pytest.raises(StudyError, match=error):
        facts.load(path)


def test_the_command_lists_shows_and_tells_what_to_rewrite(tmp_path, monkeypatch, capsys):
    assert cli.main(["facts"]) == 0
    assert "two-iterators: Keras makes two iterators" in capsys.readouterr().out
    assert cli.main(["facts", "two-iterators"]) == 0
    shown = capsys.readouterr().out
    assert "assert made(pairs(8)) == 10" in shown and "07_vary" in shown
    assert cli.main(["facts", "unheard-of"]) == 2
    monkeypatch.setattr(facts, "default_path", lambda: made_up(tmp_path, **{"two-iterators": "assert False"}))
    assert cli.main(["facts", "--check"]) == 1
    told = capsys.readouterr().out
    assert "false     two-iterators" in told and "to rewrite: notebooks/07_vary" in told


@pytest.mark.slow
def test_every_fact_is_true_of_what_is_installed():
    answers = list(fact_checks.tried(FILE.facts))
    assert {answer.fact.id: answer.why for answer in answers if answer.truth == Truth.FALSE} == {}


def test_the_oldest_versions_are_those_that_the_project_allows():
    version, packages = other_versions.wanted("oldest")
    asked = other_versions.dependencies()
    assert asked["tensorflow"].startswith(f">={version}") and "papermill" not in asked
    assert f"keras=={re.match('>=([0-9.]+)', asked['keras'])[1]}" in packages
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in other_versions.LIBRARY_HALF)


def test_the_page_of_a_candidate_names_what_differs():
    installed = {"keras-nightly": "9.1", "numpy": "99.0"}
    answers = [
        {"id": "a", "says": "It is so.", "truth": "false", "why": "it is not", "cited": ["README.md, line 1: so"]},
        {"id": "b", "says": "It is too.", "truth": "true", "why": "", "cited": []},
    ]
    failed = {"test_internals::test_a_name": "gone", "test_flow::test_pixels": "differ"}
    page = other_versions.told("9.0", installed, answers, failed, 7)
    assert "| tensorflow |" in page and "| 9.0 |" in page and "| 99.0 |" in page
    assert "- **a**: It is so. (it is not)\n  - to rewrite: README.md, line 1: so" in page and "**b**" not in page
    private, tests = page.split("## Private names")[1].split("## The library's tests")
    assert "test_a_name" in private and "test_pixels" in tests and "7 tests" in page


def test_what_was_seen_true_is_noted_and_nothing_else_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(other_versions, "ROOT", tmp_path)
    monkeypatch.setattr(other_versions, "versions", lambda python: {"keras": "9.1", "numpy": "99.0"})
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "facts.yml"
    path.write_text(facts.default_path().read_text())
    before = facts.load(path)
    first, second, third, *_ = before.facts
    answers = [
        {"id": first.id, "truth": "true", "seen": ["2.1.0"]},
        {"id": second.id, "truth": "false", "seen": ["9.0.0", "2.1.0"]},
        {"id": third.id, "truth": "not tried", "seen": []},
    ]
    for _ in range(2):
        other_versions.record("python", "9.0.0", answers)
    after = facts.load(path)
    assert after.environments == {"9.0.0": {"keras": "9.1", "numpy": "99.0"}} | before.environments
    seen = {fact.id: fact.seen for fact in after.facts}
    assert seen.pop(first.id) == ("2.1.0", "9.0.0") and seen.pop(second.id) == ("2.1.0",)
    assert seen == {fact.id: fact.seen for fact in before.facts if fact.id in seen}
    assert [fact.check for fact in after.facts] == [fact.check for fact in before.facts]
