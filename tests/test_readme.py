"""The README: what it says of results is what `data/results` says, and its Python runs when copied."""

import io
import re
import subprocess
import sys

import pandas as pd
import pytest
from made_up_results import cell, table
from PIL import Image

from helpers import paths, plots
from helpers.errors import StudyError
from helpers.report import readme

ROOT = paths.project_root()
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.S)
A_FIGURE = re.compile(r"\d\.\d+ \(\d+\.\d+ to \d+\.\d+\)|\d\.\d times as (fast|long)")


@pytest.fixture(scope="module")
def everything():
    return readme.everything(ROOT)


@pytest.mark.parametrize("page", readme.pages(ROOT), ids=lambda page: page.parent.name)
def test_tables_are_those_that_the_results_give(page, everything):
    text = page.read_text(encoding="utf-8")
    assert readme.filled(text, everything[0]) == text, "run `make readme`"


def test_pictures_are_those_that_the_results_give(everything):
    for path, figure in everything[1].items():
        with Image.open(path) as kept:
            assert kept.info["Description"] == figure.get_label(), f"{path.name}: run `make readme`"


def test_the_first_screen_has_an_answer_for_every_kind_of_work_and_the_picture():
    first_screen = README.partition("\n## ")[0]
    assert [kind for kind in readme.KINDS if f"- **{kind}.**" not in first_screen] == []
    assert first_screen.count("times as fast") >= 3 and f"{readme.PICTURE})" in first_screen


@pytest.mark.parametrize("page", readme.pages(ROOT), ids=lambda page: page.parent.name)
def test_outside_the_marks_stands_no_figure_of_a_machine(page):
    by_hand = readme.MARKED.sub("", page.read_text(encoding="utf-8"))
    assert not A_FIGURE.search(by_hand)


def test_a_mark_that_nothing_is_written_for_is_an_error():
    marked = "before\n<!-- results: known -->\nold\n<!-- end -->\nafter"
    assert readme.filled(marked, {"known": "new"}) == "before\n<!-- results: known -->\n\nnew\n\n<!-- end -->\nafter"
    assert readme.filled(readme.filled(marked, {"known": "new"}), {"known": "new"}).count("new") == 1
    with pytest.raises(StudyError, match="got known"):
        readme.filled(marked, {"other": "new"})


def made_up(**seconds):
    """The rows of one cell with light work; the reference takes 1 second."""
    noise = {"dataset": "synthetic", "transform": "noise"}
    return table([cell(seconds={"py_dataset": 1.0} | seconds, **noise)])


def answer(rows):
    (light, *_), *_ = readme.KINDS.values()
    return readme._answer(rows, light)


def test_an_answer_turns_with_the_results():
    assert answer(made_up(tf_data=0.5)).startswith("**tf.data, map per image** is 2.0 times as fast")
    assert answer(made_up(tf_data=2.0)).startswith("nothing is shown to be faster than a Sequence; tf.data")
    assert "takes 2.0 times as long" in answer(made_up(tf_data=2.0))


def test_an_answer_rests_on_one_cell():
    rows = made_up(tf_data=0.5)
    for results in (rows.iloc[:0], pd.concat([rows, rows.assign(cell_id="another")])):
        with pytest.raises(StudyError, match="rests on one cell"):
            answer(results)


def test_the_picture_tells_in_words_what_its_bars_show():
    rows = made_up(tf_data=0.5).rename(columns={"time_ratio_low": "low", "time_ratio_high": "high"})
    figure = plots.speeds(rows.assign(kind="Light work", work="noise"))
    assert "Light work (noise): py_dataset: the same" in figure.get_label()
    assert "tf_data: 2.0 times as fast" in figure.get_label()
    with Image.open(io.BytesIO(plots.png(figure))) as drawn:
        assert drawn.width <= 900


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][:30])
def test_python_runs_when_copied(example, tmp_path):
    (tmp_path / "mine.py").write_text(example.replace("budget_s=60", "budget_s=1"))
    ran = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    printed = {"parity.compare": "Same work: plain, one_iterator", "comparison.compare": "time_ratio"}
    printed |= {"doctor.examine": "Headspace: ", "report.verify()": "predicted"}
    assert [call for call, said in printed.items() if call in example and said not in ran.stdout] == []


def test_there_are_examples():
    assert len(EXAMPLES) >= 3
