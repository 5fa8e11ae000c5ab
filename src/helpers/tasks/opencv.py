"""What OpenCV does of the work, as a Sequence of today is written: decode, resize, warp.

OpenCV works on a picture with threads of its own, one per core unless `cv2.setNumThreads` says otherwise, for all of
the process. The kit leaves that as it comes, since that is what its users get: a Sequence with one worker then uses
more than one core for pictures that are large enough.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.errors import StudyError
from helpers.tasks import transforms


def decode(file: str | bytes, *, image_size: tuple[int, int] | None = None, channels: int = 3) -> np.ndarray:
    """Decodes a JPEG or PNG picture to the pixels that Pillow gives, uint8 (height, width, channels), 0 to 255.

    Args:
        file: its path, or its bytes.
        image_size: (height, width) in pixels, by the nearest pixel; None: as it is.
        channels: 3, or 1 for grey.

    Raises:
        StudyError: where it is no whole picture.
    """
    import cv2

    colours = cv2.IMREAD_COLOR_RGB if channels == 3 else cv2.IMREAD_GRAYSCALE
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), colours | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        name = "a record" if isinstance(file, bytes) else file
        raise StudyError(
            f"every picture must be a whole JPEG or PNG (OpenCV cannot decode {name}); replace or remove it"
        )
    if image_size is not None and picture.shape[:2] != tuple(image_size):
        picture = cv2.resize(picture, tuple(image_size)[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return picture.reshape(*picture.shape[:2], channels)


def require_exact(transform: str) -> None:
    """Checks that the OpenCV that is installed works on exact positions: before 5 it warps by a 32nd of a pixel.

    Args:
        transform: to be done.

    Raises:
        StudyError: where it would not do the task's work.
    """
    import cv2

    if transform in WARPS and int(cv2.__version__.split(".")[0]) < 5:
        raise StudyError(f"to warp, OpenCV must be 5 or newer (got {cv2.__version__}); update it, or use backend numpy")


def _resize_standardize(images: np.ndarray, draws: dict | None = None) -> np.ndarray:
    import cv2

    side, channels = transforms.RESIZED, images.shape[3]
    resized = np.empty((len(images), side, side, channels), np.float32)
    least = 255 / np.sqrt(side * side * channels)
    for image, result in zip(images, resized, strict=True):
        # As float32: on uint8 OpenCV rounds its weights.
        larger = cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
        mean, deviation = cv2.meanStdDev(larger.reshape(side, -1))
        np.subtract(larger.reshape(result.shape), np.float32(mean.item()), out=result)
        result /= np.float32(max(deviation.item(), least))
    return resized


def _shear_zoom_flip(images: np.ndarray, draws: dict) -> np.ndarray:
    import cv2

    height, width = images.shape[1:3]
    warped = np.empty(images.shape, np.float32)
    matrices = transforms.warp_coefficients(draws, (height, width)).reshape(-1, 2, 3)
    how = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
    for image, result, matrix, flip in zip(images, warped, matrices, np.ravel(draws["flip"]), strict=True):
        # As float32: on uint8 OpenCV rounds positions to a 32nd of a pixel.
        moved = cv2.warpAffine(image.astype(np.float32), matrix, (width, height), **how).reshape(image.shape)
        np.multiply(moved[:, ::-1] if flip else moved, transforms.SCALE, out=result)
    return warped


WARPS = {"shear_zoom_flip"}
APPLY: dict[str, Callable[[np.ndarray, dict], np.ndarray]] = {
    "resize_standardize": _resize_standardize,
    "shear_zoom_flip": _shear_zoom_flip,
}
