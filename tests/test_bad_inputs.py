"""What was thrown at the kit, and what it says now: one line, nothing left behind, nothing of the user's touched."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from made_up_results import quick_like
from PIL import Image

from helpers import cli, files, plots, results, sweep
from helpers.claims import evidence
from helpers.datasets import preparing
from helpers.errors import StudyError
from helpers.sweep import grid, kernels, loop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells


def picture(colour=(1, 2, 3)):
    """A whole JPEG file, as bytes."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(content, "JPEG")
    return content.getvalue()


def tar_of(entries, **headers):
    """An uncompressed tar file, as bytes, of (name, content)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", **headers) as tar:
        for name, data in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def whole_tar():
    return tar_of([(f"{kind}/{number}.jpg", picture((number, 9, 9))) for kind in ("cat", "dog") for number in range(4)])


@pytest.fixture
def refused(capsys, own_data_dir, tmp_path, monkeypatch):
    """Runs a command that must be refused: exit code 2, one line, nothing left behind."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        code = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert (code, said.err.count("\n")) == (cli.BAD_INPUT, 1), said.err
        assert "Traceback" not in said.err
        assert [path for path in sorted(tmp_path.rglob("*")) if path != own_data_dir] == before
        return said.err

    return run


def prepare(refused, tmp_path, content, name="bad.tar.gz"):
    (tmp_path / name).write_bytes(content)
    return refused("prepare", "folder:bad", "--archives", tmp_path / name)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gz", "xz", "bz2"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_09_an_archive_cut_short_anywhere_is_refused(refused, tmp_path, pack, share):
    packed = pack(whole_tar())
    suffix = {gzip.compress: "gz", lzma.compress: "xz", bz2.compress: "bz2"}[pack]
    cut = packed[: min(len(packed) - 1, int(share * len(packed)))]
    assert "must be whole" in prepare(refused, tmp_path, cut, f"bad.tar.{suffix}")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gz", "xz", "bz2"])
def test_10_a_flipped_bit_of_an_archive_is_refused_or_changes_no_picture(tmp_path, own_data_dir, pack):
    suffix = {gzip.compress: "gz", lzma.compress: "xz", bz2.compress: "bz2"}[pack]
    packed = pack(whole_tar())
    archive, place = tmp_path / f"bad.tar.{suffix}", own_data_dir / "folders" / "bad"
    right = sorted(picture((number, 9, 9)) for number in range(4) for _ in ("cat", "dog"))
    accepted = 0
    for bit in np.random.default_rng(0).integers(0, 8 * len(packed), 60):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << (bit % 8)
        archive.write_bytes(damaged)
        try:
            preparing.prepare("folder:bad", archives=archive, progress=lambda line: None)
        except StudyError:
            assert not place.exists()
        else:  # in gzip's time stamp, or in bits that bzip2 leaves unused
            assert sorted(path.read_bytes() for path in place.rglob("*.jpg")) == right
            shutil.rmtree(place)
            accepted += 1
    assert accepted < 6


def test_04_a_name_that_is_a_file_and_a_folder_is_refused(refused, tmp_path):
    both = tar_of([("cat/a.png", picture()), ("cat/a.png/b.jpg", picture()), ("dog/a.jpg", picture())])
    assert "must be a file or a folder" in prepare(refused, tmp_path, gzip.compress(both))


@pytest.mark.parametrize("name", ["cat/" + 300 * "x" + ".jpg", "/".join(["cat", *(["folder"] * 700)]) + "/x.jpg"])
def test_05_06_a_name_that_no_disk_takes_is_refused(refused, tmp_path, name):
    content = tar_of([(name, picture())], format=tarfile.GNU_FORMAT)
    assert "names must have at most" in prepare(refused, tmp_path, gzip.compress(content))


def test_11_headers_take_no_memory_without_bound(refused, tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"cat/{number}.jpg")
            member.pax_headers = {"comment": "x" * (1 << 20)}
            tar.addfile(member)
    assert "header must be at most" in prepare(refused, tmp_path, gzip.compress(content.getvalue()))


def test_13_an_archive_that_is_a_pipe_is_refused_at_once(refused, tmp_path):
    os.mkfifo(tmp_path / "bad.tar.gz")
    assert "must name a folder or file" in refused("prepare", "folder:bad", "--archives", tmp_path / "bad.tar.gz")


@pytest.mark.parametrize("content", [b"", b"no picture", picture()[:40]], ids=["empty", "garbage", "cut"])
def test_14_an_archive_with_a_file_that_is_no_picture_is_refused_by_name(refused, tmp_path, content):
    packed = gzip.compress(tar_of([("cat/1.jpg", picture()), ("dog/2.jpg", content)]))
    assert "dog/2.jpg" in prepare(refused, tmp_path, packed)


def test_15_whoever_prepares_second_takes_what_the_first_made(tmp_path, own_data_dir, monkeypatch):
    archive = tmp_path / "flowers.tar.gz"
    archive.write_bytes(gzip.compress(whole_tar()))
    move = files.move_whole

    def after_another(made, place):
        monkeypatch.setattr(files, "move_whole", move)
        preparing.prepare("folder:flowers", archives=archive, progress=lambda line: None)
        move(made, place)

    monkeypatch.setattr(files, "move_whole", after_another)
    place = preparing.prepare("folder:flowers", archives=archive, progress=lambda line: None)
    assert len(list(place.rglob("*.jpg"))) == 8
    assert not [path for path in own_data_dir.iterdir() if path.name.startswith(files.WORK)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "folder:bad", "--archives", "~nosuchuser/x.tar.gz"),
        ("prepare", "mnist", "--data-dir", "~nosuchuser/data"),
        ("prepare", "folder:~nosuchuser/pictures"),
        ("compare", "--dataset", "folder:~nosuchuser/pictures"),
    ],
)
def test_19_the_home_of_nobody_is_refused(refused, arguments):
    assert "~nosuchuser" in refused(*arguments)


def test_20_another_hosts_working_folder_stays(own_data_dir, tmp_path):
    theirs = own_data_dir / f"{files.WORK}another_host-999999999-x"
    theirs.mkdir(parents=True)
    (tmp_path / "flowers.tar.gz").write_bytes(gzip.compress(whole_tar()))
    preparing.prepare("folder:flowers", archives=tmp_path, progress=lambda line: None)
    assert theirs.is_dir()


def test_55_a_pipe_as_a_picture_is_not_waited_for(refused, tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        (tmp_path / "mine" / kind / "1.jpg").write_bytes(picture())
    os.mkfifo(tmp_path / "mine" / "dog" / "2.jpg")
    assert "2.jpg" in refused("compare", "--dataset", f"folder:{tmp_path / 'mine'}", "--transform", "rescale")


def test_54_a_link_to_nothing_is_refused_by_name(refused, tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        (tmp_path / "mine" / kind / "1.jpg").write_bytes(picture())
    (tmp_path / "mine" / "dog" / "2.jpg").symlink_to(tmp_path / "nothing.jpg")
    assert "2.jpg" in refused("compare", "--dataset", f"folder:{tmp_path / 'mine'}")


def test_75_all_damaged_pictures_are_told_of(refused, tmp_path):
    for number in range(6):
        folder = tmp_path / "mine" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(picture()[: None if number == 1 else 300])
    assert "2 more" in refused("compare", "--dataset", f"folder:{tmp_path / 'mine'}", "--source", "folder")


GRID = """
name: {name}
cells:
  - dataset: {dataset}
    transform: {transform}
    pipelines: {pipelines}
    {more}
"""
GOOD = {"name": "mine", "dataset": "synthetic", "transform": "noise", "pipelines": "[py_dataset, tf_data]", "more": ""}
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"\xff\xfe\x00\x01", "UTF-8", id="21 binary"),
        pytest.param("name: \xe9\ncells: []".encode("latin-1"), "UTF-8", id="21 latin-1"),
        pytest.param(GRID.format(**GOOD).encode("utf-16"), "UTF-8", id="21 utf-16"),
        pytest.param(LAUGHS.encode(), "at most 100000 values", id="24 billion laughs"),
        pytest.param(b"[" * 20_000 + b"]" * 20_000, "must be YAML", id="25 levels"),
        pytest.param(b"? [1, 2]\n: x\n", "keys must be text", id="26 unhashable key"),
        pytest.param(b"name: x\ncells: [1]\n2: x", "keys must be text", id="31 a number as a key"),
        pytest.param(b"name: !!bool x", "must be YAML", id="fuzz: a bool that is none"),
        pytest.param(b"name: !!timestamp x", "must be YAML", id="fuzz: a time that is none"),
    ],
)
def test_21_to_26_a_grid_that_is_no_plain_text_is_refused(refused, tmp_path, content, said):
    (tmp_path / "grid.yml").write_bytes(content)
    assert said in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"more": "notebook: 5"}, "unknown key"),
        ({"more": f"seed: {list(range(1000))}\n    batch_size: {list(range(1, 999))}"}, "at most 100000 points"),
        ({"pipelines": "{1: {builder: py_dataset}, x: {builder: tf_data}}"}, "keys must be text"),
        ({"pipelines": "[1, tf_data]"}, "list of names"),
        ({"pipelines": "{py_dataset: abc, tf_data: {}}"}, "knobs of py_dataset must be a mapping"),
        ({"pipelines": "{py_dataset: {workers: 2026-01-01}, tf_data: {}}"}, "workers must be"),
        ({"transform": "!!binary aGVsbG8="}, "transform must be one of"),
        ({"dataset": "2026-01-01"}, "dataset must be one of"),
        ({"dataset": "!!binary aGVsbG8="}, "dataset must be one of"),
        ({"more": "reference: 2026-01-01"}, "reference must be one of"),
        ({"more": "precision: .nan"}, "precision must be above"),
        ({"more": "budget_s: .inf"}, "budget_s must be above"),
        ({"more": f"precision: {10**4000}"}, "precision must be above"),
        ({"more": "shuffle: 'no'"}, "shuffle must be one of True, False"),
        ({"more": f"seed: {2**63}"}, "seed must be a whole number <= 2147483647"),
        ({"more": "batch_size: []"}, "batch_size must have at least one value"),
        ({"more": "examples: {from: 1}"}, "examples must be"),
        ({"more": "image_size: [[1, 2]]"}, "image_size must be"),
        ({"dataset": '"folder:a\\0b"'}, "there is no folder"),
    ],
)  # fmt: skip
def test_27_to_38_a_grids_value_that_cannot_be_is_refused_by_name(refused, tmp_path, change, said):
    (tmp_path / "grid.yml").write_text(GRID.format(**(GOOD | change)))
    assert said in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")


def test_22_a_byte_order_mark_is_no_harm(tmp_path):
    (tmp_path / "grid.yml").write_bytes(b"\xef\xbb\xbf" + GRID.format(**GOOD).encode())
    assert grid.load(tmp_path / "grid.yml").name == "mine"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "."])
def test_30_a_grid_that_is_no_file_is_refused_at_once(refused, tmp_path, path):
    assert "a grid must be" in refused("sweep", path, "--out", tmp_path / "run")


def test_30_a_grid_that_is_a_pipe_is_refused_at_once(refused, tmp_path):
    os.mkfifo(tmp_path / "grid.yml")
    assert "a grid must be" in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")


def test_74_a_seed_without_end_is_refused(refused):
    assert "seed must be a whole number <=" in refused("compare", "--seed", "99999999999999999999999")


@pytest.mark.parametrize("value", ["[", "!!bool x"])
def test_52_a_knob_that_is_no_yaml_is_refused(refused, value):
    assert "map" in refused("compare", "--pipelines", f"py_dataset,tf_data:map={value}")


@pytest.fixture
def run_of_three(tmp_path, monkeypatch):
    """A finished run of three trivial cells: (its plan, its folder)."""
    monkeypatch.setattr(kernels, "MODULES", ("helpers.results", "pyarrow.parquet"))
    written, out = trivial_cells.write_grid(tmp_path, [0, 1, 2]), tmp_path / "run"
    assert sweep.run(written, out, notebook=trivial_cells.notebook_of(written), progress=False).done == 3
    return written, out


def resumed(written, out):
    return sweep.run(written, out, notebook=trivial_cells.notebook_of(written), resume=True, progress=False)


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << (bit % 8)
    path.write_bytes(content)


def test_41_no_flipped_bit_of_a_cells_rows_is_used(run_of_three, capsys):
    _, out = run_of_three
    cell = sorted((out / "cells").iterdir())[0]
    rows = cell / results.ROWS
    whole = rows.read_bytes()
    for bit in np.random.default_rng(0).integers(0, 8 * len(whole), 200):
        flip(rows, int(bit))
        assert results.read_cell(cell, cell.name) is None
        rows.write_bytes(whole)
    assert results.read_cell(cell, cell.name) is not None


@pytest.mark.parametrize("damage", ["flipped", "another's", "none", "no mark", "a mark of nothing"])
def test_41_42_damaged_rows_and_another_cells_run_again_and_the_sweep_says_so(run_of_three, capsys, damage):
    written, out = run_of_three
    first, second, _ = sorted((out / "cells").iterdir())
    before = results.read(out)
    if damage == "flipped":
        flip(first / results.ROWS, 4000)
    elif damage == "another's":
        for name in (results.ROWS, results.DONE):
            shutil.copyfile(second / name, first / name)
    elif damage == "none":
        results.write_cell(first, results.read_cell(first).iloc[:0])
    elif damage == "no mark":
        (first / results.DONE).unlink()
    else:
        (first / results.DONE).write_text("[]")
    capsys.readouterr()
    assert resumed(written, out).done == 1
    assert "1 cells have rows that are damaged, or not theirs" in capsys.readouterr().out
    assert sorted(results.read(out)["seed"]) == sorted(before["seed"])


def test_51_cells_that_the_grid_lost_are_told_of(run_of_three, tmp_path, capsys):
    _written, out = run_of_three
    fewer = trivial_cells.write_grid(tmp_path, [0, 1])
    capsys.readouterr()
    assert sweep.run(fewer, out, notebook=trivial_cells.notebook_of(fewer), resume=True, progress=False).before == 2
    assert "1 cells of another machine, kit, grid or state of the data stay" in capsys.readouterr().out
    assert sorted(set(results.read(out)["seed"])) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"[", b"- 1", b"\xff\xfe", b"cells: [", b"name: !!bool x"])
def test_40_a_runs_damaged_grid_is_refused(refused, tmp_path, content):
    (tmp_path / "run" / "cells").mkdir(parents=True)
    (tmp_path / "run" / "grid.yml").write_bytes(content)
    (tmp_path / "grid.yml").write_text(GRID.format(**GOOD))
    assert "it is damaged" in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run", "--resume")


def test_39_a_name_that_yaml_reads_as_a_number_can_be_resumed(tmp_path):
    (tmp_path / "run" / "cells").mkdir(parents=True)
    (tmp_path / "grid.yml").write_text(GRID.format(**(GOOD | {"name": "2026"})))
    shutil.copyfile(tmp_path / "grid.yml", tmp_path / "run" / "grid.yml")
    loop._check_folder(tmp_path / "run", grid.load(tmp_path / "grid.yml"), True)


def test_44_a_lock_that_is_a_folder_is_refused(refused, tmp_path):
    (tmp_path / "run" / "cells").mkdir(parents=True)
    (tmp_path / "run" / ".lock").mkdir()
    (tmp_path / "grid.yml").write_text(GRID.format(**GOOD))
    assert "disk with locks" in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run", "--resume")


@pytest.mark.parametrize("out", ["", 300 * "x", "run\0"])
def test_46_47_a_folder_that_cannot_be_is_refused(refused, tmp_path, out):
    (tmp_path / "grid.yml").write_text(GRID.format(**GOOD))
    assert refused("sweep", tmp_path / "grid.yml", "--out", out)


@pytest.mark.parametrize("content", ["[]", "{", '{"schema_version": 1, "machines": []}',
                                     '{"schema_version": 1, "machines": {"m": {"profiler": {"verdict": "so so"}}}}',
                                     '{"schema_version": 1, "machines": {"m": {"profiler": []}}}',
                                     "[" * 100_000])  # fmt: skip
def test_63_kept_evidence_that_is_damaged_is_tried_again(tmp_path, content):
    (tmp_path / "evidence.json").write_text(content)
    assert evidence.kept_for(tmp_path / "evidence.json", "m") == {}


@pytest.mark.parametrize("content", ["[]", "[" * 100_000, '{"cores": "x"}', '{"memory_bytes": {}}', '{"gpus": [1]}',
                                     f'{{"cores": {10**400}}}', '{"versions": []}'])  # fmt: skip
def test_64_a_machine_that_is_none_is_refused(refused, tmp_path, content):
    (tmp_path / "run").mkdir()
    results.write_table(tmp_path / "run" / results.TABLE, quick_like())
    (tmp_path / "run" / "machine.json").write_text(content)
    assert "must be JSON of a machine" in refused("report", tmp_path / "run")


def test_66_a_label_with_dollars_is_drawn_as_it_is():
    table = quick_like().replace({"pipeline": {"tf_data": "$x_$"}, "reference": {"tf_data": "$x_$"}})
    assert plots.png(plots.ratios(table))


# What `benchmarks/fuzz.py` and `benchmarks/failing_disk.py` found, besides what stands with its like above.


def test_a_mark_nested_without_end_is_no_mark(tmp_path):
    trivial_cells.write(tmp_path, cell_id="mine", seed=1)
    assert results.read_cell(tmp_path, "mine") is not None
    (tmp_path / results.DONE).write_text("[" * 100_000)
    assert results.read_cell(tmp_path, "mine") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset_label": None}, "dataset_label is empty"),
        ({"knobs": "7"}, "knobs must be a JSON object"),
        ({"knobs": "x"}, "must hold what its columns say"),
        ({"differences": "[]"}, "differences must be a JSON object"),
        ({"epoch_s_rounds": 0.5}, "epoch_s_rounds must be lists of numbers"),
    ],
)
def test_a_table_with_values_that_are_none_of_its_columns_is_refused(refused, tmp_path, change, said):
    quick_like().assign(**change).to_parquet(tmp_path / results.TABLE)
    assert said in refused("report", tmp_path / results.TABLE)


def test_a_damaged_table_is_told_of_in_one_line_that_says_what_to_do(refused, tmp_path):
    damaged_footer = 64 * b"\xff" + (64).to_bytes(4, "little")
    (tmp_path / results.TABLE).write_bytes(b"PAR1" + damaged_footer + b"PAR1")  # pyarrow says that in two lines
    said = refused("report", tmp_path / results.TABLE)
    assert "must be a whole Parquet file" in said and "--resume" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", 300 * "x"),
        ("prepare", "folder:flowers", "--archives", 300 * "x"),
        ("prepare", f"folder:{300 * 'x'}"),
        ("compare", "--dataset", f"folder:{300 * 'x'}"),
        ("sweep", 300 * "x", "--out", "run"),
        ("exercises", "--out", 300 * "x"),
    ],
)
def test_a_name_longer_than_the_disk_takes_is_refused(refused, arguments):
    assert "names that the disk takes" in refused(*arguments)


def test_what_a_killed_prepare_left_goes_also_where_the_data_is_there(own_data_dir, tmp_path):
    (tmp_path / "flowers.tar.gz").write_bytes(gzip.compress(whole_tar()))
    preparing.prepare("folder:flowers", archives=tmp_path, progress=lambda line: None)
    left = [own_data_dir / f"{files.own_prefix()}{pid}-x" for pid in (999999999, os.getpid())]
    for folder in left:
        folder.mkdir()
    os.utime(left[1], (1, 1))  # from before this process began: another one had its number then
    preparing.prepare("folder:flowers", archives=tmp_path, progress=lambda line: None)
    assert not any(folder.exists() for folder in left)
