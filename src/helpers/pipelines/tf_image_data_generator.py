"""The task by `TFImageDataGenerator`: ImageDataGenerator's work in tf.data, compiled by XLA."""

from helpers import transforms
from helpers.errors import StudyError
from helpers.tasks import Task
from helpers.tf_image_data_generator import TFImageDataGenerator

_OPTIONS = {
    "rescale": {},
    "shear_zoom_flip": {
        "shear_range": transforms.SHEAR_DEGREES,
        "zoom_range": transforms.ZOOM,
        "horizontal_flip": True,
    },
}


def build(task: Task, *, coordinates: str = "float64"):
    """Returns the task as a tf.data.Dataset made by `TFImageDataGenerator.flow`.

    Raises:
        StudyError: for a transform that ImageDataGenerator has no option for, or a folder.
    """
    if task.transform not in _OPTIONS or task.source == "folder":
        raise StudyError(
            f"tf_image_data_generator does {', '.join(_OPTIONS)} on arrays (got {task.transform} on {task.source}); "
            "use image_data_generator or tf_data"
        )
    data = task.arrays()
    generator = TFImageDataGenerator(rescale=1 / 255, coordinates=coordinates, **_OPTIONS[task.transform])
    return generator.flow(data.images, data.labels, batch_size=task.batch_size, shuffle=task.shuffle, seed=task.seed)
