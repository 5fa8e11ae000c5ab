"""Folders of generated JPEG pictures, one folder per class, marked as stand-ins."""

from helpers.datasets import stand_ins
from helpers.datasets.folders import STAND_IN_MARK


def write_folder(place, *, images=500, classes=10, size=32, test_images=0):
    """Writes them and returns the folder; with `test_images` it has `train` and `test`."""
    from PIL import Image

    for split, count in (("train", images), ("test", test_images)):
        pictures, labels = stand_ins.shapes(count, split=split, size=size, classes=classes)
        root = place / split if test_images else place
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            file = root / stand_ins.SHAPES[label] / f"{number:05}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file, quality=92)
    (place / STAND_IN_MARK).touch()
    return place
