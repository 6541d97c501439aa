"""The command ``heed``: the dashboard, one run, studies and models from a shell. In a checkout: ``python -m core``.

    heed app [--server.port 8600 ...]
    heed run "What color is the sky?" [--model NAME] [--method NAME] [--out FILE.png|.svg|.pdf|.html]
    heed study run|status|score|export|shard|merge ...
    heed league MODEL [--prompts 60] [--engine ray]     which methods are right about a model
    heed models [fetch [NAME ...]]
    heed doctor [--health [ADDRESS]]
    heed share ID ... | --all-unowned [--stop]         with everybody who signs in

This module prints. Guarded by tests/core/test_cli.py, and from an installed wheel by tests/test_installed.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from .checks import short_repr
from .errors import HeedError
from .health import OWN_ADDRESS, health_problems
from .importance import DEFAULT_METHOD, SINKS, explain_by, offered_methods
from .log.targets import process_log
from .models import CATALOGUE, DEFAULT_MODEL, model_status
from .plugins import load_plugins
from .processes import PACKAGE, command_text, module_environment
from .records import Importance, Trace

TOP_WORDS = 5
say = partial(print, flush=True)
FIGURES = (".png", ".svg", ".pdf", ".html")


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 after one sentence that says what to do."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["app"]:  # every further word belongs to Streamlit, also --help
        return app_command(given[1:])
    with process_log():
        return _command(given)


def _command(given: list[str]) -> int:
    for failed in load_plugins():  # a plugin's method is then known to --method
        sys.stderr.write(f"{failed}\n")
    options = _parser().parse_args(given)
    try:
        return int(options.do(options))
    except HeedError as error:
        sys.stderr.write(f"{error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    from .study.commands import add_study_commands
    from .trust.league_command import add_league_command

    whole = argparse.ArgumentParser(prog=command_text(), description="What a language model read while it answered.")
    parts = whole.add_subparsers(required=True, metavar="COMMAND")
    parts.add_parser("app", help="start the dashboard; further options go to streamlit run", add_help=False)
    _add_run(parts.add_parser("run", help="one answer, the words that were read most, and a figure"))
    add_study_commands(parts.add_parser("study", help="studies: run, status, score, export, shard, merge"))
    add_league_command(parts.add_parser("league", help="which methods are right about a model, by hiding words"))
    models = parts.add_parser("models", help="the models that are known by name; fetch them beforehand")
    models.set_defaults(do=models_command)
    fetching = models.add_subparsers(metavar="fetch").add_parser("fetch", help="download and convert")
    fetching.add_argument("names", nargs="*", metavar="NAME", help="default: all that need no hub, and the encoder")
    fetching.set_defaults(do=fetch_command)
    sharing = parts.add_parser("share", help="show runs and studies to everybody who signs in to the dashboard")
    sharing.add_argument("ids", nargs="*", metavar="ID", help="of runs and studies, or how they begin")
    about = "all that was stored without sign-in and so belongs to nobody who signs in"
    sharing.add_argument("--all-unowned", action="store_true", help=about)
    sharing.add_argument("--stop", action="store_true", help="end it")
    sharing.set_defaults(do=share_command)
    doctor = parts.add_parser("doctor", help="what is wrong with this machine, and what to do")
    about = "only whether the dashboard and its work answer, for health checks [%(const)s]"
    doctor.add_argument("--health", nargs="?", const=OWN_ADDRESS, metavar="ADDRESS", help=about)
    doctor.set_defaults(do=doctor_command)
    return whole


def _add_run(part: argparse.ArgumentParser) -> None:
    part.add_argument("prompt", help="the user's message; - reads it from standard input")
    part.add_argument("--model", default=DEFAULT_MODEL, help="catalogue name, hub id, folder or .gguf [%(default)s]")
    part.add_argument("--method", choices=offered_methods(), default=DEFAULT_METHOD, help="[%(default)s]")
    part.add_argument("--layers", type=int, nargs="+", metavar="N", help="only these, by a method that takes some")
    part.add_argument("--heads", type=int, nargs="+", metavar="N", help="only these of each layer")
    about = "the first token: drop leaves it out and scales the rest to 1, separate leaves it out, keep shows it"
    part.add_argument("--sink", choices=SINKS, default="drop", help=f"{about} [%(default)s]")
    about = "a .txt, .md or .pdf to stand before the prompt; several with --document each"
    part.add_argument("--document", action="append", type=Path, default=[], metavar="FILE", help=about)
    part.add_argument("--answer", help="score this text instead of generating one")
    part.add_argument("--raw", action="store_true", help="no chat template")
    part.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="[%(default)s]")
    part.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy [%(default)s]")
    part.add_argument("--top-p", type=float, default=1.0, metavar="P", help="[%(default)s]")
    part.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    part.add_argument("--top", type=int, default=TOP_WORDS, metavar="N", help="words to print [%(default)s]")
    part.add_argument("--out", type=Path, metavar="FILE", help="the figure: .png, .svg, .pdf or .html [heed-RUN.png]")
    part.add_argument("--no-cache", action="store_true", help="run it again, and keep nothing")
    part.set_defaults(do=run_command)


def app_command(arguments: list[str]) -> int:
    """Become ``streamlit run``; returns 1 after one sentence where a folder cannot be written.

    The port is left to Streamlit, which takes 8501 or the next free one and prints the address; choosing it here would
    leave a gap in which somebody else takes it. Address, telemetry and theme stand in .streamlit/config.toml beside
    app.py, so that every way of starting agrees. What the first page needs is imported while nobody waits.
    """
    from .settings import home, models_home

    try:
        home()
        models_home()
    except HeedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("Heed: starting; its address follows (Ctrl+C ends it).\n")
    given = [word.split("=")[0] for word in arguments]
    if "--server.address" in given and "--server.allowedHosts" not in given:
        sys.stdout.write(
            "Pages open under localhost alone: add --server.allowedHosts NAME for each name it is known by.\n"
        )
    sys.stdout.flush()
    command = [sys.executable, str(app_file().parent / "pages/parts/warm_start.py"), *arguments]
    os.execve(sys.executable, command, module_environment())


def app_file() -> Path:
    """``app.py``: beside this package in a checkout, inside it where Heed is installed."""
    inside = PACKAGE / "_app/app.py"
    return inside if inside.exists() else PACKAGE.parent / "app.py"


def run_command(options: argparse.Namespace) -> int:
    """One run: its answer, the words that it read most, and a figure of it."""
    from .runs import run

    out = options.out
    if out is not None and out.suffix not in FIGURES:
        raise HeedError(f"The figure must end in {', '.join(FIGURES)}, not {short_repr(out.name)}.")
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    if model_status(options.model) != "ready":
        from .models.prefetch import fetch_models

        if fetch_models([options.model], sys.stderr):
            return 1
    settings: dict[str, Any] = {
        name: getattr(options, name) for name in ("max_new_tokens", "temperature", "top_p", "seed")
    }
    settings |= {"answer": options.answer, "documents": options.document, "raw": options.raw}
    trace = run(options.model, prompt, cache=not options.no_cache, **settings)
    say(trace.answer)
    say("")
    method = {name: getattr(options, name) for name in ("method", "layers", "heads", "sink")}
    _write_reading(trace, method, options.top, out or Path(f"heed-{trace.id[:8]}.png"))
    return 0


def _write_reading(trace: Trace, method: dict[str, Any], top: int, out: Path) -> None:
    """Print the words that were read most, and write the figure to ``out``."""
    from .charts.drawable import drawable_importance
    from .importance.reading_summary import answer_rows, reading_sentence, short_percent, standing_out

    def importance(columns: str, rows: str) -> Importance:
        return explain_by(trace, **method, columns=columns, rows=rows)

    finest = "word" if trace.tokens.proven else "token"
    words = importance(finest, finest)
    answer = answer_rows(words)
    sentence = reading_sentence(words, answer, "the whole answer", trace.request.writer)
    say(sentence)
    found = standing_out(words, answer, top, least=0)
    width = max((len(word.label) for word in found), default=0)
    for word in found:
        amount = short_percent(word.share) if words.unit == "share" else f"{word.share:.3g}"
        say(f"  {word.label:<{width}}  {amount:>7}  {word.multiple:4.1f} × uniform")
    _, drawn = drawable_importance(trace, importance, finest)
    _write_figure(out, trace, drawn, words, sentence)


def _write_figure(out: Path, trace: Trace, drawn: Importance, words: Importance, sentence: str) -> None:
    from .charts import picture_files
    from .charts.drawable import any_size_heatmap
    from .charts.html_page import to_html

    note = ""
    if out.suffix == ".html":
        data = to_html(trace, drawn, words=words, sentence=sentence).encode()
    else:
        make = {".png": picture_files.png, ".svg": picture_files.svg, ".pdf": picture_files.pdf}[out.suffix]
        data, note = make(any_size_heatmap(drawn, prompt_length=trace.prompt_length))
    try:
        out.write_bytes(data)
    except OSError as error:
        raise HeedError(f"{out} cannot be written ({error.strerror}): name another file with --out.") from error
    say(f"\nFigure: {out}" + (f" ({note})" if note else ""))


def models_command(options: argparse.Namespace) -> int:
    """The models that are known by name, and which of them are on this machine."""
    from .models.memory_estimate import size_text

    means = {"ready": "on this machine", "fetchable": "to fetch", "hub": "to fetch from the hub"}
    for name, entry in CATALOGUE.items():
        say(f"{name:<40} {size_text(entry.bytes):>8}  {means[model_status(name)]}")
    say(f"Any hub id, folder or .gguf works too. {command_text('models', 'fetch', 'NAME')} fetches one beforehand.")
    return 0


def doctor_command(options: argparse.Namespace) -> int:
    """What was seen of machine, folders, libraries, models and work; 1 where something is wrong."""
    from .doctor import Finding, examine

    if options.health is None:
        found = examine()
    else:
        found = [Finding(text, True) for text in health_problems(options.health)]
        found = found or [Finding(f"The dashboard at {options.health} and its work answer.")]
    for finding in found:
        say(("WRONG  " if finding.wrong else "fine   ") + finding.text)
    return int(any(finding.wrong for finding in found))


def share_command(options: argparse.Namespace) -> int:
    """Share runs and studies in the name of the machine with everybody who signs in, or end that."""
    from . import people, store
    from .study.study import list_studies

    studies = {known.id for known in list_studies()}
    runs = {run.id for run in store.find_runs(limit=2**31)}
    named: list[tuple[str, str]] = []
    for start in options.ids:
        found: list[tuple[str, str]] = [("study", ident) for ident in studies if ident.startswith(start)]
        run = store.full_run_id(start)
        found += [] if run is None else [("run", run)]
        if len(found) != 1:
            raise HeedError(f"{short_repr(start)} is the id of no one run or study: give more of it.")
        named += found
    if options.all_unowned:
        for kind, ids in (("run", runs), ("study", studies)):
            named += [(kind, ident) for ident in sorted(ids - people.owned_ids(kind))]
    for kind, ident in named:
        people.share_with_all(kind, ident, not options.stop)
    say(f"{len(named):,} shared." if not options.stop else f"{len(named):,} shared no more.")
    return 0


def fetch_command(options: argparse.Namespace) -> int:
    """Fetch models by name; without names, both small ones and the encoder, so that a lecture needs no network."""
    from .models.prefetch import fetch_models
    from .study.quality.encoder import encoder_is_fetched, fetch_encoder

    failed = fetch_models(options.names)
    if not options.names:
        say("all-MiniLM-L6-v2 (84 MB), for relevance" + (" is ready" if encoder_is_fetched() else ": fetching"))
        say(f"in {fetch_encoder()}")
    return 1 if failed else 0
