"""What this machine is, what it lets the kit use, and what disturbs it. Imports no TensorFlow."""

from helpers.machine.description import (
    GIB,
    KIT,
    Machine,
    describe,
    installed_versions,
    keras_backend,
)
from helpers.machine.limits import core_numbers, cpu_quota

__all__ = [
    "GIB",
    "KIT",
    "Machine",
    "core_numbers",
    "cpu_quota",
    "describe",
    "installed_versions",
    "keras_backend",
]
