"""ImageDataGenerator in tf.data: the same arguments, the same pixels."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .generator import MODES, TFImageDataGenerator

__all__ = [
    "MODES",
    "TFImageDataGenerator",
]


def __getattr__(name: str) -> Any:
    """Opens the front door when somebody comes: who needs `affine` alone does not load TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import generator

    return getattr(generator, name)
