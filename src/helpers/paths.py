"""Where the project's folders are, from whatever folder a notebook, papermill or a shell starts in."""

import os
from pathlib import Path

from helpers.errors import StudyError


def project_root() -> Path:
    """Returns the folder that holds `notebooks/` and `data/`: the checkout, or else the current folder."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def data_dir() -> Path:
    """Returns the folder of prepared data: `$STUDY_DATA_DIR`, or `data/` in the project."""
    given = os.environ.get("STUDY_DATA_DIR")
    return expanded(given).resolve() if given else project_root() / "data"


def expanded(path: Path | str) -> Path:
    """Returns a path with its "~" or "~name" replaced by that user's home.

    Raises:
        StudyError: where there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StudyError(f"a path must begin with the home of a user who is here (got {path}); write it out") from None
