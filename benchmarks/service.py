"""When does tf.data service pay? A transform's work here, and by 1 and 2 workers on this machine, in turn.

`python benchmarks/service.py` prints the ratio of an epoch's time to the same without a service, for each transform.
What is not proved to do the same work is not timed.
Workers on this machine take its cores: what is measured is the price of the way to them, which other hosts pay too.
"""

import argparse
from contextlib import ExitStack

from helpers import comparison, parity, pipelines, service, timing
from helpers.service import processes
from helpers.tasks import Task, transforms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transforms", nargs="+", default=["rescale", "shear_zoom_flip", "resize_standardize"],
                        choices=transforms.NAMES)  # fmt: skip
    parser.add_argument("--examples", type=int, default=2048, help="whole batches: a partial one waits a second")
    parser.add_argument("--budget-s", type=float, default=20)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        services = {count: stack.enter_context(processes.local(count)) for count in (1, 2)}
        addresses = {f"{count} at work": running.address for count, running in services.items()}
        print(f"time of an epoch / time without a service, {arguments.examples} images, batch 32")
        for transform in arguments.transforms:
            task = Task(transform=transform, examples=arguments.examples)
            feeds = {"here": pipelines.build("tf_data", task, autotune=False)} | {
                name: pipelines.build("tf_data", task, autotune=False, service=address)
                for name, address in addresses.items()
            }
            with service.watched(*addresses.values()):
                for feed in feeds.values():
                    timing.first_batch(feed)  # a worker that was just started leaves most of its share to the other
                proof = parity.check(task, feeds)
                alike = {name: feed for name, feed in feeds.items() if proof.does_the_task(name)}
                if len(alike) < len(feeds):
                    print(f"{transform}: {proof}")
                found = comparison.compare(alike, reference="here", budget_s=arguments.budget_s)
            print(f"  {transform:20}" + "  ".join(f"{name}: {found.ratio(name)}" for name in found.labels[1:]))


if __name__ == "__main__":
    main()
