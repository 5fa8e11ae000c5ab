"""ImageDataGenerator in tf.data: the same arguments, the same pixels."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .generator import TFImageDataGenerator

__all__ = ["TFImageDataGenerator"]


def __getattr__(name: str) -> Any:
    """Imports the generator when it is asked for: who needs `affine` alone does not load TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import generator

    return getattr(generator, name)
