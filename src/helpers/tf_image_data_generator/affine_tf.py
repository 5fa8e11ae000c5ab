"""ImageDataGenerator's affine warp in TensorFlow: a whole batch with gathers.

It gives the original's float32 values bit for bit when coordinates and blending are float64; see `affine`.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from . import affine

ORDERS = (0, 1)  # of the spline: nearest and bilinear; SciPy has 2 to 5 too
# Where coordinates are not the original's to the last bit, one this near to the border counts as lying on it.
OUTSIDE = 1e-9


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
) -> tuple[Any, ...]:
    """Returns the six of `affine.coefficients`, float64 tensors (n,) each; arguments as there, (n,) or numbers."""
    drawn = [tf.cast(value, tf.float64) for value in (theta, tx, ty, shear, zx, zy)]
    shape = functools.reduce(tf.broadcast_dynamic_shape, map(tf.shape, drawn))
    theta, tx, ty, shear, zx, zy = (tf.broadcast_to(value, shape) for value in drawn)
    turn, slant = theta * affine.RADIANS, shear * affine.RADIANS
    cosines, sines = (tf.cos(turn), tf.cos(slant)), (tf.sin(turn), tf.sin(slant))
    return affine.combine(cosines, sines, (tx, ty), (zx, zy), (height, width), swap_center)


def terms(six: Any, size: tuple[int, int], flips: tuple[Any, Any] = (None, None), coordinates: str = "float64") -> Any:
    """Returns what rows and columns add to the coordinates; their sum is SciPy's, in its order of operations.

    XLA contracts a multiplication and an addition into one operation that rounds once. Where the original's very
    coordinates are wanted, call this outside of the compiled function, which then only adds. Compute cosines and sines
    outside in any case: XLA otherwise fuses them into the loop over pixels.

    Args:
        six: a, b, u, d, e, v of each image, float64 tensors (n,), see `affine.coefficients`.
        size: (height, width), pixels.
        flips: which images are mirrored left to right, and which top to bottom: bool tensors (n,), or None for none.
        coordinates: "float64" gives the original's float32 values exactly; "float32" is faster, and differs
            by up to some 1e-2 of 255 where a coordinate falls near a pixel's edge.

    Returns:
        Two pairs of tensors (n, height, 1) and (n, 1, width): the sum of the first pair is the row that each output
        pixel reads, the sum of the second the column.
    """
    height, width = size
    a, b, u, d, e, v = (tf.cast(coefficient, coordinates)[:, None, None] for coefficient in six)
    column = tf.constant(np.arange(width)[None, None], coordinates)
    row = tf.constant(np.arange(height)[None, :, None], coordinates)
    if flips[0] is not None:
        column = tf.where(flips[0][:, None, None], width - 1 - column, column)
    if flips[1] is not None:
        row = tf.where(flips[1][:, None, None], height - 1 - row, row)
    return (v + row * e, column * d), (u + row * b, column * a)


def warp(
    images: Any,
    summands: Any,
    *,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
    dtype: str = "float32",
    one: Any = None,
    slack: float = OUTSIDE,
) -> Any:
    """Warps a batch with TensorFlow gathers; compiles under XLA, and needs no XLA.

    Args:
        images: uint8 or float32 tensor (n, height, width, channels), the last three static.
        summands: of the coordinates, see `terms`.
        fill_mode: what lies outside, one of `affine.FILL_MODES`.
        cval: the constant.
        order: 0 (nearest) or 1 (bilinear).
        dtype: of the result, "float32" or "float64".
        one: float32 tensor of 1, an argument of a function that XLA compiles: colour is then read pixel by pixel
            instead of channel by channel, for the same result.
        slack: how far outside, in pixels, still counts as on the border; 0 where the coordinates are the original's
            own, and so its rounding decides.

    Returns:
        Tensor of `dtype`, the same shape, in the same value range.

    Raises:
        ValueError: for an unknown fill mode, or an order that only SciPy has.
    """
    affine.check_fill_mode(fill_mode)
    if order not in ORDERS:
        raise ValueError(f"order must be 0 or 1 in TensorFlow (got {order}); affine.warp has 2 to 5")
    height, width, channels = images.shape[1:]
    count = tf.shape(images)[0]
    rows, columns = (by_row + by_column for by_row, by_column in summands)
    if fill_mode == "constant":
        outside = _is_outside(rows, height, slack) | _is_outside(columns, width, slack)
    unknown_one = tf.cast(tf.minimum(count, 1), tf.float32) if one is None else one
    rows, columns = (_inside(z, length, fill_mode, unknown_one) for z, length in ((rows, height), (columns, width)))
    first = (tf.range(count) * (height * width))[:, None, None]
    pixels = tf.reshape(images, [-1, channels])
    if order == 0:
        nearest_row, nearest_column = (tf.cast(tf.floor(z + 0.5), tf.int32) for z in (rows, columns))
        warped = tf.gather(pixels, first + nearest_row * width + nearest_column)
    elif one is not None and images.dtype == tf.uint8 and channels in (3, 4) and min(height, width) > 1:
        warped = _bilinear_packed(images, first, rows, columns, one)
    else:
        warped = _bilinear(pixels, first, rows, columns, height, width)
    warped = tf.cast(warped, dtype)
    if fill_mode == "constant":
        warped = tf.where(outside[..., None], tf.cast(cval, dtype), warped)
    return tf.ensure_shape(warped, [None, height, width, channels])


def _bilinear(pixels, first, rows, columns, height, width):
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    top, left = _whole(top), _whole(left)
    at = first + top * width + left
    to_right = tf.minimum(left + 1, width - 1) - left
    to_below = (tf.minimum(top + 1, height - 1) - top) * width

    def read(indices):
        return tf.cast(tf.gather(pixels, indices), rows.dtype)

    below = at + to_below
    return _blend(read(at), read(at + to_right), read(below), read(below + to_right), down, right)


def _bilinear_packed(images, first, rows, columns, one):
    """Does the same as `_bilinear` to uint8 images of 3 or 4 channels, packed into one int32 per pixel, under XLA.

    XLA computes anew, for every channel, what it takes for cheap. A sum over channels and a division by something
    unknown it does not: so the packed pixels and their indices are written to memory once.
    """
    height, width, channels = images.shape[1:]
    shifts = 8 * np.arange(channels, dtype=np.int32)
    packed = tf.reshape(tf.reduce_sum(tf.bitwise.left_shift(tf.cast(images, tf.int32), shifts), axis=-1), [-1])
    top, left = tf.minimum(tf.floor(rows), height - 2), tf.minimum(tf.floor(columns), width - 2)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    upper_left = first + _whole(tf.cast(top * width + left, tf.float32) / one)

    def read(offset):
        pixel = tf.gather(packed, upper_left + offset)[..., None]
        return tf.cast(tf.bitwise.bitwise_and(tf.bitwise.right_shift(pixel, shifts), 255), rows.dtype)

    return _blend(read(0), read(1), read(width), read(width + 1), down, right)


def _blend(upper_left, upper_right, lower_left, lower_right, down, right):
    upper = upper_left + right * (upper_right - upper_left)
    lower = lower_left + right * (lower_right - lower_left)
    return upper + down * (lower - upper)


def _whole(z):
    """Casts whole numbers of 0 … 2²³ (float32) or 2³¹ (float64) to int32 by their bits.

    Adding 2²³ or 2⁵² leaves them in the low bits. XLA's own cast also handles what no int32 can hold and what is no
    number, which takes longer than the rest of the address.
    """
    if z.dtype == tf.float32:
        return tf.bitcast(z + 2.0**23, tf.int32) - 0x4B000000
    return tf.cast(tf.bitcast(z + 2.0**52, tf.int64), tf.int32)


def _is_outside(z, length, slack):
    return (z < -slack) | (z > length - 1 + slack)


def _inside(z, length, fill_mode, one):
    """Maps coordinates into 0 … length - 1 as scipy.ndimage does (ni_interpolation.c, map_coordinate)."""
    # By a number that they know, neither XLA nor TensorFlow's graphs divide: they multiply by its reciprocal.
    last, twice = (tf.cast(n * one, z.dtype) for n in (length - 1, 2 * length))
    if fill_mode == "reflect":  # half-sample symmetric, period 2 · length; SciPy's own steps, for its own rounding
        above = z - twice * tf.floor(z / twice)
        above = tf.where(above >= length, twice - above - 1, above)
        below = z + tf.where(z < -twice, twice * tf.floor(-z / twice), 0)
        below = tf.where(below < -length, below + twice, -below - 1)
        z = tf.where(z < 0, below, tf.where(z > last, above, z))
    elif fill_mode == "wrap":  # SciPy's period is length - 1
        below, above = z + last * (tf.floor(-z / last) + 1), z - last * tf.floor(z / last)
        z = tf.where(z < 0, below, tf.where(z > last, above, z))
    return tf.clip_by_value(z, tf.cast(0, z.dtype), last)
