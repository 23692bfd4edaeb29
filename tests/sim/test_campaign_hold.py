"""A program that is slow on purpose, on the virtual clock: the rules of the real one."""

from sim.campaign.hold import Hold
from sim.connection import SECOND
from sim.heap import ARRIVAL, Agenda


def held(service_ns: int) -> tuple[Agenda, Hold, list[tuple[int, int]]]:
    """(number, when it was taken) goes into the list."""
    agenda = Agenda(0)
    hold = Hold(agenda)
    hold.slow(service_ns)
    return agenda, hold, []


def enter(agenda: Agenda, hold: Hold, taken: list[tuple[int, int]], each: tuple[int, ...]) -> None:
    for number, operations in enumerate(each):
        hold.enter(operations, lambda number=number: taken.append((number, agenda.now_ns)))


def test_operations_have_their_time_one_after_the_other() -> None:
    agenda, hold, taken = held(2)
    enter(agenda, hold, taken, (5, 1, 10, 0, 4))
    assert not taken and hold.gauges()["held_operations"] == 20
    agenda.run(100)
    assert taken == [(0, 10), (1, 12), (2, 32), (3, 32), (4, 40)]
    assert hold.gauges() == {"held_s_total": 40 / SECOND, "held_operations": 0.0}


def test_who_was_never_slow_says_nothing_and_takes_at_once() -> None:
    agenda, hold, taken = held(0)
    enter(agenda, hold, taken, (3, 0))
    assert taken == [(0, 0), (1, 0)] and hold.gauges() == {}


def test_who_is_slow_no_more_lets_everybody_go_in_order() -> None:
    agenda, hold, taken = held(60)
    enter(agenda, hold, taken, (1, 1, 1))
    agenda.at(70, ARRIVAL, hold.slow, 0)
    agenda.run(1000)
    assert taken == [(0, 60), (1, 70), (2, 70)]
    assert hold.gauges() == {"held_s_total": 60 / SECOND, "held_operations": 0.0}


def test_a_change_of_pace_counts_from_when_the_first_came_to_be_served() -> None:
    agenda, hold, taken = held(60)
    enter(agenda, hold, taken, (1, 1))
    agenda.at(10, ARRIVAL, hold.slow, 20)
    agenda.run(1000)
    assert taken == [(0, 20), (1, 40)]
