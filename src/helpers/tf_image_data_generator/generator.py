"""ImageDataGenerator in tf.data: the same arguments, the same pixels.

    from helpers.tf_image_data_generator import TFImageDataGenerator as ImageDataGenerator

The package can be copied elsewhere: it needs Keras, TensorFlow, NumPy, SciPy and Pillow, and nothing of this kit.

The `flow*` methods return a `Flow`: a `tf.data.Dataset` that also has the surface of the original's iterators.
What concerns single images (`standardize`,
`apply_transform`, `random_transform`, `get_random_transform`) and the checks of arguments is Keras' own class, which
this one holds; nothing of it runs while batches are made.
"""

import copy
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.keras.preprocessing.image import ImageDataGenerator, NumpyArrayIterator

from . import affine_tf, batches, files, oddities, pixels, plans, refusals
from .draws import COLUMNS, Ranges, draw_stream
from .flow import Flow
from .oddities import warn_once


class TFImageDataGenerator:
    """Takes every argument of `tf.keras.preprocessing.image.ImageDataGenerator`, and three more.

    Args:
        *arguments: as the original's, by place.
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

    def __init__(
        self,
        *arguments: Any,
        mode: str = "semantics",
        coordinates: str = "float64",
        jit_compile: bool = True,
        **options: Any,
    ) -> None:
        refusals.check_modes(mode, coordinates)
        for name in ("width_shift_range", "height_shift_range"):
            if isinstance(options.get(name), np.ndarray):
                options[name] = options[name].tolist()
        self.original = ImageDataGenerator(*arguments, **options)
        self._has_flows = False
        self.mode = mode
        self.coordinates = coordinates
        self.jit_compile = jit_compile
        refusals.check_options(self.original, mode)
        if mode != "corrected":
            oddities.warn_of_options(self.original)

    def __setattr__(self, name, value):
        """Sets what the original has on the original: `datagen.mean = …` counts in every flow made afterwards."""
        if "original" not in vars(self) or not hasattr(self.original, name):
            super().__setattr__(name, value)
            return
        setattr(self.original, name, value)
        self._warn_of_change(name)

    def _warn_of_change(self, name):
        if self._has_flows:
            warn_once(f"{name} has changed after a flow was made: that flow keeps what it was; make it anew")

    def __getattr__(self, name):
        """Returns what the original has: `mean`, `std`, `rotation_range`, `standardize`, …"""
        if name == "original":
            raise AttributeError(name)
        return getattr(self.original, name)

    def _ranges(self, height, width):
        given, corrected = self.original, self.mode == "corrected"
        shifts = (given.height_shift_range, height), (given.width_shift_range, width)
        (tx, tx_size), (ty, ty_size) = shifts[::-1] if corrected else shifts
        scale = given.rescale if corrected and given.rescale else 1
        return Ranges(
            rotation=given.rotation_range,
            tx=tx,
            ty=ty,
            tx_size=tx_size,
            ty_size=ty_size,
            shear=given.shear_range,
            zoom=tuple(given.zoom_range),
            horizontal_flip=bool(given.horizontal_flip),
            vertical_flip=bool(given.vertical_flip),
            channel_shift=given.channel_shift_range / scale,
            brightness=given.brightness_range,
            whole_reaches=corrected,
        )

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
        given = self.original
        if given.preprocessing_function is not None:
            if self.mode == "corrected":
                x = np.stack([given.preprocessing_function(image) for image in np.array(x, given.dtype)])
            else:
                warn_once("fit ignores preprocessing_function; mode='corrected' mends it")
        given.fit(x, augment=augment, rounds=rounds, seed=seed)
        self._warn_of_change("what fit found")

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None) -> dict[str, Any]:
        """Draws the parameters of one image as the original does, by its names; in NumPy, whatever the mode.

        Args:
            img_shape: of the image, (height, width, channels) or channels first.
            seed: None: NumPy's global state goes on.
        """
        if self.mode != "corrected":
            return self.original.get_random_transform(img_shape, seed)
        random = np.random if seed is None else np.random.RandomState(seed)
        first = self.original.row_axis - 1
        drawn = draw_stream(random, 1, self._ranges(img_shape[first], img_shape[first + 1]))[0]
        named = dict(zip(COLUMNS, drawn.tolist(), strict=True))
        named["channel_shift_intensity"] = named.pop("channel_shift") if self.channel_shift_range else None
        if self.brightness_range is None:
            named["brightness"] = None
        return named

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Applies parameters to one image.

        Args:
            x: float32 (height, width, channels) or channels first.
            transform_parameters: as `get_random_transform` gives them; what is left out changes nothing.
        """
        if self.mode != "corrected":
            return self.original.apply_transform(x, transform_parameters)
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
        nothing_else = ImageDataGenerator(
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
        images, *more = x if isinstance(x, (tuple, list)) else (x,)
        images = np.asarray(images)
        listing = NumpyArrayIterator(
            (images, *more) if more else images,
            y,
            self.original,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            ignore_class_split=ignore_class_split,
            dtype=np.uint8 if images.dtype == np.uint8 else self.dtype,  # its own would make a copy of four times
        )
        data, weights = listing.x, listing.sample_weight
        skipped = len(images) - len(data)
        if subset == "training" and skipped and weights is not None:
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
        listing.x, listing.dtype = None, self.dtype  # without a second copy of the images
        listing.samples, listing.labels = listing.n, listing.y  # named as those of files
        return self._flow(source, listing)

    def flow_from_directory(self, directory: Any, *arguments: Any, **options: Any) -> Flow:
        """Returns a dataset of batches of the image files of one folder per class.

        Args:
            directory: the folder of the classes' folders.
            *arguments: as the original's, by place.
            **options: as the original's.

        Returns:
            tf.data.Dataset with `class_indices`, `classes`, `filenames` and `samples` as attributes.

        Raises:
            ValueError: for what the original refuses, and where there is no image file.
            TypeError: as the original.
        """
        return self._from_files(self.original.flow_from_directory(directory, *arguments, **options))

    def flow_from_dataframe(self, dataframe: Any, *arguments: Any, **options: Any) -> Flow:
        """Returns a dataset of batches of the files that a table names.

        Args:
            dataframe: a pandas table.
            *arguments: as the original's, by place.
            **options: as the original's.

        Returns:
            tf.data.Dataset, as `flow_from_directory`.

        Raises:
            ValueError: as `flow_from_directory`.
            TypeError: as the original.
        """
        return self._from_files(self.original.flow_from_dataframe(dataframe, *arguments, **options))

    def _from_files(self, listing):
        return self._flow(files.source(listing, self.original.dtype), listing)

    def _flow(self, source, listing):
        refusals.check_steps(self, TFImageDataGenerator)
        refusals.check_flow(listing)
        given, corrected, stream = copy.copy(self.original), self.mode == "corrected", self.mode == "stream"
        height, width, _ = source.shape
        if not corrected:
            oddities.warn_of_data(given, height, width, source.white)
        oddities.warn_of_statistics(given)
        ranges = self._ranges(height, width)
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
