"""What ImageDataGenerator gets wrong without a word, said once each, with the remedy."""

import warnings
from typing import Any

import numpy as np

REMEDY = "; mode='corrected' mends it"
_said: set[str] = set()


def warn_once(text: str) -> None:
    """Warns, the first time this process gets here with this text."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, UserWarning, stacklevel=4)


def warn_of_options(given: Any) -> None:
    """Warns of what the arguments of an `ImageDataGenerator` do, and what they do not."""
    shifts = {"width_shift_range": given.width_shift_range, "height_shift_range": given.height_shift_range}
    if not np.array_equal(*shifts.values()):
        warn_once(f"width_shift_range moves pixels up and down, height_shift_range sideways{REMEDY}")
    for name, shift in shifts.items():
        if type(shift) is int and shift == 1:
            warn_once(f"{name}=1 moves nothing: a whole number n draws up to n - 1{REMEDY}, or give 1.0")
    if given.channel_shift_range and given.rescale and abs(given.channel_shift_range * given.rescale) < 0.01:
        warn_once(
            f"channel_shift_range={given.channel_shift_range} is in the data's values before rescale: "
            f"it hardly shows{REMEDY}"
        )


def warn_of_data(given: Any, height: int, width: int, white: float) -> None:
    """Warns of what an `ImageDataGenerator` does to images of this size, pixels, and of this brightest value."""
    moved = given.rotation_range or np.any(given.width_shift_range) or np.any(given.height_shift_range)
    if height != width and (moved or given.shear_range or tuple(given.zoom_range) != (1, 1)):
        warn_once(f"on images that are not square the centre of rotation and the shifts are swapped{REMEDY}")
    if given.brightness_range is not None and white <= 1:
        warn_once(f"brightness_range truncates to whole numbers: data in 0 to 1 turns to 0 or 1{REMEDY}")


def warn_of_statistics(given: Any) -> None:
    """Warns of statistics that an `ImageDataGenerator` is to use and does not have."""
    wanted = {"mean": given.featurewise_center, "std": given.featurewise_std_normalization}
    for name, is_wanted in (wanted | {"zca_whitening_matrix": given.zca_whitening}).items():
        if is_wanted and getattr(given, name) is None:
            warn_once(f"{name} is wanted and not known, so it is left out: call fit(images) before flow")
