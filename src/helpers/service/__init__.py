"""A pipeline's work on tf.data service: its sharding policies, and a watchdog that ends what would hang."""

from helpers.service.client import (
    POLICIES,
    distribute,
    host_and_port,
    is_watched,
    read,
    require,
    watched,
    workers,
)

__all__ = [
    "POLICIES",
    "distribute",
    "host_and_port",
    "is_watched",
    "read",
    "require",
    "watched",
    "workers",
]
