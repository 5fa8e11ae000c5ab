"""Setting up: which Python, which TensorFlow, from nothing, and what is said where it cannot be."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import paths
from helpers.errors import StudyError
from helpers.workshop import handout

ROOT = paths.project_root()
spec = importlib.util.spec_from_file_location("set_up", ROOT / "set_up.py")
set_up = importlib.util.module_from_spec(spec)
spec.loader.exec_module(set_up)


@pytest.fixture
def checkout(tmp_path):
    """A folder with what a set-up reads, and no more."""
    for name in ("Makefile", "set_up.py", "pyproject.toml", *map(str, ROOT.glob("requirements*.lock"))):
        shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def made(checkout, target, *words, **variables):
    """How `make TARGET` ended in a folder."""
    command = ["make", "-s", "-C", checkout, target, *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})


def python_that(checkout, code):
    """A Python that runs some code when it starts."""
    folder = checkout / "patched"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


def test_a_python_that_is_missing_is_told_in_one_line(checkout):
    ended = made(checkout, "study", "PYTHON=python9.99")
    told, *makes_own = ended.stderr.splitlines()
    assert ended.returncode and "got no python9.99" in told and "make PYTHON=python3.12" in told
    assert all(line.startswith("make") for line in makes_own)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.version_info = (3, 14, 0, 'final', 0)", "(got 3.14); install one"),
        ("import sys; sys.version_info = (3, 9, 2, 'final', 0)", "(got 3.9); install one"),
        ("import sys; sys.modules['ensurepip'] = None", "sudo apt install python3."),
    ],
)
def test_a_python_that_cannot_be_used_is_told_in_one_line(checkout, code, said):
    ended = made(checkout, "study", f"PYTHON={sys.executable}", **python_that(checkout, code))
    told, *makes_own = ended.stderr.splitlines()
    assert ended.returncode and said in told and not ended.stdout
    assert all(line.startswith("make") for line in makes_own)
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("installed", "asked", "driver", "system", "machine", "which"),
    [
        ("", "auto", False, "Linux", "x86_64", "tensorflow-cpu"),
        ("", "auto", True, "Linux", "x86_64", "tensorflow"),
        ("", "full", False, "Linux", "x86_64", "tensorflow"),
        ("tensorflow", "auto", False, "Linux", "x86_64", "tensorflow"),
        ("tensorflow-cpu", "auto", True, "Linux", "x86_64", "tensorflow-cpu"),
        ("tensorflow-cpu", "full", False, "Linux", "x86_64", "tensorflow"),
        ("", "auto", False, "Linux", "aarch64", "tensorflow"),
        ("", "auto", False, "Darwin", "arm64", "tensorflow"),
        ("", "auto", False, "Windows", "AMD64", "tensorflow"),
        ("", "cpu", True, "Linux", "x86_64", "tensorflow-cpu"),
    ],
)
def test_which_tensorflow_is_taken(installed, asked, driver, system, machine, which):
    taken, why = set_up.tensorflow_of(installed, asked, driver, system, machine)
    assert taken == which
    assert bool(why) == ((installed, asked, which) == ("", "auto", "tensorflow-cpu"))


def test_the_wheel_without_cuda_takes_tensorflows_place_in_the_lock_with_its_hashes():
    lock, cpu = (ROOT / name for name in (set_up.LOCK, set_up.CPU_LOCK))
    full, light = (
        set_up.chosen(lock.read_text(), cpu.read_text(), which) for which in ("tensorflow", "tensorflow-cpu")
    )
    assert set(set_up.requirements(full)) == set(set_up.requirements(lock.read_text()))
    differ = set(set_up.requirements(full)) ^ set(set_up.requirements(light))
    assert sorted(name for name, _ in differ) == ["tensorflow", "tensorflow-cpu"]
    assert all("--hash=sha256:" in block for _, block in set_up.requirements(light))


def test_progress_is_read_from_what_pip_says(tmp_path):
    progress = set_up.Progress(set_up.Environment(tmp_path), 4)
    progress.read(
        [
            "Ignoring colorama: markers 'sys_platform == \"win32\"' don't match your environment\n",
            "Collecting tensorflow-cpu==2.21.0 (from -r requirements.lock (line 1))\n",
            "  Downloading tensorflow_cpu-2.21.0-cp311.whl (261.5 MB)\n",
            "Collecting absl-py==2.3.0\n",
            "  Using cached absl_py-2.3.0-py3-none-any.whl (135 kB)\n",
        ]
    )
    assert "2 of 3 packages, 262 MB, are here" in str(progress)


def test_early_and_late_patches_of_python_get_what_the_lock_names_for_each():
    early, late = (handout.requirements_for(ROOT, handout.PLATFORMS["linux"], f"3.11.{patch}") for patch in (0, 99))
    differ = {block.partition("==")[0] for block in {*early} ^ {*late}}
    assert {block.partition("==")[0] for block in early} == {block.partition("==")[0] for block in late}
    texts = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "3.11.5" in line]
    assert differ == {line.partition("==")[0] for line in texts}


def test_a_handout_has_the_requirements_of_each_platform_and_no_markers():
    texts = {
        name: "".join(handout.requirements_for(ROOT, platform, "3.12.0"))
        for name, platform in handout.PLATFORMS.items()
    }
    for text in texts.values():
        assert ";" not in text and text.count("==") > 150
    assert "\ncolorama==" in texts["windows"] and "\ncolorama==" not in texts["linux"]
    assert "\nptyprocess==" not in texts["windows"] and "\nappnope==" in texts["mac"]
    assert "\ntensorflow-cpu==" in texts["linux"] and "\ntensorflow==" in texts["mac"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"platforms": ["amiga"]}, "--platform must be one of linux, windows, mac"),
        ({"python": "3.9"}, "--python must be one of 3.11"),
        ({"archives": Path("nowhere")}, "must be a folder with official archives"),
        ({}, "goes into a new or empty folder"),
    ],
)
def test_a_handout_that_cannot_be_is_refused_before_anything_is_written(tmp_path, options, said):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StudyError, match=said):
        handout.write(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Skips a test where pip reaches no index."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "six", "--dest"]
    if subprocess.run([*command, tmp_path_factory.mktemp("probe")], capture_output=True).returncode:
        pytest.skip("pip reaches no index here")


@pytest.fixture(scope="module")
def kit(tmp_path_factory, index):
    """A copy of the kit's files, as a repository of its own."""
    copy = tmp_path_factory.mktemp("kit") / "study-kit"
    for name in handout._sources(ROOT):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    git = ["git", "-C", copy, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "as it is"], check=True)
    return copy


@pytest.fixture(scope="module")
def alone():
    """The environment of a user who has nothing of ours: no PYTHONPATH, no virtual environment."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "STUDY_DATA_DIR", "PYTHONSAFEPATH")
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture(scope="module")
def environment(kit, alone):
    """What `make setup` makes from nothing, and what it said."""
    ended = subprocess.run(
        ["make", "-s", "-C", kit, "setup", f"PYTHON={sys.executable}"], capture_output=True, text=True, env=alone
    )
    assert ended.returncode == 0, ended.stderr
    return set_up.Environment(str(kit / ".venv")), ended.stdout


def ran(environment, program, *words, **options):
    """How a program of an environment ended."""
    command = [os.path.join(environment.programs, program), *words]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.mark.slow
def test_the_environment_made_from_nothing_is_small_tells_how_far_it_is_and_works(environment, kit, alone):
    made_here, said = environment
    told = said.splitlines()
    assert "GB to fetch" in told[0] and "packages, " in said and told[-1].startswith("Ready after ")
    packages = made_here.packages()
    assert not {"jax", "playwright", "ruff", "hypothesis"} & set(packages)
    if "tensorflow_cpu" in packages:
        assert "tensorflow" not in packages and "takes TensorFlow's place" in told[1]
        assert made_here.size_gb() < 2.4
    checked = ran(made_here, "study", "machine", "--check", cwd=kit, env=alone).stdout
    assert "ok  packages: all there" in checked
    again = subprocess.run(["make", "-s", "-C", kit, "setup"], capture_output=True, text=True, env=alone)
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.slow
def test_the_first_taste_is_three_lines(environment, kit, alone):
    tasted = subprocess.run(["make", "-s", "-C", kit, "taste"], capture_output=True, text=True, env=alone)
    first, second, third = tasted.stdout.splitlines()
    assert "absl" not in tasted.stderr and "I0000" not in tasted.stderr
    assert first.startswith("Half a minute") and "machine" in third
    assert re.search(
        r"The same work, proved: .+ takes [\d.]+ times \([\d.]+ to [\d.]+\) as long as a Sequence: ", second
    )


@pytest.mark.slow
def test_the_wheel_has_all_that_the_command_needs(environment, kit, alone, tmp_path):
    made_here, _ = environment
    built = ran(made_here, "python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=kit, env=alone)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    subprocess.run([made_here.python, "-m", "venv", installed], check=True, env=alone)
    other = set_up.Environment(str(installed))
    packages = Path(ran(made_here, "python", "-c", "import click; print(click.__file__)", env=alone).stdout.strip())
    names = ran(other, "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", env=alone).stdout
    Path(names.strip(), "locked.pth").write_text(f"{packages.parents[1]}\n")  # the locked packages, and not the kit
    other.pip("install", "--no-index", "--no-deps", str(wheel))
    helped = ran(other, "study", "--help", cwd=tmp_path, env=alone)
    assert helped.returncode == 0 and "compare" in helped.stdout
    told = ran(other, "study", "compare", "--examples", "64", "--budget", "2", cwd=tmp_path, env=alone)
    assert told.returncode == 0, told.stderr
    assert "py_dataset" in told.stdout and "Same work" in told.stdout
    where = ran(other, "python", "-c", "import helpers; print(helpers.__file__)", cwd=tmp_path, env=alone).stdout
    assert Path(where.strip()).is_relative_to(installed)


@pytest.mark.slow
def test_a_handout_sets_a_machine_up_that_has_no_network(environment, kit, alone, tmp_path):
    made_here, _ = environment
    words = ("handout", str(tmp_path / "stick"), "--platform", "linux")
    written = ran(made_here, "study", *words, cwd=kit, env=alone)
    assert written.returncode == 0, written.stderr
    assert "make lab WHEELS=../wheels" in (tmp_path / "stick" / "START.md").read_text()
    offline = alone | {
        "PIP_INDEX_URL": "http://127.0.0.1:9",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "http_proxy": "http://127.0.0.1:9",
    }
    given = tmp_path / "stick" / "study-kit"
    command = ["make", "-s", "-C", given, "setup", "WHEELS=../wheels", f"PYTHON={sys.executable}"]
    ended = subprocess.run(command, capture_output=True, text=True, env=offline | {"PIP_NO_CACHE_DIR": "1"})
    assert ended.returncode == 0, ended.stderr
    checked = ran(set_up.Environment(str(given / ".venv")), "study", "machine", "--check", cwd=given, env=alone).stdout
    assert "ok  packages: all there" in checked and "the stand-in mnist-standin is prepared" in checked


@pytest.mark.slow
def test_in_colab_the_first_cell_gets_the_kit_and_leaves_an_older_tensorflow_as_it_is(kit, alone, tmp_path):
    colab = set_up.Environment(str(tmp_path / "colab"))
    subprocess.run([sys.executable, "-m", "venv", colab.folder], check=True, env=alone)
    older = ("tensorflow-cpu==2.20.0", "pandas", "matplotlib", "scipy", "ipykernel", "tqdm")
    colab.pip("install", *older)
    before = colab.packages()
    cells = nbformat.read(kit / "notebooks/workshop/learner/01_compare_on_synthetic_data.ipynb", 4).cells
    (first, *_) = [cell.source for cell in cells if cell.cell_type == "code"]
    code = f"{first}\nimport helpers; from helpers import comparison, parity, pipelines; print(helpers.__file__)"
    elsewhere = ran(colab, "python", "-c", code, cwd=tmp_path, env=alone)
    assert "No module named 'helpers'" in elsewhere.stderr, "it does nothing outside Colab"
    there = alone | {"COLAB_RELEASE_TAG": "release-colab", "STUDY_REPOSITORY": str(kit)}
    for _ in range(2):  # Run All, again
        ended = ran(colab, "python", "-c", code, cwd=tmp_path, env=there)
        assert ended.returncode == 0, ended.stderr
        assert Path(ended.stdout.splitlines()[-1]).is_relative_to(tmp_path / "study-kit")
    after = colab.packages()
    assert {name: after.get(name) for name in before} == before
    assert not {"jupyter", "jupyterlab", "nbval"} & set(after)
    told = ran(colab, "study", "compare", "--examples", "64", "--budget", "2", cwd=tmp_path, env=alone)
    assert told.returncode == 0, told.stderr
