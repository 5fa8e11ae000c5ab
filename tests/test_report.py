"""The report: one page, self-contained, written whole or not at all."""

import base64
import errno
import hashlib
import json
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser

import pandas as pd
import pytest
from made_up_results import cell, quick_like, table

from helpers import claims, files, machine, paths, report, results
from helpers.claims import evidence
from helpers.claims.evidence import Evidence, collection
from helpers.errors import StudyError
from helpers.report import first_screen


def keep(path, machine_id, shown):
    """Leaves evidence of one machine in a file, as a run does."""
    kept = {machine_id: {name: asdict(evidence) for name, evidence in shown.items()}}
    files.write_json(path, {"schema_version": collection.SCHEMA_VERSION, "machines": kept})


def run_folder(place, rows=None, *, shown=True):
    """A run's folder with made-up results, and with evidence that need not be tried again."""
    place.mkdir()
    here = machine.describe()
    results.write_table(place / results.TABLE, quick_like(here.id) if rows is None else rows)
    files.write_json(place / report.MACHINE, here.to_dict())
    if shown:
        keep(place / report.EVIDENCE, here.id, {name: Evidence("supported", "made up") for name in evidence.names()})
    return place


def page_of_two_machines(place):
    one, two = run_folder(place / "first"), run_folder(place / "second", table([quick_like("0therone")]))
    keep(two / report.EVIDENCE, "0therone", {name: Evidence("refuted", "made up") for name in evidence.names()})
    return report.write(one, two)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return page_of_two_machines(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(written):
    return written.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examined(tmp_path_factory):
    return report.examine(run_folder(tmp_path_factory.mktemp("examined") / "run"))


class Elements(HTMLParser):
    """Every element of a page: (name, attributes), and what its links point at."""

    def __init__(self, text):
        super().__init__()
        self.all = []
        self.feed(text)
        self.ids = [attributes["id"] for _, attributes in self.all if "id" in attributes]
        self.links = [attributes["href"] for name, attributes in self.all if name == "a"]

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))


def test_the_page_asks_nothing_of_the_network_and_runs_the_one_script_that_it_names_by_its_hash(page):
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)
    assert "default-src 'none'" in page and "<img" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    named = re.search(r"script-src 'sha256-([^']+)'", page).group(1)
    assert named == base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert not [name for _, attributes in Elements(page).all for name in attributes if name.startswith("on")]


def test_the_page_holds_every_claim_with_its_verdict_rule_and_what_would_turn_it_round(page):
    for claim in ["A1", "A12", "B8"]:
        assert f'id="{claim}"' in page
    for word in ("✓ supported", "✗ refuted", "≈ depends", "? undecided yet"):
        assert word in page
    assert page.count("What would turn it round:") == 2 * sum(len(claim.tests) for claim in claims.load())


def test_every_card_cell_and_answer_has_a_link_that_leads_there_and_no_id_stands_twice(page):
    found = Elements(page)
    assert len(found.ids) == len(set(found.ids))
    inside = [link[1:] for link in found.links if link.startswith("#")]
    assert set(inside) <= set(found.ids)
    cells = {id_ for id_ in found.ids if id_.startswith("cell-")}
    assert len(cells) == 2 * 10 and cells <= set(inside)
    assert {claim.id for claim in claims.load()} <= set(inside)


def test_a_link_to_a_lesson_leads_to_a_file_that_is_there(written, page):
    outside = {link for link in Elements(page).links if not link.startswith("#")}
    assert outside
    for link in outside:
        assert (written.parent / link).resolve().is_file()


def test_the_page_puts_two_runs_side_by_side_merges_nothing_and_says_what_differs(page):
    assert "<h3>first</h3>" in page and "<h3>second</h3>" in page
    differs = page[page.index('id="differences"') : page.index('id="verdicts"')]
    assert "0therone" in differs and machine.describe().id in differs
    assert "all at 95% together" in differs


def test_every_interval_of_the_page_says_in_words_what_it_shows_and_has_its_rounds(page):
    drawn = [attributes for _, attributes in Elements(page).all if "iv" in attributes.get("class", "").split()]
    assert len(drawn) > 100
    for attributes in drawn:
        assert attributes["role"] == "img" and attributes["tabindex"] == "0"
        assert re.search(r"\d\.\d\d \(\d+\.\d\d to \d+\.\d\d\), .*\d+ rounds from", attributes["aria-label"])
    assert len(re.findall(r"\d+ rounds: ", page)) == len(drawn)


def test_the_page_is_a_report_and_no_lesson(page):
    assert "Exercises" not in page
    assert re.findall(r"<h1", page) == ["<h1"]


def test_the_reference_results_make_a_page_of_under_two_megabytes_with_an_answer_for_each_kind_of_work(tmp_path):
    reference = shutil.copytree(paths.project_root() / "data" / "results" / "quick-2-cores", tmp_path / "run")
    (here,) = files.read_json(reference / report.EVIDENCE)["machines"].values()
    keep(reference / report.EVIDENCE, machine.describe().id, {name: Evidence(**told) for name, told in here.items()})
    page = report.write(reference).read_text(encoding="utf-8")
    assert len(page.encode()) < 2e6
    measured = report.examine(reference).screen
    assert len(measured.kinds) == 7
    for kind in measured.kinds:
        assert f'id="{kind.id}"' in page


def test_a_stand_in_is_called_one(tmp_path):
    rows = quick_like().assign(dataset_label="stand-in for MNIST (generated)")
    (run,) = report.open_runs(run_folder(tmp_path / "run", rows, shown=False))
    assert "Stand-ins:" in run._repr_html_()
    assert run.stand_ins == ["stand-in for MNIST (generated)"]


def test_what_a_run_and_its_verdicts_say_is_escaped(tmp_path):
    (run,) = report.open_runs(run_folder(tmp_path / "a <b> run", shown=False))
    assert "a &lt;b&gt; run" in run._repr_html_() and "<b>" not in run._repr_html_()
    columns = {"id": "A1", "claim": "1 < 2", "reads": "x > y", "verdict": "depends", "evidence": "one <i>\ntwo"}
    judged = pd.DataFrame([columns | {"crossover": "a & b", "needs": ""}])
    shown = report.verdict_table({"<first>": judged, "second": judged})
    for text in (
        "1 &lt; 2",
        "<em>Read as:</em> x &gt; y",
        "one &lt;i&gt;<br>",
        "<em>Depends:</em> a &amp; b",
        "verdict: &lt;first&gt;",
    ):
        assert text in shown
    assert "<i>" not in shown and "Needs" not in shown


def test_two_machines_in_one_table_become_two_runs(tmp_path):
    rows = table([quick_like("one"), quick_like("two")])
    runs = report.open_runs(run_folder(tmp_path / "run", rows, shown=False))
    assert [run.machine_id for run in runs] == ["one", "two"]
    assert all(run.machine == {} for run in runs)


def test_the_newest_run_is_found_before_the_reference(tmp_path, own_data_dir):
    (own_data_dir / "runs").mkdir(parents=True)
    newest = run_folder(own_data_dir / "runs" / "quick", shown=False)
    assert report.find("") == newest
    assert report.find(tmp_path) == tmp_path


def test_a_run_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(StudyError, match="a results table must be there"):
        report.write(tmp_path / "none")


def test_a_table_without_rows_is_one_clear_line(tmp_path):
    with pytest.raises(StudyError, match="without rows"):
        report.open_runs(run_folder(tmp_path / "run", quick_like().iloc[:0], shown=False))


def test_a_damaged_description_of_the_machine_is_one_clear_line(tmp_path):
    run = run_folder(tmp_path / "run", shown=False)
    (run / report.MACHINE).write_text("{")
    with pytest.raises(StudyError, match=r"machine\.json must be JSON"):
        report.open_runs(run)


@pytest.mark.slow
def test_what_a_measuring_machine_left_is_used_and_another_machines_is_named(tmp_path, monkeypatch):
    run = run_folder(tmp_path / "run", quick_like("elsewhere"))
    (opened,) = report.open_runs(run)
    judged = report.judge(opened).set_index("id")
    assert f"(tried on machine {machine.describe().id})" in judged.loc["A9", "evidence"]
    content = json.loads((run / report.EVIDENCE).read_text())
    content["machines"]["elsewhere"] = content["machines"].pop(machine.describe().id)
    (run / report.EVIDENCE).write_text(json.dumps(content))
    assert "tried on" not in report.judge(opened).set_index("id").loc["A9", "evidence"]


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_says_so(examined, monkeypatch):
    old = examined.folder / report.REPORT
    old.write_text("old")

    def full(path, write):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(StudyError, match="cannot be written to"):
        report.write(examined.folder, examined=examined)
    assert old.read_text() == "old"


def test_a_run_without_two_pipelines_of_the_same_work_still_makes_a_report(tmp_path, capsys):
    alone = table([cell(seconds={"tf_data": 1.0})])
    run = run_folder(tmp_path / "run", alone)
    assert not report.tell(run)
    said = capsys.readouterr().out.splitlines()
    assert "nothing can be compared" in said[1] and said[-1] == f"report: {run / report.REPORT}"


def test_the_first_screen_is_told_in_lines_that_name_what_to_use_and_what_is_not_known(examined):
    head, light, *_, last = first_screen.lines(examined.runs[0], examined.screen)
    assert head.startswith("On this machine")
    assert "use tf.data with a map per batch: " in light and "times as fast as a Sequence" in light
    assert last.strip().startswith("Not known yet: ")


def test_many_kinds_of_work_are_told_in_ten_lines_too(tmp_path):
    kinds = [
        cell(seconds={"py_dataset": 1.0, "tf_data": 0.5}, transform=transform, batch_size=size, decoding=decoding)
        for transform in ("noise", "resize_standardize", "shear_zoom_flip")
        for size in (32, 256)
        for decoding in ("once", "every epoch")
    ]
    runs = report.open_runs(run_folder(tmp_path / "run", table(kinds)))
    lines = first_screen.lines(runs[0], first_screen.first_screen(runs, [[]]))
    assert len(lines) + 1 == first_screen.MOST_LINES and "6 more kinds of work" in lines[-2]
