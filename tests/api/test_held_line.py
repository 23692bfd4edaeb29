"""The line in front of a program that is slow on purpose."""

from api.held_line import HeldLine


def test_each_is_let_go_when_all_before_and_it_have_had_their_time() -> None:
    line, taken = HeldLine(), list[str]()
    line.slow(10)
    line.enter(100, 2, lambda: taken.append("a"))
    line.enter(105, 1, lambda: taken.append("b"))
    line.serve(119)
    assert taken == [] and line.end_ns == 120
    line.serve(120)
    assert taken == ["a"] and line.end_ns == 130
    assert line.gauges(125) == {"held_s_total": 25e-9, "held_operations": 1.0}
    line.serve(400)
    assert taken == ["a", "b"] and line.end_ns is None
    assert line.gauges(500) == {"held_s_total": 30e-9, "held_operations": 0.0}


def test_who_comes_while_the_line_is_let_go_stands_behind_it() -> None:
    line, taken = HeldLine(), list[str]()
    line.slow(10)
    line.enter(0, 1, lambda: line.enter(50, 1, lambda: taken.append("late")))
    line.enter(0, 1, lambda: taken.append("early"))
    line.slow(0)
    line.serve(50)
    assert taken == ["early", "late"]


def test_the_line_that_is_dropped_is_forgotten() -> None:
    line = HeldLine()
    line.slow(10)
    line.enter(0, 3, lambda: None)
    line.clear()
    assert line.end_ns is None and line.gauges(5)["held_operations"] == 0
