"""One file to send back: what is in it, what is not, and what is not opened."""

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from made_up_results import cell, table

from helpers import cli, files, results
from helpers.errors import StudyError
from helpers.report import pack, room

SECRET = "ann-secret"
MACHINE = {"id": "ada00000", "cpu": "Some CPU", "cores": 2, "memory_bytes": 8 << 30, "system": "Linux x86_64"}


def laptop(folder, machine_id, ratio, **columns):
    folder.mkdir(parents=True)
    rows = table([cell(seconds={"py_dataset": 1.0, "tf_data": ratio}, machine_id=machine_id, **columns)])
    results.write_table(folder / results.TABLE, rows)
    settings = {
        "LD_PRELOAD": f"/home/{SECRET}/lib/x.so",
        "XLA_FLAGS": f"--dump_to=/home/{SECRET}/a --two=C:\\{SECRET}\\b",
    }
    files.write_json(folder / "machine.json", MACHINE | {"id": machine_id, "settings": settings})
    (folder / "evidence.json").write_text(SECRET)
    return folder


@pytest.mark.parametrize(
    "path", [f"/home/{SECRET}/my pictures", f"C:\\Users\\{SECRET}\\my pictures", f"~/{SECRET}/my pictures"]
)
def test_a_pack_has_the_table_and_the_machine_and_no_path_of_the_user(tmp_path, path):
    knobs = json.dumps({"cache": f"{path}/cache", "service": "grpc://localhost:5050"})
    run = laptop(tmp_path / "run", "ada00000", 0.5, dataset=f"folder:{path}")
    rows = results.read(run).assign(knobs=knobs)
    results.write_table(run / results.TABLE, rows)
    packed = pack.write(run, tmp_path / "ada.zip")
    with zipfile.ZipFile(packed) as opened:
        assert opened.namelist() == ["machine-ada00000.json", results.TABLE]
        held = b"".join(opened.read(name) for name in opened.namelist())
    assert SECRET.encode() not in held
    (again,) = pack.read(packed)
    assert set(again.results["dataset"]) == {"folder:my pictures"}
    assert json.loads(again.results["knobs"][0]) == {"cache": "cache", "service": "grpc://localhost:5050"}
    assert again.machine["settings"]["LD_PRELOAD"] == "x.so"
    assert SECRET not in f"{again.machine} {again.results.to_json()}"
    free = ["dataset", "dataset_label", "knobs", "cell_id"]
    assert again.results.drop(columns=free).equals(results.read(run).drop(columns=free))


names = st.text(st.characters(categories=("L", "N"), include_characters=" ._-"), min_size=1, max_size=12).filter(
    lambda name: name.strip(". ")
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/a/b:/home/ann/lib", "b:lib"),
        ("file:///home/ann/x", "x"),
        ("../../home/ann/x", "..x"),
        ("grpc://host:5050", "grpc://host:5050"),
        ("a ratio of 3/4 at 10 images/s", "a ratio of 3/4 at 10 images/s"),
    ],
)
def test_what_is_a_path_and_what_is_none(text, kept):
    assert pack._without_paths(text) == kept


@given(
    parts=st.lists(names, min_size=1, max_size=4),
    around=st.sampled_from(["{}", "at {} it ended", "x={}", '"{}"', "({})"]),
)
def test_nothing_of_a_path_stays_but_its_last_part(parts, around):
    home = "zzqqhome"
    for path in (f"/{home}/{'/'.join(parts)}", f"C:\\{home}\\" + "\\".join(parts), f"~/{home}/{'/'.join(parts)}"):
        assert home not in pack._without_paths(around.format(path))
        assert home not in pack._without_paths(f"folder:{path}")


def test_a_room_shows_packed_runs_beside_folders(tmp_path, capsys):
    laptop(tmp_path / "room" / "ben", "ben00000", 0.5, seed=1)
    pack.write(laptop(tmp_path / "ada", "ada00000", 0.5, seed=2), tmp_path / "room" / "ada.zip")
    found = room.laptops(tmp_path / "room")
    assert {name: run.machine_id for name, run in found.items()} == {"ada": "ada00000", "ben": "ben00000"}
    assert cli.main(["room", str(tmp_path / "room")]) == cli.DONE
    assert "of 2 laptops" in capsys.readouterr().out


def test_the_command_names_the_file_after_run_and_machine_and_replaces_packs_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    laptop(tmp_path / "quick", "ada00000", 0.5)
    for _ in range(2):
        assert cli.main(["pack", "quick"]) == cli.DONE
    assert Path("quick-ada00000.zip").is_file()
    Path("thesis.zip").write_text("mine")
    assert cli.main(["pack", "quick", "--out", "thesis.zip"]) == cli.BAD_INPUT
    assert "only a file that `study pack` wrote may be replaced" in capsys.readouterr().err
    assert Path("thesis.zip").read_text() == "mine"


@pytest.mark.parametrize("name", ["../results.parquet", "/etc/passwd", "machine-.json", "results.parquet/x", "evil.py"])
def test_a_pack_with_anything_else_is_refused_before_it_is_read(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(name, b"x")
    with pytest.raises(StudyError, match="a pack holds a table and machines"):
        pack.read(tmp_path / "a.zip")


def test_a_pack_that_would_fill_the_disk_or_is_damaged_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("machine.json", b"0" * (2 << 20))
    with pytest.raises(StudyError, match=r"at most 1 MiB as machine\.json"):
        pack.read(tmp_path / "bomb.zip")
    whole = pack.write(laptop(tmp_path / "run", "ada00000", 0.5), tmp_path / "whole.zip").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"x" + whole[100:]):
        (tmp_path / "cut.zip").write_bytes(content)
        with pytest.raises(StudyError, match="must be"):
            pack.read(tmp_path / "cut.zip")
