"""Takes from Python what Windows has not, for every process that has this folder in PYTHONPATH.

Functions of `os` are gone for all. Modules are gone for the kit and the lessons; libraries for Linux may import them.
"""

import builtins
import os
import signal

MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
OF_OS = (
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
    "setsid",
)
import_any = builtins.__import__


def import_some(name, globals=None, locals=None, fromlist=(), level=0):
    """Imports a module, where it is there."""
    importer = (globals or {}).get("__name__") or ""
    if name in MODULES and level == 0 and (importer == "__main__" or importer.split(".")[0] == "helpers"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return import_any(name, globals, locals, fromlist, level)


builtins.__import__ = import_some
for name in OF_OS:
    delattr(os, name)
del signal.SIGHUP
