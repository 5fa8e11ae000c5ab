"""A class's results: each laptop's ratios beside the others', never pooled; what cannot be put together is refused."""

import shutil

import pytest
from made_up_results import cell, table
from PIL import Image

from helpers import cli, results
from helpers.errors import StudyError
from helpers.report import room

QUICK, SLOW = 0.5, 1.5  # tf_data's time over the Sequence's


def laptop(ratio, *, machine_id, seed, **columns):
    seconds = {"py_dataset": 1.0, "tf_data": ratio, "image_data_generator": 2.0}
    return cell(seconds=seconds, machine_id=machine_id, seed=seed, **columns)


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    results.write_table(path, table([rows]))


@pytest.fixture
def classroom(tmp_path):
    """Three laptops: two as folders, one as a file; the third disagrees."""
    write(tmp_path / "ada" / results.TABLE, laptop(QUICK, machine_id="ada00000", seed=1))
    write(tmp_path / "ben" / results.TABLE, laptop(QUICK, machine_id="ben00000", seed=2))
    write(tmp_path / "cleo.parquet", laptop(SLOW, machine_id="cleo0000", seed=3))
    (tmp_path / "notes.txt").write_text("mine")
    return tmp_path


def test_every_laptop_keeps_its_own_ratio_and_verdict(classroom):
    beside = room.side_by_side(room.laptops(classroom))
    rows = beside[beside["pipeline"] == "tf_data"]
    assert list(rows["laptop"]) == ["ada", "ben", "cleo"]
    assert list(rows["verdict"]) == ["faster", "faster", "slower"]
    for row in rows.itertuples():
        assert row.low < row.time_ratio < row.high
        assert row.time_ratio == pytest.approx(SLOW if row.laptop == "cleo" else QUICK, rel=0.05)


def test_nothing_is_pooled(classroom):
    told = "\n".join(room.lines(room.side_by_side(room.laptops(classroom))))
    assert "of 3 laptops: 2 faster, 1 slower" in told
    middle = (QUICK + QUICK + SLOW) / 3
    assert f"{middle:.2f}" not in told and "mean" not in told


def test_the_command_prints_the_table_and_draws_one_picture_again_and_again(classroom, capsys):
    for _ in range(2):
        assert cli.main(["room", str(classroom)]) == cli.DONE
        told = capsys.readouterr().out
        assert "tf_data against py_dataset" in told and "cleo" in told and "not averaged" in told
        with Image.open(classroom / room.PICTURE) as picture:
            assert picture.width > 400
    assert (classroom / "notes.txt").read_text() == "mine"


def test_a_picture_of_ones_own_of_that_name_stays(classroom, capsys):
    Image.new("RGB", (4, 4)).save(classroom / room.PICTURE)
    before = (classroom / room.PICTURE).read_bytes()
    assert cli.main(["room", str(classroom)]) == cli.BAD_INPUT
    assert "move it away" in capsys.readouterr().err
    assert (classroom / room.PICTURE).read_bytes() == before


def refused(folder, match):
    with pytest.raises(StudyError, match=match):
        room.side_by_side(room.laptops(folder))


def test_what_is_no_room_is_refused_in_one_line(classroom, tmp_path_factory):
    refused(classroom / "notes.txt", "must be a folder")
    refused(tmp_path_factory.mktemp("empty"), "two laptops or more .got 0")
    shutil.rmtree(classroom / "ada")
    shutil.rmtree(classroom / "ben")
    refused(classroom, "two laptops or more .got 1")


def test_a_copied_measurement_does_not_count_twice(classroom):
    shutil.copytree(classroom / "ada", classroom / "dora")
    refused(classroom, "one measurement as ada and as dora")


def test_a_damaged_table_is_named(classroom):
    (classroom / "ben" / results.TABLE).write_bytes(b"not a table")
    refused(classroom, "ben.*whole Parquet")


def test_laptops_without_a_question_in_common_are_told_so(tmp_path):
    for name, batch_size in (("ada", 32), ("ben", 64)):
        rows = laptop(QUICK, machine_id=f"{name}0000", seed=1, batch_size=batch_size)
        write(tmp_path / name / results.TABLE, rows)
    refused(tmp_path, "something in common .got nothing of ada, ben")


def test_cores_of_its_own_do_not_keep_a_laptop_out(classroom):
    write(classroom / "ada" / results.TABLE, laptop(QUICK, machine_id="ada00000", seed=1).assign(cores=8))
    beside = room.side_by_side(room.laptops(classroom))
    assert set(beside.loc[beside["pipeline"] == "tf_data", "laptop"]) == {"ada", "ben", "cleo"}
