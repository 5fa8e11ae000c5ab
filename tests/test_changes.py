"""What changed between two runs: found where it was planted, and seldom where nothing was."""

import numpy as np
import pytest
from hypothesis import given, strategies
from made_up_results import BY_ROUND, cell, quick_like, table
from test_report import run_folder

from helpers import cli, ratios, report
from helpers.errors import StudyError
from helpers.results import certainty
from helpers.results.changes import changes

INTERVALS = strategies.tuples(
    strategies.floats(-1, 1), strategies.floats(0.001, 0.5), strategies.floats(0.001, 0.5), strategies.integers(5, 40)
)
LABELS = ("tf_data", "py_dataset", "tf_data, batch map", "image_data_generator")
COMMAND = ("report", "--fail-on-slower")


def run_of(seed, *, slower=(), by=1.1, between_runs=0.02, machine_id="made0up0", cells=6):
    """Cells whose ratios vary from run to run by more than their rounds say; `slower`: labels that take `by` times."""
    generator = np.random.default_rng(seed)
    return table(
        cell(
            seconds={
                label: (1 + place / 3) * generator.lognormal(0, between_runs) * (by if label in slower else 1)
                for place, label in enumerate(LABELS)
            },
            transform=f"transform {number}",
            examples=1000 * (1 + number),
            noise=0.02,
            seed=1000 * seed + number,
            machine_id=machine_id,
        )
        for number in range(cells)
    )


def verdicts(found):
    return found[found["where"] == "all cells"].set_index("pipeline")["verdict"].to_dict()


@pytest.mark.parametrize("label", LABELS[1:])
def test_a_planted_slow_down_of_a_tenth_is_found_and_no_other(label):
    found = changes(run_of(1), run_of(2, slower=[label]))
    assert {name for name, verdict in verdicts(found).items() if verdict == "slower"} == {label}
    assert found.loc[found["pipeline"] == label, "examples"].iloc[0] == "1,000 to 6,000"
    (there,) = found[(found["pipeline"] == label) & (found["where"] == "all cells")].itertuples()
    assert there.low < 1.1 < there.high


def test_what_became_faster_is_told_so():
    assert verdicts(changes(run_of(1, slower=["py_dataset"]), run_of(2)))["py_dataset"] == "faster"


def test_a_reference_that_became_slower_is_told_by_all_others():
    found = changes(run_of(1), run_of(2, slower=["tf_data"], by=1.2))
    assert verdicts(found)["tf_data"] == "slower"


@pytest.mark.slow
def test_two_runs_of_the_same_raise_an_alarm_in_one_of_twenty_at_most():
    alarms = sum((changes(run_of(seed), run_of(100 + seed))["verdict"] == "slower").any() for seed in range(40))
    assert alarms <= 2


def test_one_that_is_the_same_is_called_so():
    runs = (run_of(seed, between_runs=0.001) for seed in (1, 2))
    assert set(verdicts(changes(*runs)).values()) == {"the same"}


def test_between_machines_no_change_is_taken_for_scatter():
    apart = changes(run_of(1), run_of(2, slower=LABELS[1:], by=1.3, machine_id="0therone"))
    assert apart.attrs["scatter"] == 1
    assert {verdicts(apart)[label] for label in LABELS[1:]} == {"slower"}


def test_pipelines_of_other_knobs_are_no_pair():
    after = run_of(2)
    after.loc[after["pipeline"] == "py_dataset", "knobs"] = '{"workers": 2}'
    assert "py_dataset" not in set(changes(run_of(1), after)["pipeline"])


def left_early(run, label, rounds):
    """The run, in which one pipeline left the rounds before the others."""
    rows = run["pipeline"] == label
    return run.assign(**{part: run[part].where(~rows, run[part].map(lambda raw: raw[:rounds])) for part in BY_ROUND})


def test_pipelines_that_left_the_rounds_early_are_compared_on_those_that_both_ran():
    before, after = (
        left_early(run_of(1), "py_dataset", 5),
        left_early(run_of(2, slower=["py_dataset"]), "py_dataset", 8),
    )
    found = changes(before, after)
    assert {name for name, verdict in verdicts(found).items() if verdict == "slower"} == {"py_dataset"}
    assert set(found["pipeline"]) == set(LABELS[1:])


def test_a_cell_that_ran_on_two_servers_is_held_against_itself_on_each():
    runs = [
        table(
            [
                cell(seconds={"tf_data": 1, "py_dataset": 2 * by}, server=1),
                cell(seconds={"tf_data": 1, "py_dataset": 3 * by}, server=2),
            ]
        )
        for by in (1.0, 1.2)
    ]
    found = changes(*runs)
    (over_all,) = found[found["where"] == "all cells"].itertuples()
    assert over_all.cells == 2 and over_all.ratio == pytest.approx(1.2)


def test_what_became_faster_or_stays_undecided_is_no_failure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("helpers.report.page.write", lambda *runs, **_: "not written")
    slow, quick = (
        table(cell(seconds={"tf_data": 1, "py_dataset": by}, transform=transform) for transform in ("noise", "rescale"))
        for by in (2.0, 1.5)
    )
    noisy = table([cell(seconds={"tf_data": 1, "py_dataset": 2.1}, noise=0.5, rounds=5, seed=3)])
    folders = [run_folder(tmp_path / str(n), run) for n, run in enumerate((slow, quick, noisy))]
    assert cli.main([*COMMAND, *map(str, folders[:2])]) == cli.DONE
    assert cli.main([*COMMAND, str(folders[0]), str(folders[2])]) == cli.DONE
    said = capsys.readouterr().out
    assert "faster; 2 cells, epochs of 1,000 examples" in said
    assert "times at most; 1 cell, epochs of 1,000 examples" in said


@pytest.mark.slow
def test_the_command_says_what_changed_and_its_exit_code_tells(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("helpers.report.page.write", lambda *runs, **_: "not written")
    first = run_folder(tmp_path / "first", quick_like())
    later = quick_like()
    rows = later["pipeline"] == "tf_data, batch map"
    later.loc[rows, "epoch_s_rounds"] = later.loc[rows, "epoch_s_rounds"].map(lambda raw: [1.1 * s for s in raw])
    second = run_folder(tmp_path / "second", later)
    assert cli.main([*COMMAND, str(first), str(first)]) == cli.DONE
    capsys.readouterr()
    assert cli.main([*COMMAND, str(first), str(second)]) == cli.SLOWER
    said = capsys.readouterr().out
    assert "tf_data, batch map: x1.1" in said and "slower; " in said and "claims that turned round: none" in said
    assert cli.main(["report", str(first), str(second)]) == cli.DONE


def test_claims_that_turned_round_are_named(tmp_path, capsys):
    folders = []
    for name, ratio in (("first", 0.8), ("second", 1.3)):
        rows = table(
            cell(seconds={"py_dataset": ratio, "tf_data": 1.0}, batch_size=batch, seed=batch) for batch in (32, 64)
        )
        folders.append(run_folder(tmp_path / name, rows.assign(machine_id="one")))
    assert not report.print_changes(*folders[:1] * 2)
    assert report.print_changes(*folders[::-1])  # tf.data became slower, beside the Sequence
    assert "claims that turned round: A1 refuted → supported" in capsys.readouterr().out


def test_runs_without_a_common_cell_are_one_clear_line(tmp_path):
    folders = [
        run_folder(tmp_path / name, table([cell(seconds={"py_dataset": 1, "tf_data": 1}, transform=name)]))
        for name in ("noise", "rescale")
    ]
    with pytest.raises(StudyError, match="the cells that both have"):
        report.print_changes(*folders)


def test_one_run_cannot_be_slower(capsys):
    assert cli.main([*COMMAND, "nowhere"]) == cli.BAD_INPUT
    assert "needs two runs" in capsys.readouterr().err


@given(INTERVALS, strategies.floats(0.5, 0.999))
def test_one_interval_alone_stays_as_it_is_and_turns_with_its_sign(interval, confidence):
    centre, below, above, rounds = interval
    settings = {"rounds": [rounds], "confidence": confidence}
    ends = ([centre], [centre - below], [centre + above])
    assert certainty.combined(*ends, [1], **settings) == pytest.approx((centre, centre - below, centre + above))
    assert certainty.combined(*ends, [-1], **settings) == pytest.approx((-centre, -centre - above, -centre + below))


@given(strategies.lists(INTERVALS, min_size=2, max_size=8), strategies.floats(0.5, 0.999))
def test_many_are_known_at_least_as_well_as_their_distances_say_in_whatever_order(many, confidence):
    centres, below, above, rounds = map(np.array, zip(*many, strict=True))
    weights = np.full(len(many), 1 / len(many))
    settings = {"rounds": rounds, "confidence": confidence}
    middle, low, high = certainty.combined(centres, centres - below, centres + above, weights, **settings)
    assert middle == pytest.approx(centres.mean())
    for distance, of_each in ((middle - low, below), (high - middle, above)):
        assert 0 < distance <= np.sqrt(((weights * of_each) ** 2).sum()) * (1 + 1e-9)
    backwards = [values[::-1] for values in (centres, centres - below, centres + above, weights)]
    turned = certainty.combined(*backwards, rounds=rounds[::-1], confidence=confidence)
    assert turned == pytest.approx((middle, low, high))


@pytest.mark.parametrize(("rounds", "narrower"), [(5, 0.85), (8, 0.92), (30, 1.05)])
def test_the_mean_change_of_two_cells_that_did_not_change_holds_1_as_often_as_it_says(rounds, narrower):
    draws = np.random.default_rng(rounds).normal(0, 0.2, (4, 800, rounds))
    middle, low, high, _ = ratios.log_ratio_interval(draws, 0.95)
    weights = np.array([-1, 1, -1, 1]) / 2
    found = np.array(
        [
            certainty.combined(*run, weights, rounds=[rounds] * 4, confidence=0.95)
            for run in zip(middle.T, low.T, high.T, strict=True)
        ]
    )
    assert ((found[:, 1] <= 0) & (found[:, 2] >= 0)).mean() >= 0.945
    of_distances = np.sqrt((((high - low) / 4) ** 2).sum(axis=0))  # with no more known together than by each
    assert np.median(found[:, 2] - found[:, 1]) / 2 <= narrower * np.median(of_distances)
