"""ImageDataGenerator's affine warp of pixels: its coefficients, in SciPy as the original, and in TensorFlow.

The original (Keras, `legacy/preprocessing/image.py`, `apply_affine_transform`) multiplies rotation, shift, shear
and zoom, moves the centre of the image to the origin and back, and lets `scipy.ndimage.affine_transform` read
each output pixel from the input, one channel at a time, in float64. `warp_tf` does the same for a whole batch
with gathers, and gives the same float32 values bit for bit when coordinates and blending are float64.
"""

import functools

import numpy as np

from helpers.errors import StudyError

FILL_MODES = ("nearest", "reflect", "wrap", "constant")
# Where coordinates are not the original's to the last bit, one this near to the border counts as lying on it.
OUTSIDE = 1e-9
RADIANS = np.pi / 180


def coefficients(*, height, width, theta=0.0, tx=0.0, ty=0.0, shear=0.0, zx=1.0, zy=1.0, swap_center=True):
    """Returns the map from output to input pixels of each image, float64 (n, 6).

    Row r and column c of the output read row `e·r + d·c + v` and column `b·r + a·c + u` of the input; a row of the
    result is (a, b, u, d, e, v).

    Args:
        height: of the images, pixels.
        width: of the images, pixels.
        theta: rotation, degrees; NumPy or TensorFlow, (n,) or a number, as are the following.
        tx: shift as the original calls it, pixels: it moves columns.
        ty: shift as the original calls it, pixels: it moves rows.
        shear: degrees.
        zx: zoom of columns; above 1 shows more of the image, smaller.
        zy: zoom of rows.
        swap_center: turn about (width / 2, height / 2) for (row, column), as the original does by mistake;
            False: about the centre.
    """
    drawn = (theta, tx, ty, shear, zx, zy)
    if any(type(value).__module__.startswith(("tensorflow", "keras")) for value in drawn):
        import tensorflow as tf

        math, stack = tf.math, tf.stack
        shape = next(tf.shape(value) for value in drawn if hasattr(value, "graph") or hasattr(value, "numpy"))
        theta, tx, ty, shear, zx, zy = (tf.broadcast_to(tf.cast(value, tf.float64), shape) for value in drawn)
    else:
        math, stack = np, np.stack
        theta, tx, ty, shear, zx, zy = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in drawn))
    turn, slant = theta * RADIANS, shear * RADIANS
    cosines, sines = (math.cos(turn), math.cos(slant)), (math.sin(turn), math.sin(slant))
    return stack(combine(cosines, sines, (tx, ty), (zx, zy), (height, width), swap_center), axis=1)


def combine(cosines, sines, shifts, zooms, size, swap_center):
    """Returns (a, b, u, d, e, v) of each image, see `coefficients`, from the cosines and sines of its angles.

    Args:
        cosines: of rotation and shear, float64 (n,) each.
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


def coefficients_as_original(size, theta, tx, ty, shear, zx, zy):
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
    factors = []
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
    product = functools.reduce(np.dot, map(np.array, factors))
    there, back = (np.array([[1, 0, x * sign], [0, 1, y * sign], [0, 0, 1]]) for sign in (-1, 1))
    (a, b, u), (d, e, v), _ = np.dot(np.dot(back, product), there)
    return a, b, u, d, e, v


def warp_numpy(
    images,
    coefficients,
    *,
    fill_mode="nearest",
    cval=0.0,
    order=1,
    flip_horizontal=None,
    flip_vertical=None,
    dtype="float32",
) -> np.ndarray:
    """Warps a batch with SciPy, one image and channel at a time, as the original does.

    Args:
        images: uint8 or float32 (n, height, width, channels).
        coefficients: float64 (n, 6), see `coefficients`.
        fill_mode: what lies outside: "nearest", "reflect", "wrap" or "constant".
        cval: the constant.
        order: of the spline, 0 to 5; the original's default is 1, bilinear.
        flip_horizontal: bool (n,): mirror the warped image left to right; None: none.
        flip_vertical: bool (n,): mirror it top to bottom; None: none.
        dtype: of what SciPy reads and gives.

    Returns:
        `dtype`, the same shape, in the same value range.

    Raises:
        StudyError: for an unknown fill mode.
    """
    from scipy import ndimage

    _check_fill_mode(fill_mode)
    images = np.asarray(images)
    warped = np.empty(images.shape, dtype)
    for index, (image, (a, b, u, d, e, v)) in enumerate(zip(images, coefficients, strict=True)):
        matrix, offset = np.array([[e, d], [b, a]]), np.array([v, u])
        for channel in range(image.shape[-1]):
            warped[index, :, :, channel] = ndimage.affine_transform(
                image[:, :, channel].astype(dtype), matrix, offset, order=order, mode=fill_mode, cval=cval
            )
    if flip_horizontal is not None:
        warped = np.where(np.reshape(flip_horizontal, (-1, 1, 1, 1)), warped[:, :, ::-1], warped)
    if flip_vertical is not None:
        warped = np.where(np.reshape(flip_vertical, (-1, 1, 1, 1)), warped[:, ::-1], warped)
    return warped


def warp_tf(
    images,
    coefficients,
    *,
    fill_mode="nearest",
    cval=0.0,
    order=1,
    flip_horizontal=None,
    flip_vertical=None,
    coordinates="float64",
    dtype="float32",
    one=None,
):
    """Warps a batch with TensorFlow gathers; compiles under XLA, and needs no XLA.

    Args:
        images: uint8 or float32 tensor (n, height, width, channels), the last three static.
        coefficients: float64 tensor (n, 6), or the six of `combine`, or the four terms of `terms`. Compute cosines
            and sines outside a compiled function: XLA otherwise fuses them into the loop over pixels.
        fill_mode: as for `warp_numpy`.
        cval: the constant.
        order: 0 (nearest) or 1 (bilinear).
        flip_horizontal: bool tensor (n,), folded into the index; None: no flip.
        flip_vertical: the same, top to bottom.
        coordinates: "float64" gives the original's float32 values exactly; "float32" is faster, and differs
            by up to some 1e-2 of 255 where a coordinate falls near a pixel's edge.
        dtype: of the result, "float32" or "float64".
        one: float32 tensor of 1, an argument of a function that XLA compiles: colour is then read a pixel at a time
            instead of a channel at a time, for the same result.

    Returns:
        Tensor of `dtype`, the same shape, in the same value range.

    Raises:
        StudyError: for an unknown fill mode, or an order that only SciPy has.
    """
    import tensorflow as tf

    _check_fill_mode(fill_mode)
    if order not in (0, 1):
        raise StudyError(f"order must be 0 or 1 in TensorFlow (got {order}); warp_numpy has 2 to 5")
    kind = tf.as_dtype(coordinates)
    height, width, channels = images.shape[1:]
    count = tf.shape(images)[0]
    flips = (flip_horizontal, flip_vertical)
    exact = isinstance(coefficients, dict)  # then the original's rounding decides what lies outside
    if not exact:
        coefficients = terms(coefficients, (height, width), flips, coordinates)
    rows, columns = (coefficients[name + " by row"] + coefficients[name + " by column"] for name in ("row", "column"))
    outside = None
    if fill_mode == "constant":
        slack = 0.0 if exact else OUTSIDE
        outside = _is_outside(rows, height, slack) | _is_outside(columns, width, slack)
    unknown_one = tf.cast(tf.minimum(count, 1), tf.float32) if one is None else one
    rows, columns = (_inside(z, length, fill_mode, unknown_one) for z, length in ((rows, height), (columns, width)))
    first = (tf.range(count) * (height * width))[:, None, None]
    pixels = tf.reshape(images, [-1, channels])
    if order == 1 and one is not None and images.dtype == tf.uint8 and channels in (3, 4) and min(height, width) > 1:
        warped = _bilinear_packed(images, first, rows, columns, one)
    elif order == 0:
        nearest_row, nearest_column = (tf.cast(tf.floor(z + 0.5), tf.int32) for z in (rows, columns))
        warped = tf.gather(pixels, first + nearest_row * width + nearest_column)
    else:
        warped = _bilinear(pixels, first, rows, columns, height, width, kind)
    warped = tf.cast(warped, dtype)
    if outside is not None:
        warped = tf.where(outside[..., None], tf.cast(cval, dtype), warped)
    return tf.ensure_shape(warped, [None, height, width, channels])


def terms(coefficients, size, flips=(None, None), coordinates="float64") -> dict:
    """Returns what rows and columns add to the coordinates; their sum is SciPy's, in its order of operations.

    XLA contracts a multiplication and an addition into one operation that rounds once. Where the original's very
    coordinates are wanted, call this outside of the compiled function, which then only adds.

    Args:
        coefficients: as for `warp_tf`.
        size: (height, width), pixels.
        flips: bool tensors (n,), horizontal and vertical, or None.
        coordinates: "float64" or "float32".

    Returns:
        Tensors (n, height, 1) "row by row" and "column by row", (n, 1, width) "row by column" and "column by column".
    """
    import tensorflow as tf

    height, width = size
    six = coefficients if isinstance(coefficients, tuple) else tuple(tf.unstack(coefficients, axis=1))
    a, b, u, d, e, v = (tf.cast(coefficient, coordinates)[:, None, None] for coefficient in six)
    column = tf.constant(np.arange(width)[None, None], coordinates)
    row = tf.constant(np.arange(height)[None, :, None], coordinates)
    if flips[0] is not None:
        column = tf.where(flips[0][:, None, None], width - 1 - column, column)
    if flips[1] is not None:
        row = tf.where(flips[1][:, None, None], height - 1 - row, row)
    return {
        "row by row": v + row * e,
        "row by column": column * d,
        "column by row": u + row * b,
        "column by column": column * a,
    }


def _bilinear(pixels, first, rows, columns, height, width, kind):
    import tensorflow as tf

    top, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    top, left = _whole(top), _whole(left)
    at = first + top * width + left
    to_right = tf.minimum(left + 1, width - 1) - left
    to_below = (tf.minimum(top + 1, height - 1) - top) * width

    def read(place):
        return tf.cast(tf.gather(pixels, place), kind)

    below = at + to_below
    return _blend(read(at), read(at + to_right), read(below), read(below + to_right), down, right)


def _bilinear_packed(images, first, rows, columns, one):
    """Does the same as `_bilinear` to uint8 images of 3 or 4 channels, packed into an int32 a pixel, under XLA.

    XLA computes anew, for every channel, what it takes for cheap. A sum over channels and a division by something
    unknown it does not: so the packed pixels and their places are written to memory once.
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    kind = rows.dtype
    shifts = 8 * np.arange(channels, dtype=np.int32)
    packed = tf.reshape(tf.reduce_sum(tf.bitwise.left_shift(tf.cast(images, tf.int32), shifts), axis=-1), [-1])
    top, left = tf.minimum(tf.floor(rows), height - 2), tf.minimum(tf.floor(columns), width - 2)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    place = first + _whole(tf.cast(top * width + left, tf.float32) / one)

    def read(offset):
        pixel = tf.gather(packed, place + offset)[..., None]
        return tf.cast(tf.bitwise.bitwise_and(tf.bitwise.right_shift(pixel, shifts), 255), kind)

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
    import tensorflow as tf

    if z.dtype == tf.float32:
        return tf.bitcast(z + 2.0**23, tf.int32) - 0x4B000000
    return tf.cast(tf.bitcast(z + 2.0**52, tf.int64), tf.int32)


def _is_outside(z, length, slack):
    return (z < -slack) | (z > length - 1 + slack)


def _inside(z, length, fill_mode, one):
    """Maps coordinates into 0 … length - 1 as scipy.ndimage does (ni_interpolation.c, map_coordinate)."""
    import tensorflow as tf

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


def _check_fill_mode(fill_mode):
    if fill_mode not in FILL_MODES:
        raise StudyError(f"fill_mode must be one of {', '.join(FILL_MODES)} (got {fill_mode!r})")
