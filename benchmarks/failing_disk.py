"""Lets every call to the disk fail in turn, and the power go after every call, and resumes each time.

What the kit writes is written once undisturbed. Then the 1st, 2nd, 3rd … write, fsync, rename and removal fails: for
want of space, by an I/O error, or by `kill -9` just there; until the run makes no such call any more. Then the
calls are recorded, and what was not synced is dropped after each of them. Each time the run is resumed. It must end as
the undisturbed one: 0 finished lost, 0 wrong, no part taken for whole, or exit code 1.

`python benchmarks/failing_disk.py` tries all of it; `--part sweep --every 5` a fifth of one part. It needs Linux.
"""

import argparse
import contextlib
import hashlib
import io
import os
import pickle
import random
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import disk_calls
import numpy as np
import papermill
import trivial_cells
from PIL import Image
from tqdm.auto import tqdm

from helpers import cli, datasets, files, machine, paths, results
from helpers.datasets import folders
from helpers.report import pack
from helpers.sweep import folder as run_folder

WRONG = 97  # exit code of a run that ended well with something wrong in hand
ENDS = {cli.DONE, cli.SOME_FAILED, cli.BAD_INPUT, -9}  # how a disturbed run may end: told in words, or killed


def _pictures():
    """Returns name -> JPEG file of six small pictures in two classes."""
    generator, files = np.random.default_rng(0), {}
    for number in range(6):
        content = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(content, "JPEG")
        files[f"{('cat', 'dog')[number % 2]}/{number}.jpg"] = content.getvalue()
    return files


class Part:
    """Something that the kit writes: `run` does it in the folder `work`, or goes on with it.

    Args:
        base: a folder that is not there yet; gets `given`, whose files outlive everything, `work`, and `tmp`.
    """

    def __init__(self, base: Path):
        self.base, self.given, self.work, self.tmp = base, base / "given", base / "work", base / "tmp"
        for folder in (self.given, self.work, self.tmp):
            folder.mkdir(parents=True)

    def run(self, mark) -> int:
        """Returns the exit code; calls `mark` with the name of whatever is finished from then on."""
        raise NotImplementedError

    def finished(self) -> dict[str, str]:
        """Returns name -> hash of all that the kit would take for finished and whole."""
        raise NotImplementedError

    def all_of_it(self) -> dict[str, str]:
        """Returns name -> hash of all that is in the folder."""
        files = [path for path in sorted(self.work.rglob("*")) if path.is_file()]
        return {str(path.relative_to(self.work)): _hash_of(path) for path in files}


class Prepare(Part):
    """`study prepare folder:NAME --archives FILE`."""

    def __init__(self, base: Path):
        super().__init__(base)
        with tarfile.open(self.given / "flowers.tar.gz", "w:gz") as tar:
            for name, content in _pictures().items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))

    def run(self, mark):
        data = self.work / "data"
        code = cli.main(["prepare", "folder:flowers", "--archives", str(self.given), "--data-dir", str(data)])
        if code == cli.DONE:
            mark("flowers")
        return code

    def finished(self):
        folder = self.work / "data" / "folders" / "flowers"
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        whole = hashlib.sha256("".join(f"{path.relative_to(folder)} {_hash_of(path)}" for path in files).encode())
        return {"flowers": whole.hexdigest()} if folder.is_dir() else {}


class Cache(Part):
    """The decoded images of a folder, kept for the next process."""

    def __init__(self, base: Path):
        super().__init__(base)
        for name, content in _pictures().items():
            path = self.given / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def run(self, mark):
        with mock.patch.dict(os.environ, {"STUDY_DATA_DIR": str(self.work / "data")}):
            images = datasets.load_arrays(f"folder:{self.given / 'pictures'}").images
        paths = sorted((self.given / "pictures").rglob("*.jpg"))
        right = np.stack([folders.read_picture(str(path)) for path in paths])
        return cli.DONE if np.array_equal(images, right) else WRONG

    def finished(self):
        return {}  # it promises nothing but right pictures

    def all_of_it(self):
        return {name: "" for name in super().all_of_it() if not name.endswith(".gitignore")}  # it may note the time


class Sweep(Part):
    """`study sweep` with its own loop, lock and table; its cells write their rows here, without a kernel."""

    def __init__(self, base: Path):
        super().__init__(base)
        self.grid = trivial_cells.write_grid(self.given, range(3))
        plan = trivial_cells.plan(self.grid, machine_id=machine.describe().id)
        self.seeds = {cell.id: cell.parameters["seed"] for cell in plan.cells}
        self.out = self.work / "runs" / "mine"

    def run(self, mark):
        def execute(notebook, output, *, parameters, **_):
            Path(output).write_text("{}")
            shown = {name: parameters[name] for name in ("cell_id", "seed", "launcher")}
            trivial_cells.write(parameters["out"], **shown)
            mark(parameters["cell_id"])

        with mock.patch.object(papermill, "execute_notebook", execute):
            code = trivial_cells.command(self.grid, self.out, "--resume", "--launcher", "stock")
        if code == cli.DONE and trivial_cells.wrong(self.out, self.seeds):
            return WRONG
        return code

    def finished(self):
        done = [cell for cell in self.seeds if results.read_cell(self.out / "cells" / cell, cell) is not None]
        return {cell: _hash_of(self.out / "cells" / cell / results.ROWS) for cell in done}

    def all_of_it(self):  # papermill's notebook is for people to read, and no result
        return {name: digest for name, digest in super().all_of_it().items() if not name.endswith(".ipynb")}


class Gather(Part):
    """`study gather` of two runs, whose folders are given."""

    def __init__(self, base: Path):
        super().__init__(base)
        self.runs, self.seeds, self.out = [self.given / "1", self.given / "2"], {}, self.work / "all"
        for number, run in enumerate(self.runs):
            ids = [f"cell{seed}" for seed in range(3)]
            run_folder.check(run, "mine", resume=True)
            (run / run_folder.GRID).write_text("name: mine")
            run_folder.add_order(run, {"0000000a": ids})
            files.write_json(run / "machine.json", {"id": "0000000a"})
            for seed in range(number, 3, 2):
                cell = run / run_folder.CELLS / ids[seed]
                cell.mkdir()
                trivial_cells.write(cell, cell_id=ids[seed], seed=seed)
                self.seeds[ids[seed]] = seed

    def run(self, mark):
        code = cli.main(["gather", *map(str, self.runs), "--out", str(self.out)])
        for cell in self.finished() if code == cli.DONE else ():
            mark(cell)
        return WRONG if code == cli.DONE and trivial_cells.wrong(self.out, self.seeds) else code

    def finished(self):
        done = [cell for cell in self.seeds if results.read_cell(self.out / "cells" / cell, cell) is not None]
        return {cell: _hash_of(self.out / "cells" / cell / results.ROWS) for cell in done}


class Pack(Part):
    """`study pack` of a run that is given."""

    def __init__(self, base: Path):
        super().__init__(base)
        shutil.copytree(paths.project_root() / "data" / "results" / "quick-2-cores", self.given / "quick")

    def run(self, mark):
        code = cli.main(["pack", str(self.given / "quick"), "--out", str(self.work / "sent.zip")])
        if code == cli.DONE:
            mark("sent")
        return code

    def finished(self):
        sent = self.work / "sent.zip"
        return {"sent": _hash_of(sent)} if sent.exists() and pack.read(sent) else {}


PARTS = {"prepare": Prepare, "cache": Cache, "sweep": Sweep, "gather": Gather, "pack": Pack}


def _hash_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Trial:
    """One part, disturbed again and again.

    Attributes:
        calls: how many calls to the disk the undisturbed run makes.
        faults: what was found, in words; [] where nothing is lost and nothing wrong.
        tried: how often it was disturbed, by how.
    """

    def __init__(self, part: Part):
        self.part, self.faults, self.tried = part, [], Counter()
        self.marks, self.log, self.recorded = (part.base / name for name in ("marks", "log", "recorded"))
        code = self._child(disk_calls.Watched(part.work), keep=True)
        if code != cli.DONE:
            raise RuntimeError(f"the undisturbed run ended with {code}: {self.log.read_text()}")
        self.record, self.calls = pickle.loads(self.recorded.read_bytes())
        self.whole, self.right = part.finished(), part.all_of_it()

    def _child(self, watched=None, *, keep=False):
        """Runs the part in a process of its own; what it marks as finished is in the file `marks`."""

        def mark(name):
            if watched:
                watched.mark(name)
            opened = os.open(self.marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(opened, f"{name}\n".encode())
            os.close(opened)

        def run():
            os.environ["TMPDIR"] = tempfile.tempdir = str(self.part.tmp)
            with watched or contextlib.nullcontext():
                code = self.part.run(mark)
            if keep:
                self.recorded.write_bytes(pickle.dumps((watched.record, watched.count)))
            return code

        self.marks.write_text("")
        return disk_calls.in_child(run, log=self.log)

    def _empty(self):
        for folder in (self.part.work, self.part.tmp):
            shutil.rmtree(folder)
            folder.mkdir()

    def fail_calls(self, *, every: int = 1, first: int = 1) -> None:
        """Lets the calls fail in turn, each by every fault, from the first on until there is none any more."""
        for fault in disk_calls.FAULTS:
            for nth in tqdm(
                range(first, self.calls + 1, every),
                desc=f"{type(self.part).__name__} {fault}",
                leave=False,
                disable=None,
            ):
                self._empty()
                code = self._child(disk_calls.Watched(self.part.work, nth=nth, fault=fault))
                for path in self.part.work.rglob("*"):
                    os.utime(path, (1, 1))  # as if resumed much later: a process that lives may be that young
                self._resume(f"call {nth} of {self.calls}, {fault}", code, self.marks.read_text().split())
                self.tried[fault] += 1

    def lose_power(self, *, every: int = 1, first: int = 0) -> None:
        """Drops after each call what was not synced: all of it, but for the names, or some of it at random."""
        disk, seen = None, set()
        self._empty()
        disk = disk_calls.Disk(self.part.work)
        marks = []
        for step in tqdm(
            range(len(self.record) + 1), desc=f"{type(self.part).__name__} power", leave=False, disable=None
        ):
            if step:
                disk.do(*self.record[step - 1])
                marks += [self.record[step - 1][1]] if self.record[step - 1][0] == "mark" else []
            if (step - first) % every:
                continue
            for what in ("safe", "names", "some 0", "some 1"):
                kept = random.Random(f"{what} {step}").choices((True, False), k=step + 1)
                left = list(disk.left(what.split()[0], kept.__getitem__))
                if repr((left, marks)) in seen:
                    continue
                seen.add(repr((left, marks)))
                self._empty()
                for path, content in left:
                    here = self.part.work / path
                    here.mkdir() if content is None else here.write_bytes(content)
                for path, _ in reversed(left):
                    os.utime(self.part.work / path, (1, 1))  # from before the start of any process that runs now
                self._resume(f"power lost after call {step} of {len(self.record)}, {what} kept", -9, marks)
                self.tried["power lost"] += 1

    def _resume(self, told, code, marks):
        """Looks at what a disturbed run left, goes on with it, and holds the end against the undisturbed one."""
        said = self.log.read_text()
        if code not in ENDS or "Traceback" in said:
            self.faults.append(f"{told}: ended with {code}: {said[-2000:]}")
        before = self.part.finished()
        lost = set(marks) - set(before)
        if lost:
            self.faults.append(f"{told}: {len(lost)} finished were lost")
        if any(self.whole.get(name) != digest for name, digest in before.items()):
            self.faults.append(f"{told}: a part was taken for whole")
        code = self._child()
        if code != cli.DONE:
            self.faults.append(f"{told}: resumed, it ended with {code}: {self.log.read_text()[-2000:]}")
            return
        again = set(before) & (set(self.marks.read_text().split()) if isinstance(self.part, Sweep) else set())
        if again:
            self.faults.append(f"{told}: {len(again)} finished cells ran again")
        now = self.part.all_of_it()
        if now != self.right:
            unlike = sorted(name for name in {*now, *self.right} if now.get(name) != self.right.get(name))
            self.faults.append(f"{told}: resumed, it ended with other files: {', '.join(unlike[:5])}")
        if left := list(self.part.tmp.iterdir()):
            self.faults.append(f"{told}: left behind: {', '.join(path.name for path in left[:5])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth call")
    arguments = parser.parse_args()
    start, found = time.monotonic(), 0
    for name in arguments.part or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(PARTS[name](Path(folder) / "base"))
            trial.fail_calls(every=arguments.every)
            trial.lose_power(every=arguments.every)
        kinds = ", ".join(f"{count} x {kind}" for kind, count in trial.tried.items())
        print(f"{name}: {trial.calls} calls; {kinds}: {len(trial.faults) or '0 lost, 0 wrong, 0 left over'}")
        for fault in trial.faults[:20]:
            print(f"  {fault}")
        found += len(trial.faults)
    print(f"{time.monotonic() - start:.0f} s")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
