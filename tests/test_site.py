"""The site: built from lessons, report, answers and docstrings. Links lead somewhere, nothing comes from a network."""

import importlib.util
import json
import subprocess
import sys

import pytest

from helpers import paths, workshop

ROOT = paths.project_root()
DOCS = ROOT / "docs"
needs_sphinx = pytest.mark.skipif(
    importlib.util.find_spec("myst_nb") is None,
    reason="the site's tools are not installed here: pip install -e '.[site]'",
)


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("links")


def test_a_link_that_leads_nowhere_and_what_a_network_must_give_are_found(links, tmp_path):
    (tmp_path.parent / "elsewhere.html").write_text("")
    (tmp_path / "there.html").write_text('<p id="here">text</p>')
    good = '<a href="there.html#here">a</a> <a href="https://example.org">b</a> <a href="#top" id="top">c</a>'
    page = tmp_path / "page.html"
    page.write_text(good)
    assert links.broken(tmp_path) == []
    page.write_text(
        f'{good}<a href="gone.html"></a><a href="there.html#gone"></a><a href="../elsewhere.html"></a>'
        '<script src="https://cdn/x.js"></script>'
    )
    assert links.broken(tmp_path) == [
        "page.html: fetched from a network: https://cdn/x.js",
        "page.html: no such place: there.html#gone",
        "page.html: nothing is at gone.html",
        "page.html: outside of the site: ../elsewhere.html",
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of two short lessons, one of which is run; report and doctor's page are taken as kept."""
    folder = tmp_path_factory.mktemp("site")
    keep = folder / "kept"
    keep.mkdir()
    for page in ("report.html", "doctor.html"):
        (keep / page).write_text("<!doctype html><title>as kept</title>")
    short, other = workshop.lessons()[0], workshop.lessons()[-1]
    (keep / other.name).write_text(other.read_text())
    command = [sys.executable, str(DOCS / "build.py"), "--as-kept", "--kept", str(keep), "--out", str(folder / "out")]
    ran = subprocess.run(
        [*command, "--lessons", short.name[:2], other.name[:2]], capture_output=True, text=True, timeout=400
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "out"


@pytest.mark.slow
@needs_sphinx
def test_the_site_has_every_part_and_a_search_that_needs_no_server(site):
    (short, *_) = workshop.lessons()
    text = {name: (site / name).read_text() for name in ("index.html", "answers.html", f"notebooks/{short.stem}.html")}
    assert "times as fast" in text["index.html"] and "cell_output" in text[f"notebooks/{short.stem}.html"]
    assert "Run on" in text[f"notebooks/{short.stem}.html"] and "keras-team/keras#23245" in text["answers.html"]
    for name in ("report.html", "doctor.html", "notebooks/workshop/glossary.html", "helpers.parity.html"):
        assert (site / name).is_file(), name
    assert "helpers.parity.check" in (site / "helpers.parity.html").read_text()
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")  # a script, not a file to be fetched
    assert "answers" in json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"]


@pytest.mark.slow
@needs_sphinx
def test_the_sites_links_lead_somewhere(site, links):
    assert links.broken(site) == []
