"""Pictures of real size: cut from the two photographs that scikit-learn ships, written as JPEG files.

Nothing is downloaded, and nothing is drawn or resized: every file is a part of a photograph. The parts overlap, so a
model's accuracy on them says nothing.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.datasets.folders import Folder
from helpers.datasets.sources import Description
from helpers.errors import NotPrepared
from helpers.paths import data_dir

NAME = "photographs"
LABEL = "crops of two photographs (scikit-learn's)"
CUT = (300, 400)  # height and width, pixels
EXAMPLES = 96
QUALITY = 90  # of JPEG, 0 to 100
CREDITS = """The files here are cut from two photographs that scikit-learn ships (sklearn.datasets.load_sample_images):
china.jpg by danielbuechele, https://www.flickr.com/photos/danielbuechele/6061409035/
flower.jpg by vultilion, https://www.flickr.com/photos/vultilion/6056698931/
Both are licensed under https://creativecommons.org/licenses/by/2.0/
"""


class Photographs(Folder):
    """The folder of these pictures, made by the kit: one folder per photograph."""

    makes_itself = True

    def root(self) -> Path:
        """Returns the folder; none of the user's is taken for it.

        Raises:
            NotPrepared: where it was not made yet.
        """
        root = folder_in(data_dir())
        if not root.is_dir():
            raise NotPrepared(f"{NAME} are not there yet; run `study prepare {NAME}` (offline, a second)")
        return root

    def fingerprint(self) -> str:
        """Returns "": the kit's own sources say what is in it, before it is made and after."""
        return ""

    def describe(self, **options: Any) -> Description:
        """Describes it as a folder, under the name that says what it is; see `Source.describe`."""
        return replace(super().describe(**options), label=LABEL)


def folder_in(data: Path) -> Path:
    """Returns where the pictures are in a data folder, made or not."""
    return data / "standin" / NAME


def write(folder: Path, *, examples: int = EXAMPLES, seed: int = 0) -> None:
    """Writes the pictures: `folder/CLASS/NUMBER.jpg`, and who took the photographs.

    Args:
        folder: an empty one.
        examples: how many, half of each photograph.
        seed: of where they are cut, and which are mirrored.
    """
    from PIL import Image
    from sklearn.datasets import load_sample_images

    samples, generator = load_sample_images(), np.random.default_rng(seed)
    (folder / "CREDITS.txt").write_text(CREDITS)
    height, width = CUT
    photographs = list(zip(samples.filenames, samples.images, strict=True))
    for number in range(examples):
        name, photograph = photographs[number % len(photographs)]
        top = generator.integers(photograph.shape[0] - height + 1)
        left = generator.integers(photograph.shape[1] - width + 1)
        cut = photograph[top : top + height, left : left + width]
        path = folder / Path(name).stem / f"{number:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(cut[:, ::-1] if generator.random() < 0.5 else cut).save(path, quality=QUALITY)
