"""One file to send back: a run's table and its machines, without paths of the user; and such a file opened again."""

import functools
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from helpers import files, results
from helpers.errors import StudyError, first_line
from helpers.report.run import MACHINE, Run, open_runs

# The only names in a pack, and how large each may be: what anybody sends is opened.
NAMES = re.compile(rf"{re.escape(results.TABLE)}|{re.escape(MACHINE)}|machine-[0-9a-f]{{8}}\.json")
MOST_BYTES = {".parquet": 256 << 20, ".json": 1 << 20}
FOLDER = "folder:"
# A path of Unix or Windows that is no address such as grpc://host: all of it up to its last part.
PATH = re.compile(
    r"(?:file:/*|(?<![\w/\\]))(?:~\w*|[A-Za-z]:)?(?!//)[/\\](?:[^/\\\n\"'<>|*?:;,=]*[/\\])+",
)
JSON = ("knobs", "differences")


def write(run: Path, target: Path | None = None) -> Path:
    """Packs a run into one file.

    Args:
        run: the folder that `study sweep` or `study gather` wrote.
        target: the file; None: named after the run and its machine, in the current folder.

    Returns:
        The file.

    Raises:
        StudyError: where there is no table of today's schema, or the file is there and is no pack.
    """
    opened = open_runs(run)
    ids = sorted({each.machine_id for each in opened})
    target = target or Path(f"{run.resolve().name}-{'-'.join(ids[:3])}.zip")
    if target.exists():
        try:
            read(target)
        except StudyError:
            raise StudyError(
                f"only a file that `study pack` wrote may be replaced (got {target}); give --out"
            ) from None
    rows = pd.concat([each.results for each in opened], ignore_index=True)
    if set(rows["schema_version"]) != {results.SCHEMA_VERSION}:
        raise StudyError(
            f"a pack holds rows of schema {results.SCHEMA_VERSION} (got {run}, which is older); run it anew"
        )
    texts = [name for name, kind in results.COLUMNS.items() if kind == "str" and name not in JSON]
    rows = rows.assign(**{name: [_without_paths(value) for value in rows[name]] for name in texts})
    rows = rows.assign(**{name: [_of_json(value) for value in rows[name]] for name in JSON})
    try:
        with files.scratch("pack") as work:
            results.write_table(work / results.TABLE, rows)
            for each in opened:
                if each.machine:
                    files.write_json(work / f"machine-{each.machine_id}.json", _without_paths(each.machine))
            files.make_folder(target.resolve().parent)
            for left in target.parent.glob(f".{target.name}.*{files.PART}"):  # of one that was killed
                left.unlink()
            files.write_whole(target, functools.partial(_zip, work=work))
    except OSError as error:
        raise StudyError(f"a pack must be written whole ({first_line(error)}); give --out on another disk") from error
    return target


def _zip(target, *, work):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as pack:
        for path in sorted(work.iterdir()):
            if NAMES.fullmatch(path.name):
                pack.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)  # without a date


def read(pack: Path) -> list[Run]:
    """Opens a pack that somebody sent: its table and machines, each name and size checked before anything is read.

    Raises:
        StudyError: where it holds anything else, or is damaged.
    """
    try:
        with zipfile.ZipFile(pack) as opened, files.scratch("pack") as work:
            folder = work / pack.stem
            folder.mkdir()
            for member in opened.infolist():
                if not NAMES.fullmatch(member.filename):
                    raise StudyError(f"a pack holds a table and machines (got {pack}, with {member.filename!r})")
                most = MOST_BYTES[Path(member.filename).suffix]
                with opened.open(member) as stream:
                    content = stream.read(most + 1)
                if len(content) > most:
                    raise StudyError(f"{pack} must hold at most {most >> 20} MiB as {member.filename} (it has more)")
                (folder / member.filename).write_bytes(content)
            return [replace(run, path=pack) for run in open_runs(folder)]
    except StudyError:
        raise
    except Exception as error:  # zipfile raises what it meets in a damaged file, such as a NotImplementedError
        raise StudyError(f"{pack} must be a whole file of `study pack` ({first_line(error)}); send it again") from None


def _of_json(text):
    return json.dumps(_without_paths(json.loads(text))) if text else text


def _without_paths(value: Any) -> Any:
    """Returns a value with every path in its texts cut to its last part, and a folder of pictures to its name."""
    if isinstance(value, dict):
        return {_without_paths(key): _without_paths(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(part) for part in value]
    if not isinstance(value, str):
        return value
    if value.startswith(FOLDER):
        path = value.removeprefix(FOLDER)
        return FOLDER + PureWindowsPath(PurePosixPath(path).name).name
    return PATH.sub("", value)
