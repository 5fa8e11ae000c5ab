"""What a cell's rows depend on: the kit's own sources that measuring imports, wherever they stand."""

import ast
import hashlib
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # the folder of the package `helpers`
ROOT = HERE.name
MEASURING = f"{ROOT}.measurement"


def sources_of(module: str) -> list[Path]:
    """Returns the kit's source files that a module needs: its own, those that it imports, those that they import.

    An import inside a function counts too, and so does a string that names a module, as in a registry.

    Args:
        module: the module's full name, such as "helpers.measurement".
    """
    sources: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is not None and name not in sources:
            sources[name] = path
            text = path.read_text(encoding="utf-8")
            waiting += [name.rpartition(".")[0], *_names_in(text, name, path.name == "__init__.py")]
    return sorted(sources.values())


def hash_of(module: str) -> str:
    """Returns a hash, 64 hex digits, that changes when a source does that the module needs."""
    digest = hashlib.sha256()
    for path in sources_of(module):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(HERE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _file_of(name: str) -> Path | None:
    """Returns the file of one of the kit's modules, or None for what is no module of the kit."""
    first, *rest = name.split(".")
    if first != ROOT:
        return None
    path = HERE.joinpath(*rest)
    return next(filter(Path.is_file, (path / "__init__.py", path.with_suffix(".py"))), None)


@cache
def _names_in(text: str, module: str, is_package: bool) -> tuple[str, ...]:
    """Returns the names in a source that may be modules'."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{ROOT}."):
            names.append(node.value.partition(":")[0])
    return tuple(names)
