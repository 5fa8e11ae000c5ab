"""ImageDataGenerator's arguments, statistics and steps for a single image: as Keras has them, without its class.

Source: Keras, `legacy/preprocessing/image.py`, `ImageDataGenerator`. Orders of operations and of arrays in memory are
the original's, so that its sums round as they do there.
"""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from . import affine
from .draws import COLUMNS, Ranges, draw_stream

UNCHANGED = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1}
STATISTICS = {"featurewise_center": "mean", "featurewise_std_normalization": "std"}
CHANNELS = (1, 3, 4)


class Arguments:
    """What an ImageDataGenerator is given, under the original's names, and the statistics that `fit` adds.

    Attributes:
        mean: what `featurewise_center` subtracts; None until it is known.
        std: what `featurewise_std_normalization` divides by, plus 1e-6; None until it is known.
        zca_whitening_matrix: what `zca_whitening` multiplies the flattened image by; None until it is known.
        row_axis: of a batch; as `col_axis` and `channel_axis`.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        """Keeps and checks the arguments, whose meaning is the original's.

        Raises:
            ValueError: for what the original refuses, in its words.
        """
        self.featurewise_center = featurewise_center or zca_whitening or featurewise_std_normalization
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization and not zca_whitening
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = _listed(width_shift_range)
        self.height_shift_range = _listed(height_shift_range)
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        self.validation_split = validation_split
        self.interpolation_order = interpolation_order
        self.dtype = keras.config.floatx() if dtype is None else dtype
        self.mean: Any = None
        self.std: Any = None
        self.zca_whitening_matrix: Any = None
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                '`data_format` should be `"channels_last"` (channel after row and column) or `"channels_first"` '
                f"(channel before row and column). Received: {data_format}"
            )
        axes = (3, 1, 2) if self.data_format == "channels_last" else (1, 2, 3)
        self.channel_axis, self.row_axis, self.col_axis = axes
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(f"`validation_split` must be strictly between 0 and 1.  Received: {validation_split}")
        self.zoom_range = _zoom(zoom_range)
        for name, is_given, overridden, stands in (
            ("zca_whitening", zca_whitening, "featurewise_center", featurewise_center),
            ("zca_whitening", zca_whitening, "featurewise_std_normalization", not featurewise_std_normalization),
            ("featurewise_std_normalization", featurewise_std_normalization, "featurewise_center", featurewise_center),
            ("samplewise_std_normalization", samplewise_std_normalization, "samplewise_center", samplewise_center),
        ):
            if is_given and not stands:
                warnings.warn(
                    f"This ImageDataGenerator specifies `{name}`, which overrides setting of `{overridden}`.",
                    stacklevel=3,
                )
        if brightness_range is not None and not (
            isinstance(brightness_range, (tuple, list)) and len(brightness_range) == 2
        ):
            raise ValueError(f"`brightness_range should be tuple or list of two floats. Received: {brightness_range}")


def _listed(shift):
    return shift.tolist() if isinstance(shift, np.ndarray) else shift


def _zoom(given):
    if isinstance(given, (float, int)):
        return [1 - given, 1 + given]
    if len(given) == 2 and all(isinstance(end, (float, int)) for end in given):
        return list(given)
    raise ValueError(f"`zoom_range` should be a float or a tuple or list of two floats. Received: {given}")


def ranges(given: Arguments, height: int, width: int, *, corrected: bool = False) -> Ranges:
    """Returns what is drawn for images of this size, pixels.

    Args:
        given: the arguments.
        height: of the images.
        width: of the images.
        corrected: shifts along the axis that their name says, in the scale after `rescale`, whole numbers reached.
    """
    shifts = (given.height_shift_range, height), (given.width_shift_range, width)
    (tx, tx_size), (ty, ty_size) = shifts[::-1] if corrected else shifts
    scale = given.rescale if corrected and given.rescale else 1
    low, high = given.zoom_range
    return Ranges(
        rotation=given.rotation_range,
        tx=tx,
        ty=ty,
        tx_size=tx_size,
        ty_size=ty_size,
        shear=given.shear_range,
        zoom=(low, high),
        horizontal_flip=bool(given.horizontal_flip),
        vertical_flip=bool(given.vertical_flip),
        channel_shift=given.channel_shift_range / scale,
        brightness=given.brightness_range,
        whole_reaches=corrected,
    )


def draw(given: Arguments, shape: tuple[int, ...], seed: int | None = None, *, corrected: bool = False) -> dict:
    """Draws the parameters of one image from NumPy's global state, by the names of the original.

    Args:
        given: the arguments.
        shape: of the image.
        seed: set before; None: the state goes on.
        corrected: as for `ranges`.
    """
    if seed is not None:
        np.random.seed(seed)
    first = given.row_axis - 1
    height, width = shape[first : first + 2]
    drawn = draw_stream(np.random, 1, ranges(given, height, width, corrected=corrected))[0]
    named: dict[str, Any] = dict(zip(COLUMNS, drawn.tolist(), strict=True))
    named |= {name: bool(named[name]) for name in ("flip_horizontal", "flip_vertical")}
    brightness, shift = named.pop("brightness"), named.pop("channel_shift")
    return named | {
        "channel_shift_intensity": shift if given.channel_shift_range else None,
        "brightness": None if given.brightness_range is None else brightness,
    }


def transform(given: Arguments, image: np.ndarray, drawn: dict[str, Any]) -> np.ndarray:
    """Applies drawn parameters to one image, as the original's `apply_transform` does.

    Args:
        given: the arguments.
        image: (height, width, channels), or channels first.
        drawn: as `draw` gives them; what is left out changes nothing.
    """
    row, column, channel = (axis - 1 for axis in (given.row_axis, given.col_axis, given.channel_axis))
    six = [drawn.get(name, value) for name, value in UNCHANGED.items()]
    if six != list(UNCHANGED.values()):
        matrix = affine.coefficients_as_original((image.shape[row], image.shape[column]), *six)
        layers = affine.warp_layers(
            np.moveaxis(image, channel, 0),
            matrix,
            fill_mode=given.fill_mode,
            cval=given.cval,
            order=given.interpolation_order,
        )
        image = np.moveaxis(layers, 0, channel)
    if drawn.get("channel_shift_intensity") is not None:
        layers = np.ascontiguousarray(np.moveaxis(image, channel, 0)) + drawn["channel_shift_intensity"]
        image = np.moveaxis(np.clip(layers, image.min(), image.max()), 0, channel)
    for name, axis in (("flip_horizontal", column), ("flip_vertical", row)):
        if drawn.get(name):
            image = np.flip(image, axis)
    return image if drawn.get("brightness") is None else _brighter(image, drawn["brightness"])


def _brighter(image, factor):
    from PIL import ImageEnhance

    low, high = image.min(), image.max()
    leaves = low < 0 or high > 255
    picture = ImageEnhance.Brightness(keras.utils.array_to_img(image, scale=leaves)).enhance(factor)
    image = keras.utils.img_to_array(picture)
    return image / 255 * (high - low) + low if leaves else image


def standardize(given: Arguments, x: np.ndarray) -> np.ndarray:
    """Applies preprocessing_function, rescale and statistics to one image or a batch; in place, as the original does.

    Args:
        given: the arguments.
        x: floating point (height, width, channels), or channels first; or a batch of those.
    """
    if given.preprocessing_function:
        x = given.preprocessing_function(x)
    if given.rescale:
        x *= given.rescale
    if given.samplewise_center:
        x -= np.mean(x, keepdims=True)
    if given.samplewise_std_normalization:
        x /= np.std(x, keepdims=True) + 1e-6
    unknown = [option for option, name in STATISTICS.items() if getattr(given, option) and getattr(given, name) is None]
    if given.featurewise_center and given.mean is not None:
        x -= given.mean
    if given.featurewise_std_normalization and given.std is not None:
        x /= given.std + 1e-6
    if given.zca_whitening and given.zca_whitening_matrix is not None:
        flat = x.reshape(-1, int(np.prod(x.shape[-3:])))
        x = np.reshape(flat @ given.zca_whitening_matrix, x.shape)
    elif given.zca_whitening:
        unknown.append("zca_whitening")
    for option in unknown:
        warnings.warn(
            f"This ImageDataGenerator specifies `{option}`, but it hasn't been fit on any training data. "
            "Fit it first by calling `.fit(numpy_data)`.",
            stacklevel=3,
        )
    return x


def find_statistics(
    given: Arguments, x: Any, *, augment: bool = False, rounds: int = 1, seed: int | None = None
) -> None:
    """Sets the statistics that the arguments ask for.

    Args:
        given: the arguments.
        x: images (n, height, width, channels), or channels first.
        augment: whether of augmented images.
        rounds: passes over the data when augmenting.
        seed: of the augmentation.

    Raises:
        ValueError: for data that is not of rank 4.
    """
    x = np.array(x, given.dtype)
    if x.ndim != 4:
        raise ValueError(f"Input to `.fit()` should have rank 4. Got array with shape: {x.shape}")
    warn_of_channels(x.shape, given.data_format)
    if seed is not None:
        np.random.seed(seed)
    if given.rescale:
        x *= given.rescale
    if augment:
        moved = [transform(given, image, draw(given, image.shape)) for _ in range(rounds) for image in x]
        x = np.array(moved, given.dtype)
    channels_apart = [1, 1, 1]
    channels_apart[given.channel_axis - 1] = x.shape[given.channel_axis]
    axes = (0, given.row_axis, given.col_axis)
    if given.featurewise_center:
        given.mean = np.reshape(np.mean(x, axis=axes), channels_apart)
        x -= given.mean
    if given.featurewise_std_normalization:
        given.std = np.reshape(np.std(x, axis=axes), channels_apart)
        x /= given.std + 1e-6
    if given.zca_whitening:
        u, s, _ = np.linalg.svd(np.reshape(x, (len(x), -1)).T, full_matrices=False)
        given.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + given.zca_epsilon))).dot(u.T)


def warn_of_channels(shape: tuple[int, ...], data_format: str) -> None:
    """Warns of a batch of this shape whose channels are neither 1, 3 nor 4."""
    channels = shape[3 if data_format == "channels_last" else 1]
    if channels not in CHANNELS:
        warnings.warn(
            f"expected images of 1, 3 or 4 channels by data_format {data_format!r} (got {channels}, shape {shape})",
            stacklevel=4,
        )
