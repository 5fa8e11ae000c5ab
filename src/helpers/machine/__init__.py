"""What this machine is, what it lets the kit use, and what disturbs it. Imports no TensorFlow."""

from helpers.machine.description import (
    GIB as GIB,
    KIT as KIT,
    Machine as Machine,
    describe as describe,
    installed_versions as installed_versions,
    keras_backend as keras_backend,
)
from helpers.machine.limits import core_numbers as core_numbers, cpu_quota as cpu_quota
