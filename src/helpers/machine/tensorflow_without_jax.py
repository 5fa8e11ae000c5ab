"""Imports TensorFlow as if JAX were not installed, for a process whose children must be safe to fork.

TensorFlow imports JAX where it finds it, for an export that the kit never makes, and JAX objects to every fork.
"""

import sys

sys.modules["jax"] = None  # type: ignore[assignment]
try:
    import tensorflow  # noqa: F401
finally:
    del sys.modules["jax"]
