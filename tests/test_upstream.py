"""The reproductions for TensorFlow's and Keras' maintainers: short, alone, and showing what they say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

UPSTREAM = Path(__file__).resolve().parents[1] / "benchmarks" / "upstream"
SCRIPTS = sorted(UPSTREAM.glob("*.py"))
ALONE = {"tensorflow", "keras", "numpy", *sys.stdlib_module_names}
# What the last line that a script prints must hold where the fault is there still.
SHOWS = {
    "cache_cut_short": r"worst of 10 tries: (?!\[640, 640, 640\])",
    "generator_gives_memory_back": r"page faults per file: 0\.0\d; .* got: (0\.[1-9]|[1-9])",
    "grain_threads_over_memory": r"num_threads=0: \d\d+\.\d µs",
    "iterator_waits_for_autotune": r"autotune False: .* got: 0 of 60",
    "metadata_needs_protobuf_5": r"got: (it can|cannot import name 'runtime_version')",
    "subset_mixes_weights": r"expected: \[3, 4, 5, 6, 7, 8, 9\] got: \[0, 1, 2, 3, 4, 5, 6\]",
    "swapped_shifts_and_centres": r"7 x 11 pixels .* expected: True; got: False",
    "two_iterators_per_epoch": r"got:      10",
    "workers_drain": r"2 workers: .* got: \d{3} ms",
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_short_and_needs_nothing_of_the_kit(path):
    text = path.read_text()
    tree = ast.parse(text)
    code = [line for line in text.splitlines()[tree.body[0].end_lineno :] if line.strip()]
    assert len(code) <= 25
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes]
    assert {module.split(".")[0] for module in modules} - ALONE <= {"grain", "tensorflow_metadata"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_names_threads_or_says_what_was_searched_for(path):
    told = ast.get_docstring(ast.parse(path.read_text()))
    assert "Threads" in told
    assert re.search(r"https://github\.com/[\w-]+/[\w-]+/(issues|pull)/\d+", told) or "searched for" in told
    assert f"`{path.name}`" in (UPSTREAM / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_prints_what_was_expected_and_what_it_got(path):
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-500:]
    assert "expected" in ran.stdout and "got" in ran.stdout
    assert re.search(SHOWS[path.stem], ran.stdout.strip().splitlines()[-1]), ran.stdout
