"""Where the project's folders are, from whatever folder a notebook, papermill or a shell starts in."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from helpers import checks
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
        StudyError: where there is no such user, or a name is longer than the disk takes.
    """
    try:
        expanded = Path(path).expanduser()
        with suppress(ValueError):  # a NUL: there is no such file
            os.lstat(expanded)
        return expanded
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            return expanded
        raise StudyError(f"a path must have names that the disk takes (got {checks.shown(str(path))})") from None
    except RuntimeError:
        raise StudyError(f"a path must begin with the home of a user who is here (got {path}); write it out") from None
