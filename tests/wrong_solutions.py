"""One plausible wrong solution per exercise of a lesson, in its order: its check must not be content with it."""

WRONG_SOLUTIONS = {
    "00_check_your_setup": (
        "missed = batch_size - examples % batch_size",
        "ds_repaired = tf.data.Dataset.from_tensor_slices((data.images, data.labels)).map(rescale).batch(batch_size)",
    ),
    "01_compare_on_synthetic_data": (
        "spread = {'Sequence': float(noisy[0].std()), 'tf.data': float(brightened[0].std())}",
        "thawed = tf.data.Dataset.from_tensor_slices((data.images, data.labels)).shuffle(examples).map(add_noise)"
        ".batch(batch_size)",
    ),
    "02_preprocess_heavily": (
        "half_bytes, worst = file_bytes, 0.0",
        "ds_repaired = ds_counted.take(6).map(lambda image: resize(image, 0)).map(add_noise).cache()",
    ),
    "03_measure_without_fooling_yourself": (
        "typical_ratio = total_ratio = spiky.mean() / steady.mean()",
        "wrong = np.mean(np.abs(np.log(estimates('warms up', in_rounds=True, rounds=5))) > np.log(1.05))",
    ),
    "04_feed_mnist_from_tfds": (
        "different_fixed = different_batches(ds_mixed)",
        "ds_repaired = ds_records.cache().batch(batch_size).map(normalise).map(augment)",
    ),
    "14_look_under_the_clock": (
        "gone_s = 2 * read_s",
        "near_the_mean = int(np.sum(np.abs(two_heaps / np.median(two_heaps) - 1) < 0.1))",
    ),
}
