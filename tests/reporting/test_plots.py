from __future__ import annotations

from xml.etree import ElementTree

from kd2edge.reporting.plots import (
    Bar,
    Bin,
    drop_plot,
    gain_plot,
    heat_map,
    interval_plot,
    line_plot,
    reliability_diagram,
    trade_off_plot,
)


def tags(svg: str, tag: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter() if node.tag == tag]


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in tags(svg, "text")]


def test_a_line_plot_draws_every_series_that_has_points():
    series = {
        "a": ("teacher", [(1, 0.5), (2, 0.7)]),
        "b": ("student", []),
        "c": ("student", [(1, 1)]),
    }
    svg = line_plot(series, label="curves", x_label="epoch")
    assert len(tags(svg, "polyline")) == 2
    assert "epoch" in texts(svg)


def test_a_line_plot_of_nothing_is_nothing():
    assert line_plot({"a": ("student", [])}, label="x", x_label="y") == ""
    assert interval_plot([], label="x") == ""
    assert drop_plot([], 0.1, label="x") == ""


def test_an_interval_plot_names_and_values_each_bar():
    svg = interval_plot([Bar("teacher", "teacher", 0.9, 0.88, 0.92)], label="x")
    assert {"teacher", "0.900"} <= set(texts(svg))


def test_a_drop_plot_marks_the_budget_in_points():
    svg = drop_plot([Bar("onnx-int8", "pass", 0.001, -0.001, 0.003)], 0.005, label="x")
    assert {"budget 0.5", "+0.10"} <= set(texts(svg))
    assert [node.get("class") for node in tags(svg, "line")].count("budget") == 1
    assert "series verdict-pass" in [node.get("class") for node in tags(svg, "g")]


def test_a_heat_map_has_a_cell_for_every_pair_and_counts_only_where_they_fit():
    small = heat_map([[8, 2], [0, 10]], ["a", "b"], label="x")
    assert len([node for node in tags(small, "rect") if node.get("class") == "heat"]) == 4
    assert {"8", "2", "10"} <= set(texts(small))
    many = [str(index) for index in range(20)]
    large = heat_map([[1] * 20] * 20, many, label="x")
    assert texts(large).count("1") == 2  # the label of row and column alone


def test_an_empty_row_of_a_heat_map_does_not_divide_by_zero():
    assert heat_map([[0, 0], [1, 1]], ["a", "b"], label="x")


def test_a_reliability_diagram_leaves_empty_bins_out():
    bins = [Bin(0.0, 0.0, 0), Bin(0.7, 0.6, 10), Bin(0.9, 0.95, 30)]
    svg = reliability_diagram({"student": bins}, label="x")
    line = tags(svg, "polyline")[0]
    assert len((line.get("points") or "").split()) == 2


def test_a_trade_off_needs_two_points():
    assert trade_off_plot([("a", "pass", 1.0, 2.0)], label="x") == ""
    svg = trade_off_plot([("a", "pass", 1.0, 2.0), ("b", "fail", 2.0, 1.0)], label="x")
    assert {"a", "b"} <= set(texts(svg))


def test_names_of_close_points_do_not_cover_each_other():
    close = [(f"onnx-int8-{name}", "pass", 1.0, 2.0) for name in ("a", "b", "c")]
    svg = trade_off_plot([*close, ("far", "pass", 4.0, 1.0)], label="x")
    heights = [float(n.get("y") or 0) for n in tags(svg, "text") if (n.text or "")[:4] == "onnx"]
    assert len(heights) == 3
    assert all(abs(a - b) >= 11 for i, a in enumerate(heights) for b in heights[:i])


def test_a_gain_plot_colours_what_is_shown_and_has_no_budget():
    bars = [
        Bar("a", "pays", 0.02, 0.01, 0.03),
        Bar("b", "not shown", 0.01, -0.01, 0.03),
        Bar("c", "hurts", -0.02, -0.03, -0.01),
    ]
    svg = gain_plot(bars, label="x")
    classes = [node.get("class") or "" for node in tags(svg, "g")]
    assert [one for one in classes if "series" in one] == [
        "series verdict-pass", "series verdict-none", "series verdict-fail",
    ]  # fmt: skip
    assert "+2.00" in texts(svg)
    assert not [node for node in tags(svg, "line") if node.get("class") == "budget"]
