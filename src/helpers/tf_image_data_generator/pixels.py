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

LARGE = (
    128 * 128
)  # pixels: a batch of such images is moved one by one, so that what is gathered from stays in the cache


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
        shape: (height, width, channels) of an image.
        read_as: dtype of the images as they are read, uint8 or floating point.
        within: whether no value that is read leaves 0 to 255.
    """

    given: Any
    ranges: Ranges
    corrected: bool = False
    stream: bool = False
    white: float = 255.0
    coordinates: str = "float64"
    jit_compile: bool = True
    shape: tuple[int, int, int]
    read_as: Any
    within: bool = False


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


def change_brightness(images: Any, factor: Any, white: Any, one: Any, *, within: bool = False) -> Any:
    """Multiplies as Pillow's `ImageEnhance.Brightness` does: truncated to uint8 before and after.

    Images that leave 0 to 255 are stretched to it and back; the alpha of four channels stays. Source: Pillow
    `ImageEnhance.py`, `Blend.c`; Keras, `apply_brightness_shift` and `array_to_img`.

    Args:
        images: float32 (n, height, width, channels), 0 to 255.
        factor: float64 (n,).
        white: a float32 tensor of 255: as a constant, XLA turns the division into a product that rounds otherwise.
        one: a float32 tensor of 1: XLA rounds a product and a sum once; a product with it in between, twice.
        within: whether it is known that no value leaves 0 to 255: nothing is stretched then.
    """
    if within:
        return _brighter(tf.floor(images), factor)
    low, high = _bounds(images)
    leaves = (low < 0) | (high > 255)
    span = high - low
    stretched = _divided(images - low, tf.where(span == 0, tf.ones_like(span), span)) * white
    brighter = _brighter(tf.floor(tf.where(leaves, stretched, images)), factor)
    return tf.where(leaves, _divided(brighter, white) * span * one + low, brighter)


def _brighter(whole, factor):
    brighter = tf.floor(tf.clip_by_value(_per_image(factor, whole) * whole, 0.0, 255.0))
    return tf.concat([brighter[..., :3], whole[..., 3:]], axis=-1) if whole.shape[-1] == 4 else brighter


def _divided(images, divisor):
    """Divides as NumPy does: from TensorFlow 2.22 on, XLA makes a product of a division, which float64 rounds away."""
    return tf.cast(tf.cast(images, tf.float64) / tf.cast(divisor, tf.float64), images.dtype)


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


def _flips(drawn, ranges):
    """Returns which images are mirrored, left to right and top to bottom; None for what cannot be."""
    possible = {"flip_horizontal": ranges.horizontal_flip, "flip_vertical": ranges.vertical_flip}
    return tuple(drawn[name] > 0.5 if can else None for name, can in possible.items())


def _scale(given, images):
    """Rescales, then centres and scales each image by its own statistics, which are summed up in float64."""
    if given.rescale:
        images = images * tf.cast(given.rescale, images.dtype)
    over = {"axis": [1, 2, 3], "keepdims": True}
    if given.samplewise_center:
        images = images - tf.cast(tf.reduce_mean(tf.cast(images, tf.float64), **over), images.dtype)
    if given.samplewise_std_normalization:
        deviation = tf.cast(tf.math.reduce_std(tf.cast(images, tf.float64), **over), images.dtype)
        images = _divided(images, deviation + 1e-6)
    return images


def _statistics(given):
    """Returns the mean and the divisor that are known and wanted, to broadcast over images with channels last.

    Each is of the dtype in which NumPy computes with it: what was set by hand may be a list, and so float64.
    """
    known = {}
    if given.featurewise_center and given.mean is not None:
        known["mean"] = given.mean
    if given.featurewise_std_normalization and given.std is not None:
        known["divisor"] = given.std + 1e-6
    laid_out = {}
    for name, value in known.items():
        wide = given.dtype if isinstance(value, (int, float)) else np.result_type(np.asarray(value), given.dtype)
        value = np.asarray(value, wide)
        value = value.reshape((1,) * (3 - value.ndim) + value.shape)
        laid_out[name] = value.transpose(1, 2, 0) if given.channel_axis == 1 else value
    return laid_out


def _use_statistics(images, constants):
    """Centres and scales by what `fit` found.

    XLA contracts the product by rescale and a difference into one operation, which rounds once: with an unknown
    infinity as a bound in between, it rounds twice, as the original.
    """
    kind = images.dtype
    if "mean" in constants:
        mean = constants["mean"]
        images = tf.cast(tf.cast(tf.minimum(images, tf.cast(constants["infinity"], kind)), mean.dtype) - mean, kind)
    if "divisor" in constants:
        divisor = constants["divisor"]
        images = tf.cast(_divided(tf.cast(images, divisor.dtype), divisor), kind)
    return images


def _as_laid_out(image, apart, horizontal, vertical):
    """Returns a copy of an image in the original's place in memory: a view of one not yet mirrored."""
    steps = slice(None, None, -1 if vertical else 1), slice(None, None, -1 if horizontal else 1)
    if not apart:
        return np.ascontiguousarray(image[steps])[steps]
    return np.ascontiguousarray(image[steps].transpose(2, 0, 1)).transpose(1, 2, 0)[steps]


def _scale_image_by_image(recipe, images, draws):
    """Does the same as `_scale` in NumPy, in the original's order of additions.

    That order follows an image's place in memory: channel by channel if it was moved or shifted, or has its channels
    first; and mirrored only as a view.
    """
    given, ranges = recipe.given, recipe.ranges
    moved = (draws[:, AFFINE] != (0, 0, 0, 0, 1, 1)).any(axis=1)
    moved |= bool(ranges.channel_shift) or given.channel_axis == 1
    images = np.array(images)
    for image, apart, mirrors in zip(images, moved, draws[:, FLIPS] > 0.5, strict=True):
        laid = image.copy() if ranges.brightness is not None else _as_laid_out(image, apart, *mirrors)
        if given.rescale:
            laid *= np.asarray(given.rescale, laid.dtype)
        if given.samplewise_center:
            laid -= np.mean(laid, keepdims=True)
        if given.samplewise_std_normalization:
            laid /= np.std(laid, keepdims=True) + 1e-6
        image[:] = laid
    return tf.constant(images)


def _whiten(recipe, images):
    matrix = np.asarray(recipe.given.zca_whitening_matrix, images.dtype.as_numpy_dtype)
    flat = tf.reshape(images, [-1, len(matrix)])
    if recipe.stream:  # row by row, as the original rounds
        return tf.reshape(np.concatenate([row[None] @ matrix for row in flat.numpy()]), images.shape)
    return tf.reshape(flat @ matrix, images.shape)


def _preprocess(given, images):
    """Calls preprocessing_function image by image, in Python as the original does."""
    images = np.array(images)
    if given.channel_axis == 1:
        images = images.transpose(0, 3, 1, 2)
    done = np.stack([np.asarray(given.preprocessing_function(image), given.dtype) for image in images])
    return tf.constant(done.transpose(0, 2, 3, 1) if given.channel_axis == 1 else done)


def _coefficients(recipe, draws):
    """Returns the affine map of each image, float64 (n, 6); a stream's are the original's to the last bit."""
    height, width, _ = recipe.shape
    if recipe.stream:
        return np.array([affine.coefficients_as_original((height, width), *row) for row in draws[:, AFFINE]])
    drawn = dict(zip(COLUMNS[AFFINE], draws[:, AFFINE].T, strict=True))
    return affine.coefficients(height=height, width=width, swap_center=not recipe.corrected, **drawn)


def make(recipe: Recipe) -> Callable:
    """Returns a function of images and draws that gives the finished batch; it runs eagerly, in any thread.

    Args:
        recipe: the settings.

    Returns:
        A function of a tensor of images (n, height, width, channels), 0 to 255 or the data's own range, and of draws,
        float64 NumPy (n, 10). It returns a tensor of `given.dtype`, channels first if the recipe says so. All that
        XLA compiles is one operation of TensorFlow's: it waits for no thread that its caller may hold.
    """
    given, ranges = recipe.given, recipe.ranges
    size = recipe.shape[:2]
    in_tensorflow = ranges.is_affine and given.interpolation_order in affine_tf.ORDERS
    in_scipy = ranges.is_affine and not in_tensorflow
    scale_apart = recipe.stream and (given.samplewise_center or given.samplewise_std_normalization)
    python_step = scale_apart or given.preprocessing_function is not None
    constants = {
        "one": np.float32(1),
        "white": np.float32(recipe.white),
        "infinity": np.float32(np.inf),
        **_statistics(given),
    }
    constants = {name: tf.constant(value) for name, value in constants.items()}

    def move(images, drawn, six, summands, constants):
        if not in_tensorflow:
            return _flip(tf.cast(images, given.dtype), _flips(drawn, ranges))
        if not summands:
            summands = affine_tf.terms(tf.unstack(six, axis=1), size, _flips(drawn, ranges), recipe.coordinates)
        return affine_tf.warp(
            images,
            summands,
            fill_mode=given.fill_mode,
            cval=given.cval,
            order=given.interpolation_order,
            dtype=given.dtype,
            one=constants["one"] if recipe.jit_compile else None,
            slack=0.0 if recipe.stream else affine_tf.OUTSIDE,
        )

    def settle(images, constants):
        return _use_statistics(images if scale_apart else _scale(given, images), constants)

    def change(images, draws, six, summands, constants):
        drawn = {name: draws[:, column] for column, name in enumerate(COLUMNS)}
        images = move(images, drawn, six, summands, constants)
        if ranges.channel_shift:
            images = shift_channels(images, drawn["channel_shift"])
        if ranges.brightness is not None and not recipe.corrected:  # Pillow's way goes through float32
            white, one, within = constants["white"], constants["one"], recipe.within
            brighter = change_brightness(tf.cast(images, tf.float32), drawn["brightness"], white, one, within=within)
            images = tf.cast(brighter, images.dtype)
        elif ranges.brightness is not None:
            images = multiply_brightness(images, drawn["brightness"], constants["white"])
        return images if python_step else settle(images, constants)

    def change_one_by_one(images, draws, six, summands, constants):
        def change_one(parts):
            image, drawn, its_six, its_summands = tf.nest.map_structure(lambda part: part[None], parts)
            return change(image, drawn, its_six, its_summands, constants)[0]

        finished = tf.TensorSpec(recipe.shape, given.dtype)
        return tf.map_fn(change_one, (images, draws, six, summands), fn_output_signature=finished)

    if recipe.jit_compile:
        rows, columns = (
            tf.TensorSpec([None, size[0], 1], recipe.coordinates),
            tf.TensorSpec([None, 1, size[1]], recipe.coordinates),
        )
        signature = (
            tf.TensorSpec([None, *recipe.shape], given.dtype if in_scipy else recipe.read_as),
            tf.TensorSpec([None, len(COLUMNS)], tf.float64),
            tf.TensorSpec([None, 6], tf.float64) if in_tensorflow and not recipe.stream else (),
            ((rows, columns), (rows, columns)) if in_tensorflow and recipe.stream else (),
            {name: tf.TensorSpec.from_tensor(value) for name, value in constants.items()},
        )
        is_large = in_tensorflow and size[0] * size[1] >= LARGE
        traced = tf.function(change_one_by_one if is_large else change, autograph=False, jit_compile=True)
        compiled = traced.get_concrete_function(*signature)
    else:
        compiled = change  # a graph would wait for threads that its caller holds

    def finish(images, draws):
        six: Any = _coefficients(recipe, draws) if ranges.is_affine else ()
        summands: Any = ()
        if in_scipy:
            options = {"fill_mode": given.fill_mode, "cval": given.cval, "order": given.interpolation_order}
            images, six = tf.constant(affine.warp(images.numpy(), six, **options, dtype=given.dtype)), ()
        elif in_tensorflow and recipe.stream:  # XLA would round their sums otherwise
            flips = _flips(dict(zip(COLUMNS, draws.T, strict=True)), ranges)
            summands, six = affine_tf.terms(six.T, size, flips, recipe.coordinates), ()
        images = compiled(images, tf.constant(draws), six, summands, constants)
        if python_step:
            images = _preprocess(given, images) if given.preprocessing_function else images
            images = _scale_image_by_image(recipe, images, draws) if scale_apart else images
            images = settle(images, constants)
        if given.channel_axis == 1:
            images = tf.transpose(images, [0, 3, 1, 2])
        if given.zca_whitening and given.zca_whitening_matrix is not None:
            images = _whiten(recipe, images)
        return images

    return finish
