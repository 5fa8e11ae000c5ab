"""ImageDataGenerator in tf.data: the same arguments, the same pixels.

    from helpers.tf_image_data_generator import TFImageDataGenerator as ImageDataGenerator

The package can be copied elsewhere: it needs Keras 3, TensorFlow, NumPy, SciPy and Pillow; nothing of this kit, and not
Keras' own ImageDataGenerator, which is deprecated.

The `flow*` methods return a `Flow`: a `tf.data.Dataset` that also has the surface of the original's iterators.
What concerns single images (`standardize`, `apply_transform`, `random_transform`, `get_random_transform`) is Keras' own
arithmetic in NumPy, SciPy and Pillow; nothing of it runs while batches are made.
"""

import copy
from typing import Any

import numpy as np
import tensorflow as tf

from . import affine_tf, arguments, batches, files, listings, oddities, pixels, plans, refusals
from .draws import COLUMNS, Ranges
from .flow import Flow
from .oddities import warn_once


class TFImageDataGenerator(arguments.Arguments):
    """Takes every argument of `tf.keras.preprocessing.image.ImageDataGenerator`, and three more.

    Args:
        *given: the original's arguments, by place.
        mode: "stream": the very draws of the original for a seed, and so the same batches as its iterator's
            `next()`; drawn in Python, one image after the other. "semantics": stateless TensorFlow draws from the
            same distributions, reproducible for a seed whatever the parallelism, new in every epoch; the original's
            pixel arithmetic. "corrected": as "semantics", with the original's oddities mended: width and height
            shift, and the centre of rotation, are no longer swapped; brightness does not truncate; channel shift is
            in the scale after `rescale`; `fit` applies preprocessing_function; a whole shift n reaches n.
        coordinates: "float64" gives the original's pixels; "float32" is faster and differs by up to some 1e-2 of
            255 where nothing else is said, more where a coordinate falls on an edge.
        jit_compile: compile the pixel arithmetic by XLA, once for each batch shape; False: the same pixels, slower.
        **options: as the original's.

    Raises:
        ValueError: for what the original refuses, and for what it fails at later.
        TypeError: for an argument that the original does not have.
    """

    _has_flows = False

    def __init__(
        self,
        *given: Any,
        mode: str = "semantics",
        coordinates: str = "float64",
        jit_compile: bool = True,
        **options: Any,
    ) -> None:
        refusals.check_modes(mode, coordinates)
        super().__init__(*given, **options)
        self.mode = mode
        self.coordinates = coordinates
        self.jit_compile = jit_compile
        refusals.check_options(self)
        if mode != "corrected":
            oddities.warn_of_options(self)

    def __setattr__(self, name, value):
        """Sets what every flow made afterwards uses: `datagen.mean = …`."""
        super().__setattr__(name, value)
        if self._has_flows and name != "_has_flows":
            warn_once(f"{name} has changed after a flow was made: that flow keeps what it was; make it anew")

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Computes the statistics of featurewise options and ZCA, as the original does.

        Args:
            x: images (n, height, width, channels), or channels first.
            augment: whether on augmented images.
            rounds: passes over the data when augmenting.
            seed: of the augmentation.

        Raises:
            ValueError: for data that is not of rank 4.
        """
        if self.preprocessing_function is not None:
            if self.mode == "corrected":
                x = np.stack([self.preprocessing_function(image) for image in np.array(x, self.dtype)])
            else:
                warn_once("fit ignores preprocessing_function; mode='corrected' mends it")
        arguments.find_statistics(self, x, augment=augment, rounds=rounds, seed=seed)

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None) -> dict[str, Any]:
        """Draws the parameters of one image as the original does, by its names; in NumPy, whatever the mode.

        Args:
            img_shape: of the image, (height, width, channels) or channels first.
            seed: of NumPy's global state, set before; None: that goes on.
        """
        return arguments.draw(self, img_shape, seed, corrected=self.mode == "corrected")

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Applies parameters to one image.

        Args:
            x: float32 (height, width, channels) or channels first.
            transform_parameters: as `get_random_transform` gives them; what is left out changes nothing.
        """
        if self.mode != "corrected":
            return arguments.transform(self, x, transform_parameters)
        images = np.asarray(x, np.float32)[None]
        if self.data_format == "channels_first":
            images = images.transpose(0, 2, 3, 1)
        named = transform_parameters | {"channel_shift": transform_parameters.get("channel_shift_intensity")}
        unchanged = dict.fromkeys(COLUMNS, 0.0) | {"zx": 1.0, "zy": 1.0, "brightness": 1.0}
        drawn = unchanged | {name: value for name, value in named.items() if value is not None}
        draws = np.array([[drawn[name] for name in COLUMNS]], float)
        everything = Ranges(
            rotation=1,
            horizontal_flip=True,
            vertical_flip=True,
            channel_shift=float(named["channel_shift"] is not None),
            brightness=None if named.get("brightness") is None else (0, 1),
        )
        nothing_else = arguments.Arguments(
            fill_mode=self.fill_mode,
            cval=self.cval,
            interpolation_order=self.interpolation_order,
            data_format=self.data_format,
            dtype="float32",
        )
        white = 1.0 if images.max() <= 1 else 255.0
        recipe = pixels.Recipe(
            given=nothing_else,
            ranges=everything,
            corrected=True,
            white=white,
            jit_compile=False,
            shape=images.shape[1:],
            read_as="float32",
        )
        return pixels.make(recipe)(tf.constant(images), draws)[0].numpy()

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Draws parameters and applies them to one image; arguments as `apply_transform` and `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Applies preprocessing_function, rescale and statistics, in place, as the original does.

        Args:
            x: floating point (height, width, channels), or channels first; or a batch of those.
        """
        return arguments.standardize(self, x)

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> Flow:
        """Returns a dataset of batches of the images in memory.

        Args:
            x: images (n, height, width, channels) or channels first, uint8 (kept so) or numbers that become `dtype`;
                or a pair of those and a list of more arrays to hand through.
            y: labels, kept in their dtype.
            batch_size: images per batch; the last one is partial.
            shuffle: whether each epoch has its own order.
            sample_weight: numbers (n,).
            seed: of order and draws; None: a new one.
            save_to_dir: folder to write the pictures to.
            save_prefix: what their names start with.
            save_format: their format.
            ignore_class_split: do not compare the classes of the two subsets.
            subset: "training" or "validation": the part after or before `validation_split` of the rows.

        Returns:
            tf.data.Dataset of images, (images, y) or (images, y, sample_weight); its cardinality is known.

        Raises:
            ValueError: for lengths, ranks or subsets that do not fit.
        """
        listing = listings.of_arrays(
            self,
            x,
            y,
            sample_weight=sample_weight,
            ignore_class_split=ignore_class_split,
            subset=subset,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
        )
        data, weights = listing.x, listing.sample_weight
        skipped = 0 if weights is None else len(weights) - len(data)
        if subset == "training" and skipped:
            if self.mode == "corrected":
                weights = weights[skipped:]
            else:
                warn_once(f"subset='training' takes the weights of the first rows, not its own{oddities.REMEDY}")
        if self.data_format == "channels_first":
            data = np.ascontiguousarray(data.transpose(0, 2, 3, 1))
        with tf.device("CPU"):  # a variable: tf.data would copy a captured constant once more
            variable = tf.Variable(data, trainable=False)
        source = batches.Source(
            read=variable.sparse_read,
            shape=data.shape[1:],
            dtype=data.dtype,
            white=1.0 if data.dtype != np.uint8 and data.size and data.max() <= 1 else 255.0,
            in_memory=True,
            labels=listing.y,
            more=tuple(listing.x_misc),
            weights=weights,
        )
        del listing.x  # without a second copy of the images
        return self._flow(source, listing)

    def flow_from_directory(self, directory: Any, *given: Any, **options: Any) -> Flow:
        """Returns a dataset of batches of the image files of one folder per class.

        Args:
            directory: the folder of the classes' folders.
            *given: as the original's, by place.
            **options: as the original's.

        Returns:
            tf.data.Dataset with `class_indices`, `classes`, `filenames` and `samples` as attributes.

        Raises:
            ValueError: for what the original refuses, and where there is no image file.
            TypeError: as the original.
        """
        return self._from_files(listings.of_folder(self, directory, *given, **options))

    def flow_from_dataframe(self, dataframe: Any, *given: Any, **options: Any) -> Flow:
        """Returns a dataset of batches of the files that a table names.

        Args:
            dataframe: a pandas table.
            *given: as the original's, by place.
            **options: as the original's.

        Returns:
            tf.data.Dataset, as `flow_from_directory`.

        Raises:
            ValueError: as `flow_from_directory`.
            TypeError: as the original.
        """
        return self._from_files(listings.of_table(self, dataframe, *given, **options))

    def _from_files(self, listing):
        return self._flow(files.source(listing, self.dtype), listing)

    def _flow(self, source, listing):
        refusals.check_steps(self, TFImageDataGenerator)
        refusals.check_flow(listing)
        given, corrected, stream = copy.copy(self), self.mode == "corrected", self.mode == "stream"
        height, width, _ = source.shape
        if not corrected:
            oddities.warn_of_data(given, height, width, source.white)
        oddities.warn_of_statistics(given)
        ranges = arguments.ranges(self, height, width, corrected=corrected)
        fills_within = given.fill_mode != "constant" or 0 <= given.cval <= 255 or not ranges.is_affine
        recipe = pixels.Recipe(
            given=given,
            ranges=ranges,
            corrected=corrected,
            stream=stream,
            white=source.white if corrected else 255.0,
            coordinates=self.coordinates,
            jit_compile=self.jit_compile,
            shape=source.shape,
            read_as=source.dtype,
            within=source.dtype == np.uint8 and fills_within and given.interpolation_order in affine_tf.ORDERS,
        )
        kind = plans.StreamPlan if stream else plans.HashedPlan
        plan = kind(listing.n, listing.batch_size, shuffle=listing.shuffle, seed=listing.seed, ranges=ranges)
        maker = batches.Maker(source, recipe, plan)
        savers = {0: batches.saver(listing)} if listing.save_to_dir else {}
        listing.image_data_generator = self
        self._has_flows = True
        return Flow(batches.Batches(maker=maker, plan=plan, in_memory=source.in_memory, savers=savers), listing)
