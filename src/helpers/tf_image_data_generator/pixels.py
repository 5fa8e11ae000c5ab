"""What ImageDataGenerator does to pixels, for a whole batch at once in TensorFlow.

The order is the original's (Keras, `legacy/preprocessing/image.py`, `apply_transform` and `standardize`): affine,
channel shift, flips, brightness, preprocessing_function, rescale, samplewise, featurewise, ZCA.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from . import affine, affine_tf
from .draws import AFFINE, COLUMNS, FLIPS, Ranges


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of the pixel arithmetic.

    Attributes:
        given: the ImageDataGenerator whose own settings count.
        ranges: which changes can happen at all; those that cannot are left out.
        corrected: turn about the centre, and let brightness multiply and clip at `white`; False: turn about the
            original's centre, and take brightness through uint8 as Pillow does.
        stream: the original's own coordinates decide what lies outside, and samplewise statistics and whitening are
            done in NumPy image by image, as the original rounds; else batch-wise, faster.
        white: the brightest value of the data.
        coordinates: "float64" (exact) or "float32" (faster).
        jit_compile: whether XLA compiles it.
    """

    given: Any
    ranges: Ranges
    corrected: bool = False
    stream: bool = False
    white: float = 255.0
    coordinates: str = "float64"
    jit_compile: bool = True


def _per_image(values, images):
    return tf.cast(values, images.dtype)[:, None, None, None]


def _bounds(images):
    return (reduce(images, [1, 2, 3], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))


def shift_channels(images: Any, intensity: Any) -> Any:
    """Adds to all channels of each image one number, and clips to that image's own range.

    Args:
        images: floating point (n, height, width, channels).
        intensity: (n,), in the images' values.
    """
    low, high = _bounds(images)
    return tf.clip_by_value(images + _per_image(intensity, images), low, high)


def change_brightness(images: Any, factor: Any, white: Any, one: Any) -> Any:
    """Multiplies as Pillow's `ImageEnhance.Brightness` does: truncated to uint8 before and after.

    Images that leave 0 to 255 are stretched to it and back; the alpha of four channels stays. Source: Pillow
    `ImageEnhance.py`, `Blend.c`; Keras, `apply_brightness_shift` and `array_to_img`.

    Args:
        images: float32 (n, height, width, channels), 0 to 255.
        factor: float64 (n,).
        white: a float32 tensor of 255: as a constant, XLA turns the division into a product that rounds otherwise.
        one: a float32 tensor of 1: XLA rounds a product and a sum once; a product with it in between, twice.
    """
    low, high = _bounds(images)
    leaves = (low < 0) | (high > 255)
    span = high - low
    stretched = (images - low) / tf.where(span == 0, tf.ones_like(span), span) * white
    whole = tf.floor(tf.where(leaves, stretched, images))
    brighter = tf.floor(tf.clip_by_value(_per_image(factor, whole) * whole, 0.0, 255.0))
    if images.shape[-1] == 4:
        brighter = tf.concat([brighter[..., :3], whole[..., 3:]], axis=-1)
    return tf.where(leaves, brighter / white * span * one + low, brighter)


def multiply_brightness(images: Any, factor: Any, white: Any) -> Any:
    """Multiplies and clips at `white`, whatever the scale of the data; alpha stays.

    Args:
        images: floating point (n, height, width, channels).
        factor: float64 (n,).
        white: the brightest value.
    """
    brighter = tf.minimum(_per_image(factor, images) * images, tf.cast(white, images.dtype))
    return tf.concat([brighter[..., :3], images[..., 3:]], axis=-1) if images.shape[-1] == 4 else brighter


def _flip(images, flips):
    for axis, flip in zip((2, 1), flips, strict=True):
        if flip is not None:
            images = tf.where(flip[:, None, None, None], tf.reverse(images, [axis]), images)
    return images


def _flips(draws, ranges):
    """Returns which images are mirrored, left to right and top to bottom; None for what cannot be."""
    possible = (ranges.horizontal_flip, ranges.vertical_flip)
    return tuple(draws[:, FLIPS][:, place] > 0.5 if can else None for place, can in enumerate(possible))


def _scale(given, images):
    """Rescales, then centres and scales each image by its own statistics, which are summed up in float64."""
    if given.rescale:
        images = images * tf.cast(given.rescale, images.dtype)
    over = {"axis": [1, 2, 3], "keepdims": True}
    if given.samplewise_center:
        images = images - tf.cast(tf.reduce_mean(tf.cast(images, tf.float64), **over), images.dtype)
    if given.samplewise_std_normalization:
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
    given, ranges = recipe.given, recipe.ranges

    def scale(images, draws):
        moved = (draws[:, AFFINE] != (0, 0, 0, 0, 1, 1)).any(axis=1)
        moved |= bool(ranges.channel_shift) or given.channel_axis == 1
        images = images.copy()
        for image, apart, mirrors in zip(images, moved, draws[:, FLIPS] > 0.5, strict=True):
            laid = image.copy() if ranges.brightness is not None else _as_laid_out(image, apart, *mirrors)
            if given.rescale:
                laid *= np.asarray(given.rescale, laid.dtype)
            if given.samplewise_center:
                laid -= np.mean(laid, keepdims=True)
            if given.samplewise_std_normalization:
                laid /= np.std(laid, keepdims=True) + 1e-6
            image[:] = laid
        return images

    return tf.ensure_shape(tf.numpy_function(scale, [images, draws], images.dtype), images.shape)


def _use_statistics(given, images):
    """Centres and scales by what `fit` found, channels last; never compiled.

    XLA would contract rescale and the subtraction into one operation, which rounds once instead of twice.
    """
    kind = images.dtype.as_numpy_dtype
    if given.featurewise_center and given.mean is not None:
        images = images - np.asarray(given.mean, kind).ravel()
    if given.featurewise_std_normalization and given.std is not None:
        images = images / (np.asarray(given.std, kind).ravel() + kind(1e-6))
    return images


def _whiten(recipe, images):
    matrix = np.asarray(recipe.given.zca_whitening_matrix, images.dtype.as_numpy_dtype)
    flat = tf.reshape(images, [-1, len(matrix)])
    if recipe.stream:
        white = tf.numpy_function(lambda rows: np.concatenate([row[None] @ matrix for row in rows]), [flat], flat.dtype)
    else:
        white = flat @ matrix
    return tf.ensure_shape(tf.reshape(white, tf.shape(images)), images.shape)


def _warp_by_scipy(recipe, images, draws, coefficients):
    given = recipe.given

    def warp(images, draws, coefficients=None):
        if coefficients is None:
            drawn = dict(zip(COLUMNS[AFFINE], draws[:, AFFINE].T, strict=True))
            height, width = images.shape[1:3]
            coefficients = affine.coefficients(height=height, width=width, swap_center=not recipe.corrected, **drawn)
        order = given.interpolation_order
        return affine.warp(images, coefficients, fill_mode=given.fill_mode, cval=given.cval, order=order)

    known = [images, draws, *([] if coefficients is None else [coefficients])]
    return tf.ensure_shape(tf.numpy_function(warp, known, tf.float32), images.shape)


def _preprocess(given, images):
    """Calls preprocessing_function image by image, in Python as the original does."""

    def each(images):
        if given.channel_axis == 1:
            images = images.transpose(0, 3, 1, 2)
        done = np.stack([np.asarray(given.preprocessing_function(image), given.dtype) for image in images])
        return done.transpose(0, 2, 3, 1) if given.channel_axis == 1 else done

    return tf.ensure_shape(tf.numpy_function(each, [images], given.dtype), images.shape)


def make(recipe: Recipe) -> Callable:
    """Returns a function of (images, draws, coefficients) that gives the finished batch.

    Args:
        recipe: the settings.

    Returns:
        A function of images, uint8 or float32 (n, height, width, channels), 0 to 255 or the data's own range; of
        draws, float64 (n, 10); and of the original's own coefficients, float64 (n, 6), which a stream needs. It
        returns `dtype`, channels first if the recipe says so. Call it in a map: cosines and sines stay outside of
        what XLA compiles, as do random draws.
    """
    given, ranges = recipe.given, recipe.ranges
    in_tensorflow = ranges.is_affine and given.interpolation_order in affine_tf.ORDERS
    scale_apart = recipe.stream and (given.samplewise_center or given.samplewise_std_normalization)
    python_step = scale_apart or given.preprocessing_function is not None

    def move(images, draw, flips, trigonometry, summands, one):
        if not in_tensorflow:
            return _flip(tf.cast(images, given.dtype), flips)
        if summands is None:
            size = images.shape[1:3]
            cosines, sines = (tf.unstack(part, num=2, axis=1) for part in trigonometry)
            shifts, zooms = (draw["tx"], draw["ty"]), (draw["zx"], draw["zy"])
            six = affine.combine(cosines, sines, shifts, zooms, size, not recipe.corrected)
            summands = affine_tf.terms(six, size, flips, recipe.coordinates)
        return affine_tf.warp(
            images,
            summands,
            fill_mode=given.fill_mode,
            cval=given.cval,
            order=given.interpolation_order,
            dtype=given.dtype,
            one=one if recipe.jit_compile else None,
            slack=0.0 if recipe.stream else affine_tf.OUTSIDE,
        )

    def change(images, draws, trigonometry, summands, white, one):
        draw = {name: draws[:, column] for column, name in enumerate(COLUMNS)}
        images = move(images, draw, _flips(draws, ranges), trigonometry, summands, one)
        if ranges.channel_shift:
            images = shift_channels(images, draw["channel_shift"])
        if ranges.brightness is not None and not recipe.corrected:  # Pillow's way goes through float32
            brighter = change_brightness(tf.cast(images, tf.float32), draw["brightness"], white, one)
            images = tf.cast(brighter, images.dtype)
        elif ranges.brightness is not None:
            images = multiply_brightness(images, draw["brightness"], white)
        return images if python_step else _scale(given, images)

    compiled = tf.function(change, autograph=False, jit_compile=recipe.jit_compile)

    def finish(images, draws, coefficients=None):
        height, width, channels = images.shape[1:]
        trigonometry = summands = None
        if ranges.is_affine and not in_tensorflow:
            images = _warp_by_scipy(recipe, images, draws, coefficients)
        elif in_tensorflow and recipe.stream:
            six = tf.unstack(coefficients, num=6, axis=1)
            summands = affine_tf.terms(six, (height, width), _flips(draws, ranges), recipe.coordinates)
        elif in_tensorflow:
            angles = tf.gather(draws, [COLUMNS.index("theta"), COLUMNS.index("shear")], axis=1) * affine.RADIANS
            trigonometry = (tf.cos(angles), tf.sin(angles))
        white, one = tf.constant(recipe.white, tf.float32), tf.constant(1.0)
        images = compiled(images, draws, trigonometry, summands, white, one)
        images = tf.ensure_shape(images, [None, height, width, channels])
        if python_step:
            images = _preprocess(given, images) if given.preprocessing_function else images
            images = _scale_image_by_image(recipe, images, draws) if scale_apart else _scale(given, images)
        images = _use_statistics(given, images)
        if given.channel_axis == 1:
            images = tf.transpose(images, [0, 3, 1, 2])
        if given.zca_whitening and given.zca_whitening_matrix is not None:
            images = _whiten(recipe, images)
        return images

    return finish
