import json
import os
import signal
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest

from helpers import results
from helpers.errors import StudyError
from helpers.sweep import grid, kernels
from helpers.sweep.cell import run_cell

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

# An epoch of each pipeline, with what it delivered and what parity says of it, instead of timings.
WORK = """
import hashlib, json
import numpy as np
from helpers import parity
from helpers.pipelines import read_specs
from helpers.pipelines.feeds import batches_of
from helpers.tasks import Task
task = Task(dataset=dataset, transform=transform, batch_size=batch_size, examples=96, seed=seed)
feeds = {label: spec.build(task) for label, spec in read_specs(pipelines).items()}
report = parity.check(task, feeds)
def digest(feed):
    found = hashlib.sha256()
    for images, labels in batches_of(feed):
        found.update(np.ascontiguousarray(images).tobytes() + labels.tobytes())
    return found.hexdigest()
print(json.dumps({label: digest(feed) for label, feed in feeds.items()}))
print(report)
"""


@pytest.fixture
def warm():
    started = kernels.Warm(trivial_cells.LIGHT)
    yield started
    started.close()


def run_notebook(place, code, **options):
    """Runs one cell of code and returns what it printed."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), place / "code.ipynb")
    ran = papermill.execute_notebook(
        place / "code.ipynb", place / "ran.ipynb", kernel_name="python3", progress_bar=False, **options
    )
    return "".join(out.get("text", "") for out in ran.cells[0].outputs if out.get("name") == "stdout").strip()


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def test_each_kernel_is_a_process_of_its_own_with_what_the_server_imported(warm, tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THIS_CELL", "yes")
    code = "import os, random, sys\n"
    code += "print(os.getpid(), 'pyarrow' in sys.modules, os.environ['OF_THIS_CELL'], random.random())"
    first, second = (run_notebook(tmp_path, code, **warm.engine_options()).split() for _ in range(2))
    assert first[1:3] == second[1:3] == ["True", "yes"]
    assert first[0] != second[0]
    assert first[3] != second[3]
    assert gone(int(first[0]))


TELLING = """
import json, os, sys
from ipykernel.connect import get_connection_info
info = json.loads(get_connection_info())
print(json.dumps([info["transport"], info["ip"], sys.executable, "" in sys.path or os.getcwd() in sys.path]))
"""


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    """Sets the temporary folder to a new one of the name and mode given."""

    def make(name, mode):
        (tmp_path / name).mkdir(mode=mode)
        (tmp_path / name).chmod(mode)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))

    return make


@pytest.mark.parametrize("launcher", ["stock", "warm"])
@pytest.mark.parametrize(
    ("name", "mode", "transport"), [("own", 0o700, "ipc"), ("open", 0o755, "tcp"), (100 * "x", 0o700, "tcp")]
)
def test_kernels_talk_over_sockets_of_the_users_alone_where_there_is_a_private_folder(
    request, temporary_folder, tmp_path, launcher, name, mode, transport
):
    starter = kernels.STOCK if launcher == "stock" else request.getfixturevalue("warm")
    temporary_folder(name, mode)
    told = json.loads(run_notebook(tmp_path, TELLING, **starter.engine_options()))
    assert told[0] == transport
    assert (Path(told[1]).parent == tmp_path / name) == (transport == "ipc")
    assert not [path for path in (tmp_path / name).iterdir() if path.is_socket()]


@pytest.mark.parametrize("launcher", ["stock", "warm"])
def test_line_68_70_kernels_are_of_this_interpreter_and_import_nothing_from_their_folder(
    request, tmp_path, monkeypatch, launcher
):
    starter = kernels.STOCK if launcher == "stock" else request.getfixturevalue("warm")
    theirs = tmp_path / "jupyter" / "kernels" / "python3"
    theirs.mkdir(parents=True)
    spec = {"argv": ["touch", str(tmp_path / "executed")], "display_name": "Python 3", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for module in ("papermill", "ipykernel", "colorsys"):
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    told = json.loads(run_notebook(tmp_path, "import colorsys\n" + TELLING, **starter.engine_options()))
    assert told[2:] == [sys.executable, False]
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_a_server_that_has_run_tensorflow_is_not_forked(tmp_path, monkeypatch):
    (tmp_path / "has_run_something.py").write_text(
        "import helpers.machine.tensorflow_without_jax\nimport tensorflow as tf\ntf.constant(1) + 1\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StudyError, match="TensorFlow has run something"):
        kernels.Warm(("has_run_something",))
    with pytest.raises(StudyError, match="ModuleNotFoundError: No module named 'there_is_none'"):
        kernels.Warm(("there_is_none",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Linux only", lambda patched: patched.setattr("sys.platform", "darwin")),
        ("KERAS_BACKEND is jax", lambda patched: patched.setenv("KERAS_BACKEND", "jax")),
        ("there is a GPU", lambda patched: (patched.delenv("CUDA_VISIBLE_DEVICES", raising=False),
                                            patched.setattr(kernels, "GPU_FILES", ("null",)))),
        ("No module named 'there_is_none'", lambda patched: patched.setattr(kernels, "MODULES", ("there_is_none",))),
    ],
)  # fmt: skip
def test_where_a_fork_is_not_safe_kernels_are_stock_and_it_says_so(monkeypatch, capsys, reason, cause):
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
    with monkeypatch.context() as patched:
        cause(patched)
        assert kernels.Supply("auto").next_starter() is kernels.STOCK
        said = capsys.readouterr().out
        assert said.startswith("stock kernels: ") and reason in said and said.count("\n") == 1
        with pytest.raises(StudyError, match=r"warm kernels cannot be had.*--launcher stock"):
            kernels.Supply("warm").next_starter()
        assert kernels.Supply("stock").next_starter() is kernels.STOCK
        assert capsys.readouterr().out == ""


def test_a_launcher_that_is_not_known_is_refused():
    with pytest.raises(StudyError, match="launcher must be one of auto, warm, stock"):
        kernels.Supply("hot")


@pytest.mark.slow
def test_kernels_and_what_they_started_end_with_the_sweep_and_with_the_server(tmp_path):
    starting = f"""
import os, subprocess, sys, time
from helpers.sweep import kernels
warm = kernels.Warm({trivial_cells.LIGHT!r})
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_kernels import run_notebook
code = "import subprocess, time; subprocess.Popen(['sleep', '600']); open('started', 'w').close(); time.sleep(600)"
run_notebook(Path(), code, **warm.engine_options())
"""
    for victim in ("sweep", "server"):
        place = tmp_path / victim
        place.mkdir()
        process = psutil.Popen([sys.executable, "-c", starting], cwd=place, stderr=-3)
        try:
            until((place / "started").exists)
            family = process.children(recursive=True)
            assert len(family) == 3
            os.kill(process.pid if victim == "sweep" else family[0].pid, signal.SIGKILL)
            process.wait(timeout=20)
        finally:
            with suppress(psutil.NoSuchProcess):
                process.kill()
            process.wait()
        until(lambda family=family: all(gone(one.pid) for one in family))


@pytest.mark.slow
def test_a_server_ends_with_its_sweep_while_it_imports_too(tmp_path):
    (tmp_path / "endless.py").write_text("import time; open('begun', 'w').close(); time.sleep(600)")
    starting = "from helpers.sweep import kernels; kernels.Warm(('endless',))"
    search = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": search}
    process = psutil.Popen([sys.executable, "-c", starting], cwd=tmp_path, env=environment)
    try:
        until((tmp_path / "begun").exists)
        (server,) = process.children()
    finally:
        process.kill()
        process.wait()
    until(lambda: gone(server.pid))


def test_a_server_that_was_killed_is_followed_by_another(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
    supply = kernels.Supply("warm")
    first = supply.next_starter()
    assert supply.next_starter() is first
    first._server.kill()
    first._server.wait()
    assert supply.next_starter() is not first
    assert "starting another" in capsys.readouterr().err
    supply.close()


@pytest.mark.slow
def test_kernels_of_two_servers_have_other_hash_seeds_and_other_addresses(monkeypatch, tmp_path):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
    with closing(kernels.Supply("warm")) as supply:
        first, second = supply.next_starter(1), supply.next_starter(2)
        assert supply.next_starter(1) is first is not second is supply.next_starter(2)
        code = "print(hash('a name'), id(object))"
        told = [run_notebook(tmp_path, code, **starter.engine_options()).split() for starter in (first, first, second)]
    assert told[0] == told[1]
    assert told[0][0] != told[2][0] and told[0][1] != told[2][1]


@pytest.mark.slow
def test_line_72_a_server_that_is_stopped_is_ended_and_followed_by_another(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(kernels, "MODULES", trivial_cells.LIGHT)
    monkeypatch.setattr(kernels, "FORK_TIMEOUT_S", 1)
    plan = trivial_cells.plan(trivial_cells.write_grid(tmp_path, [0]))
    with closing(kernels.Supply("warm")) as supply:
        stopped = supply.next_starter()
        stopped._server.send_signal(signal.SIGSTOP)
        assert not run_cell(plan.notebook, plan.cells[0], tmp_path / "cell", 60, starter=stopped)
        assert "gave no answer in 1 s and was ended" in (tmp_path / "cell" / "error.txt").read_text()
        until(lambda: not stopped.alive())
        assert run_cell(plan.notebook, plan.cells[0], tmp_path / "cell", 60, starter=supply.next_starter())
        assert "starting another" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_cell_delivers_does_not_depend_on_the_launcher(tmp_path):
    specs = {name: {"builder": name} for name in ("py_dataset", "image_data_generator", "tf_data")}
    plan = trivial_cells.plan(trivial_cells.write_grid(tmp_path, [0], code=WORK))
    cell = grid.Cell(plan.cells[0].id, plan.cells[0].parameters | {"pipelines": specs})
    printed, rows = {}, {}
    warm = kernels.Warm()
    for starter in (kernels.STOCK, warm):
        folder = tmp_path / starter.launcher
        assert run_cell(plan.notebook, cell, folder, 300, starter=starter), (folder / "error.txt").read_text()
        ran = nbformat.read(folder / "executed.ipynb", 4)
        printed[starter.launcher] = [out["text"] for one in ran.cells for out in one.get("outputs", [])
                                     if out.get("name") == "stdout"]  # fmt: skip
        rows[starter.launcher] = results.read_cell(folder)
    warm.close()
    assert printed["stock"] == printed["warm"] != []
    assert rows["stock"].dtypes.equals(rows["warm"].dtypes)
    assert set(rows["stock"]["launcher"]) == {"stock"} and set(rows["warm"]["launcher"]) == {"warm"}
    free = ["launcher", "wall_s"]
    assert (
        rows["stock"].drop(columns=free).to_dict("list").__repr__()
        == rows["warm"].drop(columns=free).to_dict("list").__repr__()
    )
