"""What every lesson has: a real question, pictures, a prediction that is used, short sentences, few names."""

import ast
import re

import nbformat
import pytest

from helpers import workshop

LESSONS = workshop.lessons()
MOST_WORDS = 35
# What lessons 00 to 07 are made of; pictures, `plots.*`, come on top.
FRONT_DOORS = {
    "helpers.tasks.Task",
    "helpers.pipelines.build",
    "helpers.pipelines.Feed",
    "helpers.pipelines.after_each_stage",
    "helpers.pipelines.graph.as_it_ran",
    "helpers.parity.check",
    "helpers.comparison.compare",
    "helpers.workshop.expect",
}
# And what a single lesson is about.
OWN = {
    "00": {
        "helpers.datasets.best_available",
        "helpers.datasets.preparing.prepare",
        "helpers.machine.describe",
        "helpers.setup_check.check",
    },
    "01": {"helpers.datasets.preparing.prepare"},
    "02": {"helpers.datasets.preparing.prepare", "helpers.machine.memory.resident_bytes"},
    "03": {
        "helpers.comparison.in_100_lines.epoch_seconds",
        "helpers.comparison.in_100_lines.interleaved",
        "helpers.comparison.in_100_lines.paired_ratio",
        "helpers.comparison.in_100_lines.PairedRatio",
    },
    "04": {
        "helpers.datasets.best_available",
        "helpers.datasets.describe",
        "helpers.datasets.named",
        "helpers.datasets.preparing.prepare",
        "helpers.datasets.tfds_dataset",
    },
    "05": {
        "helpers.datasets.best_available",
        "helpers.datasets.load_arrays",
        "helpers.datasets.named",
        "helpers.datasets.preparing.prepare",
        "helpers.tf_image_data_generator.TFImageDataGenerator",
        "helpers.tf_image_data_generator.pairs",
    },
    "06": {
        "helpers.datasets.is_prepared",
        "helpers.datasets.load_arrays",
        "helpers.datasets.named",
        "helpers.datasets.preparing.prepare",
        "helpers.datasets.tfds_dataset",
        "helpers.tf_image_data_generator.TFImageDataGenerator",
    },
    "07": set(),
}


def lesson(function):
    return pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)(function)


def cells(path, kind=None):
    found = nbformat.read(path, as_version=4).cells
    return [cell for cell in found if kind in (None, cell.cell_type)]


def tags(cell):
    return cell.metadata.get("tags", [])


def names(source, kind):
    return {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
    }


@lesson
def test_it_opens_with_a_persons_question_and_a_picture(path):
    first = cells(path)[0].source
    assert re.search(r"\]\(https://github\.com/[\w.-]+/[\w.-]+/(issues|pull|discussions)/\d+\)", first)
    assert re.search(r"!\[.{20,}\]\(pictures/\w+\.png\)", first)


@lesson
def test_a_prediction_is_asked_for_and_a_later_cell_holds_it_against_what_happened(path):
    code = cells(path, "code")
    asked = [number for number, cell in enumerate(code) if "prediction" in tags(cell)]
    assert asked
    for number in asked:
        later = [cell.source for cell in code[number + 1 :] if not {"solution", "check"} & set(tags(cell))]
        read = set().union(*(names(source, ast.Load) for source in later))
        assert names(code[number].source, ast.Store) <= read


@lesson
def test_its_kept_pictures_are_of_its_own_cells_and_one_stands_beside_what_to_see(path):
    made = {
        f"pictures/{path.name[:2]}_{tag[8:]}.png" for cell in cells(path) for tag in tags(cell) if "picture-" in tag
    }
    shown = {name for cell in cells(path, "markdown") for name in re.findall(r"\]\((pictures/.+?)\)", cell.source)}
    assert shown <= made
    assert sorted(name for name in made if not (path.parent / name).is_file()) == [], "`make pictures` keeps them"
    told = [cell.source for cell in cells(path, "markdown")[1:] if "You should see" in cell.source]
    assert any("](pictures/" in source or "at the top" in source for source in told)  # the first cell has one


@lesson
def test_the_graph_as_it_ran_is_drawn_and_elements_are_shown_after_each_stage(path):
    told = "\n".join(cell.source for cell in cells(path, "code"))
    if "tf.data." in told:
        assert "as_it_ran" in told and "plots.graph" in told
        assert "after_each_stage" in told


def sentences(text):
    """The sentences of a markdown text, without headings, code blocks, tables, pictures and addresses."""
    text = re.sub(r"```[^`]*```|^\|.*$|^#.*$|!\[.*?\]\(.*?\)|^ {4,}.*$", "\n\n", text, flags=re.M)
    text = re.sub(r"\]\(.*?\)", "]", text)
    text = re.sub(r"`[^`]*`", "code", text)
    parts = re.split(r"\n\s*\n|\n(?=\d\. |- )|(?<=[^0-9][.!?…])[)”\"*_]*\s+|(?<=:)\s*\n", text)
    return [part for part in parts if part.strip()]


@lesson
def test_no_sentence_is_long(path):
    told = [sentence for cell in cells(path, "markdown") for sentence in sentences(cell.source)]
    assert [sentence for sentence in told if len(sentence.split()) > MOST_WORDS] == []


def test_sentences_are_told_apart():
    text = "# Head\n\nOne, two. Three (four)? `a. b` five:\n\n1. six\n2. seven\n\n| a. | b |\n![pic](x.png)"
    assert [part.split()[0] for part in sentences(text)] == ["One,", "Three", "code", "1.", "2."]


def names_of_the_kit(code):
    """The full names of what is used of the kit, such as helpers.parity.check; of a module alone, the module."""
    tree, known, used = ast.parse(code), {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if id(node) in inner or not isinstance(node, ast.Attribute | ast.Name):
            continue
        parts, base = [], node
        while isinstance(base, ast.Attribute):
            parts, base = [base.attr, *parts], base.value
        if isinstance(base, ast.Name) and base.id in known:
            used.add(".".join([known[base.id], *parts]))
    return used


@pytest.mark.parametrize("path", [path for path in LESSONS if path.name < "08"], ids=lambda path: path.stem)
def test_a_lesson_meets_few_names(path):
    used = names_of_the_kit("\n".join(cell.source for cell in cells(path, "code")))
    assert {name for name in used if not name.startswith("helpers.plots.")} - FRONT_DOORS == OWN[path.name[:2]]
    assert not any("matplotlib" in cell.source for cell in cells(path, "code")), "styling is a plot function's business"


def test_an_expectation_that_fails_is_told_and_stops_only_the_kits_own_tests(monkeypatch, capsys):
    monkeypatch.delenv(workshop.STRICT, raising=False)
    workshop.expect(True, "the cache takes less time")
    workshop.expect(False, "the map takes less time")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "As expected: the cache takes less time."
    assert "the map takes less time. Here it came out the other way; lesson 03" in told[1]
    monkeypatch.setenv(workshop.STRICT, "1")
    workshop.expect(True, "the cache takes less time")
    with pytest.raises(AssertionError, match="the map takes less time"):
        workshop.expect(False, "the map takes less time")
