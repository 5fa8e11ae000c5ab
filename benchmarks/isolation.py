"""Do pipelines disturb each other in one process, and is malloc set there as in a process of each pipeline's own?

`python benchmarks/isolation.py [--dataset photographs --transform resize_standardize]` compares two pipelines in one
process, then in a process each: once with malloc set as the kit sets it where they share one, once with malloc left
alone, which is what the setting imitates. It prints the ratios with their intervals, and whether each pipeline takes as
long with the one as with the other.
"""

import argparse
from contextlib import ExitStack

from helpers import comparison, datasets
from helpers.pipelines import read_specs
from helpers.tasks import Task
from helpers.timing import isolation

ALONE = ", malloc left alone"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--transform", default="noise")
    parser.add_argument("--examples", type=int, default=2000, help="0: all")
    parser.add_argument("--budget-s", type=float, default=60)
    arguments = parser.parse_args()
    source = "folder" if "folder" in datasets.named(arguments.dataset).read_as else "arrays"
    task = Task(
        dataset=arguments.dataset,
        source=source,
        transform=arguments.transform,
        examples=arguments.examples or None,
    )
    specs = read_specs({"py_dataset": {}, "tf_data": {}})
    settings = {"reference": "py_dataset", "budget_s": arguments.budget_s}
    together = comparison.compare({label: spec.build(task) for label, spec in specs.items()}, **settings).ratio(
        "tf_data"
    )
    with ExitStack() as stack:
        processes = dict(stack.enter_context(isolation.started(task, specs)))
        alone = stack.enter_context(isolation.started(task, specs, set_malloc=False))
        processes |= {label + ALONE: isolated for label, isolated in alone.items()}
        apart = comparison.compare(processes, **settings)
        memory = {label: isolated.memory() for label, isolated in processes.items()}
    ratios = {
        "in one process": together,
        "a process each, malloc set": apart.ratio("tf_data"),
        "a process each, malloc left alone": apart.ratio("tf_data" + ALONE, "py_dataset" + ALONE),
    }
    examples = task.describe().examples
    print(f"time of tf_data / time of py_dataset, {task.dataset}, {task.transform}, {examples} images, batch 32")
    for where, ratio in ratios.items():
        print(f"  {where:34} {ratio}")
    truth = ratios["a process each, malloc left alone"]
    for where, ratio in ratios.items():
        differ = ratio.high < truth.low or truth.high < ratio.low
        print(
            f"  {where}: {ratio.ratio / truth.ratio - 1:+.1%} from malloc left alone; intervals overlap: {not differ}"
        )
    print("time with malloc set / time with malloc left alone, a process each")
    for label in specs:
        print(f"  {label:34} {apart.ratio(label, label + ALONE)} {apart.verdict(label, label + ALONE)}")
    for label, used in memory.items():
        print(f"  {label}: {used['pipeline'] / 1e6:,.0f} MB of its own, {used['tree'] / 1e6:,.0f} MB with its process")


if __name__ == "__main__":
    main()
