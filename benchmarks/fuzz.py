"""Throws mutated files and command lines at the kit, in-process, and looks for a traceback, a hang or damage.

`python benchmarks/fuzz.py` tries 10,000 grids, tables, rows, machine and evidence files and command lines, and 1,000
archives and pictures. Each must be taken, or refused by a StudyError of one line, before its deadline. Rows are used
only where their hash agrees, and nothing is written outside a scratch folder. A finding names its kind and number:
`python benchmarks/fuzz.py --kind grid --first 123 --cases 1 --seed 0` tries it again.
"""

import argparse
import bz2
import contextlib
import faulthandler
import gzip
import io
import json
import lzma
import os
import random
import resource
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import disk_calls
import mutations
import numpy as np
import trivial_cells
from PIL import Image
from tqdm.auto import tqdm

from helpers import cli, datasets, files, paths, report, results
from helpers.claims import evidence
from helpers.datasets import preparing
from helpers.errors import StudyError
from helpers.report import pack
from helpers.sweep import folder as run_folder, grid as grids

DEADLINE_S = 30
MEMORY_BYTES = 16 << 30  # of address space: a file of some kilobytes that takes more is a finding
TABLE = paths.project_root() / "data" / "results" / "quick-2-cores"


class Hung(BaseException):
    """A case has passed its deadline."""


class Outside(BaseException):
    """A case reached for what is none of its business."""


class Wrong(Exception):
    """Something damaged was taken."""


class Kind:
    """Mutated input of one kind, tried in the current folder, which is a scratch of its own."""

    def try_one(self, chance: random.Random) -> str | None:
        """Tries one case, which `self.case` then holds; raises what the kit raises, or Wrong.

        Returns:
            "refused" or "left out"; None: the kit took it.
        """
        raise NotImplementedError


class Grids(Kind):
    """Grids as they are planned, and as a run's folder holds them."""

    def __init__(self):
        sweeps = sorted((paths.project_root() / "notebooks" / "sweeps").glob("*.yml"))
        self.originals = [path.read_text() for path in sweeps]

    def try_one(self, chance):
        self.case = mutations.of_text(chance, chance.choice(self.originals))
        Path("grid.yml").write_bytes(self.case)
        if chance.random() < 0.1:
            run_folder.name_in(Path("grid.yml"), "mine")
        else:
            grids.load("grid.yml")


class Tables(Kind):
    """Results tables, damaged or with other values, as the report and the claims read them."""

    def __init__(self):
        self.original, self.table = (TABLE / results.TABLE).read_bytes(), results.read(TABLE)
        shutil.copy(TABLE / "machine.json", "machine.json")
        machine_id = self.table["machine_id"].iloc[0]
        kept = {name: {"verdict": "supported", "text": "tried", "needs": ""} for name in evidence.names()}
        self.evidence = {"schema_version": evidence.collection.SCHEMA_VERSION, "machines": {machine_id: kept}}
        files.write_json(Path("evidence.json"), self.evidence)
        Path(results.TABLE).write_bytes(self.original)

    def try_one(self, chance):
        if chance.random() < 0.6:
            self.case = mutations.of_bytes(chance, self.original)
            Path(results.TABLE).write_bytes(self.case)
            self.read(judges=chance.random() < 0.03)
        else:
            self.case = mutations.of_table(chance, self.table)
            try:
                self.case.to_parquet(results.TABLE)
            except (ValueError, TypeError, OverflowError, NotImplementedError):  # no table that there could be
                return "left out"
            self.read(judges=chance.random() < 0.25)
        return None

    def read(self, *, judges):
        runs = report.open_runs(".")
        for run in runs:
            run.facts(), run._repr_html_()
        known = [evidence.kept_for(Path("evidence.json"), run.machine_id) for run in runs]
        if judges and all(len(kept) == len(evidence.names()) for kept in known):  # else they would be tried
            report.html(report.examine("."))


class Packs(Kind):
    """Files of `study pack`, as a room opens what a class sent."""

    def __init__(self):
        self.original = pack.write(TABLE, Path("whole.zip")).read_bytes()
        with zipfile.ZipFile(io.BytesIO(self.original)) as whole:
            self.members = {name: whole.read(name) for name in whole.namelist()}

    def try_one(self, chance):
        self.case = mutations.of_bytes(chance, self.original)
        if chance.random() < 0.5:  # a sound archive of unsound members
            content = io.BytesIO()
            with zipfile.ZipFile(content, "w") as made:
                for name, member in self.members.items():
                    other = chance.choice((name, f"../{name}", f"/{name}", "x.py")) if chance.random() < 0.3 else name
                    made.writestr(other, mutations.of_bytes(chance, member) if chance.random() < 0.7 else member)
            self.case = content.getvalue()
        Path("sent.zip").write_bytes(self.case)
        for run in pack.read(Path("sent.zip")):
            run.facts()


class Machines(Tables):
    """machine.json of a run."""

    def try_one(self, chance):
        self.case = mutations.of_json(chance, json.loads((TABLE / "machine.json").read_text()))
        Path("machine.json").write_bytes(self.case)
        self.read(judges=False)


class Kept(Tables):
    """evidence.json of a run."""

    def try_one(self, chance):
        self.case = mutations.of_json(chance, self.evidence)
        Path("evidence.json").write_bytes(self.case)
        self.read(judges=chance.random() < 0.08)


class Rows(Kind):
    """A cell's rows, and what says that they are whole: used only where they are as they were written."""

    def __init__(self):
        trivial_cells.write(".", cell_id="mine", seed=1)
        self.originals = {name: Path(name).read_bytes() for name in (results.ROWS, results.DONE)}
        self.right = results.read_cell(".", "mine")

    def try_one(self, chance):
        self.case = dict(self.originals)
        damaged = chance.choice((results.ROWS, results.DONE))
        told = json.loads(self.case[results.DONE])
        as_json = damaged == results.DONE and chance.random() < 0.7
        self.case[damaged] = (
            mutations.of_json(chance, told) if as_json else mutations.of_bytes(chance, self.case[damaged])
        )
        for name, content in self.case.items():
            Path(name).write_bytes(content)
        rows = results.read_cell(".", "mine")
        if rows is not None and not rows.equals(self.right):
            raise Wrong("damaged rows were used")
        if rows is not None and self.case[results.ROWS] != self.originals[results.ROWS]:
            raise Wrong("rows of another hash were used")
        return "refused" if rows is None else None


# Each begins as a command does and ends in what is refused, whatever is put between: nothing is measured or served.
COMMANDS = (
    ("compare --dataset synthetic --transform noise --batch-size 32 --pipelines py_dataset,tf_data:map=batch --seed 1 "
     "--examples 100 --image-size 32 32 --precision 3% --margin 0.05 --budget 2s --source arrays --no-shuffle --json",
     ["--reference=nobody", "--reference=nobody"]),
    ("sweep bad.yml --out run --resume --launcher stock --scheduler tcp://localhost:1", ["--out=", "--out="]),
    ("sweep bad.yml --out run", []),
    ("sweep bad.yml --list --shard 1/2 --only seed=1 --set budget_s=30 --cell-timeout 30s --after-cell true", []),
    ("gather run run --out other", ["--out=", "--out="]),
    ("pack run --out run.zip", []),
    ("handout run --platform linux --python 3.11 --archives run", ["--python=2", "--python=2"]),
    ("report run", []),
    ("report run run", []),
    ("prepare folder:flowers --archives bad.tar.gz --data-dir data", []),
    ("prepare folder:flowers --archives .", ["--data-dir=", "--data-dir="]),
    ("exercises --force --out made", ["--out=", "--out="]),
    ("machine --json", ["--nonsense", "--nonsense"]),
    ("service start --trusted-network --workers 1 --port 0", ["--port=-1", "--port=-1"]),
    ("service worker --trusted-network --dispatcher localhost:1 --port 0 --host x", ["--port=-1", "--port=-1"]),
    ("service dispatcher --trusted-network --port 0 --worker-addresses localhost:1", ["--port=-1", "--port=-1"]),
    ("--debug machine -h", ["--nonsense", "--nonsense"]),
)  # fmt: skip
DOWNLOADS = {"mnist", "cifar10", "mnist-standin", "cifar10-standin"}


class Commands(Kind):
    """Command lines, run by click in this process."""

    def __init__(self):
        Path("bad.yml").write_text("cells: []")
        Path("bad.tar.gz").write_bytes(b"no archive")
        Path("run").mkdir(exist_ok=True)
        Path("run", results.TABLE).write_bytes(b"no table")

    def try_one(self, chance):
        line, end = chance.choice(COMMANDS)
        first, *words = line.split()
        self.case = [first, *mutations.of_words(chance, words), *end]
        leaves = any(word.lstrip("-adehrtuvio=").startswith(("/", "~")) or ".." in word for word in self.case)
        if leaves or (first == "prepare" and DOWNLOADS & {word.strip() for word in self.case}):
            return "left out"
        said, told = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(said):
            code = cli.main(self.case)
        lines = said.getvalue().count("\n")
        if code not in (cli.DONE, cli.SOME_FAILED, cli.BAD_INPUT) or "Traceback" in said.getvalue():
            raise Wrong(f"exit code {code}: {said.getvalue()[-1500:]}")
        if code == cli.BAD_INPUT and lines != 1:
            raise Wrong(f"{lines} lines on stderr: {said.getvalue()[:1500]}")
        return "refused" if code == cli.BAD_INPUT else None


def _picture(chance, kind):
    content = io.BytesIO()
    colours = np.random.default_rng(chance.randrange(99)).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(colours).save(content, kind)
    return content.getvalue()


class Archives(Kind):
    """Archives of pictures: refused, or unpacked to what was packed, and nothing else is there afterwards."""

    def __init__(self):
        chance = random.Random(0)
        self.right = {
            f"{name}/{number}.jpg": _picture(chance, "JPEG") for name in ("cat", "dog") for number in range(2)
        }
        self.right[f"dog/{'long' * 40}/x.jpg"] = _picture(chance, "JPEG")
        self.tars = []
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w", format=form) as tar:
                for name, data in self.right.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
            self.tars.append(content.getvalue())

    def try_one(self, chance):
        tar = chance.choice(self.tars)
        suffix, pack = chance.choice(
            (("tar.gz", gzip.compress), ("tar.xz", lzma.compress), ("tar.bz2", bz2.compress), ("tar", bytes))
        )
        within = chance.random() < 0.6
        self.case = pack(mutations.of_tar(chance, tar)) if within else mutations.of_bytes(chance, pack(tar))
        Path(f"x.{suffix}").write_bytes(self.case)
        shutil.rmtree("data", ignore_errors=True)
        made = Path("data", "folders", "x")
        try:
            preparing.prepare(
                "folder:x", archives=Path(f"x.{suffix}"), data_dir=Path("data"), progress=lambda line: None
            )
        except StudyError:
            if made.exists():
                raise Wrong("refused, and unpacked all the same") from None
            raise
        finally:
            if left := [path for path in Path("data").glob("*") if path.name.startswith(".")]:
                raise Wrong(f"left behind: {left}")
        unpacked = {str(path.relative_to(made)): path.read_bytes() for path in made.rglob("*") if path.is_file()}
        if not within and suffix != "tar" and unpacked != self.right:  # these have checksums
            raise Wrong("a damaged archive was unpacked to something else")


class Pictures(Kind):
    """A folder of pictures with a damaged one: refused by name, or decoded."""

    def __init__(self):
        for name in ("mine/cat/1.jpg", "mine/dog/1.jpg"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(_picture(random.Random(1), "JPEG"))
        self.damaged = Path("mine/dog/1.jpg")

    def try_one(self, chance):
        self.case = mutations.of_bytes(chance, _picture(chance, chance.choice(("JPEG", "PNG", "GIF", "WEBP"))))
        self.damaged.unlink()
        self.damaged = Path("mine/dog", chance.choice(("1.jpg", "1.png", "1.jpeg")))
        self.damaged.write_bytes(self.case)
        mine = datasets.named("folder:mine")
        mine.files()
        shape = mine.load().images.shape
        if shape[0] != 2:
            raise Wrong(f"another number of pictures: {shape}")


# Kind -> its share of the 10,000, or of the 1,000.
MANY = {"grid": (Grids, 0.3), "command": (Commands, 0.3), "table": (Tables, 0.1), "rows": (Rows, 0.15),
        "machine": (Machines, 0.05), "evidence": (Kept, 0.05), "pack": (Packs, 0.05)}  # fmt: skip
FEW = {"archive": (Archives, 0.5), "picture": (Pictures, 0.5)}


# Audit events: what no case may cause at all, and what it may within its scratch, with the number of paths.
FORBIDDEN = {"socket.connect", "socket.bind", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
STARTED = {"git", "nvidia-smi"}
CHANGES = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.truncate": 1, "shutil.rmtree": 1, "os.rename": 2}
CHANGES |= {"os.link": 2, "os.symlink": 2}


def _watch(scratch):
    """Lets this process write in the scratch only, start git and nvidia-smi only, and connect to nobody."""
    scratch = os.path.realpath(scratch)

    def hook(event, arguments):
        if event in FORBIDDEN or (event == "subprocess.Popen" and Path(arguments[0]).name not in STARTED):
            raise Outside(f"{event} {arguments!r}")
        opens = event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not opens and event not in CHANGES:
            return
        changed = arguments[: CHANGES.get(event, 1)]
        dir_fd = arguments[-1] if event in ("os.mkdir", "os.remove", "os.rmdir") else -1
        for path in changed:
            whole = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd >= 0 else "", os.fsdecode(path))
            if not (os.path.realpath(whole) + "/").startswith((scratch + "/", "/dev/null/", "/proc/self/")):
                raise Outside(f"{event} {arguments!r}")

    sys.addaudithook(hook)


def _hang(*_):
    raise Hung


def _try(kind, seed, number):
    """Tries one case; returns what was found, "" for nothing, and "taken", "refused" or "left out"."""
    chance = random.Random(f"{seed} {type(kind).__name__} {number}")
    faulthandler.dump_traceback_later(4 * DEADLINE_S, exit=True)  # a hang that no signal ends
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    kind.case = None
    try:
        return "", kind.try_one(chance) or "taken"
    except StudyError as error:
        return ("" if "\n" not in str(error) else f"an error of several lines: {error}"), "refused"
    except Hung:
        return f"not done within {DEADLINE_S} s: {traceback.format_exc()[-1500:]}", "taken"
    except (Exception, Outside) as error:
        return f"{type(error).__name__}: {str(error)[:1500]}\n{traceback.format_exc()[-1500:]}", "taken"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def _child(make, name, scratch, seed, first, cases):
    """Tries cases in a process of their own; writes into `told` how far it came."""

    def run():
        home = Path(scratch, "here")
        home.mkdir(exist_ok=True)
        os.chdir(home)
        sys.dont_write_bytecode = True
        os.environ |= {
            "TMPDIR": str(scratch),
            "STUDY_DATA_DIR": str(home / "data"),
            "HTTPS_PROXY": "http://127.0.0.1:9",
        }
        tempfile.tempdir = str(scratch)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        signal.signal(signal.SIGALRM, _hang)
        kind = make()
        _watch(scratch)
        with open(Path(scratch, "told"), "a", buffering=1) as told:
            for number in range(first, first + cases):
                told.write(json.dumps(["begun", number]) + "\n")
                found, end = _try(kind, seed, number)
                if found:
                    told.write(json.dumps(["found", number, found, repr(kind.case)[:400]]) + "\n")
                told.write(json.dumps([end, number]) + "\n")
        return 0

    return disk_calls.in_child(run, log=Path(scratch, "log"), limit_s=0)


def fuzz(name: str, cases: int, *, seed: int, first: int = 0) -> tuple[Counter, list[str]]:
    """Tries cases of one kind; returns how many were taken and refused, and what was found, in words."""
    make, _ = (MANY | FEW)[name]
    counts, findings, done = Counter(), [], first
    with (
        tempfile.TemporaryDirectory(prefix="study-fuzz-") as scratch,
        tqdm(total=cases, desc=name, disable=None) as bar,
    ):
        told = Path(scratch, "told")
        while done < first + cases:
            told.write_text("")
            code = _child(make, name, scratch, seed, done, min(500, first + cases - done))
            lines = [json.loads(line) for line in told.read_text().splitlines()]
            for kind, number, *more in lines:
                counts[kind] += 1
                if kind == "found":
                    findings.append(f"{name} {number} (seed {seed}): {more[0]}\n  case: {more[1]}")
            if not lines:
                raise RuntimeError(f"{name} cannot be tried: {Path(scratch, 'log').read_text()[-2000:]}")
            if code:
                log = Path(scratch, "log").read_text()[-2000:]
                findings.append(f"{name} {lines[-1][1]} (seed {seed}) ended the process with {code}: {log}")
            bar.update(lines[-1][1] + 1 - done)
            done = lines[-1][1] + 1
    return counts, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="of grids, tables, …; of the one kind with --kind")
    parser.add_argument("--files", type=int, default=1_000, help="archives and pictures")
    parser.add_argument("--kind", choices=[*MANY, *FEW], help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first case's number")
    arguments = parser.parse_args()
    start, all_findings = time.monotonic(), []
    wanted = {name: round(arguments.cases * share) for name, (_, share) in MANY.items()}
    wanted |= {name: round(arguments.files * share) for name, (_, share) in FEW.items()}
    wanted = {arguments.kind: arguments.cases} if arguments.kind else wanted
    for name, cases in wanted.items():
        counts, findings = fuzz(name, cases, seed=arguments.seed, first=arguments.first)
        ends = ", ".join(f"{counts[end]} {end}" for end in ("taken", "refused", "left out"))
        print(f"{name}: {cases} cases, {ends}, {len(findings)} findings")
        for finding in findings[:10]:
            print(f"  {finding}")
        all_findings += findings
    print(f"{sum(wanted.values())} cases, {len(all_findings)} findings; {time.monotonic() - start:.0f} s")
    sys.exit(1 if all_findings else 0)


if __name__ == "__main__":
    main()
