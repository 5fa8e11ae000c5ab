"""Which of the lines of a program are the user's own: neither Python's, nor a library's, nor the kit's."""

import re
import threading
import traceback
from pathlib import Path
from types import FrameType

from helpers import internals

IN_A_TEXT = re.compile(r'File "([^"]+)", line (\d+)')
_KIT = str(Path(__file__).parents[1])
_PYTHON = str(Path(threading.__file__).parent)


def is_the_users(file: str) -> bool:
    """Returns whether a file is the user's own.

    Args:
        file: its path, as in a frame.
    """
    return not ("site-packages" in file or "__autograph" in file or file.startswith((_KIT, _PYTHON, "<frozen")))


def of_error(error: BaseException) -> str:
    """Returns "file:line" of the innermost line of the user's that an error came from; "" where there is none.

    Args:
        error: any; TensorFlow tells of Python's errors by their text.
    """
    lines = [(each.filename, each.lineno) for each in traceback.extract_tb(error.__traceback__)]
    return _last([*lines, *IN_A_TEXT.findall(str(error))])


def of_text(text: str) -> str:
    """Returns the same of a printed traceback, of which the innermost lines come first.

    Args:
        text: as `faulthandler` prints it.
    """
    return _last(IN_A_TEXT.findall(text)[::-1])


def of_thread(thread: int) -> str:
    """Returns the same of what a thread does now, or else of any other thread that TensorFlow started.

    Args:
        thread: its identity.
    """
    frames = internals.running_frames()
    others = [each for each in frames if each not in (thread, threading.get_ident())]
    main = threading.main_thread().ident
    for each in [thread, *(other for other in others if other != main)]:
        if line := of_frame(frames.get(each)):
            return line
    return ""


def of_frame(frame: FrameType | None) -> str:
    """Returns the same of a frame and those that called it.

    Args:
        frame: the innermost; None: there is none.
    """
    while frame is not None and not is_the_users(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _last(lines):
    users = [(file, line) for file, line in lines if is_the_users(file)]
    return "{}:{}".format(*users[-1]) if users else ""
