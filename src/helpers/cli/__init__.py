"""The command line `study`, and what each exit code means."""

import codecs
import errno
import io
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable

import click

from helpers.checks import shown
from helpers.cli.answers_command import answers as answers
from helpers.cli.arguments import parse_pipelines as parse_pipelines
from helpers.cli.commands import (
    BAD_INPUT as BAD_INPUT,
    DONE as DONE,
    INTERRUPTED as INTERRUPTED,
    SLOWER as SLOWER,
    SOME_FAILED as SOME_FAILED,
    UNFORESEEN as UNFORESEEN,
    study,
)
from helpers.cli.doctor_command import doctor as doctor
from helpers.cli.facts_command import facts as facts
from helpers.cli.handout_command import handout as handout
from helpers.cli.room_command import pack as pack, room as room
from helpers.cli.signals import unwound_by_signals
from helpers.cli.sweep_commands import gather as gather, sweep as sweep
from helpers.cli.taste_command import taste as taste
from helpers.errors import StudyError, first_line

# Why a path that was given cannot be used, whoever finds that out.
UNUSABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
# What a terminal of few characters shows instead of those that the commands print.
PLAIN = str.maketrans({"→": "->", "…": "...", "±": "+/-", "×": "x", "–": "-", "≈": "~", "✓": "+", "✗": "x"})


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 done, 1 some cells failed, 2 bad usage or input, 3 a pipeline became slower (`report --fail-on-slower`) or
        faults were measured (`doctor`), 70 something unforeseen, 130 interrupted; 128 and the signal's number where
        SIGTERM or SIGHUP ended it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # what is started here imports nothing from the current folder
    given = sys.argv[1:] if arguments is None else arguments
    return with_exit_code(
        lambda: study.main(given, prog_name="study", standalone_mode=False), debug=given[:1] == ["--debug"]
    )


def with_exit_code(command: Callable[[], int | None], *, debug: bool = False) -> int:
    """Runs a command, tells its error in one line, and returns the exit code, as of `main`.

    Args:
        command: returns its exit code, None for 0.
        debug: whether errors pass with their traceback.
    """
    codecs.register_error("study", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="study")
    received: list[signal.Signals] = []
    try:
        with unwound_by_signals(received):
            code = command()
        sys.stdout.flush()
        return code or DONE
    except click.UsageError as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        print(f"study: {said}; see `{error.ctx.command_path if error.ctx else 'study'} --help`", file=sys.stderr)
        return BAD_INPUT
    except StudyError as error:
        if debug:
            raise
        print(f"study: {error}", file=sys.stderr)
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        logging.getLogger("asyncio").disabled = True  # it would tell of a kernel's client that was interrupted
        print(f"study: {f'ended by {received[0].name}' if received else 'interrupted'}", file=sys.stderr)
        return 128 + received[0] if received else INTERRUPTED
    except (BrokenPipeError, SystemExit):  # who read our output has enough of it (click makes an exit of that)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if debug:
            raise
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="study-error-", suffix=".log", delete=False
        ) as log:
            traceback.print_exc(file=log)
        if isinstance(error, OSError) and error.errno in UNUSABLE and error.filename is not None:
            print(f"study: a path must be usable (got {shown(error.filename)}: {error.strerror})", file=sys.stderr)
            return BAD_INPUT
        told = f"{type(error).__name__}: {first_line(error)}"
        print(f"study: this should not have happened ({told}); the traceback is in {log.name}", file=sys.stderr)
        return UNFORESEEN


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Writes characters that a terminal lacks as plain ones, others as their numbers."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return missing.translate(PLAIN).encode("ascii", "backslashreplace").decode(), error.end
