"""`study compare FILE.py:A FILE.py:B`: feeds of a user's own, held against each other and compared.

The user's file is imported in a process of its own (`import_path`), in which all is measured too: every feed through
`fit` in one process, in rounds, as elsewhere.
"""

import importlib.util
import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers import checks
from helpers.cli import import_path
from helpers.errors import StudyError, first_line
from helpers.machine import processes

IDLE_S, IDLE = 120.0, 0.01  # after so long with less than this share of a core, feeds are said to wait
WAITS = (
    "study: for {:.0f} s nothing has been computed: a feed waits for something (Ctrl-C ends it). Worker processes that "
    "were forked while TensorFlow works may wait for ever: take workers=2 without use_multiprocessing."
)
# Options of `study compare` that say what a task is, or need the kit to build its pipelines.
OF_A_TASK = (
    "dataset",
    "source",
    "decode",
    "transform",
    "batch_size",
    "image_size",
    "examples",
    "no_shuffle",
    "pipelines",
    "train",
    "isolate",
)


def split(text: str) -> tuple[Path, str]:
    """Returns the file and the name of "FILE.py:NAME".

    Raises:
        StudyError: where it does not read so, or there is no such file.
    """
    file, _, name = text.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise StudyError(f"a feed of your own must read FILE.py:NAME (got {text!r}); as in pipelines.py:train")
    if not Path(file).is_file():
        raise StudyError(f"{file} must be a readable file (got none); a feed reads FILE.py:NAME")
    return Path(file).resolve(), name


def request_of(feeds: Sequence[str], model: str | None, reference: str | None, **settings: Any) -> dict[str, Any]:
    """Returns what the process is asked, in plain values.

    Args:
        feeds: "FILE.py:NAME", at least two, of files in one folder.
        model: "FILE.py:NAME" likewise, or None.
        reference: the label that the others are compared with: its name, or what was given where names repeat.
        **settings: of `comparison.compare`, and `as_json`, `with_graphs` and `debug`.

    Raises:
        StudyError: where one of them is not right.
    """
    if len(set(feeds)) < len(feeds):
        twice = next(text for text in feeds if feeds.count(text) > 1)
        raise StudyError(f"each feed may come once (got {twice!r} twice); name another one")
    if len(feeds) < 2:
        raise StudyError(f"a comparison needs at least two feeds (got {len(feeds)}); give FILE.py:A FILE.py:B")
    parsed = [split(text) for text in feeds]
    names = [name for _, name in parsed]
    labels = names if len(set(names)) == len(names) else list(feeds)
    if reference is not None:
        checks.one_of("reference", reference, labels)
    files = [file for file, _ in parsed] + ([split(model)[0]] if model else [])
    folders = sorted({str(file.parent) for file in files})
    if len(folders) > 1:
        raise StudyError(f"the files must be in one folder, their import path (got {', '.join(folders)})")
    order = sorted(range(len(labels)), key=lambda index: labels[index] != reference)
    return {
        "folder": folders[0],
        "feeds": {labels[index]: [str(parsed[index][0]), parsed[index][1]] for index in order},
        "model": [str(split(model)[0]), split(model)[1]] if model else None,
        **settings,
    }


def run(request: dict[str, Any]) -> int:
    """Starts the process and waits for its end.

    Returns:
        Its exit code.

    Raises:
        StudyError: where it was ended from outside.
    """
    code = ended(request)
    if code < 0:
        raise StudyError(
            f"the process of the feeds must stay alive (it ended with {code}; -9 often means that memory ran out)"
        )
    return code


def ended(request: dict[str, Any]) -> int:
    """Starts the process, waits for its end, and returns its exit code, or the number of a signal below 0.

    Where it computes nothing for a long time, that is told, once.
    """
    process = subprocess.Popen([sys.executable, import_path.__file__, json.dumps(request)])
    spent_s, is_told = 0.0, False
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=IDLE_S)
            before_s, spent_s = spent_s, processes.tree_seconds(process.pid)
            if spent_s - before_s < IDLE * IDLE_S and not is_told:
                print(WAITS.format(IDLE_S), file=sys.stderr, flush=True)
                is_told = True
    except BaseException:  # Ctrl-C reaches both; who sent it to this process alone ends the other one by it
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def serve(request: dict[str, Any]) -> int:
    """The other process: measures, prints, and tells errors as `study` does.

    Returns:
        The exit code.
    """
    from helpers import cli

    return cli.with_exit_code(lambda: _measure(**request), debug=request["debug"])


def _measure(folder, feeds, model, as_json, debug, with_graphs, **settings):
    # All of the kit's first, so that no file in the user's folder stands in its way.
    import scipy.spatial  # noqa: F401
    import tensorflow  # noqa: F401

    from helpers import comparison, machine, parity
    from helpers.pipelines import feeds as feed_kinds, graph
    from helpers.timing import models

    sys.path.insert(0, folder)
    loaded = {file: load(Path(file)) for file, _ in [*feeds.values(), *([model] if model else [])]}
    given = {label: named(loaded[file], file, name) for label, (file, name) in feeds.items()}
    made_by = named(loaded[model[0]], *model) if model else models.smallest
    opened = {
        label: wrapped(f"{label} must make a feed", debug, feed_kinds.settled, feed) for label, feed in given.items()
    }
    report = wrapped("the feeds must be readable", debug, parity.compare, opened)
    alike = {label: feed for label, feed in opened.items() if report.does_the_task(label)}
    compared = None
    if len(alike) > 1:
        rule = "the feeds must run through fit"
        compared = wrapped(rule, debug, comparison.compare, alike, model=made_by, **settings)
    graphs = {label: graph.as_it_ran(feed) for label, feed in opened.items()} if with_graphs else {}
    if as_json:
        rows = [] if compared is None else json.loads(compared.table.to_json(orient="records"))
        differences = json.loads(report.differences.to_json(orient="records"))
        same = {"same_work": report.same, "differences": differences, "rows": rows}
        same |= {"graphs": {label: drawn.to_dict() for label, drawn in graphs.items()}} if with_graphs else {}
        print(json.dumps({"machine": machine.describe().to_dict(), **same}))
        return
    print("\n".join(map(str, [report] if compared is None else [report, compared])))
    for label, drawn in graphs.items():
        print(f"\n{label}\n{drawn}")


def load(file: Path) -> ModuleType:
    """Imports the user's file; its name is free unless a library has it.

    Raises:
        StudyError: where importing it fails.
    """
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_of_{file.parent.name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader  # it ends with .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f" in line {lines[-1]}" if lines else ""
        raise StudyError(
            f"{file.name} must be importable (it raised {type(error).__name__}{where}: {first_line(error)}); "
            f"try `python {file.name}`"
        ) from error
    return module


def named(module: ModuleType, file: str | Path, name: str) -> Any:
    """Returns what a module calls by a name.

    Raises:
        StudyError: where it has none such.
    """
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if not key.startswith("_") and not hasattr(value, "__path__")]
        raise StudyError(f"{Path(file).name} has no {name!r}; it has {checks.few(own, 8) or 'nothing'}")
    return getattr(module, name)


def wrapped(rule: str, debug: bool, call: Callable, *arguments: Any, **options: Any) -> Any:
    """Calls a function that runs a user's code, whose errors are the user's.

    Raises:
        StudyError: with the rule, instead of any other error.
    """
    try:
        return call(*arguments, **options)
    except StudyError as error:
        if "must make" in rule:
            raise StudyError(f"{rule}: {error}") from error
        raise
    except Exception as error:
        if debug:
            raise
        raise StudyError(
            f"{rule} ({type(error).__name__}: {first_line(error)}); `study --debug …` shows where"
        ) from error
