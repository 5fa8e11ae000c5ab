"""What a flow cannot do as the original does: refused in one line, before anything is made."""

from typing import Any

import numpy as np

from . import affine

MODES = ("stream", "semantics", "corrected")
COORDINATES = ("float64", "float32")
STEPS = ("standardize", "random_transform", "apply_transform", "get_random_transform")


def check_modes(mode: str, coordinates: str) -> None:
    """Checks what the port has beside the original's arguments.

    Raises:
        ValueError: for an unknown mode or kind of coordinates.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)} (got {mode!r})")
    if coordinates not in COORDINATES:
        raise ValueError(f"coordinates must be float64 or float32 (got {coordinates!r})")


def check_options(given: Any) -> None:
    """Checks the arguments of a generator for what it would fail at later, or the port cannot do.

    Raises:
        ValueError: for one that is refused.
    """
    affine.check_fill_mode(given.fill_mode)
    if given.interpolation_order not in range(6):
        raise ValueError(f"interpolation_order must be 0 to 5 (got {given.interpolation_order!r})")
    if np.dtype(given.dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64 (got {given.dtype!r}); cast in a map afterwards")
    if given.brightness_range is not None and given.data_format == "channels_first" and given.mode != "corrected":
        raise ValueError(
            "brightness_range needs data_format 'channels_last' (got 'channels_first'), in the original too; "
            "use mode='corrected' or transpose"
        )


def check_steps(generator: Any, kind: type) -> None:
    """Checks that no step of a single image was put in place of the port's own.

    Args:
        generator: the port's, of a class derived from `kind` perhaps.
        kind: the port's class.

    Raises:
        ValueError: where a flow would leave such a step out.
    """
    for name in STEPS:
        if name in vars(generator) or getattr(type(generator), name) is not getattr(kind, name):
            raise ValueError(
                f"{name} is overridden, and a flow makes whole batches without it; "
                "put that step into preprocessing_function, or stay with Keras' ImageDataGenerator"
            )


def check_flow(listing: Any) -> None:
    """Checks how many images there are, and how many go into a batch.

    Raises:
        ValueError: for none.
    """
    if not listing.n:
        raise ValueError("a flow must have images (got none); of a folder, give the one that holds the classes'")
    if listing.batch_size < 1:
        raise ValueError(f"batch_size must be >= 1 (got {listing.batch_size}); give a positive whole number")
