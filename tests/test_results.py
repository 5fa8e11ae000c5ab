import hashlib
import os

import made_up_results
import numpy as np
import pandas as pd
import pytest

from helpers import files, ratios, results
from helpers.errors import StudyError
from helpers.results import pairs

VALUES = {"int64": 1, "str": "a", "bool": True, "float64": 0.5, "object": [0.1, 0.2]}


def row(**changes):
    texts = {"knobs": "{}", "differences": "{}", "source": "arrays"}
    return {name: VALUES[kind] for name, kind in results.COLUMNS.items()} | texts | changes


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = pd.DataFrame([row(cell_id="x", time_ratio=float("nan")), row(cell_id="x", pipeline="b")])
    results.write_cell(tmp_path, rows)
    found = results.read(tmp_path / results.ROWS)
    assert found["pipeline"].tolist() == ["a", "b"]
    assert np.isnan(found["time_ratio"][0])
    assert list(found["epoch_s_rounds"][0]) == [0.1, 0.2]
    assert set(found["schema_version"]) == {results.SCHEMA_VERSION}


def test_rows_with_other_columns_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(StudyError, match="unknown: speed"):
        results.write_cell(tmp_path, pd.DataFrame([row(speed=3)]))
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_made_of_the_cells_that_are_whole(tmp_path):
    for cell in ("a", "b", "c"):
        (tmp_path / "cells" / cell).mkdir(parents=True)
    results.write_cell(tmp_path / "cells" / "a", pd.DataFrame([row(cell_id="a")]))
    whole = results.write_cell(tmp_path / "cells" / "b", pd.DataFrame([row(cell_id="b")]))
    whole.write_bytes(whole.read_bytes()[:-20])
    assert results.gather(tmp_path, ["a", "b", "c"])["cell_id"].tolist() == ["a"]
    assert results.read(tmp_path)["cell_id"].tolist() == ["a"]


def test_a_table_that_is_missing_truncated_or_of_another_schema_is_refused_in_one_line(tmp_path):
    with pytest.raises(StudyError, match="must be there"):
        results.read(tmp_path)
    pd.DataFrame([row(schema_version=99)]).to_parquet(tmp_path / results.TABLE)
    with pytest.raises(StudyError, match="must have schema 3"):
        results.read(tmp_path)
    (tmp_path / results.TABLE).write_bytes(b"PAR1")
    with pytest.raises(StudyError, match="whole Parquet file"):
        results.read(tmp_path)


def test_a_run_whose_epochs_held_their_waits_can_still_be_read_and_a_column_that_is_missing_is_told(tmp_path):
    old = pd.DataFrame([row(schema_version=2)]).drop(columns="wait_s_rounds")
    old.to_parquet(tmp_path / results.TABLE)
    read = results.read(tmp_path)
    assert list(read) == list(results.COLUMNS)
    assert read["schema_version"].tolist() == [2] and read["wait_s_rounds"].tolist() == [[]]
    old.drop(columns="batches").to_parquet(tmp_path / results.TABLE)
    with pytest.raises(StudyError, match="must have schema 3"):
        results.read(tmp_path)


def test_a_run_of_the_first_edition_can_still_be_read_and_no_cell_of_it_counts_as_done(tmp_path):
    later = ["start_s", "steady_s_rounds", "batches", "ceiling_images_per_s"]
    old = pd.DataFrame([row(schema_version=1)]).rename(columns={"batch_s": "steady_batch_s"}).drop(columns=later)
    old = old.assign(first_batch_cold_s=0.2)  # a column that went
    old.to_parquet(tmp_path / results.TABLE)
    read = results.read(tmp_path)
    assert list(read) == list(results.COLUMNS)
    assert read["schema_version"].tolist() == [1]
    assert read["batch_s"].tolist() == old["steady_batch_s"].tolist()
    assert read["start_s"].isna().all() and read["steady_s_rounds"].tolist() == [[]]
    assert np.isnan(pairs.seconds_of(read.iloc[0], "start_s")).tolist() == [True, True]
    assert read["batches"].tolist() == [-(-old["examples"][0] // old["batch_size"][0])]
    results.write_cell(tmp_path, read)
    assert results.read_cell(tmp_path)["schema_version"].tolist() == [results.SCHEMA_VERSION]
    files.write_whole(tmp_path / results.ROWS, lambda path: read.to_parquet(path, index=False))
    done = {"sha256": hashlib.sha256((tmp_path / results.ROWS).read_bytes()).hexdigest(), "rows": 1}
    files.write_json(tmp_path / results.DONE, done | {"cell_ids": read["cell_id"].tolist()})
    assert results.read_cell(tmp_path) is None


def test_a_pipeline_that_stands_twice_in_a_cell_is_refused(tmp_path):
    pd.DataFrame([row(cell_id="x"), row(cell_id="x")]).to_parquet(tmp_path / results.TABLE)
    with pytest.raises(StudyError, match="twice in a cell"):
        results.read(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    place = tmp_path / "kept.json"
    files.write_json(place, {"old": 1})

    def fail(path):
        path.write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        files.write_whole(place, fail)
    assert "old" in place.read_text()
    assert list(tmp_path.iterdir()) == [place]


def test_a_written_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_whole(tmp_path / "mine", lambda place: place.write_text("whole"))
    finally:
        os.umask(before)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_pipeline_that_left_early_is_compared_on_the_rounds_that_both_ran():
    rows = made_up_results.cell(seconds={"py_dataset": 1.0, "tf_data": 2.0}, rounds=20, noise=0.02)
    whole = pairs.cell_ratio(rows.iloc[1], rows.iloc[0])
    rows.loc[1, made_up_results.BY_ROUND] = pd.Series(
        {part: rows.loc[1, part][:8] for part in made_up_results.BY_ROUND}
    )
    of_both = pairs.cell_ratio(rows.iloc[1], rows.iloc[0])
    first = [pairs.seconds_of(row)[:8] for _, row in rows.iterrows()]
    assert (
        of_both[:3]
        == pairs.compare_rounds(first[1], first[0], confidence=ratios.sequential_confidence(0.95, looks=2))[:3]
    )
    assert of_both != whole
    back = pairs.cell_ratio(rows.iloc[0], rows.iloc[1])
    assert back[:3] == pytest.approx([1 / of_both[0], 1 / of_both[2], 1 / of_both[1]])
