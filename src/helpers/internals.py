"""The private names of TensorFlow, Keras and TFDS that the kit cannot do without: reached here and nowhere else.

A new version may take each of them away without a word. `tests/test_internals.py` says of each what is lost then.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What lies free beyond this at the top of a heap goes back to the system once TensorFlow has read a generator dataset
# (core/kernels/data/generator_dataset_op.cc). `helpers.machine.allocator` imitates it; without it, what one feed
# leaves behind would slow the next one.
GENERATOR_TRIM_BYTES = 128 << 10


def dataset_stages(dataset: Any) -> list[Any]:
    """Returns a tf.data.Dataset and every dataset that it draws from, the last stage first.

    Without it, nothing tells whether a pipeline works ahead, or through which stages Keras passes a Sequence.
    """
    stages = [dataset]
    for stage in stages:
        stages += dataset_inputs(stage)
    return stages


def dataset_inputs(dataset: Any) -> list[Any]:
    """Returns the datasets that the last stage of a tf.data.Dataset draws from."""
    return [stage_of(below) for below in dataset._inputs()]


def stage_of(dataset: Any) -> Any:
    """Returns the dataset that is a stage of the graph: one that only renames another, or its elements, is none.

    Without it, the functions of a graph stand one stage beside their own.
    """
    same = [below for below in dataset._inputs() if below._variant_tensor is dataset._variant_tensor]
    return stage_of(same[0]) if same else dataset


def written_at(stage: Any) -> tuple[str, int, str] | None:
    """Returns (file, line, name) of the Python function that the user gave to a stage of a tf.data.Dataset, or None.

    Without it, a stage of a graph cannot be traced to the user's line.
    """
    function = _generator_of(stage) or function_of(stage)
    function = inspect.unwrap(function) if function else None
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno, code.co_name) if code else None


def _generator_of(stage):
    """The generator function that was given to from_generator, deep within the functions that read it; or None."""
    waiting, seen = [function_of(stage)] if type(stage).__name__ == "_FlatMapDataset" else [], set()
    while waiting:
        function = waiting.pop()
        for cell in getattr(function, "__closure__", None) or ():
            held = cell.cell_contents
            if type(held).__name__ == "_GeneratorState":
                return held._generator
            if callable(held) and id(held) not in seen and "tensorflow" in getattr(held, "__module__", ""):
                seen.add(id(held))
                waiting.append(held)
    return None


def function_of(stage: Any) -> Callable[..., Any] | None:
    """Returns the function that the user gave to a stage of a tf.data.Dataset, as it was given, or None.

    Without it, no pipeline can be made anew from its own parts, and none of the doctor's remedies can be tried.
    """
    wrapped = getattr(stage, "_map_func", None) or getattr(stage, "_predicate", None)
    return getattr(wrapped, "_func", None)


def told(stage: Any, name: str) -> Any:
    """Returns what a stage of a tf.data.Dataset was told, as a number, a switch or a text; None where it was not.

    Without it, no pipeline can be made anew from its own parts.

    Args:
        stage: of a dataset.
        name: such as "buffer_size", "num_parallel_calls", "drop_remainder".
    """
    value: Any = getattr(stage, f"_{name}", None)
    value = value.numpy() if hasattr(value, "numpy") else value
    return value.decode() if isinstance(value, bytes) else value.item() if hasattr(value, "item") else value


def function_operations(stage: Any) -> set[str]:
    """Returns the names of the operations in the functions of one stage of a tf.data.Dataset, nested ones included.

    Without it, nothing tells whether a stage calls Python or draws random numbers.
    """
    graphs = [function.function.graph.as_graph_def() for function in stage._functions()]
    nodes = [node for each in graphs for node in each.node]
    nodes += [node for each in graphs for function in each.library.function for node in function.node_def]
    return {node.op for node in nodes}


def captured_bytes(dataset: Any) -> int:
    """Returns the bytes of the arrays that a tf.data.Dataset and its functions hold.

    Without it, nothing warns that `dataset_graph` would copy gigabytes.
    """
    arrays: dict[int, Any] = {}
    for stage in dataset_stages(dataset):
        held = list(getattr(stage, "_tensors", ()))
        held += [tensor for function in stage._functions() for tensor in function.function.captured_inputs]
        arrays |= {id(tensor): tensor for tensor in held if tensor.dtype.size and tensor.shape.is_fully_defined()}
    return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in arrays.values())


def dataset_graph(dataset: Any, *, rewritten: bool) -> Any:
    """Returns the graph of a tf.data.Dataset, as a GraphDef: as it was written, or as TensorFlow rewrites it to run it.

    Without it, the graph of a pipeline with autotune off cannot be seen, nor what TensorFlow added to any pipeline.
    """
    import tensorflow as tf

    variant = dataset._variant_tensor
    if rewritten:  # what TensorFlow does by itself when it makes an iterator
        variant = tf.raw_ops.FinalizeDataset(input_dataset=variant, has_captured_ref=False, **dataset._flat_structure)
    ignore = 1  # random states and Python functions, which could not be moved to another process
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=ignore)
    return tf.compat.v1.GraphDef.FromString(graph.numpy())


def named_inputs(node: Any) -> dict[str, list[str]]:
    """Returns the inputs of a GraphDef's node by the name that its operation gives them.

    Without it, what a stage was told (parallel calls, a buffer's size) cannot be read from its graph.
    """
    from tensorflow.python.framework import op_def_registry

    rest, named = list(node.input), {}
    for argument in op_def_registry.get(node.op).input_arg:
        count = node.attr[argument.number_attr].i if argument.number_attr else 1
        if argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        named[argument.name], rest = rest[:count], rest[count:]
    return named


def stages_of(node: Any) -> list[str]:
    """Returns the names of the written stages that a dataset's node in a GraphDef stands for, such as "MapDataset:3".

    Without it, it is a guess which stages TensorFlow fused, and which ones it added.
    """
    from tensorflow.core.framework import dataset_metadata_pb2

    name = dataset_metadata_pb2.Metadata.FromString(node.attr["metadata"].s).name.decode()
    return [part for part in re.split(r"fused\(|[,)]", name) if part]


def py_dataset_adapter(sequence: Any) -> Any:
    """Returns what Keras' `fit` reads a PyDataset through; it has `get_tf_dataset()` and `on_epoch_end()`.

    Without it, the claim that a Sequence goes through no tf.data cannot be tried.
    """
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    return PyDatasetAdapter(sequence, class_weight=None)


def begin_epoch(sequence: Any) -> None:
    """Tells a PyDataset that an epoch begins, as Keras' `fit` does from 3.5 on; before, it told the end alone."""
    getattr(sequence, "on_epoch_begin", lambda: None)()


def running_frames() -> dict[int, Any]:
    """Returns the frame in which each thread is now, by the thread's identity.

    Without it, the costly lines of a PyDataset cannot be told, nor where a feed hangs.
    """
    return sys._current_frames()


def build_as_fit_does(model: Any, batch: Any) -> None:
    """Builds a compiled Keras model, its metrics and its optimizer for a batch, where they are not built yet.

    Without it, nothing is there to be put back after a model that was never called has been trained on.
    """
    model._symbolic_build(data_batch=batch)


@contextmanager
def kept_seeds() -> Iterator[None]:
    """Puts back where TensorFlow and Keras take seeds and names from that nobody gave.

    Without it, a program that sets a seed would get other weights and draws once the doctor was asked.
    """
    import copy

    import keras
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context

    seeds = getattr(context.context(), "_rng", None)
    state = seeds.getstate() if seeds else None
    generator = global_state.get_global_attribute("global_seed_generator")
    drawn = None if generator is None else keras.ops.convert_to_numpy(generator.state)
    names = copy.copy(global_state.get_global_attribute("object_name_uids"))
    try:
        yield
    finally:
        if seeds:
            seeds.setstate(state)
        if generator is None:
            global_state.set_global_attribute("global_seed_generator", None)
        else:
            generator.state.assign(drawn)
        global_state.set_global_attribute("object_name_uids", names)


def trace_space(content: bytes) -> Any:
    """Returns the XSpace message of a profile's `*.xplane.pb` (tensorflow/tsl/profiler/protobuf/xplane.proto).

    Without it, no trace is read: no timeline, no seconds of a stage.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    return xplane_pb2.XSpace.FromString(content)


def tensorflow_has_run() -> bool:
    """Returns whether TensorFlow has run anything in this process; imports it.

    Without it, the kernel server cannot tell whether a fork is safe, and sweeps fall back on stock kernels.

    Raises:
        AttributeError, ImportError: where this TensorFlow does not tell.
    """
    from tensorflow.python.eager import context

    existing = context.context_safe()
    return existing is not None and existing._context_handle is not None


def cancellation_manager() -> Any:
    """Returns a manager whose `start_cancel()` ends the call that it was given to. It serves one call.

    Without it, and without the two below, an epoch on a tf.data service that is gone hangs for ever.
    """
    from tensorflow.python.eager import cancellation

    return cancellation.CancellationManager()


@contextmanager
def cancellable_calls(next_manager: Callable[[], Any]) -> Iterator[None]:
    """Asks `next_manager` for a `cancellation_manager()` at every function that TensorFlow runs inside."""
    from tensorflow.python.eager import cancellation

    class OneForEachCall:
        _impl = property(lambda self: next_manager()._impl)

    with cancellation.CancellationManagerContext(OneForEachCall()):
        yield


@contextmanager
def wrapped_make_iterator(wrap: Callable[[Callable], Callable]) -> Iterator[None]:
    """Has TensorFlow make its iterators by `wrap(op)` inside: the op that no cancellation reaches."""
    from tensorflow.python.ops import gen_dataset_ops

    make_iterator = gen_dataset_ops.make_iterator
    gen_dataset_ops.make_iterator = wrap(make_iterator)
    try:
        yield
    finally:
        gen_dataset_ops.make_iterator = make_iterator


def slept(dataset: Any, microseconds: int) -> Any:
    """Returns the dataset with a pause before each element: the only sleep that a worker of tf.data service has.

    Without it, no epoch can be held up in a worker until a fault has happened.
    """
    from tensorflow.python.data.experimental.ops import testing

    return dataset.apply(testing.sleep(microseconds))


def worker_port(server: Any) -> int:
    """Returns the port that a tf.data.experimental.service.WorkerServer serves.

    Without it, a worker that took any free port cannot say which.
    """
    return int(server._address.rpartition(":")[2])


def checksum_error() -> type[Exception]:
    """Returns the class of TFDS' error for a download that is not the file on record.

    Without it, an altered download ends in a traceback instead of one line.
    """
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    return NonMatchingChecksumError


def download_cache_name(url: str, checksum: str) -> str:
    """Returns the name under which TFDS keeps what it has downloaded.

    Without it, the archives of a stand-in cannot be given to the real builder, which would download the real ones.
    """
    from tensorflow_datasets.core.download.resource import get_dl_fname

    return get_dl_fname(url, checksum)


@contextmanager
def mnist_examples(train: int, test: int) -> Iterator[None]:
    """Has TFDS' builder of MNIST read that many examples inside, which it does whatever the files' headers say.

    Without it, MNIST's stand-in must have 60,000 and 10,000 examples.
    """
    from tensorflow_datasets.image_classification import mnist

    before = mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES
    mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES = train, test
    try:
        yield
    finally:
        mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES = before
