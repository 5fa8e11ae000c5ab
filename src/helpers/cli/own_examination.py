"""`study doctor FILE.py:NAME`: a feed of a user's own, examined in a process of its own."""

import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.cli import own_feeds
from helpers.errors import StudyError

FINDINGS = 3  # exit code of an examination that found something


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
    folder: str, named: Mapping[str, tuple[str, str]], html: str | None, as_json: bool, debug: bool, **settings: Any
) -> int:
    """Examines a feed of a user's file, and prints the report.

    Args:
        folder: the import path.
        named: "feed", "model", "validation" and "source" -> (file, name), those that were given.
        html: a file to write the report to, or None.
        as_json: whether JSON is printed.
        debug: whether errors of the user's code pass with their traceback.
        **settings: of `doctor.examine`.

    Returns:
        The exit code: 3 where a fault was measured, else 0.
    """
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
    return FINDINGS if any(finding.certainty == "measured" for finding in report.findings) else 0
