"""Tests of what the log says of jobs, and that no word of a visitor is in it: not of the prompt, nor of names.

A secret stands in prompt, system message, segment, item, study and file; jobs succeed, fail, are refused and cancelled;
then it is looked for in all that was written, in names of files that wait and in the commands of processes.
"""

import json
import logging
import subprocess
import sys

import pytest

from core import runs
from core.errors import HeedError, PromptError
from core.jobs.job_queue import Jobs
from core.jobs.run_jobs import run_work
from core.jobs.waiting_runs import drop_waiting, keep_waiting
from core.log.events import log_as, log_event
from core.log.targets import process_log, stop_log
from core.runs import Draft, draft_request
from core.study import worker_pool
from core.study.batch_runner import BatchRunner
from core.study.import_items import read_items
from core.study.study import Study
from core.study.worker import Worker
from tests.core import study_tiny

SECRET = "zebra7719"
TOKEN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return study_tiny.model(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setenv("HEED_LOG", "json")
    monkeypatch.delenv("HEED_LOG_PROMPTS", raising=False)
    yield tmp_path
    stop_log()
    log_as(session="", person="")


def secret_draft(model, **settings):
    return Draft(model, f"[[question {SECRET!r}: {SECRET}?]]", raw=True, settings={"max_new_tokens": 3, **settings})


def do_everything(model, monkeypatch):
    """Jobs that succeed, fail in three ways, are refused and cancelled; a study's cells that fail; a bad upload."""
    queue = Jobs()
    log_as(session="s1", person="ada@example.org")

    def job(work, asked, key=None, **more):
        made = queue.submit(key or asked.name, work, asked=asked, **more)
        assert made.wait(60)
        return made

    draft, long = secret_draft(model), Draft(model, SECRET * 2000, raw=True)
    good = job(run_work(draft), draft, key=draft_request(draft).id)
    assert good.state == "done", good.error
    states = [
        job(run_work(long), long).state,
        job(run_work(Draft(f"no-{SECRET}", "x")), draft).state,
    ]

    def breaks(*given):
        raise ValueError(f"cannot read {SECRET}")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "prepare", breaks)
        states.append(job(run_work(draft), draft, key=f"{SECRET} again").state)

    def quotes(progress, cancelled):
        logging.getLogger("pypdf").warning("bad object %s", SECRET)
        logging.getLogger("pypdf").warning(f"bad object {SECRET}")
        try:
            breaks()
        except ValueError as error:
            raise PromptError(f"{SECRET!r} cannot be read: shorten it.") from error

    states.append(job(quotes, draft, key=f"compare {SECRET}").state)
    assert states == ["failed"] * 4

    def endless(progress, cancelled):
        while not cancelled():
            pass

    running = queue.submit(f"heads {SECRET}", endless, who="a")
    waiting = queue.submit(f"batch {SECRET}", endless, who="b")
    waiting.leave("b")
    running.leave("a")
    assert running.wait(10) and waiting.state == "cancelled"
    with pytest.raises(HeedError):
        read_items(b'{"prompt": "' + SECRET.encode() + b"\xff", {})
    return good


def fail_a_study(model, monkeypatch):
    """A study named by the secret whose cells fail one after another, in this process; returns commands of workers."""
    items = tuple(study_tiny.item(n, segments={"instruction": SECRET, "question": SECRET}) for n in range(2))
    study = Study(study_tiny.plan(model, items=items, name=f"About {SECRET}"))
    commands, start = [], subprocess.Popen

    def other(line, **more):
        commands.append(line)
        return start([sys.executable, "-c", "pass"], **more)

    with monkeypatch.context() as patch:
        patch.setattr(worker_pool.subprocess, "Popen", other)
        worker_pool.run_workers(study.folder, 1, False, lambda: 0, lambda: False)

    def breaks(*given, **more):
        raise ValueError(f"cannot read {SECRET}")

    with monkeypatch.context() as patch:
        patch.setattr(BatchRunner, "_compute", breaks)
        worker = Worker(study.folder)
        worker.work()
        worker.close()
    assert study.status().failed
    study.close()
    return commands


@pytest.mark.parametrize("allowed", [False, True])
def test_the_secret_is_nowhere_unless_it_is_allowed(model, home, monkeypatch, capfd, allowed):
    if allowed:
        monkeypatch.setenv("HEED_LOG_PROMPTS", "1")
    with process_log():
        good = do_everything(model, monkeypatch)
        commands = fail_a_study(model, monkeypatch)
        keep_waiting(TOKEN, draft_request(secret_draft(model)))
        names = [path.name for path in (home / "waiting").iterdir()]
        drop_waiting(TOKEN)
    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    over = [line for line in lines if line["event"] == "job_over"]
    assert [line["outcome"] for line in over] == ["done", *["failed"] * 4, "cancelled", "cancelled"]
    assert {(line["session"], line["person"]) for line in over} == {("s1", "ada@example.org")}
    assert over[0]["run"] == good.result and over[0]["seconds"] > 0 and over[0]["kind"] == "run"
    assert [line["error"] for line in over[1:5]] == [
        *("PromptError", "ModelError", "ValueError", "PromptError from ValueError"),
    ]
    made = next(line for line in lines if line["event"] == "run_made")
    assert made["run"] == good.result and made["session"] == "s1" and made["tokens_out"] >= 1
    assert any(line.get("logger") == "pypdf" for line in lines) and any(line.get("traceback") for line in lines)
    assert commands and not any(SECRET in word for line in commands for word in line)
    assert names == [f"{TOKEN}.json"] and not list((home / "waiting").iterdir())
    assert (SECRET in out + err) == allowed


def test_by_default_nothing_of_it_is_on_stderr_either(model, monkeypatch, capfd):
    monkeypatch.delenv("HEED_LOG")
    with process_log():
        do_everything(model, monkeypatch)
    out, err = capfd.readouterr()
    assert "A job failed" in err and "Traceback" in err and SECRET not in out + err and "job_over" not in err


def test_keys_tell_ids_and_known_words_alone(caplog):
    caplog.set_level(logging.INFO, "heed")
    queue = Jobs()
    run = "ab" * 32
    told = {}
    for key in (run, f"heads {run} 3", f"{SECRET} {run}", f"study {'12' * 16}", f"study {SECRET}", f"{run}{SECRET}"):
        assert queue.submit(key, lambda p, c: None).wait(10)
        told[key] = next(r.fields for r in reversed(caplog.records) if r.event == "job_waits")
    del told[run]["job"]
    assert told[run] == {"device": "cpu", "run": run, "kind": "run"}
    assert told[f"heads {run} 3"]["run"] == run and told[f"study {'12' * 16}"]["study"] == "12" * 16
    assert SECRET not in str([list(fields.values()) for fields in told.values()])
    log_event("server_started")
    assert caplog.records[-1].event == "server_started"
