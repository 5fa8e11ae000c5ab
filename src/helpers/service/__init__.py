"""A pipeline's work on tf.data service: its sharding policies, and a watchdog that ends what would hang."""

from helpers.service.client import (
    POLICIES as POLICIES,
    distribute as distribute,
    host_and_port as host_and_port,
    is_watched as is_watched,
    read as read,
    require as require,
    watched as watched,
    workers as workers,
)
