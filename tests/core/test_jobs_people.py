"""Tests of the queue where people sign in: a job is its person's, turns and limits are a person's, work is done as them."""

import threading

import pytest

from core.errors import HeedError
from core.jobs import Jobs
from core.jobs.waiting_runs import drop_waiting, keep_waiting, waiting_request
from core.people import NO_ONE, Person, viewer, viewing
from tests.pages import made_up

ANNA, BEN = Person("a" * 32, "Anna"), Person("b" * 32, "Ben")
TOKEN = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


@pytest.fixture
def queue():
    """A queue whose worker is held until the test ends."""
    free = threading.Event()
    made = Jobs(own=2)
    made.submit("first", lambda *_: free.wait(20))
    yield made
    free.set()


def ask(queue, person, key, session, work=lambda *_: viewer()):
    with viewing(person):
        return queue.submit(key, work, who=f"{session} {key}", session=session)


def test_a_job_is_seen_and_shared_by_its_person_alone(queue):
    hers = ask(queue, ANNA, "same", "one")
    assert ask(queue, ANNA, "same", "two") is hers
    assert ask(queue, BEN, "same", "three") is not hers
    with viewing(BEN):
        assert queue.get(hers.id) is None and queue.shared_by("one same") is None and hers not in queue.all()
    with viewing(NO_ONE):
        assert queue.all() == []
    with viewing(Person(ANNA.key, "Anna, renamed")):
        assert queue.get(hers.id) is hers and queue.shared_by("one same") is hers
    assert len(queue.all()) == 3


def test_sessions_of_a_person_count_as_one(queue):
    order = [ask(queue, ANNA, "a1", "s1"), ask(queue, ANNA, "a2", "s2"), ask(queue, BEN, "b1", "s3")]
    assert [job.position for job in order] == [1, 3, 2]
    with pytest.raises(HeedError, match="2 of your jobs already wait"):
        ask(queue, ANNA, "a3", "s4")
    assert ask(queue, BEN, "b2", "s3").position == 4


def test_the_work_is_done_for_its_person_and_for_nobody_after():
    queue = Jobs()
    for person in (ANNA, None, BEN):
        job = ask(queue, person, f"as {person}", "s")
        assert job.wait(10) and job.result == person


def test_what_waits_is_found_again_by_its_person_alone():
    request = made_up.run("Hello?").request
    with viewing(ANNA):
        keep_waiting(TOKEN, request)
    with viewing(BEN):
        assert waiting_request(TOKEN) is None
        drop_waiting(TOKEN)
    assert waiting_request(TOKEN) is None
    with viewing(ANNA):
        assert waiting_request(TOKEN) == request
