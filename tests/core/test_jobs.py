"""Tests of core/jobs: order, sharing, cancelling, failing; no test sleeps for a fixed time."""

import errno
import gc
import logging
import os
import subprocess
import sys
import weakref
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest

from core.errors import Cancelled, HeedError, PromptError
from core.jobs import Jobs, jobs
from core.jobs.error_text import DISK_FULL, NO_MEMORY
from core.jobs.job_queue import NICE

LONG = 30


class Gate:
    """Work that signals its start and ends when it is released or cancelled."""

    def __init__(self, result=None):
        self.begun, self.open, self.ended, self.result = Event(), Event(), Event(), result

    def __call__(self, progress, cancelled):
        self.begun.set()
        while not self.open.wait(0.005):
            if cancelled():
                self.ended.set()
                raise Cancelled("Stopped.")
        self.ended.set()
        return self.result


@pytest.fixture
def queue():
    return Jobs()


def test_a_job_runs_and_gives_its_result(queue):
    def work(progress, cancelled):
        progress(0.5, "Halfway", "wor")
        progress(None, "Longer", "words")
        progress(2, "Beyond")
        return {"answer": 42}

    job = queue.submit("a", work)
    assert job.wait(LONG) and job.state == "done" and job.over
    assert (job.result, job.error, job.fraction, job.text, job.stream) == ({"answer": 42}, "", 1.0, "Beyond", "words")
    assert job.submitted <= job.started <= job.finished and job.position == 0
    assert queue.get(job.id) is job and job in queue.all()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_who_waits_for_the_end_finds_it_told(queue):
    told = []

    def tell(job):
        told.append((job.state, job.over))

    go = Event()
    job = queue.submit("a", lambda progress, cancelled: go.wait(10))
    job.when_over(tell)
    go.set()
    assert job.wait(10) and told == [("done", False)]


def test_a_worker_stands_behind_the_threads_that_draw_pages(queue):
    own = os.getpriority(os.PRIO_PROCESS, get_native_id())
    job = queue.submit("nice", lambda *_: os.getpriority(os.PRIO_PROCESS, get_native_id()))
    assert job.wait(LONG) and job.result == max(own, NICE)
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) == own


def test_progress_is_seen_while_it_runs(queue):
    shown, go_on = Event(), Event()

    def work(progress, cancelled):
        progress(0.25, "Reading", "The")
        shown.set()
        go_on.wait(LONG)

    job = queue.submit("a", work)
    assert shown.wait(LONG)
    assert (job.state, job.fraction, job.text, job.stream) == ("running", 0.25, "Reading", "The")
    go_on.set()
    assert job.wait(LONG)


def test_one_after_the_other_in_order_on_each_device(queue):
    seen, gate, lane = [], Gate(), Gate()
    first = queue.submit("gate", gate)
    rest = [queue.submit(str(i), lambda p, c, i=i: seen.append(i)) for i in range(5)]
    other = queue.submit("other", lane, device="cuda")
    assert gate.begun.wait(LONG) and lane.begun.wait(LONG), "devices do not wait for each other"
    assert [job.position for job in (first, *rest)] == [0, 1, 2, 3, 4, 5]
    assert {job.state for job in rest} == {"queued"} and seen == []
    rest[1].cancel()
    assert [job.position for job in rest] == [1, 0, 2, 3, 4]
    gate.open.set()
    lane.open.set()
    assert all(job.wait(LONG) for job in (first, *rest, other))
    assert seen == [0, 2, 3, 4] and rest[1].state == "cancelled"


def test_two_that_ask_for_the_same_share_one_job(queue):
    gate = Gate("shared")
    one = queue.submit("run", gate, who="session 1")
    assert gate.begun.wait(LONG)
    two = queue.submit("run", Gate("never run"), who="session 2")
    assert two is one and one.sharers == 2
    assert queue.submit("run", gate, who="session 2").sharers == 2, "asking twice counts once"
    one.cancel("session 1")
    one.cancel("session 1")
    assert one.state == "running" and one.sharers == 1, "the other still waits"
    gate.open.set()
    assert two.wait(LONG) and two.result == "shared"


def test_the_last_to_leave_stops_the_work(queue):
    gate = Gate()
    job = queue.submit("run", gate)
    queue.submit("run", gate)
    assert gate.begun.wait(LONG)
    job.cancel()
    assert job.state == "running"
    job.cancel()
    assert job.state == "cancelled" and job.over and gate.ended.wait(LONG)
    assert job.result is None and job.join() is False


def test_a_waiting_job_that_is_cancelled_never_runs(queue):
    gate, late = Gate(), Gate()
    queue.submit("gate", gate)
    job = queue.submit("late", late)
    job.cancel()
    gate.open.set()
    assert queue.submit("after", lambda p, c: "fine").wait(LONG)
    assert job.state == "cancelled" and not late.begun.is_set()


def test_cancel_answers_before_the_work_has_noticed(queue):
    begun, deaf = Event(), Event()

    def work(progress, cancelled):
        begun.set()
        deaf.wait(LONG)  # busy with one long step
        progress(0.9, "too late", "too late")
        return "too late"

    job = queue.submit("run", work)
    assert begun.wait(LONG)
    job.cancel()
    assert job.state == "cancelled" and job.finished is not None
    again = queue.submit("run", lambda p, c: "fresh")
    assert again is not job, "a cancelled job is not shared"
    deaf.set()
    assert again.wait(LONG) and again.result == "fresh"
    assert job.state == "cancelled" and job.result is None and job.stream == "" and job.text != "too late"


class OutOfMemoryError(RuntimeError):
    """An error named like torch's."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PromptError("The prompt is empty: write something."), "The prompt is empty: write something."),
        (MemoryError(), NO_MEMORY),
        (OutOfMemoryError("CUDA"), NO_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), NO_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), DISK_FULL),
    ],
)
def test_known_failures_are_one_sentence(queue, error, expected):
    def work(progress, cancelled):
        raise error

    job = queue.submit("a", work)
    assert job.wait(LONG) and (job.state, job.error, job.result) == ("failed", expected, None)


def test_what_another_library_raised_is_logged_behind_the_sentence(queue, caplog):
    def work(progress, cancelled):
        raise PromptError("It failed: try again.") from ValueError("the library's words")

    with caplog.at_level(logging.WARNING, logger="heed"):
        job = queue.submit("a", work)
        assert job.wait(LONG)
    assert job.error == "It failed: try again." and "the library's words" in caplog.text


@pytest.mark.parametrize("error", [ValueError("secret detail"), KeyError("x"), SystemExit(1), KeyboardInterrupt()])
def test_an_unknown_failure_is_logged_and_the_worker_lives_on(queue, error, caplog):
    def work(progress, cancelled):
        raise error

    with caplog.at_level(logging.ERROR, logger="heed"):
        job = queue.submit("a", work)
        assert job.wait(LONG)
    assert job.state == "failed" and "Something went wrong" in job.error and type(error).__name__ in job.error
    assert "secret" not in job.error and "log" in job.error
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)
    assert queue.submit("b", lambda p, c: 1).wait(LONG)
    assert queue.submit("a", lambda p, c: "again").wait(LONG), "a failed job is not shared"


def test_work_may_say_that_it_was_cancelled(queue):
    def work(progress, cancelled):
        raise Cancelled("Stopped.")

    job = queue.submit("a", work)
    assert job.wait(LONG) and job.state == "cancelled" and job.error == ""


def test_a_full_queue_is_one_sentence_and_cancelling_makes_room():
    queue, gate = Jobs(waiting=2), Gate()
    queue.submit("gate", gate)
    assert gate.begun.wait(LONG)
    waiting = [queue.submit(str(i), gate) for i in range(2)]
    with pytest.raises(HeedError, match="2 jobs already wait for cpu: try again"):
        queue.submit("more", gate)
    assert queue.submit("1", gate) is waiting[1], "sharing needs no room"
    assert queue.submit("more", lambda p, c: 1, device="cuda").wait(LONG)
    waiting[0].cancel()
    last = queue.submit("more", gate)
    gate.open.set()
    assert last.wait(LONG)


def test_finished_jobs_are_forgotten():
    queue = Jobs(kept=3)
    done = [queue.submit(str(i), lambda p, c: None) for i in range(6)]
    assert all(job.wait(LONG) for job in done)
    assert queue.all() == done[3:] and queue.get(done[0].id) is None
    queue.forget = 0
    assert queue.all() == []


def test_nothing_of_a_forgotten_job_stays_in_memory():
    class Big:
        pass

    queue, alive = Jobs(kept=0), []

    def work(progress, cancelled):
        big = Big()
        alive.append(weakref.ref(big))
        return big

    assert queue.submit("a", work).wait(LONG)
    for _ in range(1000):  # the idle worker drops its reference a moment after the job is over
        queue.all()
        gc.collect()
        if alive[0]() is None:
            break
        Event().wait(0.01)
    assert alive[0]() is None


def test_many_threads_submit_join_and_cancel_at_once(queue):
    seen, errors = [], []

    def session(number):
        try:
            for i in range(50):
                job = queue.submit(str(i % 7), lambda p, c: seen.append(1), who=str(number))
                job.cancel(str(number)) if (i + number) % 3 == 0 else job.wait(LONG)
                assert job.position >= 0
        except HeedError:
            pass  # the queue was full for a moment
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=session, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and seen
    assert queue.submit("last", lambda p, c: "alive").wait(LONG)


def test_one_queue_for_all():
    assert jobs() is jobs() and isinstance(jobs(), Jobs)


def test_a_process_ends_while_a_job_runs():
    code = (
        "from core.jobs import jobs; import time; jobs().submit('a', lambda p, c: time.sleep(600)); print('torch' in "
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code + "__import__('sys').modules)"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "False")


def test_the_name_of_a_job_cannot_be_guessed_and_finds_it(queue):
    gate = Gate()
    job = queue.submit("gate", gate, who="run a7")
    other = queue.submit("gate", gate, who="run b8")
    assert other is job and queue.shared_by("run a7") is job and queue.shared_by("run c9") is None
    assert len(job.id) == 32 and job.id != queue.submit("next", lambda p, c: None).id
    job.leave("run a7")
    assert queue.shared_by("run a7") is None and queue.shared_by("run b8") is job, "another session waits on"
    gate.open.set()
    assert job.wait(LONG) and queue.shared_by("run b8") is job, "a result can still be collected"


def test_those_who_wait_are_told_their_place_and_the_time(queue):
    gate = Gate()
    first = queue.submit("first", gate, seconds=100)
    assert gate.begun.wait(LONG)
    second = queue.submit("second", lambda p, c: None, seconds=30)
    third = queue.submit("third", lambda p, c: None)
    fourth = queue.submit("fourth", lambda p, c: None, seconds=10)
    assert second.line == "1 in the queue before this one: about 2 min until it begins"
    assert third.line == "2 in the queue before this one: about 2 min until it begins"
    assert fourth.line == "3 in the queue before this one: at least 2 min until it begins", "nothing is known of third"
    third.cancel()
    assert fourth.line == "2 in the queue before this one: about 2 min until it begins"
    first._progress(0.0, "Loading")
    first._phase = first._phase[0] - 10, 0.0
    first._progress(0.5, "Half")
    assert first.left == pytest.approx(10, abs=1) and first.line.startswith("Half · about 10 s left"), "by its own pace"
    assert second.line == "1 in the queue before this one: about 10 s until it begins"
    gate.open.set()
    assert fourth.wait(LONG) and fourth.left == 0.0 and fourth.position == 0


def test_a_pace_is_that_of_the_phase_and_not_of_what_came_before(queue):
    job = queue.submit("a", Gate())
    job._progress(0.9, "Downloading")
    job._phase = job._phase[0] - 100, 0.0
    job._progress(0.0, "Token 0 of at most 10")
    assert job.left is None or job.left < 5, "a hundred seconds of fetching say nothing of writing"
    job.cancel()


def test_one_session_may_not_fill_the_queue_and_twenty_may_ask_often():
    queue, gate = Jobs(), Gate()
    queue.submit("gate", gate, who="gate", session="first")
    assert gate.begun.wait(LONG)
    for session in range(20):
        for i in range(queue.own):
            queue.submit(f"{session} {i}", gate, who=f"{session} {i}", session=f"s{session}")
    with pytest.raises(HeedError, match="6 of your jobs already wait for cpu: cancel one, or try again"):
        queue.submit("more", gate, who="more", session="s3")
    assert queue.submit("3 0", gate, who="another", session="s3"), "sharing needs no room"
    for job in queue.all():
        while not job.over:
            job.cancel()


def test_a_worker_without_a_sign_of_life_is_told(queue, monkeypatch):
    gate, deaf = Event(), Event()

    def work(progress, cancelled):
        gate.set()
        deaf.wait(LONG)

    job = queue.submit("deaf", work)
    assert gate.wait(LONG) and job.line == "Starting"
    second = queue.submit("second", lambda p, c: 2)
    job._heard -= 720
    assert job.line == second.line == "The worker has not answered for 12 min: restart Heed"
    job._progress(0.5, "Half")
    assert job.line.startswith("Half") and second.line.startswith("1 in the queue")
    job.cancel()
    assert second.line == "Next, when what was cancelled has ended" and second.position == 0
    deaf.set()
    assert second.wait(LONG)


def test_the_workers_are_told_of_until_nothing_is_left(monkeypatch):
    monkeypatch.setattr("core.jobs.job_queue.TICK", 0.01)
    told, ended = [], Event()

    def tell(serving):
        told.append([job.key for job in serving])
        if not serving and told[0]:
            ended.set()

    queue, gate = Jobs(told=tell), Gate()
    job = queue.submit("gate", gate)
    while not told or not told[-1]:
        assert not job.over
        Event().wait(0.005)
    gate.open.set()
    assert ended.wait(LONG) and told[-1] == [] and ["gate"] in told
