"""Images and masks from two flows, moved alike, as one flow that `fit` takes."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tensorflow as tf

from .batches import Batches, Maker
from .flow import Flow
from .plans import StreamPlan

GEOMETRY = ("rotation", "tx", "ty", "shear", "zoom", "horizontal_flip", "vertical_flip")


def pairs(inputs: Flow | Sequence[Flow], targets: Flow | Sequence[Flow] | None = None, *, plain: bool = False) -> Flow:
    """Returns a flow of (inputs, targets) in which each example is turned, shifted, zoomed and flipped alike.

    The first flow's order, seed and batch size are everybody's, and so is what it draws. With `mode="stream"` that
    goes for brightness and channel shift too; otherwise those are drawn for each flow that asks for them.

    Args:
        inputs: the flow of the images, or several for a model of several inputs.
        targets: the flow of the masks, or several; None: the labels of the first input that has some.
        plain: whether targets are read by the nearest pixel, and neither brightness nor channel shift touches them:
            so a mask of 0 and 1 stays one.

    Returns:
        A flow with the attributes of the first. Its elements are (images, masks), a tuple in place of each where
        several flows were given, or arrays beside the images; with the first input's weights where it has some.

    Raises:
        ValueError: for flows that differ in how many images they have, in batch size, mode or geometric options.
    """
    read = [_listed(inputs), [] if targets is None else _listed(targets)]
    first = read[0][0]
    for flow in [*read[0], *read[1]]:
        _check(first, flow)
    makers = [[flow.batches.maker for flow in side] for side in read]
    if plain:
        makers[1] = [_plain(maker) for maker in makers[1]]
    joint = JointMaker(*makers)
    flows = [*read[0], *read[1]]
    savers = {
        place: flow.batches.savers[0] for flow, place in zip(flows, joint.places, strict=True) if flow.save_to_dir
    }
    in_memory = all(flow.batches.in_memory for flow in flows)
    plan = first.batches.plan.again()
    return Flow(Batches(maker=joint, plan=plan, in_memory=in_memory, savers=savers), first.listing)


def _listed(flows):
    return [flows] if isinstance(flows, Flow) else list(flows)


def _check(first, other):
    for name in ("n", "batch_size"):
        mine, its = getattr(first, name), getattr(other, name)
        if mine != its:
            raise ValueError(f"pairs need flows of the same {name} (got {mine} and {its})")
    recipes = first.batches.maker.recipe, other.batches.maker.recipe
    if len({(recipe.stream, recipe.corrected) for recipe in recipes}) > 1:
        raise ValueError("pairs need generators of the same mode; give both the same mode=…")
    for name in GEOMETRY:
        mine, its = (getattr(recipe.ranges, name) for recipe in recipes)
        if mine != its:
            raise ValueError(
                f"pairs are moved alike: both generators need the same geometric options (got {name} {mine} and {its})"
            )


def _plain(maker):
    given = copy.copy(maker.recipe.given)
    given.interpolation_order = 0
    ranges = replace(maker.recipe.ranges, channel_shift=0.0, brightness=None)
    return Maker(maker.source, replace(maker.recipe, given=given, ranges=ranges), maker.plan)


class JointMaker:
    """Makes elements of several sources from the same planned rows."""

    def __init__(self, inputs: list[Maker], targets: list[Maker]) -> None:
        """Joins the makers of inputs and targets; no targets: the inputs' own labels."""
        self.inputs, self.targets = inputs, targets
        self.makers = [*inputs, *targets]
        self.recipe = inputs[0].recipe
        self.in_graph = any(maker.in_graph for maker in self.makers)
        images = [maker.image for maker in self.makers]
        self.spec = self._element(images, lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype))
        places, place = [], 0
        for maker in self.makers:
            places.append(place)
            place += 1 + len(maker.more)
        self.places = places

    def read_ahead(self, index: Any) -> tuple:
        """Returns the images of this index that are to be read in the pipeline's graph, for `complete`."""
        return sum((maker.read_ahead(index) for maker in self.makers), ())

    def complete(self, indices: Any, drawn_from: Any, *ahead: Any) -> Any:
        """Returns the element of planned rows; all arguments are eager tensors."""
        rows, drawn = indices.numpy(), drawn_from.numpy()
        left, images = list(ahead), []
        for maker in self.makers:
            mine = (left.pop(0),) if maker.in_graph else ()
            images.append(maker.images(indices, self._draws(maker, rows, drawn), mine))
        return self._element(images, lambda part: tf.gather(part, indices))

    def _draws(self, maker, rows, drawn):
        if not isinstance(maker.plan, StreamPlan):
            return maker.plan.draws(rows, drawn)
        first, own = self.recipe.ranges, maker.recipe.ranges
        draws = drawn.copy()
        draws[:, 1] *= own.tx_scale / first.tx_scale
        draws[:, 2] *= own.ty_scale / first.ty_scale
        return draws

    def _element(self, images, rows_of):
        def side(makers, images):
            parts = []
            for maker, image in zip(makers, images, strict=True):
                parts += [image, *map(rows_of, maker.more)]
            return parts[0] if len(parts) == 1 else tuple(parts)

        inputs = side(self.inputs, images[: len(self.inputs)])
        weights = next((maker.weights for maker in self.inputs if maker.weights is not None), None)
        if self.targets:
            outputs = side(self.targets, images[len(self.inputs) :])
        else:
            labels = next((maker.labels for maker in self.inputs if maker.labels is not None), None)
            if labels is None:
                raise ValueError("pairs need targets, or an input flow with labels (got neither)")
            outputs = tf.nest.map_structure(rows_of, labels)
        return (inputs, outputs) if weights is None else (inputs, outputs, rows_of(weights))
