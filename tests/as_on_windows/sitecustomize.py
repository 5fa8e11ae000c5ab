"""Takes from Python what Windows has not, for every process that has this folder in PYTHONPATH.

It is gone for the kit, the lessons and programs; libraries, which are made for the system that really runs, keep it.
"""

import builtins
import os
import signal
import sys
import types

MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
FUNCTIONS = {
    "fork",
    "getegid",
    "geteuid",
    "getgid",
    "getuid",
    "killpg",
    "O_NOFOLLOW",
    "pipe2",
    "register_at_fork",
    "sched_getaffinity",
    "sched_setaffinity",
    "set_blocking",
    "setsid",
    "uname",
}
import_any = builtins.__import__


def is_ours(module):
    """Whether code of a module's name is the kit's, a lesson's or a program's."""
    return module == "__main__" or module.split(".")[0] == "helpers"


def import_some(name, globals=None, locals=None, fromlist=(), level=0):
    """Imports a module, where it is there."""
    if name in MODULES and level == 0 and is_ours((globals or {}).get("__name__") or ""):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return import_any(name, globals, locals, fromlist, level)


class OnWindows(types.ModuleType):
    """The module `os` without some functions, for whoever asks from code of ours."""

    def __getattribute__(self, name):
        if name in FUNCTIONS and is_ours(sys._getframe(1).f_globals.get("__name__") or ""):
            raise AttributeError(f"module 'os' has no attribute {name!r}")
        return super().__getattribute__(name)


builtins.__import__ = import_some
os.__class__ = OnWindows
del signal.SIGHUP
