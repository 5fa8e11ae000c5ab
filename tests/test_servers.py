"""The spread of ratios from one kernel server to another: found where it is, and zero where it is not."""

import numpy as np
import pytest
from made_up_results import cell, table

from helpers import report
from helpers.results.servers import between_servers

LABELS = ("tf_data", "py_dataset", "image_data_generator")


def on_servers(spread, *, cells=10, servers=2, noise=0.02, seed=0):
    """Cells on several servers; each ratio varies by `spread` (of its logarithm) from server to server."""
    generator = np.random.default_rng(seed)
    return table(
        cell(
            seconds={
                label: (1 + place) * (generator.lognormal(0, spread) if place else 1)
                for place, label in enumerate(LABELS)
            },
            transform=f"transform {number}",
            noise=noise,
            seed=1000 * seed + 10 * number + server,
            server=server,
        )
        for number in range(cells)
        for server in range(1, servers + 1)
    )


@pytest.mark.parametrize("servers", [2, 3])
def test_a_spread_that_was_planted_lies_in_the_interval(servers):
    found = between_servers(on_servers(0.1, servers=servers))
    assert found.low < 0.1 < found.high and found.low > 0
    assert found.ratios == 20
    assert "from one kernel server to another" in str(found)


def test_where_rounds_explain_all_the_interval_reaches_down_to_none():
    found = between_servers(on_servers(0.0))
    assert found.low == 0 and found.high < 0.02


@pytest.mark.slow
def test_the_interval_holds_the_spread_as_often_as_it_says():
    held = [
        (found.low <= 0.05 <= found.high)
        for found in (between_servers(on_servers(0.05, cells=5, seed=seed)) for seed in range(60))
    ]
    assert np.mean(held) > 0.85


def test_one_server_has_no_spread():
    assert between_servers(on_servers(0.1, servers=1)) is None


def test_a_run_on_two_servers_tells_it_among_its_facts(tmp_path):
    on_servers(0.1).to_parquet(tmp_path / "results.parquet")
    (run,) = report.open_runs(tmp_path)
    assert "from one kernel server to another" in run.facts()["kernel servers"]
