"""ImageDataGenerator in tf.data: the same arguments, the same pixels."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .flow import Flow
    from .generator import TFImageDataGenerator
    from .joint import pairs

__all__ = ["Flow", "TFImageDataGenerator", "pairs"]
MODULES = {"Flow": "flow", "TFImageDataGenerator": "generator", "pairs": "joint"}


def __getattr__(name: str) -> Any:
    """Imports the generator when it is asked for: who needs `affine` alone does not load TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{MODULES[name]}", __name__), name)
