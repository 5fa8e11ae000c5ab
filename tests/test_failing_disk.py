"""The disk fails at a call, or the power goes after one; then the run is resumed and must end as an undisturbed one."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import files

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import disk_calls  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the calls are told apart by /proc")


def left_of(folder, record, what):
    """What is left of a recording, name -> content, when the power goes at its end."""
    disk = disk_calls.Disk(folder)
    for call in record:
        disk.do(*call)
    return dict(disk.left(what))


def recorded(folder, act):
    with disk_calls.Watched(folder) as calls:
        act()
    return calls.record


@pytest.mark.parametrize("what", ["safe", "names", "some"])
def test_what_is_not_synced_is_lost_in_the_replay(tmp_path, what):
    (tmp_path / "now").mkdir()

    def act():
        (tmp_path / "now" / "part").write_text("new")
        (tmp_path / "now" / "part").rename(tmp_path / "now" / "file")

    record = recorded(tmp_path / "now", act)
    (tmp_path / "before").mkdir()
    disk = disk_calls.Disk(tmp_path / "before")
    for call in record:
        disk.do(*call)
    left = dict(disk.left(what, lambda step: step == 1))
    assert left == {"safe": {}, "names": {"file": b""}, "some": {"part": b""}}[what]


@pytest.mark.parametrize("what", ["safe", "names"])
def test_what_is_written_or_moved_whole_outlives_the_power(tmp_path, what):
    for name in ("now", "before"):
        (tmp_path / name).mkdir()
    now = tmp_path / "now"

    def act():
        files.write_json(now / "told.json", 1)
        (now / "made" / "deep").mkdir(parents=True)
        (now / "made" / "deep" / "file").write_text("new")
        files.move_whole(now / "made", now / "far" / "away")

    left = left_of(tmp_path / "before", recorded(now, act), what)
    assert left["told.json"] == b"1\n"
    assert left["far/away/deep/file"] == b"new"


@pytest.mark.parametrize("fault", disk_calls.FAULTS)
def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, fault):
    (tmp_path / "now").mkdir()
    file = tmp_path / "now" / "told.json"
    files.write_json(file, "old")

    def run(nth):
        with disk_calls.Watched(tmp_path / "now", nth=nth, fault=fault) as calls:
            try:
                files.write_json(file, "new")
            except OSError:
                return 1
        return 0 if calls.count < nth else 2  # 0: there is no such call any more

    codes = []
    while not codes or codes[-1] != 0:
        codes.append(disk_calls.in_child(lambda: run(len(codes) + 1), log=tmp_path / "log"))
        assert file.read_text() in ('"old"\n', '"new"\n')
    assert len(codes) > 4 and set(codes[:-1]) == {-9 if fault == "kill -9" else 1}


@pytest.mark.parametrize(
    ("part", "every"),
    [
        ("cache", 24),
        *(pytest.param(*part, marks=pytest.mark.slow) for part in (("prepare", 80), ("sweep", 180))),
        *(pytest.param(part, 1, marks=pytest.mark.slow) for part in ("prepare", "cache", "sweep", "gather", "pack")),
    ],
)
def test_nothing_is_lost_and_nothing_wrong_whichever_call_fails(part, every):
    command = [sys.executable, BENCHMARKS / "failing_disk.py", "--part", part, "--every", str(every)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 lost, 0 wrong, 0 left over" in ran.stdout


@pytest.mark.slow
def test_a_short_fuzz_finds_nothing():
    command = [sys.executable, BENCHMARKS / "fuzz.py", "--cases", "300", "--files", "40", "--seed", "7"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "340 cases, 0 findings" in ran.stdout
