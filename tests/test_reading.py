"""Tables, pictures and the report say where pictures came from and when they were decoded; claims may ask about it."""

import json

import pytest
from made_up_results import cell, table

from helpers import claims, paths, plots, results
from helpers.claims import Judgement, rules
from helpers.errors import StudyError
from helpers.report import Run
from helpers.results.pairs import fair_rows


@pytest.mark.parametrize(
    ("source", "decoding", "said"),
    [
        ("arrays", "once", "arrays in memory"),
        ("tfds", "once", "TFDS records, decoded once"),
        ("tfds", "every epoch", "TFDS records in a warm page cache, decoded every epoch"),
        ("folder", "every epoch", "files in a warm page cache, decoded every epoch"),
        ("folder", "", "files"),  # a table of before
    ],
)
def test_how_pictures_were_read_is_said_in_words(source, decoding, said):
    assert results.reading(source, decoding) == said


@pytest.fixture
def both():
    """A made-up table with cells of both kinds; the cached pipeline of the first decodes once, unlike its task."""
    every = cell(
        seconds={"tf_data": 1.0, "py_dataset": 2.0, "tf_data, cache": 0.4},
        source="tfds",
        decoding="every epoch",
        unlike=("tf_data, cache",),
    )
    every.loc[~every["same_work"], "differences"] = json.dumps({"decoding": "once instead of every epoch"})
    return table([every, cell(seconds={"tf_data, cache": 0.4, "py_dataset": 0.5}, source="tfds", decoding="once")])


def test_pictures_and_the_report_say_which(both):
    for picture in (plots.ratios(both), plots.heat_map(both)):
        assert "decoded every epoch" in picture.get_label() and "decoded once" in picture.get_label()
    said = Run("made up", paths.project_root(), both).facts()["read from"]
    assert said == "TFDS records in a warm page cache, decoded every epoch; TFDS records, decoded once"


def test_cells_of_the_two_kinds_are_told_apart(both):
    pairs = results.pairs_of(both, pipeline={"builder": "tf_data"}, reference={"builder": "py_dataset"})
    assert sorted(pairs["decoding"]) == ["every epoch", "once"]


CACHED = {
    "pipeline": {"builder": "tf_data", "cache": "memory"},
    "reference": {"builder": "tf_data", "others": "default"},
}


def test_a_cache_is_compared_with_reading_anew_only_where_the_claim_is_about_decoding(both):
    assert rules.compare(both, **CACHED, expect="faster").verdict == Judgement.UNDECIDED
    assert rules.compare(both, **CACHED, expect="faster", despite=["decoding"]).verdict == Judgement.SUPPORTED
    assert rules.compare(both, **CACHED, expect="slower", despite=["decoding"]).verdict == Judgement.REFUTED


def test_what_differs_in_more_than_was_allowed_stays_out(both):
    other = both.assign(
        differences=[json.dumps({"decoding": "…", "pixels": "…"}) if told else "" for told in both["differences"]]
    )
    assert len(fair_rows(other, despite=["decoding"])) == len(fair_rows(other)) == len(fair_rows(both))
    assert len(fair_rows(both, despite=["decoding"])) == len(both)
    prose = both.assign(differences=["it decodes once" if told else "" for told in both["differences"]])
    assert len(fair_rows(prose, despite=["decoding"])) == len(fair_rows(both))


def test_an_aspect_that_parity_does_not_know_is_refused(tmp_path):
    text = (paths.project_root() / "data" / "claims.yml").read_text()
    assert "despite: [decoding]" in text
    (tmp_path / "claims.yml").write_text(text.replace("despite: [decoding]", "despite: [colour]"))
    with pytest.raises(StudyError, match="parity has no aspect"):
        claims.load(tmp_path / "claims.yml")
