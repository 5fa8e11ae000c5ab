"""Times a feed through `fit`, alone or in a process of its own, and the parts of its epochs."""

from helpers.timing.epochs import (
    Epoch,
    Fitted,
    Training,
    first_batch,
    garbage_collection_paused,
    garbage_set_aside,
    held,
    step_seconds,
    take_training_apart,
    time_epoch,
)

__all__ = [
    "Epoch",
    "Fitted",
    "Training",
    "first_batch",
    "garbage_collection_paused",
    "garbage_set_aside",
    "held",
    "step_seconds",
    "take_training_apart",
    "time_epoch",
]
