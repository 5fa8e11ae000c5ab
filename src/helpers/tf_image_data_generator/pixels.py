"""What ImageDataGenerator does to pixels, for a batch at once in TensorFlow.

The order is the original's (Keras, `legacy/preprocessing/image.py`, `apply_transform` and `standardize`): affine,
channel shift, flips, brightness, preprocessing_function, rescale, samplewise, featurewise, ZCA.
"""

from dataclasses import dataclass

import numpy as np

from helpers.tf_image_data_generator import affine
from helpers.tf_image_data_generator.draws import COLUMNS, Ranges

IN_TENSORFLOW = (0, 1)  # orders of the spline; SciPy does the others


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of the pixel arithmetic.

    Attributes:
        ranges: which changes can happen at all; those that cannot are left out.
        fill_mode: what lies outside of the image.
        cval: the constant.
        order: of the spline, 0 to 5.
        swap_center: turn about the original's centre.
        exact_brightness: through uint8 as Pillow does; False: multiply, and clip at `white`.
        white: the brightest value of the data.
        coordinates: "float64" (exact) or "float32" (faster).
        preprocessing_function: of one image, NumPy (height, width, channels) or channels first.
        channels_first: what preprocessing_function sees and the result is.
        rescale: factor or None.
        samplewise_center: subtract each image's mean.
        samplewise_std: divide by each image's standard deviation + 1e-6.
        mean: of the features, (channels,), or None.
        std: of the features, (channels,), or None.
        whitening: ZCA's matrix, or None.
        image_by_image: samplewise statistics and whitening in NumPy, as the original rounds; else batch-wise, faster.
        dtype: of the result, "float32" or "float64".
        jit_compile: whether XLA compiles it.
    """

    ranges: Ranges
    fill_mode: str = "nearest"
    cval: float = 0.0
    order: int = 1
    swap_center: bool = True
    exact_brightness: bool = True
    white: float = 255.0
    coordinates: str = "float64"
    preprocessing_function: object = None
    channels_first: bool = False
    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std: bool = False
    mean: object = None
    std: object = None
    whitening: object = None
    image_by_image: bool = False
    dtype: str = "float32"
    jit_compile: bool = True


def _per_image(values, images):
    import tensorflow as tf

    return tf.cast(values, images.dtype)[:, None, None, None]


def _bounds(images):
    import tensorflow as tf

    return (reduce(images, [1, 2, 3], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))


def shift_channels(images, intensity):
    """Adds one number an image to all channels and clips to that image's own range."""
    import tensorflow as tf

    low, high = _bounds(images)
    return tf.clip_by_value(images + _per_image(intensity, images), low, high)


def change_brightness(images, factor, white, one):
    """Multiplies as Pillow's `ImageEnhance.Brightness` does: truncated to uint8 before and after.

    Images that leave 0 to 255 are stretched to it and back; the alpha of four channels stays. Source: Pillow
    `ImageEnhance.py`, `Blend.c`; Keras, `apply_brightness_shift` and `array_to_img`.

    Args:
        images: float32 (n, height, width, channels), 0 to 255.
        factor: float64 (n,).
        white: a float32 tensor of 255: as a constant, XLA turns the division into a product that rounds otherwise.
        one: a float32 tensor of 1: XLA rounds a product and a sum once; a product with it in between, twice.
    """
    import tensorflow as tf

    low, high = _bounds(images)
    leaves = (low < 0) | (high > 255)
    span = high - low
    stretched = (images - low) / tf.where(span == 0, tf.ones_like(span), span) * white
    whole = tf.floor(tf.where(leaves, stretched, images))
    brighter = tf.floor(tf.clip_by_value(_per_image(factor, whole) * whole, 0.0, 255.0))
    if images.shape[-1] == 4:
        brighter = tf.concat([brighter[..., :3], whole[..., 3:]], axis=-1)
    return tf.where(leaves, brighter / white * span * one + low, brighter)


def multiply_brightness(images, factor, white):
    """Multiplies and clips at `white`, whatever the scale of the data; alpha stays."""
    import tensorflow as tf

    brighter = tf.minimum(_per_image(factor, images) * images, tf.cast(white, images.dtype))
    return tf.concat([brighter[..., :3], images[..., 3:]], axis=-1) if images.shape[-1] == 4 else brighter


def _flip(images, horizontal, vertical):
    import tensorflow as tf

    images = tf.where(horizontal[:, None, None, None], images[:, :, ::-1], images)
    return tf.where(vertical[:, None, None, None], images[:, ::-1], images)


def _moved(recipe, images, coefficients, flips, one):
    """Returns floating-point images after affine and flips; the flips commute with the channel shift."""
    import tensorflow as tf

    ranges = recipe.ranges
    if ranges.is_affine and recipe.order in IN_TENSORFLOW:
        return affine.warp_tf(
            images,
            coefficients,
            fill_mode=recipe.fill_mode,
            cval=recipe.cval,
            order=recipe.order,
            flip_horizontal=flips[0] if ranges.horizontal_flip else None,
            flip_vertical=flips[1] if ranges.vertical_flip else None,
            coordinates=recipe.coordinates,
            dtype=recipe.dtype,
            one=one if recipe.jit_compile else None,
        )
    images = tf.cast(images, recipe.dtype)
    return _flip(images, *flips) if ranges.horizontal_flip or ranges.vertical_flip else images


def _scale(recipe, images):
    """Rescales, then centres and scales each image by its own statistics, which are summed up in float64."""
    import tensorflow as tf

    if recipe.rescale:
        images = images * tf.cast(recipe.rescale, images.dtype)
    over = {"axis": [1, 2, 3], "keepdims": True}
    if recipe.samplewise_center:
        images = images - tf.cast(tf.reduce_mean(tf.cast(images, tf.float64), **over), images.dtype)
    if recipe.samplewise_std:
        deviation = tf.cast(tf.math.reduce_std(tf.cast(images, tf.float64), **over), images.dtype)
        images = images / (deviation + 1e-6)
    return images


def _as_laid_out(image, apart, horizontal, vertical):
    """Returns a copy of an image in the original's place in memory: a view of one not yet mirrored."""
    steps = slice(None, None, -1 if vertical else 1), slice(None, None, -1 if horizontal else 1)
    if not apart:
        return np.ascontiguousarray(image[steps])[steps]
    return np.ascontiguousarray(image[steps].transpose(2, 0, 1)).transpose(1, 2, 0)[steps]


def _scale_image_by_image(recipe, images, draws):
    """Does the same in NumPy, in the original's order of additions.

    That order follows an image's place in memory: channel by channel if it was moved or shifted, or has its channels
    first; and mirrored only as a view.
    """
    import tensorflow as tf

    ranges = recipe.ranges

    def scale(images, draws):
        moved = (draws[:, :6] != (0, 0, 0, 0, 1, 1)).any(axis=1) | bool(ranges.channel_shift) | recipe.channels_first
        images = images.copy()
        for image, apart, *mirrors in zip(images, moved, *_flips(draws), strict=True):
            laid = image.copy() if ranges.brightness is not None else _as_laid_out(image, apart, *mirrors)
            if recipe.rescale:
                laid *= np.asarray(recipe.rescale, laid.dtype)
            if recipe.samplewise_center:
                laid -= np.mean(laid, keepdims=True)
            if recipe.samplewise_std:
                laid /= np.std(laid, keepdims=True) + 1e-6
            image[:] = laid
        return images

    return tf.ensure_shape(tf.numpy_function(scale, [images, draws], images.dtype), images.shape)


def _use_statistics(recipe, images):
    """Centres and scales by what `fit` found, channels last; never compiled.

    XLA would contract rescale and the subtraction into one operation, which rounds once instead of twice.
    """
    if recipe.mean is not None:
        images = images - np.asarray(recipe.mean, recipe.dtype).ravel()
    if recipe.std is not None:
        images = images / (np.asarray(recipe.std, recipe.dtype).ravel() + np.dtype(recipe.dtype).type(1e-6))
    return images


def _whiten(recipe, images):
    import tensorflow as tf

    matrix = np.asarray(recipe.whitening, recipe.dtype)
    flat = tf.reshape(images, [-1, int(np.prod(images.shape[1:]))])
    if recipe.image_by_image:
        white = tf.numpy_function(lambda rows: np.concatenate([row[None] @ matrix for row in rows]), [flat], flat.dtype)
    else:
        white = flat @ matrix
    return tf.reshape(white, tf.shape(images))


def _flips(draws, recipe=None):
    """Returns which images are mirrored, left to right and top to bottom; None for what cannot be."""
    possible = (True, True) if recipe is None else (recipe.ranges.horizontal_flip, recipe.ranges.vertical_flip)
    names = ("flip_horizontal", "flip_vertical")
    return tuple(
        draws[:, COLUMNS.index(name)] > 0.5 if can else None for name, can in zip(names, possible, strict=True)
    )


def _warp_by_scipy(recipe, images, draws):
    import tensorflow as tf

    if draws.shape[1] > len(COLUMNS):
        coefficients = draws[:, len(COLUMNS) :]
    else:
        drawn = {name: draws[:, place] for place, name in enumerate(COLUMNS[:6])}
        height, width = images.shape[1:3]
        coefficients = affine.coefficients(height=height, width=width, swap_center=recipe.swap_center, **drawn)

    def warp(images, coefficients):
        return affine.warp_numpy(images, coefficients, fill_mode=recipe.fill_mode, cval=recipe.cval, order=recipe.order)

    return tf.ensure_shape(tf.numpy_function(warp, [images, coefficients], tf.float32), images.shape)


def _preprocess(recipe, images):
    """Calls preprocessing_function image by image, in Python as the original does."""
    import tensorflow as tf

    def each(images):
        if recipe.channels_first:
            images = images.transpose(0, 3, 1, 2)
        done = np.stack([np.asarray(recipe.preprocessing_function(image), recipe.dtype) for image in images])
        return done.transpose(0, 2, 3, 1) if recipe.channels_first else done

    return tf.ensure_shape(tf.numpy_function(each, [images], recipe.dtype), images.shape)


def make(recipe: Recipe):
    """Returns a function of (images, draws) that gives the finished batch.

    Args:
        recipe: the settings.

    Returns:
        A function of images, uint8 or float32 (n, height, width, channels), 0 to 255 or the data's own range, and
        draws, float64 (n, 10); it returns `dtype`, channels first if the recipe says so. Call it in a map: cosines
        and sines stay outside of what XLA compiles, as do random draws.
    """
    import tensorflow as tf

    scale_apart = recipe.image_by_image and (recipe.samplewise_center or recipe.samplewise_std)
    python_step = scale_apart or recipe.preprocessing_function is not None

    def change(images, draws, placed, white, one):
        draw = {name: draws[:, place] for place, name in enumerate(COLUMNS)}
        flips = _flips(draws)
        if recipe.ranges.is_affine and not isinstance(placed, dict):
            shifts, zooms = (draw["tx"], draw["ty"]), (draw["zx"], draw["zy"])
            angles = (tf.unstack(part, num=2, axis=1) for part in placed)
            placed = affine.combine(*angles, shifts, zooms, images.shape[1:3], recipe.swap_center)
        images = _moved(recipe, images, placed, flips, one)
        if recipe.ranges.channel_shift:
            images = shift_channels(images, draw["channel_shift"])
        if recipe.ranges.brightness is not None:
            if recipe.exact_brightness:  # Pillow's way goes through float32, whatever the dtype
                brighter = change_brightness(tf.cast(images, tf.float32), draw["brightness"], white, one)
                images = tf.cast(brighter, images.dtype)
            else:
                images = multiply_brightness(images, draw["brightness"], white)
        return images if python_step else _scale(recipe, images)

    compiled = tf.function(change, autograph=False, jit_compile=recipe.jit_compile)

    def finish(images, draws):
        shape = images.shape[1:]
        if recipe.ranges.is_affine and recipe.order not in IN_TENSORFLOW:
            images = _warp_by_scipy(recipe, images, draws)
        if draws.shape[1] > len(COLUMNS):  # the original's own coefficients
            placed = affine.terms(draws[:, len(COLUMNS) :], shape[:2], _flips(draws, recipe), recipe.coordinates)
        else:
            angles = tf.gather(draws, [COLUMNS.index("theta"), COLUMNS.index("shear")], axis=1) * affine.RADIANS
            placed = (tf.cos(angles), tf.sin(angles))
        images = compiled(images, draws, placed, tf.constant(recipe.white, tf.float32), tf.constant(1.0))
        images = tf.ensure_shape(images, [None, *shape])
        if python_step:
            images = _preprocess(recipe, images) if recipe.preprocessing_function else images
            images = _scale_image_by_image(recipe, images, draws) if scale_apart else _scale(recipe, images)
        images = _use_statistics(recipe, images)
        if recipe.channels_first:
            images = tf.transpose(images, [0, 3, 1, 2])
        if recipe.whitening is not None:
            images = _whiten(recipe, images)
        return tf.ensure_shape(images, [None, *((shape[2], *shape[:2]) if recipe.channels_first else shape)])

    return finish
