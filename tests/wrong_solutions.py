"""One plausible wrong solution per exercise of a lesson, in its order: its check must not be content with it."""

WRONG_SOLUTIONS = {
    "00_check_your_setup": (
        "ds_full, missed = ds_by_hand, examples % batch_size",
        "ds_repaired = tf.data.Dataset.from_tensor_slices((data.images, data.labels)).map(rescale).batch(batch_size)",
    ),
    "01_compare_on_synthetic_data": (
        "spread = {'Sequence': float(noisy[0].std()), 'tf.data': float(brightened[0].std())}",
        "ds_floats = tf.data.Dataset.from_tensor_slices((data.images.astype('float32'), data.labels))\n"
        "thawed = ds_floats.cache().shuffle(examples).map(add_noise).batch(batch_size)",
    ),
    "02_preprocess_heavily": (
        "half_bytes, worst = file_bytes, 0.0",
        "ds_repaired = ds_counted.take(6).cache().map(lambda image: resize(image, 0)).map(add_noise)",
    ),
    "03_measure_without_fooling_yourself": (
        "typical_ratio = total_ratio = spiky.mean() / steady.mean()",
        "wrong = np.mean(np.abs(np.log(estimates('warms up', in_rounds=False))) > np.log(1.05))",
    ),
    "04_feed_mnist_from_tfds": (
        "ds_fixed, different_fixed = ds_numbers, different_batches(ds_moved)",
        "ds_repaired = ds_records.shuffle(examples, seed=seed).batch(batch_size).map(normalise).map(augment)"
        ".prefetch(AUTOTUNE)",
    ),
    "05_match_imagedatagenerator": (
        "versions = 5  # -2 to 2",
        "dimming, repaired = broken, 0.6 * scaled",
        "plain_flow = TFImageDataGenerator().flow(masks, **flow_options)  # in the same order, but not turned\n"
        "together = image_flow.zip(image_flow, plain_flow)",
    ),
    "06_rebuild_it_in_tf_data_on_cifar10": (
        "moved_up = len(np.unique(versions(one.map(augment).cache().batch(1)), axis=0))",
        "with_flip = TFImageDataGenerator(**options)  # the flip that is missing, but still the cache\n"
        "repaired = with_flip.flow(pictures.images, pictures.labels, batch_size=batch_size).cache()",
    ),
    "07_vary_cardinality_and_batch_size": (
        "per_batch = pipelines.build('tf_data', largest_task)\n"
        "both = {'element': per_image, 'batch': per_batch}\n"
        "measured_batched = comparison.compare(both, budget_s=0.5)",
        "parts = [one_class(np.int64(label)).repeat() for label in range(classes)]\n"
        "ds_repaired = tf.data.Dataset.sample_from_datasets(parts, seed=seed).take(sorted_examples)",
    ),
    "08_find_the_bottleneck": (
        "wide = models.small_cnn(timing.first_batch(feeds['py_dataset']), classes=10, filters=128)\n"
        "heavier = recorded['py_dataset']",
        "def sharpen_by_tf(image):\n"
        "    return 3 * image - tf.roll(image, 1, axis=1) - tf.roll(image, -1, axis=1)\n"
        "mended = pipeline({name: stage for name, stage in STAGES.items() if name != 'sharpen'})",
    ),
    "09_add_workers": (
        "prepared_here = {'2 threads': 8, '2 processes': 8}",
        "class Noisy(keras.utils.PyDataset):\n"
        "    def __len__(self):\n"
        "        return 8\n"
        "    def __getitem__(self, index):\n"
        "        time.sleep(0.05)\n"
        "        generator = np.random.default_rng((seed, index))\n"
        "        return generator.random((4, 8, 8, 1), 'float32'), np.zeros(4, 'int64')",
    ),
    "09b_outgrow_one_machine": (
        "unsharded = pipelines.build('tf_data', task)\n"
        "from_one = sum(len(labels) for _, labels in feeds.batches_of(unsharded))",
        "repaired = pipelines.build('tf_data', task)",
    ),
    "10_read_the_verdicts": (
        "other_side = {'builder': 'image_data_generator', 'others': 'default'}\n"
        "outcome_everywhere = rules.compare(runs[0].results, pipeline=tf_data, reference=other_side, expect='slower')",
        "(mended,) = load_text(broken.replace('transformation:', 'transform:').replace('equal', 'faster'))",
    ),
    "11_feed_a_gpu": (
        "change = 'stays'\n"
        "larger = pipelines.build('image_data_generator', task.but(batch_size=2 * batch_size))\n"
        "slower = simulated_device.model(taken, step_s=0.003)\n"
        "doubled = timing.take_training_apart(slower, larger)",
        "repaired = pipelines.build('tf_data', task)",
        "wrapped_up = ds_digits.cache().shuffle(len(digits)).batch(32).map(brighten).prefetch(2)",
    ),
    "12_bring_your_own_pipeline": (
        "frozen = named.map(load_in_tensorflow).cache().map(flip).shuffle(len(files)).batch(batch_size)\n"
        "frozen_report = doctor.examine(frozen, budget_s=budget_s)",
        "class WholeRows(Rows):\n"
        "    def __getitem__(self, number):\n"
        "        values = table[50 * number : 50 * number + 50]\n"
        "        order = values.argsort(axis=1) / values.shape[1]  # not yet the ranks\n"
        "        return order.astype('float32'), targets[50 * number : 50 * number + 50]\n"
        "by_batches = WholeRows()",
    ),
    "13_meet_the_alternatives": (
        "calls = {'element': examples, 'batch': examples // batch_size}  # without the partial batch",
        "ds_half = source.shuffle(seed=seed).random_map(add_noise, seed=seed).batch(batch_size)\n"
        "repaired = ds_half  # begins at its first epoch again in every epoch",
    ),
    "14_look_under_the_clock": (
        "def gone(read_s):\n"
        "    wake_s = first_pause_s\n"
        "    while wake_s < read_s:\n"
        "        wake_s *= 2  # the pause, not the sum of the pauses\n"
        "    return wake_s",
        "near_the_mean = int(np.sum(np.abs(two_heaps / two_heaps.mean() - 1) < 0.1))\nshare_slow = near_the_mean / 40",
    ),
}
