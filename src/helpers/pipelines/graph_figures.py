"""The figures of a running tf.data graph: what TensorFlow's own model of it, which autotune works with, tells."""

import re
import threading
from collections import defaultdict
from dataclasses import replace
from typing import Any

LOOK_EVERY_S = 0.002


class Model:
    """What TensorFlow's own model of a running graph tells of its nodes, each as it was last seen.

    A node whose data has ended is gone from the model: so it is looked at all the time.
    """

    def __init__(self, iterator):
        self.iterator, self.lock = iterator, threading.Lock()
        self.nodes: dict[int, Any] = {}
        self.inputs: dict[int, set[int]] = defaultdict(set)

    def look(self) -> None:
        """Takes note of what is to be seen now; from any thread."""
        import tensorflow as tf

        with self.lock:
            model = tf.data.experimental.get_model_proto(self.iterator)
            self.output = model.output
            self.nodes |= dict(model.nodes)
            for number, node in model.nodes.items():
                self.inputs[number] |= set(node.inputs)

    def drawn_from(self, number: int) -> list[int]:
        """Returns the nodes that a node draws from; a cache is two nodes, which count as one."""
        inputs = sorted(self.inputs[number] & set(self.nodes))
        return [
            deep
            for each in inputs
            for deep in (self.drawn_from(each) if self.nodes[each].name.endswith("Impl") else [each])
        ]


def observed(dataset: Any, steps: int | None) -> Model:
    """Reads an epoch, to its end or for so many batches, and returns the model of its graph.

    Args:
        dataset: a tf.data.Dataset with autotune on.
        steps: batches; None: until it ends.
    """
    model, ended = Model(iterator := iter(dataset)), threading.Event()

    def keep_looking():
        while not ended.wait(LOOK_EVERY_S):
            model.look()

    model.look()
    watch = threading.Thread(target=keep_looking, daemon=True)
    watch.start()  # a shuffle buffer may be filled, and what is before it ended, before the first batch comes
    try:
        for number, _ in enumerate(iterator, start=1):
            if number & (number - 1) == 0:  # an epoch may be shorter than the thread's first pause
                model.look()
            if number == steps:
                break
    finally:
        ended.set()
        watch.join()
    return model


def filled(nodes: list, model: Model) -> list:
    """Returns the nodes with what the model tells of them.

    Args:
        nodes: `helpers.pipelines.graph.Node`s, sources first.
        model: from `observed`.
    """
    nodes, version = list(nodes), re.compile(r"V\d+$")

    def fill(place, number):
        node, seen = nodes[place], model.nodes[number]
        tuned = {parameter.name: int(parameter.value) for parameter in seen.parameters}
        nodes[place] = replace(
            node,
            parallelism=tuned.get("parallelism", node.parallelism),
            buffer_size=tuned.get("buffer_size", node.buffer_size),
            elements=seen.num_elements,
            bytes_produced=seen.bytes_produced,
            processing_s=seen.processing_time * 1e-9,
        )
        rest = model.drawn_from(number)  # beside its inputs, what a function makes for each element
        for below in node.inputs:
            for candidate in rest:
                # The model says FiniteTake or MemoryCache where the graph says Take or Cache.
                if version.sub("", nodes[below].name) in model.nodes[candidate].name:
                    rest.remove(candidate)
                    fill(below, candidate)
                    break

    for number in model.drawn_from(model.output):
        fill(len(nodes) - 1, number)
    return nodes
