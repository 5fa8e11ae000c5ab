"""The private names that the kit reaches for: each test says what is lost when a new version takes its name away."""

import ast
import base64
import hashlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import helpers
from helpers import internals
from helpers.machine import allocator

pytestmark = pytest.mark.usefixtures("own_seed")

HOUSE = Path(helpers.__file__).resolve().parent
PRIVATE_MODULES = (
    "keras.src",
    "tensorflow.python",
    "tensorflow.tsl",
    "tensorflow.core",
    "tensorflow_datasets.core",
    "tensorflow_datasets.image_classification",
)
# Names with an underscore that are public all the same, or that a module which imports nothing of the kit must reach.
ALLOWED = {
    "os._exit": "documented",
    "core._fields": "documented, of a named tuple",
}
BATCH = (np.zeros((2, 8, 8, 1), np.float32), np.zeros(2, np.int64))


def printed_by(code):
    """What a fresh process prints: TensorFlow's state is one for a whole process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_whether_a_pipeline_works_ahead_is_seen_in_its_stages():
    dataset = tf.data.Dataset.range(3).map(lambda x: x).prefetch(1)
    names = [type(stage).__name__ for stage in internals.dataset_stages(dataset)]
    assert [next(kind for kind in ("Prefetch", "Map", "Range") if kind in name) for name in names] == [
        "Prefetch",
        "Map",
        "Range",
    ]
    both = tf.data.Dataset.zip(dataset, tf.data.Dataset.range(3))
    assert len(internals.dataset_stages(both)) == 1 + 3 + 1


def doubled(x):
    return 2 * x


def of_kind(graph, kind):
    (node,) = [node for node in graph.node if node.op == kind]
    return node


def test_what_a_stage_draws_from_is_seen_also_behind_one_that_only_renames():
    (before,) = internals.dataset_inputs(tf.data.Dataset.range(6).batch(2).rebatch(3))
    assert type(before).__name__ == "_MapDataset"  # not the stage that only renames the map's parts
    assert internals.dataset_inputs(tf.data.Dataset.range(3)) == []


def numbers():
    yield 1


def test_a_stage_is_traced_to_the_line_that_the_user_wrote():
    stage = tf.data.Dataset.range(3).map(doubled)
    assert internals.written_at(stage) == (__file__, doubled.__code__.co_firstlineno, "doubled")
    assert internals.written_at(tf.data.Dataset.range(3).batch(2)) is None
    generated = tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), tf.int32))
    assert internals.written_at(generated) == (__file__, numbers.__code__.co_firstlineno, "numbers")


def test_what_a_stage_was_given_is_there_to_make_it_anew():
    stage = tf.data.Dataset.range(6).map(doubled, num_parallel_calls=3, deterministic=False)
    assert internals.function_of(stage) is doubled
    assert internals.told(stage, "num_parallel_calls") == 3 and internals.told(stage, "deterministic") == "false"
    shuffled = stage.shuffle(5, seed=7, reshuffle_each_iteration=False)
    assert internals.told(shuffled, "buffer_size") == 5 and internals.told(shuffled, "seed2") == 7
    assert internals.told(shuffled, "reshuffle_each_iteration") is False
    batched = shuffled.batch(4, drop_remainder=True)
    assert internals.told(batched, "batch_size") == 4 and internals.told(batched, "drop_remainder") is True
    assert internals.told(stage.cache("there"), "filename") == "there" and internals.told(stage, "batch_size") is None
    assert internals.told(stage.shard(3, 1), "num_shards") == 3 and internals.told(stage.shard(3, 1), "index") == 1
    assert [internals.told(each, "count") for each in (stage.take(2), stage.skip(3), stage.repeat())] == [2, 3, -1]
    kept = stage.filter(lambda number: number > 2)
    assert internals.function_of(kept)(3) and internals.function_of(batched) is None
    nested = stage.interleave(lambda number: tf.data.Dataset.range(number), cycle_length=2, block_length=3)
    assert internals.told(nested, "cycle_length") == 2 and internals.told(nested, "block_length") == 3


def test_the_arrays_that_a_graph_would_copy_are_counted_once():
    images, offset = np.zeros((10, 4), np.float32), tf.constant(np.zeros(3, np.int64))
    dataset = tf.data.Dataset.from_tensor_slices(images).map(lambda row: row + tf.cast(offset[0], tf.float32))
    assert internals.captured_bytes(dataset.concatenate(dataset)) == 10 * 4 * 4 + 3 * 8


def test_what_tensorflow_makes_of_a_dataset_is_seen_in_its_graph():
    dataset = tf.data.Dataset.range(6).map(doubled).batch(2)
    written = [node.op for node in internals.dataset_graph(dataset, rewritten=False).node if "Dataset" in node.op]
    assert written == ["RangeDataset", "MapDataset", "BatchDatasetV2"]
    rewritten = internals.dataset_graph(dataset, rewritten=True)
    assert of_kind(rewritten, "MapAndBatchDataset") and of_kind(rewritten, "ModelDataset")


def test_what_a_stage_was_told_is_read_by_its_inputs_names():
    dataset = tf.data.Dataset.zip(tf.data.Dataset.range(6), tf.data.Dataset.range(6)).shuffle(3, seed=1)
    graph = internals.dataset_graph(dataset, rewritten=False)
    inputs = internals.named_inputs(of_kind(graph, "ShuffleDatasetV3"))
    assert list(inputs) == ["input_dataset", "buffer_size", "seed", "seed2", "seed_generator"]
    assert len(internals.named_inputs(of_kind(graph, "ZipDataset"))["input_datasets"]) == 2


def test_which_stages_were_fused_is_told_by_their_names():
    dataset = tf.data.Dataset.range(6).map(doubled, name="mine").batch(2)
    (batch,) = internals.stages_of(of_kind(internals.dataset_graph(dataset, rewritten=False), "BatchDatasetV2"))
    fused = of_kind(internals.dataset_graph(dataset, rewritten=True), "MapAndBatchDataset")
    assert internals.stages_of(fused) == ["mine", batch]


def test_that_fit_passes_a_sequence_through_tf_data_is_seen_in_its_adapter():
    class Ready(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return BATCH

    adapter = internals.py_dataset_adapter(Ready())
    (images, _), *_ = adapter.get_tf_dataset().take(1)
    adapter.on_epoch_end()
    assert images.shape == BATCH[0].shape


def test_a_stage_that_draws_or_calls_python_is_seen_in_its_operations():
    def drawn(x):
        return x + tf.random.uniform(())

    def in_python(x):
        return tf.numpy_function(np.sin, [x], tf.float32)

    numbers = tf.data.Dataset.from_tensor_slices(np.zeros(4, np.float32))
    assert "RandomUniform" in internals.function_operations(numbers.map(drawn))
    assert "PyFunc" in internals.function_operations(numbers.map(in_python))
    assert not internals.function_operations(numbers.batch(2))


def test_an_epoch_begins_also_where_keras_knows_no_such_call():
    begun = []

    class Told:
        def on_epoch_begin(self):
            begun.append(1)

    internals.begin_epoch(Told())
    internals.begin_epoch(object())  # as a PyDataset before Keras 3.5
    assert begun == [1]


def test_where_a_thread_is_now_can_be_seen():
    assert internals.running_frames()[threading.get_ident()].f_code.co_name == "running_frames"


def test_what_the_doctor_trains_is_built_as_fit_builds_it():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    internals.build_as_fit_does(model, (np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32)))
    assert model.built and model.optimizer.built and int(model.optimizer.iterations.numpy()) == 0


def test_seeds_that_nobody_gave_are_put_back():
    def drawn():
        order = [int(number) for number in tf.data.Dataset.range(50).shuffle(50)]
        return order, float(keras.random.uniform(())), keras.layers.Dense(1).name

    keras.utils.set_random_seed(7)
    of_python = random.getstate()
    with internals.kept_seeds():
        first = drawn()
    random.setstate(of_python)
    assert drawn() == first


def test_a_timeline_is_read_from_the_profiler_s_own_message(tmp_path):
    with tf.profiler.experimental.Profile(str(tmp_path)):
        for _ in tf.data.Dataset.range(3, name="mine"):
            pass
    (written,) = tmp_path.rglob("*.xplane.pb")
    space = internals.trace_space(written.read_bytes())
    names = {told.name for plane in space.planes for told in plane.event_metadata.values()}
    assert any(name.startswith("Iterator::") for name in names)


@pytest.mark.slow
def test_a_process_that_has_run_tensorflow_is_told_from_one_that_may_be_forked():
    code = "import tensorflow as tf; from helpers import internals; print(internals.tensorflow_has_run()); "
    assert printed_by(code + "tf.constant(1) + 1; print(internals.tensorflow_has_run())") == [
        "False",
        "True",
    ]


def cancelled_from_outside(call, cancel):
    """What a call ended with that another thread cancels half a second after it began."""
    timer = threading.Timer(0.5, cancel)
    timer.start()
    try:
        call()
    except Exception as error:
        return error
    finally:
        timer.join()
    return None


def test_an_epoch_that_hangs_is_ended_by_its_cancellation():
    iterator = iter(tf.data.Dataset.range(1).repeat().filter(lambda x: x > 0))  # it never finds one
    managers = []

    def next_manager():
        managers.append(internals.cancellation_manager())
        return managers[-1]

    call = tf.function(lambda: iterator.get_next()).get_concrete_function()
    with internals.cancellable_calls(next_manager):
        error = cancelled_from_outside(call, lambda: managers[-1].start_cancel())
    assert isinstance(error, tf.errors.CancelledError)
    assert len(managers) == 1


def test_a_service_that_is_gone_while_an_iterator_is_made_can_be_left_waiting():
    asked = []

    def noting(make_iterator):
        def noted(*arguments):
            asked.append(arguments)
            return make_iterator(*arguments)

        return noted

    with internals.wrapped_make_iterator(noting):
        assert [int(x) for x in tf.data.Dataset.range(3)] == [0, 1, 2]
    assert len(asked) == 1
    list(tf.data.Dataset.range(3))
    assert len(asked) == 1


def test_a_pause_in_a_worker_of_the_service_is_kept():
    begun = time.perf_counter()
    assert [int(x) for x in internals.slept(tf.data.Dataset.range(3), 100_000)] == [0, 1, 2]
    assert time.perf_counter() - begun >= 0.3  # a sleep is never shorter than asked for


def test_a_worker_that_took_any_free_port_says_which():
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.removeprefix("grpc://")
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
    port = internals.worker_port(worker)
    from helpers.service import workers

    assert workers(dispatcher.target) == (f"localhost:{port}",)
    del worker, dispatcher


def test_an_altered_download_is_told_from_other_failures(tmp_path):
    import tensorflow_datasets as tfds

    (tmp_path / "manual").mkdir()
    wanted = tmp_path / "official"
    wanted.write_bytes(b"altered")
    url = wanted.as_uri()
    info = tfds.download.checksums.UrlInfo(size=1, checksum="0" * 64, filename=wanted.name)
    manager = tfds.download.DownloadManager(download_dir=str(tmp_path / "cache"), url_infos={url: info})
    with pytest.raises(internals.checksum_error()):
        manager.download(url)


def test_a_stand_in_s_archives_lie_where_the_builder_looks_for_downloads():
    import tensorflow_datasets as tfds

    ((url, info), *_) = tfds.builder_cls("cifar10").url_infos.items()
    name = internals.download_cache_name(url, info.checksum)
    digest = base64.urlsafe_b64encode(bytes.fromhex(info.checksum)).decode().rstrip("=")
    assert digest[:20] in name and name != internals.download_cache_name(url, hashlib.sha256().hexdigest())


def test_a_stand_in_of_mnist_may_have_fewer_examples_than_mnist():
    from tensorflow_datasets.image_classification import mnist

    before = mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES
    assert before == (60_000, 10_000)
    with internals.mnist_examples(30, 10):
        assert (mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES) == (30, 10)
    assert before == (mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES)


@pytest.mark.slow
@pytest.mark.skipif(not allocator.keep_freed_memory(of_a_generator=False), reason="malloc is not glibc's")
def test_tensorflow_gives_freed_memory_back_beside_a_generator_by_the_rule_that_the_kit_imitates():
    code = "import tensorflow as tf; kind = tf.TensorSpec((), tf.int64); "
    code += "list(tf.data.Dataset.from_generator(lambda: iter([0]), output_signature=kind))"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    (kilobytes,) = re.findall(r"M_TRIM_THRESHOLD=(\d+) kb", ran.stderr)
    assert int(kilobytes) << 10 == internals.GENERATOR_TRIM_BYTES


def private_names(path):
    """The private names that a source file reaches for outside the kit: "line: name"."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            mine = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if private and not mine and name not in ALLOWED:
                yield f"{node.lineno}: {name}"
            modules = [name.replace("tf.", "tensorflow.", 1) if name.startswith("tf.") else name]
        for module in modules:
            if any(module == private or module.startswith(f"{private}.") for private in PRIVATE_MODULES):
                yield f"{node.lineno}: {module}"


@pytest.mark.parametrize("path", sorted(HOUSE.rglob("*.py")), ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_no_other_module_reaches_for_private_names(path):
    found = list(private_names(path))
    assert bool(found) == (path.name == "internals.py"), found


def test_the_lint_sees_every_way_to_a_private_name(tmp_path):
    source = tmp_path / "source.py"
    lines = (
        "from keras.src.trainers import trainer",
        "import tensorflow.python.eager.context as context",
        "from tensorflow import python",
        "tf.python.eager.context",
        "dataset._inputs()",
        "self.model._train_function",
    )
    source.write_text("\n".join([*lines, "self._own", "os._exit(0)", "dataset.__class__"]))
    assert sorted({int(found.partition(":")[0]) for found in private_names(source)}) == [1, 2, 3, 4, 5, 6]
