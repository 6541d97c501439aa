"""Tests of the fair order: by hand, and that no session waits for a second job of another before its own first."""

from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from core.jobs import Jobs
from core.jobs.fair_order import FairOrder
from core.jobs.job import Job

LONG = 30


def waiting(*sessions):
    """A waiting job of each session, or of several that share it."""
    made = []
    for names in sessions:
        job = Job(f"{len(made)}", lambda p, c: None, "cpu", lambda job: [], lambda device: None)
        for name in names.split("+"):
            job.join(f"{name} waits", name)
        made.append(job)
    return made


def places(turns, jobs):
    return [jobs.index(job) for job in turns.order(jobs)]


def test_a_second_job_waits_behind_the_first_ones_of_others():
    jobs = waiting("a", "a", "a", "b", "b", "c")
    assert places(FairOrder(), jobs) == [0, 3, 5, 1, 4, 2]


def test_a_job_that_began_was_its_sessions_turn():
    turns, jobs = FairOrder(), waiting("a", "a", "a", "b")
    turns.begin(jobs[0], jobs)
    assert places(turns, jobs[1:]) == [2, 0, 1], "b comes before the second of a, though a asked first"
    turns.rest()
    assert places(turns, jobs[1:]) == [0, 2, 1], "after a rest nobody owes a turn"


def test_a_shared_job_counts_for_the_one_whose_turn_is_earliest():
    jobs = waiting("a", "a", "a+b", "b", "a")
    assert places(FairOrder(), jobs) == [0, 2, 1, 3, 4], "b brings the third of a forward, and waits for its own second"
    jobs[2].leave("b waits")
    assert places(FairOrder(), jobs) == [0, 3, 1, 2, 4], "when b leaves, it is a's again"


def test_who_leaves_moves_the_others_up():
    jobs = waiting("a", "a", "b")
    jobs[0].leave()
    assert places(FairOrder(), jobs[1:]) == [0, 1]


def test_scripts_share_one_turn():
    assert places(FairOrder(), waiting("", "", "a")) == [0, 2, 1]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(0, 11))
def test_every_session_has_its_nth_job_before_another_has_one_more(asked, late):
    turns, queue, served = FairOrder(), waiting(*asked), []
    here, later = queue[: late + 1], queue[late + 1 :]
    while here:
        first = turns.order(here)[0]
        turns.begin(first, here)
        here.remove(first)
        served.append(asked[queue.index(first)])
        here, later = here + later[:1], later[1:]
    if late + 1 >= len(asked):
        nth = [served[:i].count(name) for i, name in enumerate(served)]
        assert nth == sorted(nth), "all were there from the start: first the first ones, then the second ones"
    assert sorted(served) == sorted(asked)


def test_the_queue_runs_and_shows_the_fair_order():
    queue, gate, begun, seen = Jobs(), Event(), Event(), []

    def hold(progress, cancelled):
        begun.set()
        gate.wait(LONG)

    running = queue.submit("hold", hold, who="a 0", session="a", seconds=60)
    assert begun.wait(LONG)
    jobs = [
        queue.submit(name, lambda p, c, name=name: seen.append(name), who=name, session=name[0], seconds=60)
        for name in ("a1", "a2", "b1", "b2", "c1")
    ]
    assert [job.position for job in jobs] == [2 + 1, 5, 1, 4, 2]
    assert jobs[4].line == "2 in the queue before this one: about 2 min until it begins"
    gate.set()
    assert all(job.wait(LONG) for job in (running, *jobs))
    assert seen == ["b1", "c1", "a1", "b2", "a2"]


def test_a_job_whose_model_was_dropped_lets_three_of_the_model_in_memory_go_first():
    """Two sessions with two models that do not fit together: without this, every turn would load a model."""
    loaded = {"big": False, "small": True, "": None, "new": None}
    turns, jobs = FairOrder(loaded.get), waiting("a", "b", "c", "d", "e", "f", "g")
    for job, model in zip(jobs, ("big", "small", "", "small", "new", "small", "small"), strict=True):
        job.model = model
    assert places(turns, jobs) == [1, 3, 5, 0, 2, 4, 6], "no fourth, none of a model that was never loaded"
    begun = []
    rest = list(jobs)
    for _ in range(4):
        begun.append(turns.order(rest)[0])
        turns.begin(begun[-1], rest)
        rest.remove(begun[-1])
    assert [jobs.index(job) for job in begun] == [1, 3, 5, 0]
    assert jobs[0].passed == 3
    loaded |= {"big": True, "small": False}  # it was loaded, and dropped the other
    assert places(turns, rest) == [0, 1, 2], "now the small one would wait, but nobody needs the big one"


def test_a_model_that_was_never_loaded_waits_its_turn_and_no_longer():
    turns, jobs = FairOrder({"new": None, "small": True}.get), waiting("a", "b")
    jobs[0].model, jobs[1].model = "new", "small"
    assert places(turns, jobs) == [0, 1]


def test_passing_keeps_the_turn_of_who_was_passed():
    """Sessions that come later do not slip before the one that let others go first."""
    turns, jobs = FairOrder({"big": False, "small": True}.get), waiting("a", "b", "b")
    jobs[0].model, jobs[1].model, jobs[2].model = "big", "small", "small"
    turns.begin(jobs[1], jobs)
    later = waiting("c")
    rest = [jobs[0], jobs[2], *later]
    jobs[0].passed = 3
    assert turns.order(rest)[0] is jobs[0]
