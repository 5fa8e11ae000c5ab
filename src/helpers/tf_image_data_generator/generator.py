"""ImageDataGenerator in tf.data: the same arguments, the same pixels.

    from helpers.tf_image_data_generator import TFImageDataGenerator as ImageDataGenerator

The `flow*` methods return a `tf.data.Dataset` with its cardinality set. What concerns single images (`standardize`,
`apply_transform`, `random_transform`, `get_random_transform`) and the checks of arguments is Keras' own class, which
this one holds; nothing of it runs while batches are made.
"""

import numpy as np

from helpers.errors import StudyError
from helpers.tf_image_data_generator import affine, batches, files, oddities, pixels
from helpers.tf_image_data_generator.draws import COLUMNS, Ranges, draw_stream
from helpers.tf_image_data_generator.oddities import warn_once

MODES = ("stream", "semantics", "corrected")


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
        StudyError: for what the original refuses, and for what it fails at later.
    """

    def __init__(self, *arguments, mode="semantics", coordinates="float64", jit_compile=True, **options):
        from tensorflow.keras.preprocessing.image import ImageDataGenerator

        if mode not in MODES:
            raise StudyError(f"mode must be one of {', '.join(MODES)} (got {mode!r})")
        if coordinates not in ("float64", "float32"):
            raise StudyError(f"coordinates must be float64 or float32 (got {coordinates!r})")
        for name in ("width_shift_range", "height_shift_range"):
            if isinstance(options.get(name), np.ndarray):
                options[name] = options[name].tolist()
        try:
            self.original = ImageDataGenerator(*arguments, **options)
        except (ValueError, TypeError) as error:
            raise StudyError(str(error).replace("\n", " ")) from error
        self.mode = mode
        self.coordinates = coordinates
        self.jit_compile = jit_compile
        self._check()
        if mode != "corrected":
            oddities.warn_of_options(self.original)

    def __getattr__(self, name):
        """Returns what the original has: `mean`, `std`, `rotation_range`, `standardize`, …"""
        if name == "original":
            raise AttributeError(name)
        return getattr(self.original, name)

    def _check(self):
        given = self.original
        if given.fill_mode not in affine.FILL_MODES:
            raise StudyError(f"fill_mode must be one of {', '.join(affine.FILL_MODES)} (got {given.fill_mode!r})")
        if given.interpolation_order not in range(6):
            raise StudyError(f"interpolation_order must be 0 to 5 (got {given.interpolation_order!r})")
        if np.dtype(given.dtype) not in (np.float32, np.float64):
            raise StudyError(f"dtype must be float32 or float64 (got {given.dtype!r}); cast in a map afterwards")
        if given.brightness_range is not None and given.data_format == "channels_first" and self.mode != "corrected":
            raise StudyError(
                "brightness_range needs data_format 'channels_last' (got 'channels_first'), in the original too; "
                "use mode='corrected' or transpose"
            )

    def _ranges(self, height, width):
        given, corrected = self.original, self.mode == "corrected"
        sideways, up_down = given.height_shift_range, given.width_shift_range
        sizes = (height, width)
        if corrected:
            sideways, up_down, sizes = up_down, sideways, (width, height)
        channel_shift = given.channel_shift_range
        if corrected and given.rescale:
            channel_shift = channel_shift / given.rescale
        return Ranges(
            rotation=given.rotation_range,
            tx=sideways,
            ty=up_down,
            tx_size=sizes[0],
            ty_size=sizes[1],
            shear=given.shear_range,
            zoom=tuple(given.zoom_range),
            horizontal_flip=bool(given.horizontal_flip),
            vertical_flip=bool(given.vertical_flip),
            channel_shift=channel_shift,
            brightness=given.brightness_range,
            whole_reaches=corrected,
        )

    def _recipe(self, ranges, white):
        given, corrected = self.original, self.mode == "corrected"
        wanted = {"mean": given.featurewise_center, "std": given.featurewise_std_normalization}
        wanted["zca_whitening_matrix"] = given.zca_whitening
        fitted = {name: getattr(given, name) if use else None for name, use in wanted.items()}
        for name, use in wanted.items():
            if use and fitted[name] is None:
                warn_once(f"{name} is wanted and not known, so it is left out: call fit(images) before flow")
        return pixels.Recipe(
            ranges=ranges,
            fill_mode=given.fill_mode,
            cval=given.cval,
            order=given.interpolation_order,
            swap_center=not corrected,
            exact_brightness=not corrected,
            white=white if corrected else 255.0,
            coordinates=self.coordinates,
            preprocessing_function=given.preprocessing_function,
            channels_first=given.data_format == "channels_first",
            rescale=given.rescale,
            samplewise_center=given.samplewise_center,
            samplewise_std=given.samplewise_std_normalization,
            mean=fitted["mean"],
            std=fitted["std"],
            whitening=fitted["zca_whitening_matrix"],
            image_by_image=self.mode == "stream",
            dtype=np.dtype(given.dtype).name,
            jit_compile=self.jit_compile,
        )

    def fit(self, x, augment=False, rounds=1, seed=None):
        """Computes the statistics of featurewise options and ZCA, as the original does.

        Args:
            x: images (n, height, width, channels), or channels first.
            augment: whether on augmented images.
            rounds: passes over the data when augmenting.
            seed: of the augmentation.

        Raises:
            StudyError: for data that is not of rank 4.
        """
        given = self.original
        if np.ndim(x) != 4:
            raise StudyError(f"x must be of rank 4 (got shape {np.shape(x)}); add the missing axis")
        if given.preprocessing_function is not None:
            if self.mode == "corrected":
                x = np.stack([given.preprocessing_function(image) for image in np.array(x, given.dtype)])
            else:
                warn_once("fit ignores preprocessing_function; mode='corrected' mends it")
        given.fit(x, augment=augment, rounds=rounds, seed=seed)

    def get_random_transform(self, img_shape, seed=None):
        """Draws the parameters of one image as the original does, by its names; in NumPy, whatever the mode."""
        if self.mode != "corrected":
            return self.original.get_random_transform(img_shape, seed)
        random = np.random.random.__self__ if seed is None else np.random.RandomState(seed)
        first = self.original.row_axis - 1
        drawn = draw_stream(random, 1, self._ranges(img_shape[first], img_shape[first + 1]))[0]
        named = dict(zip(COLUMNS, drawn.tolist(), strict=True))
        named["channel_shift_intensity"] = named.pop("channel_shift") if self.channel_shift_range else None
        if self.brightness_range is None:
            named["brightness"] = None
        return named

    def apply_transform(self, x, transform_parameters):
        """Applies parameters to one image, float32 (height, width, channels) or channels first."""
        if self.mode != "corrected":
            return self.original.apply_transform(x, transform_parameters)
        images = np.asarray(x, np.float32)[None]
        if self.data_format == "channels_first":
            images = images.transpose(0, 2, 3, 1)
        named = {name: transform_parameters.get(name) for name in COLUMNS}
        named["channel_shift"] = transform_parameters.get("channel_shift_intensity")
        plain = dict.fromkeys(COLUMNS, 0.0) | {"zx": 1.0, "zy": 1.0, "brightness": 1.0}
        draws = np.array([[plain[name] if named[name] is None else named[name] for name in COLUMNS]], float)
        everything = Ranges(
            rotation=1, horizontal_flip=True, vertical_flip=True,
            channel_shift=float(named["channel_shift"] is not None),
            brightness=None if named["brightness"] is None else (0, 1),
        )  # fmt: skip
        recipe = pixels.Recipe(
            ranges=everything, fill_mode=self.fill_mode, cval=self.cval, order=self.interpolation_order,
            swap_center=False, exact_brightness=False, white=1.0 if images.max() <= 1 else 255.0,
            channels_first=self.data_format == "channels_first", jit_compile=False,
        )  # fmt: skip
        import tensorflow as tf

        return pixels.make(recipe)(tf.constant(images), tf.constant(draws))[0].numpy()

    def random_transform(self, x, seed=None):
        """Draws parameters and applies them to one image."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def flow(
        self, x, y=None, batch_size=32, shuffle=True, sample_weight=None, seed=None, save_to_dir=None,
        save_prefix="", save_format="png", ignore_class_split=False, subset=None,
    ):  # fmt: skip
        """Returns a dataset of batches of the images in memory.

        Args:
            x: images (n, height, width, channels) or channels first, uint8 (kept so) or numbers that become `dtype`;
                or a pair of those and a list of more arrays to hand through.
            y: labels, kept in their dtype.
            batch_size: images a batch; the last one is partial.
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
            StudyError: for lengths, ranks or subsets that do not fit.
        """
        x, more = _split_inputs(x)
        arrays = {"y": y, "sample_weight": sample_weight, **{f"x[{n + 1}]": m for n, m in enumerate(more)}}
        for name, array in arrays.items():
            if array is not None and len(array) != len(x):
                raise StudyError(f"{name} must be as long as x (got {len(array)} and {len(x)})")
        if x.ndim != 4:
            raise StudyError(f"x must be of rank 4 (got shape {x.shape}); add the missing axis")
        if subset is not None:
            rows = self._rows(len(x), y, subset, ignore_class_split)
            x, more = x[rows], [array[rows] for array in more]
            y = None if y is None else np.asarray(y)[rows]
            sample_weight = self._weights(sample_weight, rows, len(x))
        x = x if x.dtype == np.uint8 else x.astype(self.original.dtype, copy=False)
        if self.data_format == "channels_first":
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        import tensorflow as tf

        with tf.device("CPU"):  # a variable: tf.data would copy a captured constant once more
            source = tf.Variable(x, trainable=False)
        white = 1.0 if x.dtype != np.uint8 and x.size and x.max() <= 1 else 255.0
        parts = batches.Parts(
            labels=y, more=tuple(more), weights=sample_weight, saving=(save_to_dir, save_prefix, save_format),
            data_format=self.data_format,
        )  # fmt: skip
        return self._batches(
            len(x), x.shape[1:], source.sparse_read, white=white, parts=parts,
            span_of=batches.span_of, batch_size=batch_size, shuffle=shuffle, seed=seed,
        )  # fmt: skip

    def _rows(self, count, y, subset, ignore_class_split):
        if subset not in ("training", "validation"):
            raise StudyError(f"subset must be training or validation (got {subset!r})")
        split = int(count * self.original._validation_split)
        if y is not None and not ignore_class_split and set(np.ravel(y[:split])) != set(np.ravel(y[split:])):
            raise StudyError(
                "training and validation subsets must have the same classes (the split takes the first rows); "
                "shuffle the data, or give ignore_class_split=True"
            )
        return slice(None, split) if subset == "validation" else slice(split, None)

    def _weights(self, weights, rows, count):
        """Returns the weights of a subset: the right ones, or the first ones as the original takes them."""
        if weights is None or self.mode == "corrected":
            return None if weights is None else np.asarray(weights)[rows]
        if rows.start:
            warn_once("subset='training' takes the weights of the first rows, not its own; mode='corrected' mends it")
        return np.asarray(weights)[:count]

    def flow_from_directory(self, directory, class_mode="categorical", **options):
        """Returns a dataset of batches of the image files of a folder a class; arguments as the original's.

        Returns:
            tf.data.Dataset with `class_indices`, `classes`, `filenames` and `samples` as attributes.

        Raises:
            StudyError: for what the original refuses.
        """
        listing = self._list(self.original.flow_from_directory, directory, class_mode=class_mode, **options)
        return self._from_files(listing, class_mode, options)

    def flow_from_dataframe(self, dataframe, directory=None, x_col="filename", y_col="class", **options):
        """Returns a dataset of batches of the files that a table names; arguments as the original's.

        Returns:
            tf.data.Dataset, as `flow_from_directory`.

        Raises:
            StudyError: for what the original refuses.
        """
        listing = self._list(self.original.flow_from_dataframe, dataframe, directory, x_col, y_col, **options)
        return self._from_files(listing, listing.class_mode, options)

    def _list(self, method, *arguments, **options):
        try:
            listing = method(*arguments, **options)
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise StudyError(str(error).replace("\n", " ")) from error
        if not listing.samples:
            raise StudyError(f"no image files found in {arguments[0]}; it must hold a folder of images a class")
        return listing

    def _from_files(self, listing, class_mode, options):
        read = files.reader(
            listing.filepaths, target_size=listing.target_size, color_mode=listing.color_mode,
            interpolation=listing.interpolation, keep_aspect_ratio=listing.keep_aspect_ratio,
        )  # fmt: skip
        channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[listing.color_mode]
        parts = batches.Parts(
            labels=files.labels_of(listing, class_mode, self.original.dtype), weights=listing.sample_weight,
            saving=(listing.save_to_dir, listing.save_prefix, listing.save_format),
            images_are_labels=class_mode == "input", data_format=self.data_format,
        )  # fmt: skip
        dataset = self._batches(
            listing.samples, (*listing.target_size, channels), read, white=255.0, parts=parts,
            span_of=lambda batch_size, image_bytes: batch_size, batch_size=listing.batch_size,
            shuffle=listing.shuffle, seed=listing.seed,
        )  # fmt: skip
        for name in ("class_indices", "classes", "filenames", "samples", "filepaths"):
            setattr(dataset, name, getattr(listing, name, None))
        return dataset

    def _batches(self, count, shape, read, *, white, parts, span_of, batch_size, shuffle, seed):
        if batch_size < 1:
            raise StudyError(f"batch_size must be >= 1 (got {batch_size}); give a positive whole number")
        if self.mode != "corrected":
            oddities.warn_of_data(self.original, *shape[:2], white)
        ranges = self._ranges(*shape[:2])
        finish = pixels.make(self._recipe(ranges, white))
        stream = self.mode == "stream"  # whose draws are seeded batch by batch
        span = batch_size if stream else span_of(batch_size, 4 * int(np.prod(shape)))
        return batches.batches(
            count, read, finish, ranges=ranges, parts=parts, dtype=self.original.dtype, stream=stream,
            batch_size=batch_size, span=span, shuffle=shuffle, seed=seed, size=shape[:2],
        )  # fmt: skip


def _split_inputs(x):
    if not isinstance(x, (tuple, list)):
        return np.asarray(x), []
    more = x[1] if isinstance(x[1], list) else [x[1]]
    return np.asarray(x[0]), [np.asarray(array) for array in more]
