"""Pictures: what they show, that axes have units, that nothing rests on colour alone."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up_results import cell, quick_like, table

from helpers import comparison, plots, ratios, timing
from helpers.errors import StudyError
from helpers.plots import explorer, style
from helpers.results import pairs_of, winners

SEQUENCE = {"builder": "py_dataset", "others": "default"}
TF_DATA = {"builder": "tf_data", "others": "default"}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_ratios_carry_their_verdicts_as_words():
    figure = plots.ratios(quick_like())
    assert any(text.endswith(" slower") for text in texts(figure))
    assert any(text.endswith(" faster") for text in texts(figure))


def test_ratios_name_what_they_are_over_and_that_the_scale_is_logarithmic():
    (axes,) = plots.ratios(table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0})])).axes
    assert "time of an epoch / time of py_dataset" in axes.get_xlabel()
    assert "log scale" in axes.get_xlabel()
    assert axes.get_xscale() == "log"


def test_ratios_leave_out_unlike_work():
    results = table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0, "tf_data, batch map": 0.5}, unlike=("tf_data",))])
    labels = [label.get_text() for label in plots.ratios(results).axes[0].get_yticklabels()]
    assert labels == ["tf_data, batch map"]


def test_ratios_of_unlike_work_only_are_one_clear_line():
    results = table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0}, unlike=("tf_data",))])
    with pytest.raises(StudyError, match="ratios need pipelines that did the same work"):
        plots.ratios(results)


def test_the_winner_of_a_cell_is_the_fastest_that_did_the_same_work():
    seconds = {"py_dataset": 1.0, "tf_data": 2.0, "published_b3_imitation": 0.1}
    (row,) = winners.winners(table([cell(seconds=seconds, unlike=("published_b3_imitation",))])).itertuples()
    assert (row.winner, row.second, row.clear) == ("py_dataset", "tf_data", True)
    assert row.lead == pytest.approx(2, rel=0.05)


def test_a_cell_whose_first_two_are_level_has_no_clear_winner():
    results = table([cell(seconds={"py_dataset": 1.0, "tf_data": 1.01, "image_data_generator": 3.0})])
    assert not winners.winners(results)["clear"].any()
    assert any("level with" in text for text in texts(plots.heat_map(results)))


def test_the_heat_map_tells_winner_and_lead_in_words_and_by_hatch():
    figure = plots.heat_map(quick_like())
    assert any("tf_data, batch map" in text and "x ahead" in text for text in texts(figure))
    hatches = {patch.get_hatch() for axes in figure.axes for patch in axes.patches if patch.get_hatch()}
    assert len(hatches) >= 2
    assert figure.axes[0].get_xlabel() == "batch size (images)"


def test_the_heat_map_may_have_examples_across():
    assert plots.heat_map(quick_like(), columns="examples").axes[0].get_xlabel() == "examples per epoch (images)"
    with pytest.raises(StudyError, match="columns must be"):
        plots.heat_map(quick_like(), columns="colour")


def test_the_crossover_is_drawn_with_intervals_on_labelled_axes():
    pairs = pairs_of(quick_like(), pipeline=SEQUENCE, reference=TF_DATA)
    (axes,) = plots.crossover(pairs).axes
    assert axes.get_xlabel() == "batch size (images)"
    assert "py_dataset / tf_data" in axes.get_ylabel()
    assert len(axes.containers) == 4
    assert len({line.get_linestyle() + line.get_marker() for line, *_ in axes.containers}) == 4


def test_a_crossover_over_one_value_is_one_clear_line():
    one_value = table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0})])
    pairs = pairs_of(one_value, pipeline=SEQUENCE, reference=TF_DATA)
    with pytest.raises(StudyError, match="at least two values of batch_size"):
        plots.crossover(pairs)


def test_the_parts_of_an_epoch_add_up_to_it():
    results = table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0})])
    (axes,) = plots.epoch_parts(results).axes
    steps, waiting = axes.containers
    for row, step, wait in zip(results.itertuples(), steps, waiting, strict=True):
        assert step.get_width() + wait.get_width() == pytest.approx(row.train_epoch_s / row.examples * 1e3)
        assert wait.get_width() == pytest.approx(row.waiting_share * row.train_epoch_s / row.examples * 1e3)
        assert wait.get_hatch() and wait.get_x() == pytest.approx(step.get_width())
    assert "milliseconds" in axes.get_xlabel()


def test_a_start_and_its_batches_add_up_to_an_epoch_and_the_turn_is_told():
    results = table([cell(seconds={"py_dataset": 1.0, "tf_data": 2.0})]).assign(turns_at_examples=[np.nan, 4321.0])
    (axes,) = plots.start_and_rate(results).axes
    start, batches = axes.containers
    for row, first, rest in zip(results.itertuples(), start, batches, strict=True):
        assert first.get_width() == pytest.approx(row.start_s * 1e3)
        assert first.get_width() + rest.get_width() == pytest.approx(row.epoch_s * 1e3, rel=0.05)
    assert [text.get_text() for text in axes.texts if "turns" in text.get_text()] == ["turns at 4,321"]
    with pytest.raises(StudyError, match="two batches or more"):
        plots.start_and_rate(results.assign(start_s=np.nan))


def test_the_parts_of_an_epoch_need_a_trained_model():
    with pytest.raises(StudyError, match="train: true"):
        plots.epoch_parts(quick_like().assign(train_epoch_s=np.nan))


def test_a_grid_of_pictures_takes_grey_and_colour():
    plots.augmented(np.zeros((5, 8, 8, 1), np.uint8), titles=range(5), columns=3)
    figure = plots.augmented(np.random.default_rng(0).normal(0.5, 1, (3, 8, 8, 3)))
    assert "3 pictures of 8 x 8 pixels" in figure.get_label()
    with pytest.raises(StudyError, match="images must have shape"):
        plots.augmented(np.zeros((8, 8)))
    with pytest.raises(StudyError, match="one title"):
        plots.augmented(np.zeros((2, 8, 8, 1)), titles=["one"])


@pytest.mark.parametrize("draw", [plots.ratios, plots.heat_map, plots.epoch_parts, plots.start_and_rate])
def test_every_picture_has_a_text_alternative(draw):
    assert len(draw(quick_like()).get_label()) > 80


def test_show_displays_once_with_the_text_alternative(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = plots.epoch_parts(quick_like())
    plots.show(figure)
    (picture,) = shown
    assert picture.alt == figure.get_label()
    assert picture.data.startswith(b"\x89PNG")
    assert not plt.get_fignums()


def test_a_builder_looks_the_same_in_every_picture():
    assert style.look("tf_data", ["other", "tf_data"]) == style.look("tf_data")
    looks = [style.look(name) for name in style.KNOWN]
    assert len({look["marker"] for look in looks}) == len({look["hatch"] for look in looks}) == len(looks)


def test_no_two_of_many_pipelines_look_alike():
    names = [f"pipeline {number}" for number in range(30)]
    looks = [style.look(name, names) for name in names]
    assert len({(look["color"], look["hatch"]) for look in looks}) == len(names)
    assert len({(look["color"], look["marker"]) for look in looks}) == len(names)


def test_costs_of_settings_are_ratios_to_the_untouched_builder():
    costs = winners.knob_costs(quick_like()).set_index("setting")
    assert costs.loc["map=batch", "ratio"] == pytest.approx(0.6, abs=0.02)
    assert costs.loc["workers=2", "cells"] == 1


def test_the_explorer_slices_by_every_control():
    rows = explorer.slice_of(quick_like(), dataset="synthetic", transform="noise", batch_size=32, pipeline="tf_data")
    assert set(rows["pipeline"]) == {"py_dataset", "tf_data"}
    assert len(rows) == 2


def test_the_explorer_names_what_it_could_take():
    with pytest.raises(StudyError, match="batch_size must be one of 32, 256"):
        explorer.slice_of(quick_like(), batch_size=33)
    with pytest.raises(StudyError, match="pipeline must be one of"):
        explorer.slice_of(quick_like(), pipeline="torch")


def test_the_explorers_picture_changes_with_a_control():
    widget = explorer.explore(quick_like(), transform="noise")
    controls, screen = widget.children
    by_name = {control.description: control for control in controls.children}
    assert by_name["transform"].value == "noise"
    before = screen.value
    assert before.startswith('<img alt="Ratios with their intervals')
    by_name["pipeline"].value = "tf_data"
    assert screen.value != before
    by_name["transform"].value = "shear_zoom_flip"
    by_name["pipeline"].value = "published_b3_imitation"
    assert "choose other values" in screen.value


def test_a_slice_without_a_comparison_has_no_picture():
    assert explorer.picture(quick_like(), pipeline="published_b3_imitation") is None


SOME = {"one": [1.0, 2.0, 3.0], "two": [2.0, 4.0, 400.0]}


def test_bars_stand_in_groups_with_their_numbers_and_a_limit_across():
    figure = plots.bars(SOME, ["a", "b", "c"], axis="size (GB)", across="images", log=True, line=("free", 50))
    (axes,) = figure.axes
    assert len(axes.patches) == 6 and axes.get_yscale() == "log" and "400" in texts(figure)
    assert axes.get_ylabel() == "size (GB), log scale" and axes.get_xlabel() == "images"
    assert "two: 2, 4, 400; free: 50" in figure.get_label()


def test_a_bar_too_few_is_one_clear_line():
    with pytest.raises(StudyError, match="one number per group"):
        plots.bars(SOME, ["a", "b"], axis="GB")


def test_dots_stand_in_a_row_per_name():
    (axes,) = plots.dots({"A": [1.0, 1.1], "B": [0.9]}, axis="seconds", mark=1).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B"]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 1, 2]


def test_heaps_share_their_bins():
    figure = plots.histograms({"A": np.arange(100), "B": np.arange(50, 150)}, axis="ratio", counted="sessions", mark=1)
    (axes,) = figure.axes
    first, second = ([patch.get_x() for patch in heap] for heap in axes.containers)
    assert first == second and axes.get_ylabel() == "sessions"


def test_intervals_carry_their_verdicts_as_words():
    rows = {"slow": ratios.Ratio(1.2, 1.1, 1.3, 9, 0.95), "known": ratios.Ratio(1.0, 0.98, 1.03, 99, 0.95)}
    figure = plots.intervals(rows, axis="a / b")
    assert texts(figure) == ["1.20 slower", "1.00 the same"] and figure.axes[0].get_xscale() == "log"


@pytest.mark.slow
def test_a_guess_is_drawn_beside_what_was_measured():
    timed = Epochs({"a": 1.0, "b": 2.0})
    measured = comparison.compare({"a": timed.of("a"), "b": timed.of("b")}, max_rounds=5)
    (axes,) = plots.comparison_ratios(measured, predicted={"b": 1.5}).axes
    assert any(list(line.get_xdata()) == [1.5] for line in axes.lines)
    (without,) = plots.comparison_ratios(measured).axes
    assert len(without.lines) == len(axes.lines) - 1


class Epochs:
    """Feeds whose epochs take a given time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def of(self, name):
        feed = type("Timed", (), {})()
        took = self.seconds[name]
        parts = {"steady_s": 0.9 * took, "end_s": 0.0, "first_batch_s": 0.1 * took}
        parts |= {"iterator_s": 0.05 * took, "cpu_s": 0.0, "batches": 4}
        feed.time_epochs = lambda epochs: [timing.Epoch(epoch_s=took, **parts)] * epochs
        return feed
