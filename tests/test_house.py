"""The house itself: few doors, short modules, typed public functions, one sentence at every package's door."""

import ast
import importlib
import inspect
import json
from pathlib import Path

import pytest

import helpers

HOUSE = Path(helpers.__file__).resolve().parent
MODULES = sorted(HOUSE.rglob("*.py"))
PACKAGES = sorted(path.parent for path in HOUSE.glob("*/__init__.py"))
ROOT = HOUSE.parents[1]
VISITORS = sorted(
    [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/sweeps/*.ipynb")]
)
MOST_DOORS = 25
MOST_LINES = 350


def name_of(path):
    return path.relative_to(HOUSE).as_posix()


def public_functions(path):
    """The functions that others may call: of the module, and of its public classes."""
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for scope in (tree, *classes):
        for node in scope.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node, isinstance(scope, ast.ClassDef)


def untyped_parts(function, is_method):
    """The parameters without a type, and "return" where the result has none."""
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    decorators = {node.id for node in function.decorator_list if isinstance(node, ast.Name)}
    given = [argument for argument in listed if argument is not None]
    if is_method and "staticmethod" not in decorators:
        given = given[1:]
    missing = [argument.arg for argument in given if argument.annotation is None]
    return [*missing, *([] if function.returns is not None else ["return"])]


def test_a_stranger_finds_few_doors():
    doors = [path for path in HOUSE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert len([path for path in doors if path.name != "__init__.py"]) <= MOST_DOORS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_and_laid_out_by_the_formatter_alone(path):
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    assert "fmt: skip" not in text and "fmt: off" not in text


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
def test_a_package_says_in_one_sentence_what_happens_there(path):
    said = ast.get_docstring(ast.parse((path / "__init__.py").read_text()))
    assert said and said.splitlines()[0].endswith(".")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_functions_are_fully_typed(path):
    found = {function.name: untyped_parts(function, is_method) for function, is_method in public_functions(path)}
    assert {name: missing for name, missing in found.items() if missing} == {}


def code_of(path):
    """The code of a module, or of all cells of a notebook."""
    if path.suffix == ".py":
        return path.read_text()
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def names_that_are_missing(code):
    """What a text imports from the house, or reads of a module that it imported, and the house does not have."""
    tree, modules, missing = ast.parse(code), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            for alias in node.names:
                try:
                    value = getattr(importlib.import_module(node.module), alias.name, None)
                    value = value or importlib.import_module(f"{node.module}.{alias.name}")
                except ImportError:
                    missing.append(f"{node.module}.{alias.name}")
                else:
                    modules[alias.asname or alias.name] = value
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if inspect.ismodule(module) and not hasattr(module, node.attr):
                missing.append(f"{module.__name__}.{node.attr}")
    return missing


@pytest.mark.parametrize("path", VISITORS, ids=lambda path: path.name)
def test_benchmarks_and_notebooks_ask_for_what_is_there(path):
    assert names_that_are_missing(code_of(path)) == []
