"""Runs every lesson once by papermill, all its parameters at a second value, each exercise before and after.

One run proves that the parameters work, that each check fails while its exercise is unsolved and passes after the
solution, and that every picture has a text alternative. A lesson's first values are run by nbval.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

import nbformat
import papermill
import pytest
from click.testing import CliRunner
from papermill.cli import papermill as papermill_command
from wrong_solutions import WRONG_SOLUTIONS

from helpers import paths, workshop

LESSONS = workshop.lessons()
REFERENCE = str(paths.project_root() / "data" / "results" / "quick-2-cores")
# Small, so that all lessons together take little more than their kernels' starts; two run at a time.
SECOND_VALUES = {
    "00_check_your_setup": {"examples": 50, "batch_size": 16},
    "01_compare_on_synthetic_data": {"examples": 800, "batch_size": 64, "budget_s": 2.0, "precision": 0.2},
    "02_preprocess_heavily": {"examples": 64, "kept": 400, "batch_size": 16, "budget_s": 2.5, "precision": 0.2},
    "03_measure_without_fooling_yourself": {"examples": 1200, "rounds": 10, "budget_s": 1.0, "seed": 1},
    "04_feed_mnist_from_tfds": {"examples": 1000, "batch_size": 64, "budget_s": 2.0, "precision": 0.2, "seed": 1},
    "05_match_imagedatagenerator": {"examples": 64, "batch_size": 16, "seed": 4},
    "06_rebuild_it_in_tf_data_on_cifar10": {
        "examples": 960,
        "batch_size": 64,
        "budget_s": 1.0,
        "precision": 0.2,
        "epochs": 1,
        "seeds": 1,
    },
    "07_vary_cardinality_and_batch_size": {
        "counts": [100, 1000],
        "batch_sizes": [8, 256],
        "budget_s": 0.5,
        "precision": 0.2,
        "sorted_examples": 5000,
        "seed": 1,
    },
    "08_find_the_bottleneck": {"examples": 480, "batch_size": 16, "budget_s": 1.0, "shown_batches": 6, "seed": 1},
    "09_add_workers": {"batches": 12, "budget_s": 1.0, "limit_s": 3.0, "seed": 1},
    "09b_outgrow_one_machine": {"examples": 192, "elements": 200, "budget_s": 1.0, "seed": 1},
    "10_read_the_verdicts": {
        "results_path": REFERENCE,
        "other_path": f"{REFERENCE}/results.parquet",
        "dataset": "synthetic",
        "transform": "noise",
        "batch_size": 32,
        "pipeline": "tf_data",
    },
    "13_meet_the_alternatives": {"examples": 200, "batch_size": 16, "budget_s": 1.0, "precision": 0.2, "seed": 1},
    "14_look_under_the_clock": {"examples": 1600, "epochs": 4, "files": 512, "seed": 1},
    "12_bring_your_own_pipeline": {
        "examples": 64,
        "side": 48,
        "batch_size": 8,
        "rows": 1000,
        "budget_s": 1.0,
        "seed": 1,
    },
    "11_feed_a_gpu": {"examples": 480, "batch_size": 64, "steps_ms": [1, 5], "budget_s": 2.0, "seed": 1},
}
UNITS = "image|example|batch|epoch|second|_s$|share|byte|pixel|step|seed|worker|thread|process|round|element|call"


FAILS_ON = """def fails_on(solution, check, heading):
    own = dict(globals())
    exec(solution, own)
    try:
        exec(check, own)
    except Exception as error:
        print('fails before:', type(error).__name__)
    else:
        raise RuntimeError(f'passes, solved as {solution!r}: {heading}')
"""


def lesson(function):
    return pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)(function)


def each_check_before_its_solution(path):
    """The lesson with a cell before every solution that fails if the check passes unsolved, or solved wrongly."""
    notebook = nbformat.read(path, as_version=4)
    exercises = workshop.exercises_of(notebook, path.name)
    wrongly = WRONG_SOLUTIONS.get(path.stem, [""] * len(exercises))
    for exercise, wrong in reversed(list(zip(exercises, wrongly, strict=True))):
        check = notebook.cells[exercise.check].source
        tried = [f"fails_on({solution!r}, {check!r}, {exercise.heading!r})" for solution in dict.fromkeys(("", wrong))]
        before = nbformat.v4.new_code_cell("\n".join([FAILS_ON, *tried]))
        before.metadata["tags"] = ["before"]
        notebook.cells.insert(exercise.solution, before)
    return notebook


@pytest.fixture(scope="module")
def runs(tmp_path_factory, request):
    """A future a lesson: its notebook, executed. Only the lessons whose tests were chosen are run."""
    folder = tmp_path_factory.mktemp("papermill")
    chosen = {item.callspec.params["path"] for item in request.session.items if "runs" in item.fixturenames}

    def run(path):
        prepared, executed = folder / f"prepared_{path.name}", folder / path.name
        nbformat.write(each_check_before_its_solution(path), prepared)
        values = []
        for name, value in SECOND_VALUES.get(path.stem, {}).items():
            values += ["-y", f"{name}: {value}"] if isinstance(value, list | dict) else ["-p", name, str(value)]
        command = [sys.executable, "-m", "papermill", prepared, executed, "--cwd", path.parent, *values]
        command += ["--execution-timeout", "120"]
        ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {workshop.STRICT: "1"})
        assert ended.returncode == 0, ended.stderr[-3000:]
        return nbformat.read(executed, as_version=4)

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        yield {path: pool.submit(run, path) for path in sorted(chosen)}


@lesson
def test_every_parameter_has_a_second_value_that_is_not_its_first(path):
    first = {name: told["default"] for name, told in papermill.inspect_notebook(path).items()}
    second = SECOND_VALUES.get(path.stem, {})
    assert sorted(second) == sorted(first), "give each parameter a small second value in SECOND_VALUES"
    assert [name for name, value in second.items() if repr(value) == first[name]] == []


@lesson
def test_papermill_tells_what_each_parameter_means_and_in_which_unit(path):
    shown = CliRunner().invoke(papermill_command, ["--help-notebook", str(path)])
    assert shown.exit_code == 0
    for name, told in papermill.inspect_notebook(path).items():
        assert told["help"] and told["inferred_type_name"] in ("int", "float", "bool", "str", "dict", "list"), name
        assert f"{name}: {told['inferred_type_name']}" in shown.output
        assert told["help"][:20] in shown.output
        if told["inferred_type_name"] in ("int", "float"):
            assert re.search(UNITS, told["help"]) or re.search(UNITS, name), f"{name} needs a unit"


@pytest.mark.slow
@lesson
def test_a_lesson_runs_at_its_second_values_and_its_checks_fail_before_and_pass_after(path, runs):
    executed = runs[path].result()
    injected = [cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert len(injected) == 1
    before = [cell for cell in executed.cells if "before" in cell.metadata.get("tags", [])]
    assert len(before) == len(workshop.exercises_of(nbformat.read(path, as_version=4)))
    for cell in before:
        told = "".join(output["text"] for output in cell.outputs if output.get("name") == "stdout").splitlines()
        tried = cell.source.count("\nfails_on(")
        assert len([line for line in told if line.startswith("fails before:")]) == tried


@pytest.mark.slow
@lesson
def test_every_picture_has_a_text_alternative_and_no_output_is_an_error(path, runs):
    for cell in runs[path].result().cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr" or "it/s" in output["text"], output  # no warning, no log line
            data = output.get("data", {})
            if "image/png" in data:
                assert len(output.metadata.get("image/png", {}).get("alt", "")) > 20, cell.source
            for picture in re.findall(r"<img[^>]*>", str(data.get("text/html", ""))):
                assert re.search(r'alt="[^"]{20,}"', picture), cell.source
