"""What the tests share: where the real data is, and a data folder of each test run's own."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

# TensorFlow writes "I0000 …" lines to stderr whatever TF_CPP_MIN_LOG_LEVEL says; they differ by machine.
SKIPPED_OUTPUTS = ("stderr",)


def _shared_data() -> Path | None:
    given = os.environ.get("STUDY_TEST_DATA")
    place = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    return place if (place / "archives").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `archives/` (MNIST's official archives) and `cifar10-jpeg.tar.xz`."""
    place = _shared_data()
    if place is None:
        pytest.skip("the real data is not here: set STUDY_TEST_DATA to a folder with archives/ and cifar10-jpeg.tar.xz")
    return place


@pytest.fixture(autouse=True)
def own_import_path():
    """A command run in the tests' process changes how what it starts imports, and no more than that test's."""
    yield
    os.environ.pop("PYTHONSAFEPATH", None)


@pytest.fixture
def without_the_warnings_about_oddities():
    """Lets the port imitate the original's oddities without a warning each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture
def own_seed():
    """Lets a test set TensorFlow's global seed: the next one has none again."""
    yield
    import tensorflow as tf

    tf.random.set_seed(None)


@pytest.fixture
def own_data_dir(tmp_path, monkeypatch) -> Path:
    """An empty data folder, for tests that prepare data."""
    monkeypatch.setenv("STUDY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-tfds"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory) -> Path:
    """One folder per class of 72 small JPEG files, 3 classes."""
    import numpy as np
    from PIL import Image

    place = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name in ("bird", "cat", "dog"):
        (place / name).mkdir()
        for number in range(24):
            coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC).save(place / name / f"{number:04}.jpg")
    return place


@pytest.fixture
def orphan_in():
    """`orphan_in(root, prefix)` leaves there what a killed process leaves of a working folder; returns the folder."""
    code = (
        "import os, signal, sys; from pathlib import Path; from helpers import files\n"
        "with files.working_folder(Path(sys.argv[1]), sys.argv[2]) as work:\n"
        "    (work / 'half').write_text('written'); print(work, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )

    def leave(root: Path, prefix: str = ".preparing-") -> Path:
        ran = subprocess.run([sys.executable, "-c", code, root, prefix], capture_output=True, text=True)
        folder = Path(ran.stdout.strip())
        assert (folder / "half").is_file(), ran.stderr
        return folder

    return leave
