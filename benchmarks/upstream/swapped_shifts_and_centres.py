"""ImageDataGenerator swaps the shifts of width and height, and turns pictures that are not square about a wrong point.

`apply_transform` takes axis 0 for x and axis 1 for y; shears, shifts and the centre of a turn follow.
Threads, on the shifts: https://github.com/keras-team/keras/issues/1690 (2016, mended then),
https://github.com/keras-team/keras/issues/17398, https://github.com/keras-team/tf-keras/issues/310,
https://github.com/tensorflow/tensorflow/issues/82838, https://github.com/keras-team/keras/pull/17421 (not merged).
On the centre: we found none (searched for rotation, not square, offset centre); near it, on a centre that was a pixel
off: https://github.com/keras-team/keras-preprocessing/pull/314
"""

import numpy as np
from tensorflow.keras.preprocessing.image import ImageDataGenerator

columns = np.tile(np.arange(0, 240, 20, dtype="float32")[None, :, None], (12, 1, 1))  # all rows alike
for option in ("width_shift_range", "height_shift_range"):
    generator = ImageDataGenerator(**{option: [3.0]})
    moved = not np.array_equal(next(generator.flow(columns[None], batch_size=1))[0], columns)
    print(f"{option}=[3.0] moves columns: expected: {option.startswith('width')}; got: {moved}")
for height, width in ((7, 7), (7, 11)):
    image = np.zeros((height, width, 1), "float32")
    image[height // 2, width // 2] = 1
    turned = ImageDataGenerator(fill_mode="constant").apply_transform(image, {"theta": 90})
    stays = bool(turned[height // 2, width // 2, 0] == 1)
    print(f"the centre of {height} x {width} pixels stays in a turn by 90 degrees: expected: True; got: {stays}")
