"""Generated stand-ins for MNIST and CIFAR-10, in the official archives' format.

They let every notebook run offline. They are learnable, and nothing else is claimed of them: they are called
stand-ins wherever they show, and an accuracy on them says nothing of the real sets.
"""

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np

CIFAR_CLASSES = ("disc", "ring", "square", "frame", "triangle", "cross", "stripes", "checks", "gradient", "waves")
CIFAR_BATCH = 2000


def mnist_like(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns handwritten digits: scikit-learn's, 8x8, enlarged to 20x20 and laid somewhere in 28x28.

    Returns:
        Images uint8 (count, 28, 28), labels uint8 (count,).
    """
    from sklearn.datasets import load_digits

    from helpers.transforms import bilinear_matrix

    digits = load_digits()
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, len(digits.images), count)
    enlarge = bilinear_matrix(8, 20)
    enlarged = enlarge @ (digits.images.astype(np.float32) * (255 / 16)) @ enlarge.T
    images = np.zeros((count, 28, 28), np.float32)
    offsets = generator.integers(2, 7, (count, 2))
    for row in range(2, 7):
        for column in range(2, 7):
            here = np.flatnonzero((offsets == (row, column)).all(axis=1))
            images[here, row : row + 20, column : column + 20] = enlarged[chosen[here]]
    images *= generator.uniform(0.75, 1.0, (count, 1, 1)).astype(np.float32)
    images += generator.normal(0, 6, images.shape).astype(np.float32) * (images > 8)
    return np.clip(images, 0, 255).astype(np.uint8), digits.target[chosen].astype(np.uint8)


def cifar_like(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns coloured shapes and textures on coloured grounds, ten classes.

    Returns:
        Images uint8 (count, 32, 32, 3), labels uint8 (count,).
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(CIFAR_CLASSES), count).astype(np.uint8)
    images = np.empty((count, 32, 32, 3), np.uint8)
    for start in range(0, count, 1000):
        part = slice(start, start + 1000)
        masks = _masks(labels[part], generator)[..., None]
        size = len(masks)
        front, ground = generator.uniform(20, 235, (2, size, 1, 1, 3)).astype(np.float32)
        # Front and ground are kept apart in brightness, so that the shape can be seen.
        front = np.where(np.abs(front - ground).mean(-1, keepdims=True) < 60, 255 - ground, front)
        pictures = ground + (front - ground) * masks + generator.normal(0, 12, (size, 32, 32, 3)).astype(np.float32)
        images[part] = np.clip(pictures, 0, 255).astype(np.uint8)
    return images, labels


def _masks(labels, generator):
    """Returns how much of each pixel is front, float32 (n, 32, 32), 0 to 1."""
    count = len(labels)
    centre_y, centre_x = generator.uniform(11, 20, (2, count, 1, 1))
    radius = generator.uniform(6, 11, (count, 1, 1))
    phase = generator.uniform(0, 2 * np.pi, (count, 1, 1))
    y, x = np.arange(32)[None, :, None] - centre_y, np.arange(32)[None, None, :] - centre_x
    distance, box = np.hypot(y, x), np.maximum(np.abs(y), np.abs(x))
    inside = {
        "disc": distance < radius,
        "ring": np.abs(distance - radius) < 2,
        "square": box < radius * 0.85,
        "frame": np.abs(box - radius * 0.85) < 2,
        "triangle": (y < radius * 0.7) & (y > -radius) & (np.abs(x) < (y + radius) * 0.6),
        "cross": (np.minimum(np.abs(y), np.abs(x)) < 2) & (box < radius),
        "stripes": np.sin(x * 0.9 + phase + 0 * y) > 0,
        "checks": np.sin(x * 0.8 + phase) * np.sin(y * 0.8) > 0,
        "gradient": (x + y) / 44 + 0.5,
        "waves": np.sin(y * 0.5 + 2 * np.sin(x * 0.4) + phase) > 0,
    }
    stacked = np.stack([np.clip(inside[name], 0, 1).astype(np.float32) for name in CIFAR_CLASSES])
    return stacked[labels, np.arange(count)]


def write_archives(name: str, builder, downloads: Path, *, seed: int = 0) -> None:
    """Writes a stand-in's archives where tfds' builder looks for downloads that it has made before.

    Args:
        name: "mnist-standin" or "cifar10-standin".
        builder: the real tfds builder, whose registered URLs and checksums name the places.
        downloads: tfds' download folder.
        seed: of what is generated.
    """
    from tensorflow_datasets.core.download.resource import get_dl_fname

    contents = {"mnist-standin": _mnist_archives, "cifar10-standin": _cifar_archives}[name](seed)
    downloads.mkdir(parents=True, exist_ok=True)
    for url, info in builder.url_infos.items():
        if info.filename in contents:
            place = downloads / get_dl_fname(url, info.checksum)
            place.write_bytes(contents[info.filename])
            about = {"dataset_names": [builder.name], "original_fname": info.filename, "urls": [url]}
            Path(f"{place}.INFO").write_text(json.dumps(about))


def _mnist_archives(seed):
    """The IDX format: http://yann.lecun.com/exdb/mnist, big-endian headers, gzipped."""
    archives = {}
    for prefix, count, part in (("train", 60_000, 0), ("t10k", 10_000, 1)):
        images, labels = mnist_like(count, seed=2 * seed + part)
        header = np.array([2051, count, 28, 28], ">i4").tobytes()
        archives[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(header + images.tobytes(), 1, mtime=0)
        header = np.array([2049, count], ">i4").tobytes()
        archives[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(header + labels.tobytes(), 1, mtime=0)
    return archives


def _cifar_archives(seed):
    """The binary format: https://www.cs.toronto.edu/~kriz/cifar.html, a label byte, then the three planes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:

        def add(name, content):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        add("batches.meta.txt", ("\n".join(CIFAR_CLASSES) + "\n").encode())
        names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
        for part, name in enumerate(names):
            images, labels = cifar_like(CIFAR_BATCH, seed=100 * seed + part)
            planes = images.transpose(0, 3, 1, 2).reshape(CIFAR_BATCH, -1)
            add(name, np.concatenate([labels[:, None], planes], axis=1).tobytes())
    return {"cifar-10-binary.tar.gz": buffer.getvalue()}
