"""The transforms of the two published answers, each once for NumPy and once for TensorFlow.

A transform is two steps: draw the random parameters, then apply them. Given the same draws, the NumPy and
the TensorFlow side give the same pixels; the tests prove it. Both sides take uint8 images, 0 to 255, and
give float32. The TensorFlow side takes one image (height, width, channels) or a batch of them, so that it
can be mapped before or after `batch`; draws have shape `batch_shape + (1, 1, 1)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from helpers import checks

NOISE_SD = 0.1
ADDED = {"brightness": 0.1, "flip_brightness": 0.2}  # the largest brightness added or taken away, of 1
RESIZED = 224
SHEAR_DEGREES = 0.2
ZOOM = 0.2
SCALE = np.float32(1 / 255.0)


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One transform.

    Attributes:
        name: what tasks and grids call it.
        summary: one line for people.
        draw_numpy: (generator, count, image_shape) -> draws, a dict of arrays with first axis `count`.
        draw_tf: (seed, batch_shape, image_shape) -> draws; `seed` is int64 of shape (2,), stateless.
        apply_numpy: (images uint8 (n, h, w, c), draws) -> float32 images.
        apply_tf: (images uint8 (h, w, c) or (n, h, w, c), draws) -> float32 images.
        output_shape: image shape -> image shape.
        value_range: where the values lie; infinite where nothing bounds them.
        distributions: draw name -> (family, parameters) that the draws follow; families as in scipy.stats.
        tolerance: largest difference between two implementations with the same draws.
    """

    name: str
    summary: str
    apply_numpy: Callable
    apply_tf: Callable
    draw_numpy: Callable = lambda generator, count, image_shape: {}
    draw_tf: Callable = lambda seed, batch_shape, image_shape: {}
    output_shape: Callable = lambda shape: shape
    value_range: tuple[float, float] = (0.0, 1.0)
    distributions: dict = field(default_factory=dict)
    tolerance: float = 1e-6

    @property
    def random(self) -> bool:
        """Whether the pixels differ from epoch to epoch."""
        return bool(self.distributions)


def _rescale_numpy(images, draws=None):
    return images.astype(np.float32) * SCALE


def _rescale_tf(images, draws=None):
    import tensorflow as tf

    return tf.cast(images, tf.float32) * SCALE


def _draw_noise_numpy(generator, count, image_shape):
    noise = generator.standard_normal((count, *image_shape), dtype=np.float32)
    noise *= np.float32(NOISE_SD)
    return {"noise": noise}


def _draw_noise_tf(seed, batch_shape, image_shape):
    import tensorflow as tf

    return {"noise": tf.random.stateless_normal([*batch_shape, *image_shape], seed, stddev=NOISE_SD)}


def _noise_numpy(images, draws):
    return _rescale_numpy(images) + draws["noise"]


def _noise_tf(images, draws):
    return _rescale_tf(images) + draws["noise"]


def _draw_brightness_numpy(generator, count, image_shape, largest=ADDED["brightness"]):
    return {"delta": generator.uniform(-largest, largest, (count, 1, 1, 1)).astype(np.float32)}


def _draw_brightness_tf(seed, batch_shape, image_shape):
    import tensorflow as tf

    largest = ADDED["brightness"]
    return {"delta": tf.random.stateless_uniform([*batch_shape, 1, 1, 1], seed, -largest, largest)}


def _brightness_numpy(images, draws):
    return _rescale_numpy(images) + draws["delta"]


def _brightness_tf(images, draws):
    return _rescale_tf(images) + draws["delta"]


def _draw_flip_brightness_numpy(generator, count, image_shape):
    flip = generator.random((count, 1, 1, 1)) < 0.5
    return {"flip": flip, **_draw_brightness_numpy(generator, count, image_shape, ADDED["flip_brightness"])}


def _draw_flip_brightness_tf(seed, batch_shape, image_shape):
    import tensorflow as tf

    both = tf.random.stateless_uniform([2, *batch_shape, 1, 1, 1], seed)
    return {"flip": both[0] < 0.5, "delta": (both[1] * 2 - 1) * ADDED["flip_brightness"]}


def _flip_brightness_numpy(images, draws):
    return _brightness_numpy(np.where(draws["flip"], images[:, :, ::-1], images), draws)


def _flip_brightness_tf(images, draws):
    import tensorflow as tf

    return _brightness_tf(tf.where(draws["flip"], tf.reverse(images, [-2]), images), draws)


def resize_axis(image: np.ndarray, axis: int, target: int) -> np.ndarray:
    """Resizes one axis as `tf.image.resize` does: bilinear with half-pixel centres and clamped edges, no antialiasing.

    Output pixel i lies at (i + 0.5) · length / target - 0.5 (TensorFlow, `resize_bilinear_op.cc`, `HalfPixelScaler`).

    Args:
        image: float32, of any shape.
        axis: which one.
        target: its new length, pixels.

    Returns:
        float32, the axis `target` long.
    """
    length = image.shape[axis]
    position = (np.arange(target) + 0.5) * (length / target) - 0.5
    lower = np.floor(position).astype(int)
    share = (position - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    near, far = (image.take(np.clip(index, 0, length - 1), axis) for index in (lower, lower + 1))
    far -= near
    far *= share
    far += near
    return far


def _resize_standardize_numpy(images, draws=None):
    resized = np.empty((len(images), RESIZED, RESIZED, images.shape[3]), np.float32)
    for image, result in zip(images, resized, strict=True):  # one by one: what it works on stays in the CPU's cache
        result[:] = resize_axis(resize_axis(_rescale_numpy(image), 0, RESIZED), 1, RESIZED)
    pixels = resized.reshape(len(images), -1)
    mean = pixels.mean(axis=1, keepdims=True)
    deviation = np.maximum(pixels.std(axis=1, keepdims=True), np.float32(1 / np.sqrt(pixels.shape[1])))
    pixels -= mean
    pixels /= deviation
    return resized


def _resize_standardize_tf(images, draws=None):
    import tensorflow as tf

    return tf.image.per_image_standardization(tf.image.resize(_rescale_tf(images), (RESIZED, RESIZED)))


def _draw_shear_zoom_flip_numpy(generator, count, image_shape):
    return {
        "shear": generator.uniform(-SHEAR_DEGREES, SHEAR_DEGREES, (count, 1, 1, 1)),
        "zx": generator.uniform(1 - ZOOM, 1 + ZOOM, (count, 1, 1, 1)),
        "zy": generator.uniform(1 - ZOOM, 1 + ZOOM, (count, 1, 1, 1)),
        "flip": generator.random((count, 1, 1, 1)) < 0.5,
    }


def _draw_shear_zoom_flip_tf(seed, batch_shape, image_shape):
    import tensorflow as tf

    drawn = tf.random.stateless_uniform([4, *batch_shape, 1, 1, 1], seed, dtype=tf.float64)
    return {
        "shear": (drawn[0] * 2 - 1) * SHEAR_DEGREES,
        "zx": 1 - ZOOM + drawn[1] * 2 * ZOOM,
        "zy": 1 - ZOOM + drawn[2] * 2 * ZOOM,
        "flip": drawn[3] < 0.5,
    }


def _warp_arguments(draws, size, ravel):
    height, width = size
    return {"height": height, "width": width, **{name: ravel(draws[name]) for name in ("shear", "zx", "zy")}}


def warp_coefficients(draws: dict, size: tuple[int, int]) -> np.ndarray:
    """Returns the map from output to input pixels that the draws make, float64 (n, 6); see `affine.coefficients`.

    Args:
        draws: of shear_zoom_flip.
        size: (height, width) of the images, pixels.
    """
    from helpers.tf_image_data_generator import affine

    return affine.coefficients(**_warp_arguments(draws, size, np.ravel))


def _shear_zoom_flip_numpy(images, draws):
    from helpers.tf_image_data_generator import affine

    coefficients = warp_coefficients(draws, images.shape[1:3])
    return affine.warp(images, coefficients, flips=(np.ravel(draws["flip"]), None)) * SCALE


def _shear_zoom_flip_tf(images, draws):
    import tensorflow as tf

    from helpers.tf_image_data_generator import affine_tf

    def ravel(drawn):
        return tf.reshape(drawn, [-1])

    batch = images if images.shape.rank == 4 else images[None]
    size = batch.shape[1:3]
    six = affine_tf.coefficients(**_warp_arguments(draws, size, ravel))
    warped = affine_tf.warp(batch, affine_tf.terms(six, size, (ravel(draws["flip"]), None))) * SCALE
    return warped if images.shape.rank == 4 else warped[0]


INFINITE = (-np.inf, np.inf)

_ALL = (
    Transform(
        name="rescale",
        summary="uint8 to float32, 0 to 1",
        apply_numpy=_rescale_numpy,
        apply_tf=_rescale_tf,
    ),
    Transform(
        name="noise",
        summary=f"rescale, then Gaussian noise of sd {NOISE_SD} on every pixel",
        draw_numpy=_draw_noise_numpy,
        draw_tf=_draw_noise_tf,
        apply_numpy=_noise_numpy,
        apply_tf=_noise_tf,
        value_range=INFINITE,
        distributions={"noise": ("norm", (0.0, NOISE_SD))},
    ),
    Transform(
        name="brightness",
        summary="rescale, then one number per image added, uniform in ±0.1",
        draw_numpy=_draw_brightness_numpy,
        draw_tf=_draw_brightness_tf,
        apply_numpy=_brightness_numpy,
        apply_tf=_brightness_tf,
        value_range=(-0.1, 1.1),
        distributions={"delta": ("uniform", (-0.1, 0.2))},
    ),
    Transform(
        name="flip_brightness",
        summary="rescale, flip left to right half of the time, add one number per image, uniform in ±0.2",
        draw_numpy=_draw_flip_brightness_numpy,
        draw_tf=_draw_flip_brightness_tf,
        apply_numpy=_flip_brightness_numpy,
        apply_tf=_flip_brightness_tf,
        value_range=(-0.2, 1.2),
        distributions={"flip": ("bernoulli", (0.5,)), "delta": ("uniform", (-0.2, 0.4))},
    ),
    Transform(
        name="resize_standardize",
        summary=f"rescale, resize to {RESIZED}x{RESIZED} (bilinear), subtract each image's mean, divide by its sd",
        apply_numpy=_resize_standardize_numpy,
        apply_tf=_resize_standardize_tf,
        output_shape=lambda shape: (RESIZED, RESIZED, shape[2]),
        value_range=INFINITE,
        tolerance=2e-4,
    ),
    Transform(
        name="shear_zoom_flip",
        summary="shear ±0.2 degrees, zoom 0.8 to 1.2 along each axis, flip left to right half of the time, rescale",
        draw_numpy=_draw_shear_zoom_flip_numpy,
        draw_tf=_draw_shear_zoom_flip_tf,
        apply_numpy=_shear_zoom_flip_numpy,
        apply_tf=_shear_zoom_flip_tf,
        distributions={
            "zx": ("uniform", (1 - ZOOM, 2 * ZOOM)),
            "zy": ("uniform", (1 - ZOOM, 2 * ZOOM)),
            "flip": ("bernoulli", (0.5,)),
        },
        tolerance=1e-5,
    ),
)
NAMES = tuple(transform.name for transform in _ALL)


def get(name: str) -> Transform:
    """Returns the transform of that name.

    Raises:
        StudyError: if there is none.
    """
    checks.one_of("transform", name, NAMES)
    return next(transform for transform in _ALL if transform.name == name)
