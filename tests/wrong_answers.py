"""For every question whose evidence is lines of Python: a change after which the answer is wrong, and must be found so.

id -> (text of the lines, what stands in its place).
"""

WRONG = {
    "generator-slow": ('ImageDataGenerator(rotation_range=20, shear_range=5, zoom_range=0.1).flow(x, y)}',
                       'tf.data.Dataset.from_tensor_slices((x, y)).batch(32)}'),
    "wrap-a-sequence": ('["adapter_graph"])["adapter_graph"]', '["interpreter_jit"])["interpreter_jit"]'),
    "from-generator": ("tf.data.Dataset.from_generator(lambda: iter(range(3000)), output_signature=spec).batch(100)",
                       "tf.data.Dataset.range(3000).batch(100)"),
    "python-in-a-map": ("num_parallel_calls=4", "num_parallel_calls=1"),
    "augment-before-cache": ("one.map(lambda x: x + tf.random.uniform(())).cache()",
                             "one.cache().map(lambda x: x + tf.random.uniform(()))"),
    "shuffle-buffer": ("np.arange(10_000) // 1000", "np.arange(10_000) % 10"),
    "cache-memory": ("kept = pictures.cache()", "kept = pictures"),
    "cache-read-in-part": ("counted(ten).cache().take(6)", "counted(ten.take(6)).cache()"),
    "deterministic": ("return tf.random.uniform((), seed=1)", "return tf.random.stateless_uniform((), seed=(2, n))"),
    "what-autotune-chose": ("(50, 50))), tf.data.AUTOTUNE)", "(50, 50))), 2)"),
    "autotune-memory": (".prefetch(buffer)", ".prefetch(2)"),
    "on-epoch-begin": ("Changing(workers=4)", "Changing()"),
    "accuracy-changed": ("size, settings = (96, 96)", "size, settings = (427, 640)"),
    "slower-than-a-loop": ("for _ in read:", "for _ in (read if times > 1 else batched):"),
    "shifts-swapped": ("row[0, 4] = 1", "row[0, :, 4] = 1"),
    "grain-slower": ('.source(pictures).map(scaled("Grain"', '.source(pictures).batch(64).map(scaled("Grain"'),
    "keras-takes-grain": (".source(list(zip(x, y, strict=True)))", ".source(list(zip(x, -y, strict=True)))"),
    "grain-seeds": ("float(generator.random())).repeat(2)", "0.5).repeat(2)"),
    "ran-out-in-epoch-one": ("epochs=3, verbose=0", "epochs=3, steps_per_epoch=4, verbose=0"),
    "end-of-sequence": ("numbers = tf.data.Dataset.range(100).batch(7)",
                        "numbers = tf.data.Dataset.range(100).batch(7, drop_remainder=True)"),
    "layers-in-tf-data": ("pictures.map(Own())", "pictures.map(flip)"),
    "same-draws": ("tf.random.set_seed(1)", "pass"),
    "shuffle-filled-again": ("load(numbers).shuffle(300)", "load(numbers)"),
    "workers-in-fit": ("verbose=0, workers=4", "verbose=0"),
}  # fmt: skip
