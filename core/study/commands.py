"""``heed study``: run a study from a shell, look how far it is, and export its tables.

    heed study run plan.json [--workers N] [--pilot 10] [--retry] [--lengthen 256] [--read-again]
                             [--fail-under followed=0.7] [--engine ray --address auto]
                                          also: run ID, to go on
    heed study status [ID]
    heed study score ID                                               metrics and features anew
    heed study export ID FOLDER
    heed study cluster [--address auto]                               what a Ray cluster has
    heed study shard plan.json --shards 16 --dir shards/              parts that run apart: run shards/03
    heed study merge shards/ [--into STUDY]

``python -m core.study`` does the same. Control-C stops after the answers that are being written; the same command goes
on. This module prints. Guarded by tests/core/test_study_resume.py.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from ..cluster.cluster_look import cluster_look, look_text
from ..cluster.engine_options import add_engine_options, asked_engine
from ..errors import Cancelled, HeedError, PromptError, StoreError
from ..log.targets import process_log
from ..plugins import load_plugins
from ..processes import PACKAGE, command_text
from .fail_under import below_limits, check_metrics, parse_limits
from .merge_shards import merge_shards
from .quality.encoder import encoder_is_fetched
from .quality.metrics import METRICS, metric_columns
from .quality.own_metric import try_own_metric
from .shard_folders import SHARDS_FILE, read_shard_set, shard_states, write_shards
from .shards import shard_of
from .study import Study, list_studies
from .study_status import Status, duration_words
from .told_connection import study_words

say = partial(print, flush=True)


class ProgressLines:
    """Progress as lines: at once when something failed, else every few seconds."""

    def __init__(self, every: float) -> None:
        self.every, self.told, self.last = every, 0.0, ""

    def __call__(self, fraction: float | None, text: str, stream: str | None = None) -> None:
        if text != self.last and time.monotonic() - self.told >= self.every:
            self.last, self.told = text, time.monotonic()
            say(f"{time.strftime('%H:%M:%S')}  {text}")


def run_study_command(options: argparse.Namespace) -> int:
    """Runs a study until it is done or stopped; 0 if nothing failed."""
    limits, engine = parse_limits(options.fail_under or []), asked_engine(options)
    if options.pilot is not None and options.pilot < 1:
        raise PromptError("--pilot must be at least 1: leave it out to run all items.")
    if (Path(options.what) / SHARDS_FILE).exists():
        raise StoreError(
            f"{options.what} holds several shards: run each by its own folder, such as {Path(options.what)}/00."
        )
    study = Study(options.what)
    for metric in study.plan.metrics:
        try_own_metric(metric)
    own = [metric.column for metric in study.plan.metrics]
    brought = [name for item in study.items().values() for name in item.scores]
    check_metrics(list(limits), metric_columns([*own, *brought, *METRICS]))  # before hours of work
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    if options.retry:
        say(f"{study.retry()} failed runs are tried again")
    if options.lengthen:
        say(f"{study.lengthen(options.lengthen)} cut-off answers are written anew")
    if options.read_again:
        say(f"{study.read_again():,} runs are read again, one pass each")
    say(f"{_heading(study)}: {study.status().text}")
    if not encoder_is_fetched() and shard_of(study.db) is None:
        say(
            f"Relevance will be undefined: {command_text('models', 'fetch')} fetches its encoder (84 MB), "
            "then score adds it."
        )
    lines = ProgressLines(options.every)
    if options.pilot:
        status = study.pilot(options.pilot, options.workers, lines, stop.is_set, engine=engine)
    else:
        status = study.run(options.workers, lines, stop.is_set, engine=engine)
    print_status(status)
    for why, count in study.kept_short().items():
        say(f"  {count} could not be made longer and stayed as they are: {why}")
    for why, count in study.not_read_again().items():
        say(f"  {count} could not be read again and stayed as they are: {why}")
    if stop.is_set():
        say("Stopped. The same command goes on.")
    below = below_limits(study.table(), limits) if limits and not stop.is_set() else []
    for sentence in below:
        say(sentence)
    return 0 if status.over and not status.failed and not below else 1


def print_status(status: Status) -> None:
    """Prints how far a study is, what failed and why, and how many steps were near ties."""
    say(f"{status.text}; {duration_words(status.seconds)} of work")
    for why, count in status.reasons.items():
        say(f"  {count} failed: {why}")
    if status.near_ties:
        say(f"  {status.near_ties} steps had two best tokens within 1e-4 nats")


def status_command(options: argparse.Namespace) -> int:
    """Prints the status of one study, of the shards in a folder, or of all studies."""
    if options.what and (Path(options.what) / SHARDS_FILE).exists():
        return _print_shards(Path(options.what))
    if options.what:
        study = Study(options.what)
        say(_heading(study))
        status = study.status()
        for model, part in status.by_model.items():
            say(f"  {model}: {part.text}")
        print_status(status)
        return 0
    known = list_studies()
    for one in known:
        say(f"{one.id}  {one.name}: {one.status.text}")
    if not known:
        say(f"There is no study yet: {command_text('study', 'run', 'plan.json')}")
    return 0


def _heading(study: Study) -> str:
    shard = shard_of(study.db)
    return f"{study.name} ({study.id if shard is None else shard.text}) in {study.folder}"


def _print_shards(folder: Path) -> int:
    """Prints a line for each shard, and their totals."""
    shards, states = read_shard_set(folder), shard_states(folder)
    say(f"{shards.name}: {shards.count} shards in {folder}")
    say(f"{'shard':>7} {'done':>8} {'failed':>7} {'left':>8} {'of':>8}  models")
    totals = [0, 0, 0, 0]
    for name, state in states:
        if isinstance(state, str):
            say(f"{name:>7}  {state}")
            continue
        counts = [state.done, state.failed, state.waiting + state.running, state.total]
        totals = [sum(both) for both in zip(totals, counts, strict=True)]
        say(f"{_shard_line(name, counts)}  {', '.join(state.by_model)}")
    say(_shard_line("all", totals))
    return 0


def _shard_line(name: str, counts: list[int]) -> str:
    done, failed, left, total = counts
    return f"{name:>7} {done:>8,} {failed:>7,} {left:>8,} {total:>8,}"


def shard_command(options: argparse.Namespace) -> int:
    """Cuts a plan into shards, each a folder that runs on its own."""
    write_shards(options.what, options.shards, Path(options.dir), say)
    return 0


def merge_command(options: argparse.Namespace) -> int:
    """Puts the runs of shards into one study; 1 while anything is missing or was left out."""
    merge = merge_shards(Path(options.what), options.into, say)
    for sentence in (*merge.problems, *merge.remarks):
        say(sentence)
    say(f"{sum(merge.taken.values()):,} runs taken from {len(merge.taken)} shards, {merge.there:,} were there already")
    if merge.folder is not None:
        study = Study(str(merge.folder))
        say(f"{_heading(study)}: {study.status().text}")
        study.copy_table()
        study.close()
    return 0 if merge.whole else 1


def score_command(options: argparse.Namespace) -> int:
    """Computes metrics and features of all runs anew, without a model."""
    say(f"{Study(options.what).score(ProgressLines(5.0))} runs measured")
    return 0


def export_command(options: argparse.Namespace) -> int:
    """Writes the tables of a study and prints their paths."""
    for path in Study(options.what).export(options.folder):
        say(str(path))
    return 0


def mend_command(options: argparse.Namespace) -> int:
    """Deletes the damaged cells of a study, so that it runs them again."""
    study = Study(options.what)
    number = study.mend()
    say(f"{number} damaged runs were deleted" if number != 1 else "1 damaged run was deleted")
    for table, words in (("ratings", "damaged ratings were deleted: rate those answers again"), ("meta", "notes lost")):
        if study.lost_rows.get(table):
            say(f"{study.lost_rows[table]} {words}")
    if number:
        say(f"To run what is missing: {command_text('study', 'run', study_words(study.folder))}")
    return 0


def cluster_command(options: argparse.Namespace) -> int:
    """Prints what a Ray cluster has."""
    say(look_text(cluster_look(options.address), options.json))
    return 0


def worker_command(options: argparse.Namespace) -> int:
    """Works on a study as one of its processes."""
    from .worker_pool import serve_worker

    serve_worker(Path(options.what), options.number, options.parent, options.pilot)
    return 0


def add_study_commands(whole: argparse.ArgumentParser) -> None:
    """Adds run, status, score, mend, export, shard and merge; the picked one stands in ``options.do``."""
    parts = whole.add_subparsers(required=True, metavar="COMMAND")
    running = parts.add_parser("run", help="run a plan, or go on with a study")
    running.add_argument("what", help="plan.json, or the id or folder of a study")
    running.add_argument("--workers", type=int, help="processes; by default one a model, up to the cores")
    running.add_argument("--pilot", type=int, metavar="ITEMS", help="only the first few items, of all tasks in turn")
    running.add_argument("--retry", action="store_true", help="failed runs again")
    running.add_argument(
        "--lengthen", type=int, metavar="TOKENS", help="let answers that were cut off go on to so many"
    )
    running.add_argument(
        "--read-again", action="store_true", help="finished answers once more, for features that they lack"
    )
    running.add_argument(
        "--fail-under",
        action="append",
        metavar="METRIC=NUMBER",
        help="end with status 1 where the mean of a metric is lower; may be given several times",
    )
    add_engine_options(running)
    running.add_argument("--every", type=float, default=5.0, help="seconds between two lines")
    running.set_defaults(do=run_study_command)
    for name, do, help_text in (
        ("status", status_command, "how far studies are"),
        ("score", score_command, "metrics and features anew"),
        ("mend", mend_command, "delete runs that were damaged on disk, so that they are run again"),
    ):
        part = parts.add_parser(name, help=help_text)
        about = "the id of a study, or the folder of shards" if name == "status" else "the id of a study"
        part.add_argument("what", nargs="?" if name == "status" else None, help=about, default="")
        part.set_defaults(do=do)
    out = parts.add_parser("export", help="tables as CSV, Parquet and XLSX, runs as inspect_ai logs")
    out.add_argument("what", help="the id of a study")
    out.add_argument("folder")
    out.set_defaults(do=export_command)
    cluster = parts.add_parser("cluster", help="what a Ray cluster has, and what of it is free")
    cluster.add_argument("--address", default="auto", help="of the cluster; auto: the one that runs on this machine")
    cluster.add_argument("--json", action="store_true", help="as one line of JSON")
    cluster.set_defaults(do=cluster_command)
    _add_sharding(parts)
    hidden = parts.add_parser("work")
    hidden.add_argument("what")
    hidden.add_argument("number", type=int)
    hidden.add_argument("parent", type=int)
    hidden.add_argument("--pilot", action="store_true")
    hidden.set_defaults(do=worker_command)


def _add_sharding(parts: Any) -> None:
    cutting = parts.add_parser("shard", help="cut a plan into parts that run apart, on machines that share nothing")
    cutting.add_argument("what", help="plan.json, or the id or folder of a study")
    cutting.add_argument("--shards", type=int, required=True, metavar="N", help="at most so many")
    cutting.add_argument("--dir", required=True, metavar="FOLDER", help="where they are written")
    cutting.set_defaults(do=shard_command)
    merging = parts.add_parser("merge", help="put the runs of shards into one study")
    merging.add_argument("what", help="the folder of the shards")
    about = "name, id or folder of the study; by default that of the plan, which is made where there is none"
    merging.add_argument("--into", metavar="STUDY", help=about)
    merging.set_defaults(do=merge_command)


def main(arguments: list[str] | None = None) -> int:
    """``python -m core.study``: the exit status."""
    whole = argparse.ArgumentParser(prog=f"python -m {PACKAGE.name}.study", description="Studies from a shell.")
    add_study_commands(whole)
    options = whole.parse_args(arguments)
    with process_log(json_allowed=False):  # the last line of a worker's stderr is shown to people
        for failed in load_plugins():
            say(failed)
        try:
            return int(options.do(options))
        except Cancelled:
            say("Stopped. The same command goes on.")
        except HeedError as error:
            say(str(error))
    return 1
