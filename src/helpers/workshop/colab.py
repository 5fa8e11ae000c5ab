"""The first cell of a learner's notebook: in Google Colab, and only there, it gets the kit."""

import os
from typing import Any

import nbformat

COLAB = "colab"  # the cell's tag, and its id
REPOSITORY = ""  # the kit's public address for `git clone`, once it has one
ADDRESS = "STUDY_REPOSITORY"  # environment variable that names another, or the first one
SOURCE = """\
# In Google Colab, and only there: gets the kit, and what it needs beside the TensorFlow that is there.
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ:
    address = os.environ.get("{variable}") or "{address}"
    assert address, "tell where the kit is: os.environ['{variable}'] = 'https://…'"
    kit = os.path.abspath("study-kit")
    if not os.path.isdir(kit):
        subprocess.run(["git", "clone", "--depth=1", address, kit], check=True)
    subprocess.run([sys.executable, os.path.join(kit, "set_up.py"), "--beside"], check=True)
    sys.path.insert(0, os.path.join(kit, "src"))"""


def cell() -> Any:
    """Returns the cell; the address in it is that of the environment variable `ADDRESS`, else `REPOSITORY`."""
    source = SOURCE.format(variable=ADDRESS, address=os.environ.get(ADDRESS, REPOSITORY))
    return nbformat.v4.new_code_cell(source, id=COLAB, metadata={"tags": [COLAB]})
