"""Synthetic data: uniform noise of any size, made from a seed."""

import numpy as np

from helpers.datasets.sources import Description, Source

NAME = "synthetic"
EXAMPLES = 1000
IMAGE_SIZE = (32, 32)


class Synthetic(Source):
    """Images of uniform noise with random labels; any number, size and number of classes."""

    def _describe(self, split, image_size, examples, channels, classes) -> Description:
        height, width = image_size or IMAGE_SIZE
        shape = (height, width, int(channels or 3))
        return Description(self.name, NAME, False, shape, classes or 10, examples or EXAMPLES)

    def _state(self, what, split, seed, examples) -> str:
        return str(seed)

    def _read(self, what, split, seed, examples, state):
        generator = np.random.default_rng([seed, split == "test"])
        images = generator.integers(0, 256, (what.examples, *what.image_shape), dtype=np.uint8)
        return images, generator.integers(0, what.classes, what.examples, dtype=np.int64)
