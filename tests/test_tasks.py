import pytest

from helpers.errors import StudyError
from helpers.tasks import Task


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number >= 1 (got 0)"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"examples": 0}, "examples must be a whole number >= 1"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"image_size": (32,)}, "image_size must be (height, width)"),
        ({"image_size": (32, 0)}, "image_size must be a whole number >= 1"),
        ({"transform": "blur"}, "transform must be one of"),
        ({"dataset": "imagenet"}, "dataset"),
        ({"source": "disk"}, "source must be one of"),
        ({"source": "folder"}, "needs a dataset 'photographs' or 'folder:PATH'"),
        ({"source": "tfds"}, "needs a dataset of TensorFlow Datasets"),
    ],
)
def test_a_task_that_cannot_be_is_refused_in_one_line(change, said):
    with pytest.raises(StudyError) as caught:
        Task(**change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_task_is_checked_again():
    assert Task().but(batch_size=64).batch_size == 64
    with pytest.raises(StudyError):
        Task().but(batch_size=-1)
