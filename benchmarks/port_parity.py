"""Does `TFImageDataGenerator(mode="stream")` give ImageDataGenerator's very pixels, whatever the configuration?

`python benchmarks/port_parity.py [--configurations 500]` draws configurations at random, reads an epoch of both for
the same seed, and prints the largest difference of a pixel, and of how many configurations it is exactly 0.
"""

import argparse
import collections
import warnings

import numpy as np

SHAPES = [(28, 28, 1), (32, 32, 3), (96, 96, 3), (20, 33, 3), (12, 12, 4), (131, 150, 3)]
CHOICES = {
    "rotation_range": lambda g: float(g.uniform(1, 180)),
    "width_shift_range": lambda g: [float(g.uniform(0.01, 0.9)), int(g.integers(1, 6)), [-2, 3], 2.5][g.integers(4)],
    "height_shift_range": lambda g: [float(g.uniform(0.01, 0.9)), int(g.integers(1, 6)), [1.5, 4.0]][g.integers(3)],
    "shear_range": lambda g: float(g.uniform(1, 45)),
    "zoom_range": lambda g: [float(g.uniform(0.05, 0.8)), [0.5, 0.9], [1.0, 1.8]][g.integers(3)],
    "channel_shift_range": lambda g: float(g.uniform(1, 120)),
    "brightness_range": lambda g: (float(g.uniform(0.1, 1)), float(g.uniform(1, 2))),
    "horizontal_flip": lambda g: True,
    "vertical_flip": lambda g: True,
    "rescale": lambda g: [1 / 255, 1 / 127.5, 0.5][g.integers(3)],
    "featurewise_center": lambda g: True,
    "featurewise_std_normalization": lambda g: True,
    "samplewise_center": lambda g: True,
    "samplewise_std_normalization": lambda g: True,
}


def draw(generator):
    options = {name: choose(generator) for name, choose in CHOICES.items() if generator.random() < 0.35}
    options["fill_mode"] = ["nearest", "reflect", "wrap", "constant"][generator.integers(4)]
    options["cval"] = float(generator.uniform(-80, 300))
    options["interpolation_order"] = int(generator.integers(2))
    return options


def difference(options, shape, generator, jit_compile):
    """The largest difference of a pixel over an epoch of 10 images in batches of 8."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from helpers.tf_image_data_generator import TFImageDataGenerator

    images = generator.integers(0, 256, (10, *shape), dtype=np.uint8)
    original = ImageDataGenerator(**options)
    port = TFImageDataGenerator(**options, mode="stream", jit_compile=jit_compile)
    if any(name.startswith("featurewise") for name in options):
        original.fit(images)
        port.fit(images)
    seed = int(generator.integers(2**31))
    theirs, ours = (made.flow(images, batch_size=8, seed=seed) for made in (original, port))
    return max(float(np.abs(batch - next(theirs)).max()) for batch in ours.as_numpy_iterator())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configurations", type=int, default=500)
    parser.add_argument("--compiled-share", type=float, default=0.5, help="of those compiled by XLA (1 s each)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    generator = np.random.default_rng(arguments.seed)
    found = collections.defaultdict(list)
    for number in range(arguments.configurations):
        options, shape = draw(generator), SHAPES[number % len(SHAPES)]
        kind = "samplewise" if any(name.startswith("samplewise") for name in options) else "all else"
        worst = difference(options, shape, generator, bool(generator.random() < arguments.compiled_share))
        found[kind].append(worst)
        if worst > (1e-6 if kind == "samplewise" else 1e-12):
            print(f"  {worst:.2g} at {shape}: {options}")
    for kind, worst in found.items():
        print(f"{kind}: {np.mean(np.equal(worst, 0)):.1%} of {len(worst)} exactly equal, largest {max(worst):.2g}")


if __name__ == "__main__":
    main()
