"""Folders of pictures, one folder per class: which files there are, whether they are whole, and how they are read."""

import hashlib
import os
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers import checks
from helpers.datasets import decoded_cache
from helpers.datasets.sources import Description, Source
from helpers.errors import NotPrepared, StudyError
from helpers.paths import data_dir, expanded

PICTURES = (".jpg", ".jpeg", ".png")
# What flow_from_directory would read besides: left out here it would be another set of examples there.
_OTHER_PICTURES = (".bmp", ".ppm", ".tif", ".tiff")
# 8192 x 8192: a quarter GiB once Pillow has decoded it, 4 bytes each, and more than a training set's pictures need.
MOST_PIXELS = 1 << 26
# A smaller file cannot hold more than that: PNG packs 1032 to 1, 8 pixels in a byte.
_LEAST_BYTES_TO_MEASURE = 4 << 10
STAND_IN_MARK = "STAND-IN.txt"
_checked: set[str] = set()
# Folder -> when each folder below changed, and what `_walked` found; none that changed in the last second, within
# which a clock may not tell two changes apart.
_listings: dict[Path, tuple[dict[str, int], tuple[list[str], list[list[str]]]]] = {}
_SETTLED_NS = 10**9


@dataclass(frozen=True)
class Folder(Source):
    """A folder with one folder of JPEG or PNG files per class, or with `train` and `test` that have them.

    Attributes:
        given: the path that the user gave, or the name of a folder in `data_dir()/folders`.
    """

    given: str

    read_as = ("arrays", "folder")

    def root(self) -> Path:
        """Returns the folder that was named.

        Raises:
            NotPrepared: where there is no such folder.
        """
        if not self.given:
            raise StudyError(
                f"a folder dataset must read folder:PATH (got {self.name!r}); give the folder of the classes"
            )
        path = expanded(self.given)
        for candidate in (path, data_dir() / "folders" / path):
            if candidate.is_dir():
                return candidate.resolve()
        raise NotPrepared(
            f"there is no folder {self.given!r}, here or in {data_dir() / 'folders'}; give the path of a folder with "
            f"one folder per class, or run `study prepare {self.name} --archives FILE`"
        )

    def path(self, *, split: str = "train") -> Path:
        """Returns the folder that holds the classes' folders of a split, "train" or "test".

        Raises:
            StudyError: where the folder or its split is not there.
        """
        root = self.root()
        if _has_folders(root / "train"):
            if (root / split).is_dir():
                return root / split
        elif split == "train":
            return root
        raise StudyError(f"folder {root} has no split {split!r}; put its classes under {root / split}")

    @property
    def is_ready(self) -> bool:
        """Whether the folder is there."""
        try:
            return self.path().is_dir()
        except StudyError:
            return False

    def require(self) -> None:
        """Raises NotPrepared unless the folder is there."""
        self.root()

    def fingerprint(self) -> str:
        """Returns a text that changes when a picture is changed, added or removed; "" where there is no folder."""
        return fingerprint_of(self._list()[0]) if self.is_ready else ""

    def files(self, *, examples: int | None = None, split: str = "train") -> tuple[list[str], np.ndarray, list[str]]:
        """Returns the pictures' files, in the order of Keras' flow_from_directory.

        Every file's first and last bytes are checked once in a process; a doubtful one is decoded.

        Args:
            examples: how many; balanced over the classes and evenly spaced within each. None: all.
            split: "train" or "test".

        Returns:
            paths: classes sorted by name, files sorted within.
            labels: int64 (n,), 0 … classes - 1.
            class_names: the names of the classes, sorted.

        Raises:
            StudyError: where the folder is missing, empty, has fewer pictures than asked for, or a damaged one.
        """
        paths, labels, classes = self._list(examples, split)
        key = fingerprint_of(paths)
        if key not in _checked:
            damaged = damaged_pictures(paths)
            if damaged:
                raise StudyError(
                    f"every file of an image folder must be a whole JPEG or PNG (got {checks.few(damaged)}); "
                    "replace or remove it"
                )
            _require_decodable(paths)
            _checked.add(key)
        return paths, labels, classes

    def _list(self, examples=None, split="train"):
        """Returns what `files` returns, without opening a file."""
        try:
            classes, files = _listing(self.path(split=split))
        except PermissionError as error:
            raise StudyError(
                f"folder {error.filename} must be readable (got permission denied); change its mode"
            ) from None
        available = sum(map(len, files))
        if examples is not None:
            if examples > available:
                raise StudyError(f"examples must be <= {available}, what {self.name} has (got {examples}); give fewer")
            files = _evenly(files, examples)
        labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(of_class) for of_class in files])
        return [path for of_class in files for path in of_class], labels, classes

    def _describe(self, split, image_size, examples, channels, classes) -> Description:
        if classes is not None:
            raise StudyError(f"classes can be chosen for synthetic data only (got classes {classes} for {self.name})")
        if channels not in (None, 1, 3):
            raise StudyError(f"channels of a folder must be 3, or 1 for grey (got {channels})")
        paths, _, names = self._list(examples, split)
        height, width = image_size or read_picture(paths[0]).shape[:2]
        root = self.root()
        real = not (root / STAND_IN_MARK).is_file()
        label = f"folder {root.name}" if real else f"stand-in folder {root.name} (generated)"
        if real and root.name == "cifar10-jpeg":
            label = "CIFAR-10 pictures re-encoded as JPEG"
        return Description(self.name, label, real, (height, width, int(channels or 3)), len(names), len(paths))

    def _state(self, what, split, seed, examples) -> str:
        return f"{fingerprint_of(self._list(examples, split)[0])} {what.image_shape}"

    def _read(self, what, split, seed, examples, state):
        paths, labels, _ = self.files(examples=examples, split=split)

        def decode():
            images = np.empty((len(paths), *what.image_shape), np.uint8)
            for row, path in enumerate(paths):
                images[row] = read_picture(path, image_size=what.image_shape[:2], channels=what.image_shape[2])
            return images, labels

        return decoded_cache.load_or_decode(f"folder-{split}", state, what.examples, decode)


def _has_folders(path):
    return path.is_dir() and any(entry.is_dir() for entry in path.iterdir())


def _listing(root):
    """Returns (class names, per class the list of its files), in the order of flow_from_directory.

    Kept as long as no folder below has changed: a point of a sweep asks some forty times.
    """
    if root in _listings:
        changed_ns, found = _listings[root]
        if all(_changed_ns(folder) == before for folder, before in changed_ns.items()):
            return found
        del _listings[root]
    begun_ns = time.time_ns()
    found, folders = _walked(root)
    changed_ns = {folder: _changed_ns(folder) for folder in folders}
    if max(changed_ns.values()) < begun_ns - _SETTLED_NS:
        _listings[root] = changed_ns, found
    return found


def _changed_ns(folder):
    return os.stat(folder).st_mtime_ns if os.path.isdir(folder) else 0


def _walked(root):
    """Returns what `_listing` does, and every folder that was read."""
    folders = [str(root)]
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not classes:
        raise StudyError(f"an image folder must have one folder per class (got none in {root}); make PATH/CLASS/*.jpg")
    files = []
    for name in classes:
        walked = sorted(os.walk(root / name, onerror=_raise), key=lambda step: step[0])
        folders += [folder for folder, _, _ in walked]
        all_files = [os.path.join(folder, file) for folder, _, names in walked for file in sorted(names)]
        if other := next((file for file in all_files if file.lower().endswith(_OTHER_PICTURES)), ""):
            raise StudyError(f"pictures must be JPEG or PNG (got {other}); convert it or move it away")
        files.append([file for file in all_files if file.lower().endswith(PICTURES)])
        if not files[-1]:
            raise StudyError(f"every class folder must hold pictures (got none in {root / name}); fill or remove it")
        if other := next((file for file in files[-1] if not os.path.isfile(file)), ""):  # a pipe, a link to nothing
            raise StudyError(f"every picture must be a file (got {other}, which is none); remove it")
    return (classes, files), folders


def _raise(error):
    raise error


def _evenly(files, examples):
    """Returns `examples` files of the classes' lists, balanced over the classes, evenly spaced within each."""
    # One of each class in turn, because small classes run out.
    turns = sorted((turn, number) for number, of_class in enumerate(files) for turn in range(len(of_class)))
    counts = Counter(number for _, number in turns[:examples])
    return [
        [of_class[i * len(of_class) // counts[number]] for i in range(counts[number])]
        for number, of_class in enumerate(files)
    ]


def fingerprint_of(paths: list[str]) -> str:
    """Returns a text that changes when a file of `paths` is changed, added or removed."""
    digest = hashlib.sha256()
    for path in paths:
        state = os.stat(path)
        digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def damaged_pictures(paths: list[str]) -> list[str]:
    """Returns the files that are no whole pictures: their ends are looked at, and a doubtful one is decoded."""
    return [path for path in paths if not _is_whole(path)]


def _is_whole(path):
    """Returns whether the file begins and ends as a whole JPEG or PNG does, or can be decoded."""
    with open(path, "rb") as file:
        start = file.read(8)
        file.seek(max(0, os.fstat(file.fileno()).st_size - 12))
        end = file.read()
    is_jpeg = start[:3] == b"\xff\xd8\xff" and end[-2:] == b"\xff\xd9"
    is_png = start == b"\x89PNG\r\n\x1a\n" and b"IEND" in end
    if is_jpeg or is_png:
        return True
    try:
        read_picture(path)
    except StudyError:
        return False
    return True


def _require_decodable(paths):
    """Raises StudyError for a picture that would take more memory than `MOST_PIXELS` does; decodes none."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path in paths:
            if os.path.getsize(path) >= _LEAST_BYTES_TO_MEASURE:
                try:
                    with Image.open(path) as picture:
                        _check_pixels(path, picture.width * picture.height)
                except (Image.DecompressionBombWarning, Image.DecompressionBombError):
                    _check_pixels(path, 2 * MOST_PIXELS)
                except StudyError:
                    raise
                except (OSError, SyntaxError, ValueError):
                    read_picture(path)  # tells what is wrong with it


def _check_pixels(path, pixels):
    if pixels > MOST_PIXELS:
        raise StudyError(
            f"a picture must have at most {MOST_PIXELS >> 20} million pixels (got more in {path}); scale it down"
        )


def read_picture(path: str | BinaryIO, *, image_size: tuple[int, int] | None = None, channels: int = 3) -> np.ndarray:
    """Returns one picture, uint8 (height, width, channels), 0 to 255.

    Args:
        path: a JPEG or PNG file, or one that is open.
        image_size: (height, width) in pixels, by the nearest pixel as flow_from_directory does; None: as it is.
        channels: 3, or 1 for grey.

    Raises:
        StudyError: where the file is not a whole picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            _check_pixels(path, picture.width * picture.height)
            picture = picture.convert("RGB" if channels == 3 else "L")
    except StudyError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StudyError(
            f"every file of an image folder must be a whole JPEG or PNG (got {path}: {error}); replace or remove it"
        ) from None
    if image_size is not None and picture.size != tuple(image_size)[::-1]:
        picture = picture.resize(tuple(image_size)[::-1], Image.Resampling.NEAREST)
    return np.asarray(picture).reshape(*picture.size[::-1], channels)
