"""Times a feed through `fit`, alone or in a process of its own, and the parts of its epochs."""

from helpers.timing.epochs import (
    Epoch as Epoch,
    Fitted as Fitted,
    Training as Training,
    first_batch as first_batch,
    floor_batch_s as floor_batch_s,
    garbage_collection_paused as garbage_collection_paused,
    garbage_set_aside as garbage_set_aside,
    held as held,
    opening_s as opening_s,
    step_seconds as step_seconds,
    take_training_apart as take_training_apart,
    time_epoch as time_epoch,
    time_epochs as time_epochs,
)
