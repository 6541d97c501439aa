"""Tests of closed tabs: their places are freed after a grace period, a reload keeps its own, scripts stay."""

from threading import Event

from core.jobs import Jobs
from core.jobs.absences import Absences

LONG = 30


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_only_who_is_away_for_long_is_gone():
    clock, here = Clock(), {"a"}
    seen = Absences(grace=30, clock=clock)
    assert seen.gone(["", "a", "b"], here.__contains__) == set()
    clock.now = 20
    here.add("b")
    assert seen.gone(["", "a", "b"], here.__contains__) == set(), "b came back"
    here.clear()
    clock.now = 40
    assert seen.gone(["", "a", "b"], here.__contains__) == set(), "away since now"
    clock.now = 71
    assert seen.gone(["", "a"], here.__contains__) == {"a"}


def test_a_closed_tab_frees_its_place_and_a_reload_keeps_it():
    queue, begun, gate, here, clock = Jobs(), Event(), Event(), {"a", "b"}, Clock()
    queue.present, queue._absences = here.__contains__, Absences(grace=30, clock=clock)
    running = queue.submit("hold", lambda p, c: begun.set() or gate.wait(LONG), who="0", session="a")
    assert begun.wait(LONG)
    alone = queue.submit("alone", lambda p, c: 1, who="1", session="a")
    shared = queue.submit("shared", lambda p, c: 2, who="2", session="a")
    assert queue.submit("shared", lambda p, c: 2, who="3", session="b") is shared
    again = queue.submit("again", lambda p, c: 3, who="4", session="b")
    script = queue.submit("script", lambda p, c: 4)
    over = []
    alone.when_over(over.append)
    here.clear()
    queue.leave_absent()
    clock.now = 31
    here.add("c")
    again.move("4", "c")
    queue.leave_absent()
    assert alone.state == "cancelled" and alone.forsaken and over == [alone]
    assert shared.state == "cancelled" and shared.forsaken
    assert again.sharers == 1 and again.state == "queued" and not again.over, "the page was loaded again"
    assert running.state == "running" and script.state == "queued"
    gate.set()
    assert again.wait(LONG) and script.wait(LONG) and (again.result, script.result) == (3, 4)
