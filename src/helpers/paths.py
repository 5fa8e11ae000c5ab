"""Where the project's folders are, from whatever folder a notebook, papermill or a shell starts in."""

import os
from pathlib import Path


def project_root() -> Path:
    """Returns the folder that holds `notebooks/` and `data/`: the checkout, or else the current folder."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def data_dir() -> Path:
    """Returns the folder of prepared data: `$STUDY_DATA_DIR`, or `data/` in the project."""
    given = os.environ.get("STUDY_DATA_DIR")
    return Path(given).expanduser().resolve() if given else project_root() / "data"
