"""What was thrown at the kit, and what it says now: one line, nothing left behind, nothing of the user's touched.

About 230 bad inputs and faults are a list of 76 lines; a test's name begins with its lines' numbers, and `ELSEWHERE`
names the lines whose tests are with what they belong to.
"""

import bz2
import functools
import gzip
import importlib
import io
import json
import lzma
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pyarrow.parquet
import pytest
from made_up_results import quick_like
from PIL import Image

from helpers import cli, datasets, files, plots, results, sweep
from helpers.claims import evidence
from helpers.claims.evidence import collection
from helpers.datasets import decoded_cache, preparing
from helpers.errors import StudyError
from helpers.sweep import folder as run_folder, grid, kernels, loop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells

ELSEWHERE = {
    17: ("test_prepare.py", "test_a_disk_that_fills_up_leaves_nothing"),
    45: ("test_sweep.py", "test_two_sweeps_into_one_folder_are_kept_apart"),
    61: ("test_cli.py", "test_a_reader_who_has_enough_of_the_output_is_no_error"),
    62: ("test_results.py", "test_a_table_that_is_missing_truncated_or_of_another_schema_is_refused_in_one_line"),
    65: ("test_report.py", "test_what_a_run_and_its_verdicts_say_is_escaped"),
    67: ("test_exercises.py", "test_a_notebook_that_it_did_not_write_so_is_refused_by_name_and_nothing_is_touched"),
    69: ("test_cluster.py", "test_a_planted_link_redirects_no_lock_and_what_it_points_to_stays"),
    70: ("test_kernels.py", "test_line_68_70_kernels_are_of_this_interpreter_and_import_nothing_from_their_folder"),
    76: ("test_cli.py", "test_something_unforeseen_is_one_line_exit_code_70_and_a_log_with_the_traceback"),
}
FAULTS_OF_THE_DISK = 73  # `make torture` lets the Nth call fail, and drops what was not fsynced


def test_every_line_of_the_list_has_a_test():
    here = Path(__file__)
    spans = re.findall(r"^def test_((?:\d\d_)+)(?:to_(\d\d))?", here.read_text(), re.MULTILINE)
    lines = {FAULTS_OF_THE_DISK, *ELSEWHERE}
    for numbers, last in spans:
        first, *others = map(int, numbers.strip("_").split("_"))
        lines |= {first, *others, *range(first, int(last or first) + 1)}
    assert sorted({*range(1, 77)} - lines) == []
    for file, test in ELSEWHERE.values():
        assert f"def {test}(" in (here.parent / file).read_text()


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
        pytest.param(b"cells: !!python/object/apply:os.mkdir [executed]", "must be YAML", id="23 an object of Python"),
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
def test_29_to_38_a_grids_value_that_cannot_be_is_refused_by_name(refused, tmp_path, change, said):
    (tmp_path / "grid.yml").write_text(GRID.format(**(GOOD | change)))
    assert said in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")


@pytest.mark.parametrize("notebook", ["5", "null", "''", "..", "../mine.ipynb", "{}/mine.ipynb", "[mine.ipynb]"])
def test_27_28_a_notebook_that_is_no_plain_name_is_refused_and_not_run(refused, tmp_path, notebook):
    code = f"open({str(tmp_path / 'executed')!r}, 'w')"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), tmp_path / "mine.ipynb")
    (tmp_path / "grid.yml").write_text(f"notebook: {notebook.format(tmp_path)}" + GRID.format(**GOOD))
    said = refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")
    assert "notebook must be a plain name" in said


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


@pytest.fixture(scope="module")
def kept_run_of_three(tmp_path_factory):
    """A folder with a plan and its finished run, to be copied."""
    folder = tmp_path_factory.mktemp("three")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
        written = trivial_cells.write_grid(folder, [0, 1, 2])
        assert sweep.run(written, folder / "run", notebook=trivial_cells.notebook_of(written), progress=False).done == 3
    return folder, written.relative_to(folder)


@pytest.fixture
def run_of_three(kept_run_of_three, tmp_path, monkeypatch):
    """A finished run of three trivial cells: (its plan, its folder)."""
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
    folder, written = kept_run_of_three
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / written, tmp_path / "run"


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


@pytest.mark.parametrize(
    "damage",
    [
        "flipped",
        "another's",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("none", "no mark", "a mark of nothing", "null integers")
        ),
    ],
)
def test_41_42_43_damaged_rows_and_another_cells_run_again_and_the_sweep_says_so(run_of_three, capsys, damage):
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
    elif damage == "null integers":
        table = pyarrow.parquet.read_table(first / results.ROWS)
        nulls = pyarrow.array([None] * len(table), pyarrow.int64())
        pyarrow.parquet.write_table(
            table.set_column(table.schema.get_field_index("seed"), "seed", nulls), first / results.ROWS
        )
        mark = json.loads((first / results.DONE).read_text())
        (first / results.DONE).write_text(json.dumps(mark | {"sha256": files.sha256(first / results.ROWS)}))
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
    assert "1 cells of another kit, grid or state of the data stay" in capsys.readouterr().out
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
    run_folder.check(tmp_path / "run", grid.load(tmp_path / "grid.yml").name, resume=True)


def test_44_a_lock_that_is_a_folder_is_refused(refused, tmp_path):
    (tmp_path / "run" / "cells").mkdir(parents=True)
    (tmp_path / "run" / ".lock").mkdir()
    (tmp_path / "grid.yml").write_text(GRID.format(**GOOD))
    assert "disk with locks" in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run", "--resume")


@pytest.mark.parametrize("out", ["", 300 * "x", "run\0"])
def test_46_47_a_folder_that_cannot_be_is_refused(refused, tmp_path, out):
    (tmp_path / "grid.yml").write_text(GRID.format(**GOOD))
    assert refused("sweep", tmp_path / "grid.yml", "--out", out)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"schema_version": 1, "machines": []}',
        '{"schema_version": 1, "machines": {"m": {"profiler": {"verdict": "so so"}}}}',
        '{"schema_version": 1, "machines": {"m": {"profiler": []}}}',
        "[" * 100_000,
    ],
)
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


# Archives, as they were met before.


@pytest.mark.parametrize("name", ["../cat/1.jpg", "cat/../../1.jpg", "/tmp/cat/1.jpg"])
def test_01_02_a_name_that_leaves_the_folder_is_refused(refused, tmp_path, name):
    assert "must not reach outside" in prepare(refused, tmp_path, gzip.compress(tar_of([(name, picture())])))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_03_a_member_that_is_no_file_is_refused(refused, tmp_path, kind):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo("cat/1.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert "files and folders only" in prepare(refused, tmp_path, gzip.compress(content.getvalue()))


def test_07_a_name_that_is_no_plain_text_is_unpacked_or_refused_in_one_line(own_data_dir, tmp_path):
    entries = [("cat/new\nline.jpg", picture()), ("dog/\x1b[2J.jpg", picture()), ("dog/\udcff.jpg", picture())]
    (tmp_path / "odd.tar").write_bytes(tar_of(entries))
    folder = preparing.prepare("folder:odd", archives=tmp_path / "odd.tar", progress=lambda line: None)
    assert len([file for file in folder.rglob("*") if file.is_file()]) == 3


@pytest.mark.parametrize("content", [b"", bytes(10240), b"PK\x03\x04 a zip"], ids=["empty", "no member", "zip"])
def test_08_what_is_no_tar_is_refused(refused, tmp_path, content):
    assert "archive must" in prepare(refused, tmp_path, content, "bad.tar")


def test_12_zeros_without_end_are_refused(refused, tmp_path):
    packed = gzip.compress(tar_of([("cat/1.jpg", picture())]) + bytes(80 << 20))
    assert "must end after its last member" in prepare(refused, tmp_path, packed)


def test_16_what_kill_9_left_goes_and_what_is_alive_or_not_the_kits_stays(tmp_path, orphan_in):
    mine = tmp_path / f"{files.SCRATCH}cell-cultures"
    mine.mkdir()
    with files.working_folder(tmp_path) as alive:
        killed = [orphan_in(tmp_path, prefix) for prefix in (files.WORK, f"{files.SCRATCH}cell-")]
        link = tmp_path / f"{files.SCRATCH}link"
        link.symlink_to(alive)
        files.remove_orphans(tmp_path)
        assert alive.is_dir() and mine.is_dir() and link.is_symlink()
        assert not [folder for folder in killed if folder.exists()]


def test_18_a_data_folder_that_is_a_file_is_refused(refused, tmp_path, own_data_dir):
    (tmp_path / "data-file").write_text("mine")
    assert "must be writable" in refused("prepare", "mnist-standin", "--data-dir", tmp_path / "data-file")
    assert (tmp_path / "data-file").read_text() == "mine"


def test_20_another_hosts_orphan_goes_when_nothing_was_written_for_a_week(tmp_path, orphan_in):
    fresh, old = (orphan_in(tmp_path / name) for name in ("fresh", "old"))
    for folder in (fresh, old):
        (folder / files.OWNER).write_text("another host's")
    week_ago = time.time() - files.ORPHAN_S - 60
    for path in (old, *old.iterdir()):
        os.utime(path, (week_ago, week_ago))
    for folder in (fresh, old):
        files.remove_orphans(folder.parent)
    assert fresh.is_dir() and not old.exists()


def test_16_what_was_killed_before_it_said_where_it_runs_goes_after_ten_minutes(tmp_path, orphan_in):
    fresh, old = (orphan_in(tmp_path / name) for name in ("fresh", "old"))
    for folder in (fresh, old):
        (folder / files.OWNER).write_text("")
    before = time.time() - files.NAMELESS_S - 60
    for path in (old, *old.iterdir()):
        os.utime(path, (before, before))
    for folder in (fresh, old):
        files.remove_orphans(folder.parent)
    assert fresh.is_dir() and not old.exists()


def test_16_what_lost_its_owners_file_with_the_power_goes_after_a_week_in_a_data_folder_alone(tmp_path, orphan_in):
    data, temporary = orphan_in(tmp_path / "data"), orphan_in(tmp_path / "tmp", f"{files.SCRATCH}cell-")
    for age, stays in ((files.ORPHAN_S - 60, True), (files.ORPHAN_S + 60, False)):
        for folder in (data, temporary):
            (folder / files.OWNER).unlink(missing_ok=True)
            for path in (folder / "half", folder):
                os.utime(path, (time.time() - age,) * 2)
            files.remove_orphans(folder.parent)
        assert data.exists() == stays and temporary.exists()


def test_neighbours_what_a_kill_left_beside_kept_pictures_goes_when_they_are_used(kept, orphan_in):
    load, folder = kept
    left = orphan_in(folder.parent)
    load()
    assert not left.exists()


# Paths, names, terminals, networks.


@pytest.fixture
def as_nobody(capsys):
    """Runs a command, as somebody for whom a folder is closed, that must be refused; gives the folder."""
    for name in ("cli.commands", "measurement", "sweep", "report", "workshop", "datasets.preparing"):
        importlib.import_module(f"helpers.{name}")  # the interpreter's own files may be closed to nobody, too
    "x".encode("unicode_escape")
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="closed-"))
    root.chmod(0o755)
    (root / "closed" / "pictures" / "cat").mkdir(parents=True)
    (root / "closed" / "pictures" / "cat" / "1.jpg").write_bytes(picture())

    def run(*arguments, closed=root / "closed"):
        before = sorted(root.rglob("*"))
        mode = closed.stat().st_mode
        closed.chmod(0o700 if os.geteuid() == 0 else 0)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            code = cli.main([str(argument) for argument in arguments])
        finally:
            os.seteuid(user)
            closed.chmod(mode)
        said = capsys.readouterr().err
        assert (code, said.count("\n")) == (cli.BAD_INPUT, 1), said
        assert sorted(root.rglob("*")) == before
        return said

    yield root / "closed", run
    shutil.rmtree(root)


@pytest.mark.parametrize("arguments", [("compare", "--dataset", "folder:{}/pictures"),
                                       ("prepare", "folder:{}/pictures"),
                                       ("report", "{}/run"), ("sweep", "{}/grid.yml", "--out", "{}/run"),
                                       ("prepare", "folder:new", "--archives", "{}/new.tar"),
                                       ("prepare", "mnist-standin", "--data-dir", "{}/data")])  # fmt: skip
def test_58_48_a_closed_parent_is_refused(as_nobody, arguments):
    closed, run = as_nobody
    assert "Permission denied" in run(*(argument.format(closed) for argument in arguments))


def test_57_a_closed_folder_within_a_class_is_refused(as_nobody):
    closed, run = as_nobody
    said = run("compare", "--dataset", f"folder:{closed / 'pictures'}", closed=closed / "pictures" / "cat")
    assert "must be readable" in said and "cat" in said


LONG = 300 * "x"


@pytest.mark.parametrize("arguments", [("compare", "--dataset", f"folder:{LONG}"), ("prepare", f"folder:{LONG}"),
                                       ("compare", "--dataset", LONG), ("report", LONG), ("exercises", "--out", LONG),
                                       ("prepare", "mnist", "--archives", LONG),
                                       ("sweep", LONG, "--out", "run")])  # fmt: skip
def test_59_a_name_of_300_characters_is_refused(refused, arguments):
    assert len(refused(*arguments)) < 600


def test_53_a_budget_without_end_is_refused_at_once(refused, tmp_path):
    assert "must be above 0 seconds" in refused("compare", "--budget", "1e400")
    (tmp_path / "grid.yml").write_text(GRID.format(**(GOOD | {"more": "budget_s: 1.0e+400"})))
    assert "budget_s must be above 0" in refused("sweep", tmp_path / "grid.yml", "--out", tmp_path / "run")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_56_a_picture_of_more_pixels_than_memory_should_take_is_refused_unread(refused, tmp_path, kind):
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "1.jpg").write_bytes(picture())
    large = tmp_path / "mine" / "dog" / f"2.{kind.lower()}"
    if kind == "PNG":
        large.write_bytes(png_of(12_000))
    else:
        Image.new("L", (9000, 9000)).save(large, "JPEG")
    said = refused("compare", "--dataset", f"folder:{tmp_path / 'mine'}", "--transform", "rescale")
    assert "at most 64 million pixels" in said and large.name in said


def png_of(side):
    """A black PNG of side x side pixels, as bytes; made without holding it."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00"
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4) for kind, content in chunks
    )


def study(*arguments, **environment):
    """Runs `study` as a process of its own and returns how it ended."""
    command = [sys.executable, "-m", "helpers.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, **environment})


@pytest.mark.parametrize("arguments", [("machine", "--check"), ("--help",), ("sweep", "gr€d.yml", "--out", "run"),
                                       ("compare", "--dataset", "folder:→")])  # fmt: skip
@pytest.mark.parametrize(
    "terminal",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_60_a_terminal_of_few_characters_is_no_reason_to_fail(arguments, terminal):
    ran = study(*arguments, **terminal)
    assert ran.returncode in (cli.DONE, cli.SOME_FAILED, cli.BAD_INPUT)
    assert (ran.stdout + ran.stderr).isascii() and b"Traceback" not in ran.stderr
    assert ran.stderr.count(b"\n") == (ran.returncode == cli.BAD_INPUT)


def test_50_few_open_files_are_no_reason_for_a_traceback():
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))  # noqa: E731
    command = [sys.executable, "-m", "helpers.cli", "machine"]
    ran = subprocess.run(command, capture_output=True, timeout=120, preexec_fn=few)
    assert ran.returncode == cli.DONE and ran.stderr == b""


@pytest.fixture
def taken_port():
    with socket.socket() as listening:
        listening.bind(("", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("command", ["start", "dispatcher"])
def test_71_a_port_in_use_is_refused(refused, taken_port, command):
    assert "port must be free" in refused("service", command, "--trusted-network", "--port", taken_port)


def test_71_a_port_that_cannot_be_is_refused(refused):
    assert "70000 is not in the range" in refused("service", "start", "--trusted-network", "--port", 70000)


@pytest.mark.parametrize("address", ["nonsense", "localhost:70000", ":5050", "localhost:"])
def test_71_an_address_that_cannot_be_is_refused(refused, address):
    assert "must read HOST:PORT" in refused("service", "worker", "--trusted-network", "--dispatcher", address)


def test_71_a_worker_without_a_dispatcher_is_refused(refused, monkeypatch):
    monkeypatch.setattr("helpers.service.processes.DISPATCHER_S", 1.0)
    said = refused("service", "worker", "--trusted-network", "--dispatcher", "localhost:1", "--port", 0)
    assert "a dispatcher must answer at localhost:1" in said


# Other processes: ended, stopped, planted.


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["warm", "stock"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_49_a_signal_leaves_no_scratch_and_no_process(tmp_path, number, launcher):
    scratch = tmp_path / "t"
    scratch.mkdir()
    written = trivial_cells.write_grid(tmp_path, [0], code="time.sleep(600)")
    command = [sys.executable, trivial_cells.__file__, written, tmp_path / "run", "--launcher", launcher]
    running = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # also where nohup runs the tests
    )
    try:
        deadline = time.monotonic() + 60
        while not list(scratch.glob(f"{files.SCRATCH}cell-*/k*")) and time.monotonic() < deadline:  # its sockets
            time.sleep(0.05)
        family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(number)
        said = running.communicate(timeout=60)[1]
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 128 + number
    assert said.endswith(f"study: ended by {number.name}\n") and "Traceback" not in said
    assert list(scratch.iterdir()) == []
    assert len(family) >= 1 and not [process for process in family if alive(process)]


def alive(process):
    try:
        process.wait(timeout=20)
    except psutil.TimeoutExpired:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["warm", "stock"])
def test_68_nothing_in_the_current_folder_is_executed(tmp_path, monkeypatch, launcher):
    place = tmp_path / "mine"
    place.mkdir()
    for module in ("papermill", "json", "numpy", "ipykernel", "zmq", "tempfile"):
        (place / f"{module}.py").write_text(f"open({str(place / 'executed')!r}, 'w')")
    monkeypatch.chdir(place)
    written = trivial_cells.write_grid(tmp_path, [0])
    command = [sys.executable, trivial_cells.__file__, written, tmp_path / "run", "--launcher", launcher]
    assert subprocess.run(command, timeout=120, capture_output=True).returncode == 0
    assert not (place / "executed").exists()


@pytest.mark.slow
def test_72_evidence_that_never_ends_is_undecided_and_what_came_before_it_stays(tmp_path, monkeypatch):
    (tmp_path / "hanging.py").write_text(
        "import time\nfrom helpers.claims.evidence import Evidence\n"
        "def quick(): return Evidence('supported', 'it was tried')\n"
        "def slow(): time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif sys.argv[0] == '-c':\n"
        "    from helpers.claims.evidence import collection\n"
        "    collection.APART.update(quick='hanging', slow='hanging')\n"
    )
    monkeypatch.setattr(collection, "DEADLINE_S", 15.0)
    tried = collection._try_apart(["quick", "slow"])
    assert (tried["quick"].verdict, tried["slow"].verdict) == ("supported", "undecided yet")
    assert "took over 15 s and was ended" in tried["slow"].text


# Decoded pictures that are kept.


@pytest.fixture
def kept(own_data_dir, picture_folder):
    """The decoded pictures of a folder, and where they are kept: (load, folder)."""

    def load():
        return datasets.load_arrays(f"folder:{picture_folder}").images.copy()

    load()
    (folder,) = (own_data_dir / "decoded").glob("folder-*")
    return load, folder


@pytest.mark.parametrize("name", [decoded_cache.IMAGES, decoded_cache.LABELS, decoded_cache.MARK])
def test_neighbours_no_flipped_bit_of_kept_pictures_is_used(kept, name):
    load, folder = kept
    right = load()
    content = (folder / name).read_bytes()
    for bit in np.random.default_rng(0).integers(0, 8 * len(content), 20):
        flip(folder / name, int(bit))
        np.testing.assert_array_equal(load(), right)
        assert decoded_cache._read(folder, len(right)) is not None  # it was decoded and kept anew


def test_neighbours_kept_labels_that_claim_without_end_take_no_memory(kept):
    load, folder = kept
    right = load()
    labels = (folder / decoded_cache.LABELS).read_bytes()
    (folder / decoded_cache.LABELS).write_bytes(labels.replace(b"(72,), }          ", b"(9999999999999,), }"[:18]))
    assert (folder / decoded_cache.LABELS).read_bytes() != labels
    np.testing.assert_array_equal(load(), right)


def test_neighbours_what_was_unused_for_longest_goes_first(own_data_dir, monkeypatch):
    def load(name):
        pictures = np.full((10, 8, 8, 3), ord(name), np.uint8), np.zeros(10, np.int64)
        return decoded_cache.load_or_decode(name, name, 10, lambda: pictures)

    monkeypatch.setattr(decoded_cache, "MOST_BYTES", 3 * (10 * 8 * 8 * 3 + 80) + 1000)
    for age, name in enumerate("abc"):
        load(name)
        (mark,) = (own_data_dir / "decoded").glob(f"{name}-*/{decoded_cache.MARK}")
        os.utime(mark, (age, age))
    load("a")  # used now
    load("d")
    assert {folder.name[0] for folder in (own_data_dir / "decoded").glob("*-*")} == {"a", "c", "d"}
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", 100)
    np.testing.assert_array_equal(load("e")[0], np.full((10, 8, 8, 3), ord("e"), np.uint8))
    assert not list((own_data_dir / "decoded").glob("e-*"))


# Keeps pictures of ten states, over and over, in step with another process; ends with 1 where any were not right.
KEEPING = """
import sys
import numpy as np
from helpers.datasets import decoded_cache

decoded_cache.MOST_BYTES = 4 * 10 * 192 + 400  # some go while the other reads them
decodings = 0
for state in list(range(10)) * 15:
    pictures = np.full((10, 8, 8, 3), state, np.uint8), np.full(10, state, np.int64)

    def decode():
        global decodings
        decodings += 1
        return pictures

    print(flush=True)
    sys.stdin.readline()  # the other has come here too
    for of_it in range(3):
        images, labels = decoded_cache.load_or_decode("x", str(state), 10, decode)
        if not (np.array_equal(images, pictures[0]) and np.array_equal(labels, pictures[1])):
            sys.exit(f"wrong pictures of state {state}")
print(decodings)
"""


def test_neighbours_two_processes_that_keep_at_once_read_nothing_wrong_and_leave_nothing(own_data_dir):
    command = [sys.executable, "-c", KEEPING]
    start = functools.partial(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with start() as first, start() as second:
        for _ in range(150):
            assert [both.stdout.readline() for both in (first, second)] == ["\n", "\n"]
            for both in (first, second):
                both.stdin.write("\n")
                both.stdin.flush()
        decodings = [int(both.stdout.readline()) for both in (first, second)]
        assert [both.wait() for both in (first, second)] == [0, 0]
    assert all(10 <= count < 450 for count in decodings)  # some were kept, and some had to go
    left = [folder for folder in (own_data_dir / "decoded").iterdir() if folder.name != ".gitignore"]
    assert left and all(decoded_cache._read(folder, 10) is not None for folder in left)


def test_neighbours_two_that_keep_at_once_leave_one_that_is_whole(own_data_dir):
    both = threading.Barrier(2)
    pictures = np.arange(10 * 192, dtype=np.uint8).reshape(10, 8, 8, 3), np.arange(10)

    def decode():
        both.wait()
        return pictures

    writers = [threading.Thread(target=decoded_cache.load_or_decode, args=("x", "state", 10, decode)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    images, labels = decoded_cache.load_or_decode("x", "state", 10, lambda: pytest.fail("it must have been kept"))
    np.testing.assert_array_equal(images, pictures[0])
    np.testing.assert_array_equal(labels, pictures[1])
    assert sorted(path.name[0] for path in (own_data_dir / "decoded").iterdir()) == [".", "x"]  # no scratch is left


def test_66_a_label_with_dollars_is_drawn_as_it_is():
    table = quick_like().replace({"pipeline": {"tf_data": "$x_$"}, "reference": {"tf_data": "$x_$"}})
    assert plots.png(plots.ratios(table))


# What `benchmarks/fuzz.py` and `benchmarks/failing_disk.py` found, besides what stands with its like above.


def test_kept_pictures_whose_mark_is_nested_without_end_are_decoded_anew(kept):
    load, folder = kept
    right = load()
    (folder / decoded_cache.MARK).write_text("[" * 100_000)
    np.testing.assert_array_equal(load(), right)
    assert decoded_cache._read(folder, len(right)) is not None


def test_another_machines_file_that_is_damaged_keeps_no_sweep_from_going_on(run_of_three):
    written, out = run_of_three
    for content in ("[" * 100_000, "[]", "{", '{"id": []}', '{"id": "../../x"}', "\xff"):
        for name in (loop.earlier.MACHINE, "machine-0123abcd.json"):
            (out / name).write_text(content, encoding="latin-1")
        assert resumed(written, out).before == 3
        assert json.loads((out / loop.earlier.MACHINE).read_text())["id"]
        assert (out / "machine-0123abcd.json").read_text(encoding="latin-1") == content


def test_a_table_without_its_schema_keeps_no_sweep_from_going_on(run_of_three):
    written, out = run_of_three
    table = pyarrow.parquet.read_table(out / results.TABLE)
    pyarrow.parquet.write_table(table.drop_columns("schema_version"), out / results.TABLE)
    assert resumed(written, out).before == 3
    assert len(results.read(out)) == len(table)


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


@pytest.mark.parametrize("damage", ["no bool", "no batch size", "text", "nothing", "a mapping", "none at once"])
def test_a_table_of_schema_1_that_is_damaged_is_refused(refused, tmp_path, damage):
    table = quick_like().assign(schema_version=1).rename(columns={"batch_s": "steady_batch_s"})
    table = table.drop(columns=["start_s", "steady_s_rounds", "batches", "ceiling_images_per_s"])
    values = {"text": "x", "nothing": None, "a mapping": [{"a": 1}] * len(table), "none at once": 0}
    if damage in ("no bool", "no batch size"):
        table = table.drop(columns="real" if damage == "no bool" else "batch_size")
    else:
        table = table.assign(**{"batch_size" if damage == "none at once" else "examples": values[damage]})
    table.to_parquet(tmp_path / results.TABLE)
    assert "must hold what" in refused("report", tmp_path / results.TABLE)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xd8\xff" + bytes(5000) + b"\xff\xd9", id="no picture"),
        pytest.param(b"\xff\xd8\xff\xe0\xff\xf0JFIF\0" + bytes(5000) + b"\xff\xd9", id="a segment without end"),
    ],
)
def test_a_picture_that_begins_and_ends_as_a_whole_one_is_told_of(refused, tmp_path, content):
    for kind in ("cat", "dog"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        (tmp_path / "mine" / kind / "1.jpg").write_bytes(picture())
    (tmp_path / "mine" / "dog" / "2.jpg").write_bytes(content)
    assert "2.jpg" in refused("compare", "--dataset", f"folder:{tmp_path / 'mine'}", "--transform", "rescale")


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
    left = own_data_dir / f"{files.WORK}x"
    left.mkdir()
    (left / files.OWNER).write_text(files._running_system())  # nobody holds its lock
    preparing.prepare("folder:flowers", archives=tmp_path, progress=lambda line: None)
    assert not left.exists()
