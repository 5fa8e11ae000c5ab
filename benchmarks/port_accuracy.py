"""Does a network learn the same from `TFImageDataGenerator` as from ImageDataGenerator?

`python benchmarks/port_accuracy.py [--seeds 5]` trains the same small CNN on pictures of CIFAR-10 (or MNIST) once a
seed with each, same initial weights, and prints both test accuracies and the interval of their difference.
"""

import argparse
import warnings

import numpy as np

from helpers import datasets

OPTIONS = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "horizontal_flip": True,
    "rescale": 1 / 255,
}


def network(shape, classes, seed):
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model


def accuracy(kind, train, test, options, *, seed, epochs):
    model = network(train.images.shape[1:], train.description.classes, seed)
    flow = kind(**options).flow(train.images, train.labels, batch_size=64, seed=seed)
    model.fit(flow, epochs=epochs, verbose=0)
    return model.evaluate(test.images.astype("float32") / 255, test.labels, batch_size=500, verbose=0)[1]


def main():
    from scipy import stats
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from helpers.tf_image_data_generator import TFImageDataGenerator

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default=datasets.best_available("cifar10"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--examples", type=int, default=5000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    train = datasets.load_arrays(arguments.dataset, examples=arguments.examples)
    test = datasets.load_arrays(arguments.dataset, split="test")
    if not train.description.real:
        raise SystemExit(f"accuracy says nothing on {train.description.label}: prepare mnist, cifar10 or a folder")
    options = OPTIONS | {"horizontal_flip": not arguments.dataset.startswith("mnist")}
    kinds = {"ImageDataGenerator": ImageDataGenerator, "port": TFImageDataGenerator}
    found = {name: [] for name in kinds}
    for seed in range(arguments.seeds):
        for name, kind in kinds.items():
            found[name].append(accuracy(kind, train, test, options, seed=seed, epochs=arguments.epochs))
        print(f"  seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in found.items()), flush=True)
    difference = np.subtract(found["port"], found["ImageDataGenerator"])
    low, high = stats.t.interval(0.95, len(difference) - 1, difference.mean(), stats.sem(difference))
    spread = np.std(found["ImageDataGenerator"], ddof=1)
    print(
        f"{train.description.label}, {arguments.examples} examples, {arguments.epochs} epochs, {arguments.seeds} seeds"
    )
    for name, values in found.items():
        print(f"  {name:20} {np.mean(values):.3f} (sd {np.std(values, ddof=1):.3f})")
    print(f"  port - original      {difference.mean():+.3f} ({low:+.3f} to {high:+.3f}, 95%)")
    print(f"  spread of the original over seeds {spread:.3f}")


if __name__ == "__main__":
    main()
