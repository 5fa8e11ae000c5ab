"""A results table that no machine measured: for tests of what reads such tables, and for nothing else."""

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd

from helpers import ratios, results
from helpers.measurement import Row

SPECS = {
    "py_dataset": {"builder": "py_dataset"},
    "py_dataset, 2 workers": {"builder": "py_dataset", "workers": 2},
    "image_data_generator": {"builder": "image_data_generator"},
    "tf_data": {"builder": "tf_data"},
    "tf_data, batch map": {"builder": "tf_data", "map": "batch"},
    "tf_data, unfused": {"builder": "tf_data", "map_and_batch_fusion": False},
    "tf_data, unfused, no prefetch": {
        "builder": "tf_data",
        "map_and_batch_fusion": False,
        "prefetch": 0,
        "inject_prefetch": False,
    },
    "tf_data, no parallel map": {"builder": "tf_data", "num_parallel_calls": 0, "map_parallelization": False},
    "tf_data, one iterator": {"builder": "tf_data", "repeat": True},
    "tf_data, cache": {"builder": "tf_data", "cache": "memory"},
    "tf_data, cache, no prefetch": {
        "builder": "tf_data",
        "cache": "memory",
        "prefetch": 0,
        "inject_prefetch": False,
    },
    "tf_data, cache, prefetch 1": {"builder": "tf_data", "cache": "memory", "prefetch": 1},
    "grain, batch map": {"builder": "grain", "map": "batch"},
}

BY_ROUND = [name for name, kind in results.COLUMNS.items() if kind == "object"]  # the columns that hold lists


def cell(*, seconds, dataset="synthetic", transform="noise", batch_size=32, examples=1000, machine_id="made0up0",
         unlike=(), rounds=12, noise=0.01, seed=0, **columns):  # fmt: skip
    """Rows of one cell; `seconds`: label -> seconds of an epoch; labels in `unlike` do other work."""
    cell_id = "-".join(map(str, (dataset, transform, batch_size, examples, *columns.values())))
    generator = np.random.default_rng(seed)
    drift = 1 + 0.1 * np.sin(np.arange(rounds))
    timed = {label: time * drift * generator.lognormal(0, noise, rounds) for label, time in seconds.items()}
    reference = next(iter(seconds))
    rows = []
    for label, raw in timed.items():
        spec = dict(SPECS.get(label, {"builder": label}))
        ratio = ratios.paired_ratio(raw, timed[reference])
        fair = label not in unlike and reference not in unlike
        epoch_s = float(np.median(raw))
        batches, start_share = math.ceil(examples / batch_size), 0.2
        rows.append(
            asdict(
                Row(
                    cell_id=cell_id,
                    grid="made up",
                    machine_id=machine_id,
                    launcher="stock",
                    started_at="2000-01-01T00:00:00+00:00",
                    dataset=dataset,
                    dataset_label=f"made-up {dataset}",
                    real=False,
                    source="arrays",
                    decoding="once",
                    cores=2,
                    transform=transform,
                    batch_size=batch_size,
                    image_height=32,
                    image_width=32,
                    channels=3,
                    examples=examples,
                    shuffle=True,
                    seed=0,
                    pipeline=label,
                    builder=spec.pop("builder"),
                    knobs=json.dumps(spec),
                    reference=reference,
                    same_work=label not in unlike,
                    differences=json.dumps({"labels": "float32 (10,) instead of int64 ()"}) if label in unlike else "",
                    rounds=rounds,
                    order_seed=0,
                    epochs_per_round=2,
                    batches=batches,
                    ratio_of_totals=raw.sum() / timed[reference].sum() if fair else np.nan,
                    time_ratio=ratio.ratio if fair else np.nan,
                    time_ratio_low=ratio.low if fair else np.nan,
                    time_ratio_high=ratio.high if fair else np.nan,
                    verdict=str(ratios.verdict(ratio) if fair else ratios.Verdict.NOT_THE_SAME_WORK),
                    images_per_s=examples / epoch_s,
                    epoch_s=epoch_s,
                    start_s=start_share * epoch_s,
                    start_s_low=0.9 * start_share * epoch_s,
                    start_s_high=1.1 * start_share * epoch_s,
                    batch_s=(1 - start_share) * epoch_s / batches,
                    batch_s_low=0.9 * (1 - start_share) * epoch_s / batches,
                    batch_s_high=1.1 * (1 - start_share) * epoch_s / batches,
                    first_batch_s=start_share * epoch_s,
                    train_epoch_s=2 * epoch_s,
                    train_step_s=0.5 * epoch_s / max(1, examples // batch_size),
                    waiting_share=0.25,
                    cpu_us_per_image=epoch_s / examples * 1e6,
                    peak_rss_bytes=8e8,
                    pipeline_rss_bytes=float("nan"),
                    isolated=False,
                    floor_batch_s=3e-4,
                    ceiling_images_per_s=1e5,
                    two_modes=False,
                    flags="",
                    epoch_s_rounds=raw.tolist(),
                    steady_s_rounds=((1 - start_share) * raw * (batches - 1) / batches).tolist(),
                    end_s_rounds=[0.0] * rounds,
                    first_batch_s_rounds=(start_share * raw).tolist(),
                    wait_s_rounds=[0.0] * rounds,
                    positions=[0] * rounds,
                    wall_s=10.0,
                    timed_s=8.0,
                )
            )
            | columns
        )
    return pd.DataFrame(rows)


def table(cells) -> pd.DataFrame:
    """Cells put together, in the columns of the results table."""
    return pd.concat(cells, ignore_index=True)[list(results.COLUMNS)]


def quick_like(machine_id="made0up0") -> pd.DataFrame:
    """A table of the form that the quick sweep makes: the Sequence ahead in small batches, behind in large ones."""
    cells = []
    for dataset in ("synthetic", "mnist-standin"):
        for batch_size, sequence, number in ((32, 0.9, 1), (256, 1.4, 2)):
            for transform in ("noise", "brightness"):
                seconds = {
                    "py_dataset": sequence,
                    "tf_data": 1.0,
                    "tf_data, batch map": 0.6,
                    "tf_data, unfused": 1.0,
                    "tf_data, unfused, no prefetch": 1.0 if transform == "noise" else 1.3,
                    "image_data_generator": 3.5,
                }
                cells.append(
                    cell(seconds=seconds, dataset=dataset, transform=transform, batch_size=batch_size,
                         machine_id=machine_id, seed=number)
                )  # fmt: skip
    cells.append(
        cell(seconds={"py_dataset": 2.0, "py_dataset, 2 workers": 1.3, "tf_data": 1.2}, transform="resize_standardize",
             examples=256, machine_id=machine_id)
    )  # fmt: skip
    cells.append(
        cell(seconds={"image_data_generator": 1.0, "tf_data": 0.4, "published_b3_imitation": 0.2},
             unlike=("published_b3_imitation",), transform="shear_zoom_flip", dataset="cifar10-standin",
             machine_id=machine_id)
    )  # fmt: skip
    return table(cells)


def decisive(claim: str, sign: int) -> pd.DataFrame:
    """A table on which a claim that rests on figures is right, or wrong: its figures to the power of 1 or -1.

    tf.data's default takes a second for everything. The Sequence takes half of it for light work, twice that for
    heavy work, and a little more wherever the batch, the data, the images grow or data is shuffled. Claim A6 wants
    its lead to grow with data and images, B1 that one iterator is no faster, K1 that it is. Grain takes as
    long as tf.data with a map per batch (K2, K3), and layers in the model half as long as in the map (K4).
    """
    light = {"transform": "noise", "shuffle": False}
    grown, shuffled, power = 0.55, 0.55, sign
    if claim == "A6":
        grown, shuffled, power = (0.45, 0.55, 1) if sign == 1 else (0.55, 0.45, 1)
    cells = [
        (0.50, 0.8, light),
        (shuffled, 0.8, light | {"shuffle": True}),
        (grown, 0.8, light | {"image_height": 64, "image_width": 64}),
        (0.55, 0.8, light | {"batch_size": 256}),
        (grown, 0.7, light | {"examples": 5000}),
        (2.00, 0.8, {"transform": "resize_standardize"}),
    ]
    made = []
    for sequence, two_workers, conditions in cells:
        seconds = {
            "tf_data": 1.0,
            "py_dataset": sequence,
            "py_dataset, 2 workers": two_workers * sequence,
            "image_data_generator": 4 * sequence,
            "tf_data, one iterator": {("B1", 1): 1.0, ("B1", -1): 1.5}.get((claim, sign), 0.6),
            "tf_data, batch map": 0.3,
            "tf_data, unfused": 1.0,
            "tf_data, unfused, no prefetch": 1.5,
            "tf_data, no parallel map": 1.7,
            "tf_data, cache": 0.7,
            "tf_data, cache, prefetch 1": 0.9,
            "tf_data, cache, no prefetch": 0.9,
        }
        made.append(cell(seconds={label: time**power for label, time in seconds.items()}, **conditions))
    same_work = {"image_data_generator": 4.0**sign, "tf_data": 1.0}
    made.append(cell(seconds=same_work, transform="shear_zoom_flip", unlike=() if sign == 1 else ("tf_data",)))
    for transform in ("noise", "resize_standardize"):
        grain = {"tf_data": 1.0, "grain": 2.0, "grain, batch map": 1.0 if sign == 1 else 4.0}
        made.append(cell(seconds=grain, transform=transform, batch_size=512))
    made.append(cell(seconds={"keras_layers": 1.0, "layers_in_model": 0.5**sign}, model="a small CNN"))
    rows = table(made)
    generator = rows["builder"] == "image_data_generator"
    return rows.assign(pipeline_rss_bytes=np.where(generator, 2.0**sign * 1e9, 1e9))
