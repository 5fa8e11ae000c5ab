"""The stages of any feed, and what they cost."""

from helpers.doctor import parts, py_dataset_stages, tf_data_stages
from helpers.doctor.stages import Stages
from helpers.pipelines import feeds


def of(part: parts.Part, budget_s: float) -> Stages:
    """Measures the stages of a feed.

    Args:
        part: the feed, or a part of it.
        budget_s: seconds that it may take, about.
    """
    kind = feeds.kind(part.feed.data)
    if kind == "tf.data":
        return tf_data_stages.of(part, budget_s)
    if kind == "PyDataset":
        return py_dataset_stages.of(part, budget_s)
    return Stages((), part.batches, (f"The stages of {type(part.feed.data).__name__} cannot be told apart.",))
