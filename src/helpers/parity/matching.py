"""Which source example was a delivered image made from? Features that a transform's draws leave nearly alone."""

import numpy as np


def block_means(images: np.ndarray, side: int = 8) -> np.ndarray:
    """Returns block means, float32 (n, side, side, channels), of images of any size."""
    height, width = images.shape[1:3]
    rows = np.linspace(0, height, min(side, height) + 1).astype(int)
    columns = np.linspace(0, width, min(side, width) + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(images, rows[:-1], axis=1, dtype=np.float32), columns[:-1], axis=2)
    return sums / (np.diff(rows)[:, None, None] * np.diff(columns)[:, None])


def signature(name: str, images: np.ndarray) -> np.ndarray:
    """Returns features, float32 (n, k), that this transform's draws leave (nearly) alone."""
    means = block_means(images, 4 if name == "shear_zoom_flip" else 8)
    if name in ("flip_brightness", "shear_zoom_flip"):
        means = means + means[:, :, ::-1]
    if name in ("brightness", "flip_brightness"):
        means = means - means.mean(axis=(1, 2, 3), keepdims=True)
    return means.reshape(len(means), -1)


def match(
    signatures: np.ndarray, labels: np.ndarray, source_signatures: np.ndarray, source_labels: np.ndarray
) -> np.ndarray:
    """Returns for each delivered example the index of the nearest source example of its label, or -1.

    Args:
        signatures: float32 (m, k), of what was delivered.
        labels: (m,), as delivered.
        source_signatures: float32 (n, k).
        source_labels: (n,).
    """
    nearest = np.full(len(signatures), -1)
    for label in np.unique(labels):
        delivered, source = np.flatnonzero(labels == label), np.flatnonzero(source_labels == label)
        if not len(source):
            continue
        points = source_signatures[source]
        norms = np.square(points).sum(axis=1)
        for start in range(0, len(delivered), 2048):
            chosen = delivered[start : start + 2048]
            distance = norms - 2 * (signatures[chosen] @ points.T)
            nearest[chosen] = source[np.argmin(distance, axis=1)]
    return nearest
