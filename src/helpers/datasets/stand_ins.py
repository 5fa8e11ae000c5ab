"""Stand-ins for datasets that are not there: generated, learnable, in the official formats.

MNIST's is made of scikit-learn's digits, which are real handwriting of 8x8 pixels, moved, turned and enlarged;
CIFAR-10's of coloured shapes and textures. They have the shapes, dtypes and number of classes of what they
stand for, and fewer examples. A model's accuracy on them says nothing about MNIST or CIFAR-10.
"""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from scipy import ndimage

TRAIN_EXAMPLES = 10_000
TEST_EXAMPLES = 2_000
SHAPES = (
    "circle",
    "square",
    "triangle",
    "cross",
    "ring",
    "stripes_across",
    "stripes_down",
    "stripes_slanted",
    "checkers",
    "dots",
)


def digits(examples: int, *, seed: int = 0, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Makes handwritten digits: scikit-learn's, enlarged to 28x28, shifted, turned, scaled, with noise.

    Args:
        examples: how many.
        seed: of the draws.
        split: "train" and "test" draw on different handwriting.

    Returns:
        images: uint8 (n, 28, 28, 1), white on black.
        labels: int64 (n,), 0 … 9, each nearly as often.
    """
    from sklearn.datasets import load_digits

    generator = np.random.default_rng([seed, split == "test"])
    written = load_digits()
    border = len(written.target) * 4 // 5
    part = slice(None, border) if split == "train" else slice(border, None)
    by_class = [written.images[part][written.target[part] == label] / 16 for label in range(10)]
    labels = generator.permutation(np.arange(examples, dtype=np.int64) % 10)
    images = np.empty((examples, 28, 28, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[..., 0] = _draw_digit(generator.choice(by_class[label]), generator)
    return images, labels


def _draw_digit(written, generator):
    """Returns an 8x8 image in 0 to 1 as one of 28x28, uint8: a digit about 20 pixels high, as in MNIST."""
    angle, scale = generator.uniform(-0.2, 0.2), generator.uniform(2.3, 2.9)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    offset = 3.5 - turn @ (13.5 + generator.uniform(-2, 2, 2))  # the middle of the one falls near that of the other
    ink = ndimage.affine_transform(written, turn, offset, (28, 28), order=1, mode="grid-constant")
    ink = np.clip(ink * 1.6 - 0.25, 0, 1)
    ink += (ink > 0) * generator.normal(0, 0.06, ink.shape)
    return (np.clip(ink, 0, 1) * 255).astype(np.uint8)


def shapes(
    examples: int, *, seed: int = 0, split: str = "train", size: int = 32, classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Makes coloured shapes and textures, one kind per class, of any colour, place, size and turn, with noise.

    Args:
        examples: how many.
        seed: of the draws; the split changes it too.
        split: "train" or "test".
        size: height and width in pixels.
        classes: how many of `SHAPES`, 1 to 10.

    Returns:
        images: uint8 (n, size, size, 3).
        labels: int64 (n,), 0 … classes - 1, each nearly as often.
    """
    generator = np.random.default_rng([seed, 2 + (split == "test")])
    labels = generator.permutation(np.arange(examples, dtype=np.int64) % classes)
    images = np.empty((examples, size, size, 3), np.uint8)
    for label in range(classes):
        of_class = labels == label
        images[of_class] = _draw_shapes(label, np.count_nonzero(of_class), size, generator)
    return images, labels


def _draw_shapes(label, n, size, generator):
    draw = lambda low, high, *shape: generator.uniform(low, high, (n, *(shape or (1, 1)))).astype(np.float32)  # noqa: E731
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size * 2 - 1
    y, x = y + draw(-0.3, 0.3), x + draw(-0.3, 0.3)
    angle, radius, waves = draw(-0.25, 0.25), draw(0.4, 0.75), draw(7.0, 13.0)
    v, u = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y
    far, across, down = np.hypot(u, v), np.sin(waves * v), np.sin(waves * u)
    bar = 0.3 * radius
    # In the order of SHAPES; each is positive inside: how far, in about half images.
    inside = (
        radius - far,
        0.8 * radius - np.maximum(abs(u), abs(v)),
        np.minimum(0.6 * radius - v, (v + radius) / 2 - abs(u)),
        np.maximum(np.minimum(bar - abs(u), radius - abs(v)), np.minimum(bar - abs(v), radius - abs(u))),
        0.3 * radius - abs(far - 0.8 * radius),
        across / 5,
        down / 5,
        np.sin(waves * (u + v) * 0.7) / 5,
        across * down / 5,
        (across + down - 1) / 5,
    )
    coverage = np.clip(inside[label] * size / 3 + 0.5, 0, 1)[..., None]
    ground = draw(0, 1, 1, 1, 3)
    # The other half of each colour channel: figure and ground always differ.
    figure = (ground + draw(0.35, 0.65, 1, 1, 3)) % 1
    light = 1 + draw(-0.25, 0.25)[..., None] * np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    pictures = (ground * (1 - coverage) + figure * coverage) * light
    pictures += generator.standard_normal(pictures.shape, dtype=np.float32) * 0.04
    return (np.clip(pictures, 0, 1) * 255).astype(np.uint8)


def write_mnist_archives(
    folder: Path, *, train: int = TRAIN_EXAMPLES, test: int = TEST_EXAMPLES, seed: int = 0
) -> list[Path]:
    """Writes the stand-in for MNIST's four archives: IDX files, gzipped, under the official names.

    Returns:
        The paths; the same arguments give the same bytes.
    """
    written = []
    for split, prefix, examples in (("train", "train", train), ("test", "t10k", test)):
        images, labels = digits(examples, seed=seed, split=split)
        for kind, header, data in (
            ("images-idx3", struct.pack(">4I", 0x803, examples, 28, 28), images),
            ("labels-idx1", struct.pack(">2I", 0x801, examples), labels.astype(np.uint8)),
        ):
            path = folder / f"{prefix}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(header + data.tobytes(), compresslevel=1, mtime=0))
            written.append(path)
    return written


def write_cifar10_archive(
    folder: Path, *, train: int = TRAIN_EXAMPLES, test: int = TEST_EXAMPLES, seed: int = 0
) -> Path:
    """Writes the stand-in for CIFAR-10's binary archive: 5 training files and a test file of label and planes.

    Returns:
        The path; the same arguments give the same bytes.
    """
    path = folder / "cifar-10-binary.tar.gz"
    parts = [("batches.meta.txt", ("\n".join(SHAPES) + "\n").encode())]
    images, labels = shapes(train, seed=seed, split="train")
    for number, rows in enumerate(np.array_split(np.arange(train), 5), start=1):
        parts.append((f"data_batch_{number}.bin", _cifar_bytes(images[rows], labels[rows])))
    parts.append(("test_batch.bin", _cifar_bytes(*shapes(test, seed=seed, split="test"))))
    with (
        open(path, "wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in parts:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _cifar_bytes(images, labels):
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], planes], axis=1).tobytes()
