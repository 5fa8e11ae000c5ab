"""Runs as a script: the process in which a user's file is imported, with an import path as under `python FILE.py`.

A `helpers` of the user's stays theirs: where their folder has one, the kit is imported under another name here, and
its own imports, of which each begins with `helpers`, are led there. All other modules of the user's have their usual
names, so that pickling, worker processes and late imports work as ever.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

HOUSE = Path(__file__).resolve().parents[1]
USUAL, RENAMED = HOUSE.name, "input_pipeline_study_kit"


def has_its_own(folder: Path) -> bool:
    """Returns whether a folder has a module or package of the kit's name, other than the kit."""
    package = folder / USUAL
    return package.with_suffix(".py").is_file() or (package.is_dir() and package.resolve() != HOUSE)


class HouseFinder(importlib.abc.MetaPathFinder):
    """Finds the kit's modules under its other name, and the user's under the kit's usual one."""

    def __init__(self, folder: Path):
        self.folder = folder

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns where a module of the kit is, or the user's that has its name; None for all others."""
        name, *below = fullname.split(".")
        if fullname == USUAL:
            return importlib.machinery.PathFinder.find_spec(USUAL, [str(self.folder)])
        if name != RENAMED:
            return None
        where = HOUSE.joinpath(*below)
        file = where / "__init__.py" if where.is_dir() else where.with_suffix(".py")
        loader = _Loader(fullname, str(file))
        folders = [str(where)] if where.is_dir() else None
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=folders)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module whose `import helpers…` gives the kit under its other name, at whatever time it runs."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


def _import(name, *arguments, **named):
    if name == USUAL or name.startswith(f"{USUAL}."):
        name = RENAMED + name.removeprefix(USUAL)
    return builtins.__import__(name, *arguments, **named)


def main() -> int:
    """Imports the kit and has it serve the request, this script's argument."""
    request = json.loads(sys.argv[1])
    if not sys.flags.safe_path:
        del sys.path[0]  # where a script's own folder stands
    name, folder = USUAL, Path(request["folder"])
    if has_its_own(folder):
        sys.meta_path.insert(0, HouseFinder(folder))
        name = RENAMED
    elif str(HOUSE.parent) not in sys.path:
        sys.path.append(str(HOUSE.parent))
    served_by: Any = importlib.import_module(f"{name}.cli.{request.pop('served_by', 'own_feeds')}")
    return served_by.serve(request)


if __name__ == "__main__":
    sys.exit(main())
