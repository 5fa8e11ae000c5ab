"""Which of a user's own functions run for a batch, and what they call: seen while they run, not read from text."""

import collections
import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from helpers.doctor import lines

# Called for every example by code that works on whole batches too, and costs nothing.
TRIVIAL = {"append", "len", "isinstance", "int", "float", "str", "range", "min", "max", "get", "format", "next", "join"}


@dataclass(frozen=True)
class Called:
    """What ran.

    Attributes:
        functions: the code of the user's own functions.
        sites: (file, line, name) -> how often a line of the user's called something of that name.
    """

    functions: frozenset[types.CodeType] = frozenset()
    sites: collections.Counter[tuple[str, int, str]] = field(default_factory=collections.Counter)

    @property
    def names(self) -> set[str]:
        """The names of all that was called."""
        return {name for _, _, name in self.sites}

    def in_a_loop(self, times: int) -> str:
        """Returns "file:line" of what was called so often from one line, the most frequent first; "" where nothing."""
        for (file, line, name), count in self.sites.most_common():
            if count >= times and name not in TRIVIAL:
                return f"{file}:{line}"
        return ""


def during(read: Callable[[], object]) -> Called:
    """Calls a function in this thread, and returns what was seen; nothing where it fails, or a profiler is at work."""
    if sys.getprofile() is not None:
        return Called()
    is_the_users = functools.lru_cache(None)(lines.is_the_users)
    functions: set[types.CodeType] = set()
    sites: collections.Counter[tuple[str, int, str]] = collections.Counter()

    def note(caller, name):
        if caller is not None and is_the_users(caller.f_code.co_filename):
            sites[caller.f_code.co_filename, caller.f_lineno, name] += 1

    def look(frame, event, given):
        if event == "call":
            if is_the_users(frame.f_code.co_filename):
                functions.add(frame.f_code)
            if not frame.f_code.co_name.startswith("<"):  # a comprehension, or an expression
                note(frame.f_back, frame.f_code.co_name)
        elif event == "c_call":
            note(frame, given.__name__)

    with contextlib.suppress(Exception), _profiled(look):
        read()
    return Called(frozenset(functions), sites)


@contextlib.contextmanager
def _profiled(look) -> Iterator[None]:
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
