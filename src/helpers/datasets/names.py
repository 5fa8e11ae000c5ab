"""Which datasets there are, by name: the only module that tells a source from its name."""

import difflib

from helpers.datasets.folders import Folder
from helpers.datasets.photographs import NAME as PHOTOGRAPHS, Photographs
from helpers.datasets.prepared import LABELS, STAND_IN, Prepared
from helpers.datasets.sources import Source
from helpers.datasets.synthetic import NAME as SYNTHETIC, Synthetic
from helpers.errors import StudyError
from helpers.paths import data_dir

FOLDER = "folder:"
CIFAR10_PICTURES = "cifar10-jpeg"
NAMES = (SYNTHETIC, *LABELS, *(name + STAND_IN for name in LABELS), PHOTOGRAPHS)


def named(name: str) -> Source:
    """Returns the source of that name, whether its data is there or not.

    Args:
        name: one of `NAMES`, or "folder:PATH".

    Raises:
        StudyError: for any other name, with near matches.
    """
    if not isinstance(name, str):
        raise StudyError(f"dataset must be one of {', '.join(NAMES)} or folder:PATH (got {name!r:.80})")
    if name == SYNTHETIC:
        return Synthetic(name)
    if name == PHOTOGRAPHS:
        return Photographs(name, name)
    if name.startswith(FOLDER):
        return Folder(name, name.removeprefix(FOLDER))
    if name in NAMES:
        return Prepared(name)
    near = difflib.get_close_matches(str(name).lower().replace("_", "-"), NAMES, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `study prepare --help`"
    raise StudyError(f"dataset must be one of {', '.join(NAMES)} or folder:PATH (got {name!r}); {hint}")


def best_available(name: str) -> str:
    """Returns the real dataset if it is prepared, else what stands for it; prepares nothing.

    "mnist" becomes "mnist-standin"; "cifar10" becomes "folder:cifar10-jpeg" if that folder is in the data
    folder, else "cifar10-standin"; other names stay. The caller says which one it is (`describe(…).label`).
    """
    if named(name).is_ready or name not in LABELS:
        return name
    if name == "cifar10" and (data_dir() / "folders" / CIFAR10_PICTURES).is_dir():
        return FOLDER + CIFAR10_PICTURES
    return name + STAND_IN
