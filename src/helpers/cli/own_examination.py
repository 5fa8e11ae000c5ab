"""`study doctor FILE.py:NAME`: a feed of a user's own, examined in a process of its own."""

import faulthandler
import inspect
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.cli import own_feeds
from helpers.errors import StudyError

FINDINGS = 3  # exit code of an examination that found something
AFTER_S = 180.0  # beyond its budget, in which an examination must have come to its end


def run(request: dict[str, Any]) -> int:
    """Has another process examine the feed; where it crashes or hangs, that is a finding.

    Args:
        request: of `examination_of`.

    Returns:
        The exit code: 3 where a fault was measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        last_words = Path(folder) / "last_words.txt"
        last_words.touch()
        deadline_s = request["budget_s"] + AFTER_S
        code = own_feeds.ended({**request, "last_words": str(last_words), "deadline_s": deadline_s})
        said = last_words.read_text(errors="replace")
    if code >= 0 and not said:
        return code
    return _without_an_end(code, said, request)


def _without_an_end(code, said, request):
    """Reports a process that ended by a signal, or was ended at its deadline; `said` holds where its threads were."""
    from helpers.doctor import lines
    from helpers.doctor.examination import unreadable

    how = f"the process ended by signal {-code}" if code < 0 else "it came to no end, and was ended"
    report = unreadable(f"The feed cannot be examined: {how}.", lines.of_text(said))
    if request["html"]:
        report.write(Path(request["html"]))
    print(json.dumps(report.to_dict()) if request["as_json"] else report)
    return FINDINGS


def examination_of(feed: str, others: Mapping[str, str | None], **settings: Any) -> dict[str, Any]:
    """Returns what the process is asked for an examination, in plain values.

    Args:
        feed: "FILE.py:NAME".
        others: "model", "validation" and "source" -> "FILE.py:NAME" in the same folder, or None.
        **settings: of `doctor.examine`, and `as_json` and `debug`.

    Raises:
        StudyError: where one of them is not right.
    """
    parsed = {name: own_feeds.split(text) for name, text in {"feed": feed, **others}.items() if text is not None}
    folders = sorted({str(file.parent) for file, _ in parsed.values()})
    if len(folders) > 1:
        raise StudyError(f"the files must be in one folder, their import path (got {', '.join(folders)})")
    return {
        "served_by": "own_examination",
        "folder": folders[0],
        "named": {name: [str(file), inside] for name, (file, inside) in parsed.items()},
        **settings,
    }


def serve(request: dict[str, Any]) -> int:
    """The other process: examines, prints, and tells errors as `study` does.

    Returns:
        The exit code: 3 where a fault was measured.
    """
    from helpers import cli

    return cli.with_exit_code(lambda: examine(**request), debug=request["debug"])


def examine(
    folder: str,
    named: Mapping[str, tuple[str, str]],
    html: str | None,
    as_json: bool,
    debug: bool,
    last_words: str,
    deadline_s: float,
    **settings: Any,
) -> int:
    """Examines a feed of a user's file, and prints the report.

    Args:
        folder: the import path.
        named: "feed", "model", "validation" and "source" -> (file, name), those that were given.
        html: a file to write the report to, or None.
        as_json: whether JSON is printed.
        debug: whether errors of the user's code pass with their traceback.
        last_words: a file for where all threads are, when the process crashes or comes to no end.
        deadline_s: seconds until it must have come to its end.
        **settings: of `doctor.examine`.

    Returns:
        The exit code: 3 where a fault was measured, else 0.
    """
    crashed = open(last_words, "w")  # noqa: SIM115  it must be open when the process ends
    faulthandler.enable(crashed)
    faulthandler.dump_traceback_later(deadline_s, exit=True, file=crashed)
    import scipy.spatial  # noqa: F401
    import tensorflow  # noqa: F401

    from helpers import doctor

    sys.path.insert(0, folder)
    loaded = {file: own_feeds.load(Path(file)) for file, _ in named.values()}
    given = {name: own_feeds.named(loaded[file], file, inside) for name, (file, inside) in named.items()}
    if callable(given.get("source")):
        given["source"] = own_feeds.wrapped("source must make the raw examples", debug, given["source"])
    if callable(given.get("model")) and not hasattr(given["model"], "compiled"):
        make = given["model"]
        needs_batch = bool(inspect.signature(make).parameters)
        given["model"] = make if needs_batch else own_feeds.wrapped("model must make a compiled model", debug, make)
    report = own_feeds.wrapped(
        "the feed must be examined", debug, doctor.examine, given.pop("feed"), **given, **settings
    )
    if html:
        report.write(Path(html))
    print(json.dumps(report.to_dict()) if as_json else report)
    faulthandler.cancel_dump_traceback_later()
    return FINDINGS if any(finding.certainty == "measured" for finding in report.findings) else 0
