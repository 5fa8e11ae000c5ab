"""The report: one page, self-contained, written whole or not at all."""

import json
import re
from dataclasses import asdict

import pandas as pd
import pytest
from made_up_results import quick_like, table

from helpers import files, machine, report, results
from helpers.claims import evidence
from helpers.claims.evidence import Evidence, collection
from helpers.errors import StudyError


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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    one, two = run_folder(place / "first"), run_folder(place / "second", table([quick_like("0therone")]))
    keep(two / report.EVIDENCE, "0therone", {name: Evidence("refuted", "made up") for name in evidence.names()})
    return report.write(one, two).read_text(encoding="utf-8")


def test_the_page_asks_nothing_of_the_network(page):
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_the_page_holds_every_claim_and_its_verdict(page):
    for claim in ["A1", "A12", "B8"]:
        assert f">{claim}</th>" in page
    for word in ("✓ supported", "✗ refuted", "≈ depends", "? undecided yet"):
        assert word in page


def test_the_page_puts_two_runs_side_by_side_and_merges_nothing(page):
    assert "verdict: first" in page
    assert "verdict: second" in page
    assert "0therone" in page
    assert len(re.findall("<img", page)) == 2 * 5


def test_every_picture_of_the_page_is_inside_it_and_has_a_text_alternative(page):
    pictures = re.findall(r"<img.*?>", page, flags=re.DOTALL)
    assert pictures
    for picture in pictures:
        assert 'src="data:image/png;base64,' in picture
        assert len(re.search(r'alt="([^"]*)"', picture).group(1)) > 60


def test_the_page_is_a_report_and_no_lesson(page):
    assert "Exercises" not in page
    assert "import " not in page
    assert "VBox" not in page
    assert re.findall(r"<h1", page) == ["<h1"]


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


def test_what_a_measuring_machine_left_is_used_and_another_machines_is_named(tmp_path, monkeypatch):
    run = run_folder(tmp_path / "run", quick_like("elsewhere"))
    (opened,) = report.open_runs(run)
    judged = report.judge(opened).set_index("id")
    assert f"(tried on machine {machine.describe().id})" in judged.loc["A9", "evidence"]
    content = json.loads((run / report.EVIDENCE).read_text())
    content["machines"]["elsewhere"] = content["machines"].pop(machine.describe().id)
    (run / report.EVIDENCE).write_text(json.dumps(content))
    assert "tried on" not in report.judge(opened).set_index("id").loc["A9", "evidence"]


def test_a_failing_notebook_leaves_the_old_report(tmp_path, monkeypatch):
    run = run_folder(tmp_path / "run")
    (run / report.REPORT).write_text("old")
    monkeypatch.setattr("helpers.report.page.NOTEBOOK", "no_such_notebook.ipynb")
    with pytest.raises(StudyError, match="the report's notebook failed"):
        report.write(run)
    assert (run / report.REPORT).read_text() == "old"


def test_verdicts_are_printed_a_line_a_claim(tmp_path, capsys):
    report.print_verdicts(run_folder(tmp_path / "run"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 26
    assert lines[1].split()[0] == "A1"
