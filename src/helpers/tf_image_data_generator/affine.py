"""ImageDataGenerator's affine warp of pixels: its coefficients, and the warp in SciPy as the original; no TensorFlow.

The original (Keras, `legacy/preprocessing/image.py`, `apply_affine_transform`) multiplies rotation, shift, shear
and zoom, moves the centre of the image to the origin and back, and lets `scipy.ndimage.affine_transform` read
each output pixel from the input, one channel at a time, in float64. `affine_tf` does the same in TensorFlow.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

FILL_MODES = ("nearest", "reflect", "wrap", "constant")
RADIANS = np.pi / 180


def coefficients(
    *,
    height: int,
    width: int,
    theta: Any = 0.0,
    tx: Any = 0.0,
    ty: Any = 0.0,
    shear: Any = 0.0,
    zx: Any = 1.0,
    zy: Any = 1.0,
    swap_center: bool = True,
) -> np.ndarray:
    """Returns the map from output to input pixels of each image, float64 (n, 6).

    Row r and column c of the output read row `e·r + d·c + v` and column `b·r + a·c + u` of the input; a row of the
    result is (a, b, u, d, e, v).

    Args:
        height: of the images, pixels.
        width: of the images, pixels.
        theta: rotation, degrees; (n,) or a number, as are the following.
        tx: shift as the original calls it, pixels: it moves columns.
        ty: shift as the original calls it, pixels: it moves rows.
        shear: degrees.
        zx: zoom of columns; above 1 shows more of the image, smaller.
        zy: zoom of rows.
        swap_center: turn about (width / 2, height / 2) for (row, column), as the original does by mistake;
            False: about the centre.
    """
    drawn = (np.atleast_1d(np.asarray(value, float)) for value in (theta, tx, ty, shear, zx, zy))
    theta, tx, ty, shear, zx, zy = np.broadcast_arrays(*drawn)
    turn, slant = theta * RADIANS, shear * RADIANS
    cosines, sines = (np.cos(turn), np.cos(slant)), (np.sin(turn), np.sin(slant))
    return np.stack(combine(cosines, sines, (tx, ty), (zx, zy), (height, width), swap_center), axis=1)


def combine(
    cosines: Sequence, sines: Sequence, shifts: Sequence, zooms: Sequence, size: tuple[int, int], swap_center: bool
) -> tuple[Any, ...]:
    """Returns (a, b, u, d, e, v) of each image, see `coefficients`, from the cosines and sines of its angles.

    Args:
        cosines: of rotation and shear, float64 (n,) each, NumPy or TensorFlow.
        sines: of the same.
        shifts: tx and ty, pixels.
        zooms: zx and zy.
        size: (height, width), pixels.
        swap_center: as for `coefficients`.
    """
    (cosine, shear_cosine), (sine, shear_sine), (tx, ty), (zx, zy) = cosines, sines, shifts, zooms
    height, width = size
    a, d = cosine * zx, sine * zx
    b = (-cosine * shear_sine - sine * shear_cosine) * zy
    e = (-sine * shear_sine + cosine * shear_cosine) * zy
    column, row = (height, width) if swap_center else (width, height)
    centre_column, centre_row = column / 2 - 0.5, row / 2 - 0.5
    u = cosine * tx - sine * ty + centre_column - a * centre_column - b * centre_row
    v = sine * tx + cosine * ty + centre_row - d * centre_column - e * centre_row
    return a, b, u, d, e, v


def coefficients_as_original(
    size: tuple[int, int], theta: float, tx: float, ty: float, shear: float, zx: float, zy: float
) -> tuple[float, ...]:
    """Returns the same six of one image by the original's own products of matrices, to the last bit.

    Where a coordinate falls on the border of an image but for rounding, `fill_mode="wrap"` sends it to the other
    side: there only the same order of operations gives the same pixels.

    Args:
        size: (height, width), pixels.
        theta: rotation, degrees, as the following those of `coefficients`, numbers.
        tx: pixels.
        ty: pixels.
        shear: degrees.
        zx: factor.
        zy: factor.
    """
    turn, slant = np.deg2rad(theta), np.deg2rad(shear)
    factors: list[list[list[float]]] = []
    if theta != 0:
        factors.append([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    if tx != 0 or ty != 0:
        factors.append([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear != 0:
        factors.append([[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        factors.append([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    if not factors:
        return 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
    x, y = size[0] / 2 - 0.5, size[1] / 2 - 0.5
    product: np.ndarray = functools.reduce(np.dot, map(np.array, factors))
    there, back = (np.array([[1, 0, x * sign], [0, 1, y * sign], [0, 0, 1]]) for sign in (-1, 1))
    (a, b, u), (d, e, v), _ = np.dot(np.dot(back, product), there)
    return a, b, u, d, e, v


def warp(
    images: np.ndarray,
    coefficients: np.ndarray,
    *,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
    flips: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    dtype: str = "float32",
) -> np.ndarray:
    """Warps a batch with SciPy, one image and channel at a time, as the original does.

    Args:
        images: uint8 or float32 (n, height, width, channels).
        coefficients: float64 (n, 6), see `coefficients`.
        fill_mode: what lies outside: "nearest", "reflect", "wrap" or "constant".
        cval: the constant.
        order: of the spline, 0 to 5; the original's default is 1, bilinear.
        flips: which warped images are mirrored left to right, and which top to bottom: bool (n,), or None for none.
        dtype: of what SciPy reads and gives.

    Returns:
        `dtype`, the same shape, in the same value range.

    Raises:
        ValueError: for an unknown fill mode.
    """
    check_fill_mode(fill_mode)
    images = np.asarray(images)
    warped = np.empty(images.shape, dtype)
    for image, six, moved in zip(images, coefficients, warped, strict=True):
        layers = warp_layers(image.transpose(2, 0, 1).astype(dtype), six, fill_mode=fill_mode, cval=cval, order=order)
        moved[:] = layers.transpose(1, 2, 0)
    for axis, flip in zip((2, 1), flips, strict=True):
        if flip is not None:
            warped = np.where(np.reshape(flip, (-1, 1, 1, 1)), np.flip(warped, axis), warped)
    return warped


def warp_layers(layers: np.ndarray, six: Sequence, *, fill_mode: str, cval: float, order: int) -> np.ndarray:
    """Warps one image with SciPy, channel by channel.

    Args:
        layers: (channels, height, width).
        six: a, b, u, d, e, v, see `coefficients`.
        fill_mode: as for `warp`.
        cval: as for `warp`.
        order: as for `warp`.

    Returns:
        The same shape and dtype.
    """
    from scipy import ndimage

    a, b, u, d, e, v = six
    matrix, offset = np.array([[e, d], [b, a]]), np.array([v, u])
    how = {"order": order, "mode": fill_mode, "cval": cval}
    return np.stack([ndimage.affine_transform(layer, matrix, offset, **how) for layer in layers])


def check_fill_mode(fill_mode: str) -> None:
    """Checks the name of what lies outside of an image.

    Raises:
        ValueError: for one that is not in `FILL_MODES`.
    """
    if fill_mode not in FILL_MODES:
        raise ValueError(f"fill_mode must be one of {', '.join(FILL_MODES)} (got {fill_mode!r})")
