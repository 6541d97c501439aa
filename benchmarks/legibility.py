"""What looking at a long run costs: ``python -m benchmarks.run --only legibility``.

A made-up run of 4,000 x 500 tokens, stored in a folder of its own: seconds from its rows to what the browser is sent,
the bytes of that, and with Chromium the time to the first picture of a run that nobody opened since the server started,
of one that was, and of each interaction with its heatmap, each the median of several. Other work on the machine counts.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.long_run import long_run
from core import store
from core.charts.long_map import LongMap
from core.charts.raster_heatmap import raster_heatmap_chart
from core.charts.token_heatmap import heatmap
from core.importance import explain_by
from core.records import Trace

REPEATS = 5
PART = "svg.marks, canvas"


def legibility(say: Callable[[str], None]) -> None:
    """Prints seconds, bytes and, where there is a browser, times of interactions."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ.setdefault("HEED_MODELS", str(Path(os.environ.get("HEED_HOME", "~/.heed")).expanduser() / "models"))
        os.environ["HEED_HOME"] = home
        run_id = store.save_run(long_run())
        _specs(run_id, say)
        _browser(Path(home), run_id, say)


def _specs(run_id: str, say: Callable[[str], None]) -> None:
    took: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}

    def timed(name: str, make: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        made = make()
        took.setdefault(name, []).append(time.perf_counter() - began)
        return made

    for _ in range(REPEATS):
        trace: Trace | None = timed("open", partial(store.load_run, run_id))
        assert trace is not None
        found = timed("explain by words", partial(explain_by, trace, "value-weighted", sink="drop"))
        whole = timed("map of parts", partial(LongMap, trace, lambda c, r, found=found: found))
        part = whole.most_read()

        def overview(whole: LongMap = whole) -> str:
            picture = whole.picture_part(whole.most_read())
            return json.dumps(raster_heatmap_chart(whole.base, height=230, part=picture).to_dict(validate=False))

        def cells(whole: LongMap = whole, part: Any = part) -> str:
            drawn = whole.draw(part, *whole.fitting_levels(part))
            return json.dumps(heatmap(drawn.importance, scale="sqrt").to_dict(validate=False))

        sizes |= {name: len(timed(name, make)) for name, make in (("overview", overview), ("part", cells))}
    median = {name: statistics.median(times) for name, times in took.items()}
    say(f"4,000 x 500 tokens, from a stored run to what is drawn: {sum(median.values()):.2f} s")
    say("  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in median.items()))
    say(f"  sent: {sum(sizes.values()) / 1e6:.2f} MB, " + ", ".join(f"{k} {v / 1e6:.2f} MB" for k, v in sizes.items()))


def _browser(home: Path, run_id: str, say: Callable[[str], None]) -> None:
    from playwright.sync_api import sync_playwright

    from scripts.browser import find
    from tests.browser.conftest import FLAGS, Server

    path = find()
    if path is None:
        say("  no browser here: first picture and interactions not measured")
        return
    server = Server(home)
    try:
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(executable_path=path, args=FLAGS).new_page()
            page.set_default_timeout(90_000)
            page.goto(server.url)  # what any first visit costs is not this run's
            page.locator(PART).first.wait_for()
            _first_pictures(page, f"{server.url}/explore?run={run_id}", say)
            _interactions(page, say)
    finally:
        server.stop()


def _first_pictures(page: Any, url: str, say: Callable[[str], None]) -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        page.goto(url)
        page.get_by_test_id("stVegaLiteChart").nth(0).locator(f"{PART} >> nth=0").wait_for()
        seconds.append(time.perf_counter() - began)
        _still(page)
    say(
        f"first picture: {seconds[0]:.2f} s where the run was not open yet, "
        f"then {seconds[1]:.2f} and {seconds[2]:.2f} s; with the page already open, {_switched(page):.2f} s"
    )


def _switched(page: Any) -> float:
    """Returns the median seconds until the long run is drawn again after a step back from a short one."""
    seconds, search = [], page.get_by_placeholder("Find words")
    for _ in range(REPEATS):
        page.get_by_role("button", name="One word: the sky").click()
        search.wait_for(state="detached")
        _still(page)
        began = time.perf_counter()
        page.go_back()
        search.wait_for()
        page.get_by_test_id("stVegaLiteChart").nth(0).locator(f"{PART} >> nth=0").wait_for()
        seconds.append(time.perf_counter() - began)
        _still(page)
    return statistics.median(seconds)


def _still(page: Any) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(state="attached")
    page.wait_for_timeout(500)


def _interactions(page: Any, say: Callable[[str], None]) -> None:
    chart = page.get_by_test_id("stVegaLiteChart").nth(0)

    def brush(at: float) -> None:
        box = chart.bounding_box()
        x, y = box["x"] + box["width"] * at, box["y"] + box["height"] * 0.6
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 14, y + 14, steps=2)
        page.mouse.up()

    def search(words: str) -> None:
        page.get_by_placeholder("Find words").fill(words)
        page.keyboard.press("Enter")

    def press(name: str) -> None:
        page.get_by_role("button", name=name).first.click()

    kinds: dict[str, list[Callable[[], None]]] = {
        "brush": [partial(brush, 0.3 + 0.05 * i) for i in range(REPEATS)],
        "look for a word": [partial(search, w) for w in ("lantern", "copper", "bridge", "winter", "signal")],
        "back": [partial(press, "Back")] * REPEATS,
        "whole map": [partial(press, "Whole map")],
        "most read passage": [partial(press, "Most read passage")],
    }
    for name, actions in kinds.items():
        took = [_until_drawn(page, act) for act in actions]
        say(f"  {name}: {statistics.median(took):.0f} ms until the part is drawn ({min(took):.0f} to {max(took):.0f})")


def _until_drawn(page: Any, act: Callable[[], None]) -> float:
    """Returns milliseconds until the part's chart is another one."""
    page.evaluate("""() => {
        const charts = document.querySelectorAll('[data-testid=stVegaLiteChart]');
        charts[1].querySelector('svg.marks, canvas').dataset.old = '1';
    }""")
    chart = page.get_by_test_id("stVegaLiteChart").nth(0)
    chart.scroll_into_view_if_needed()
    began = time.perf_counter()
    act()
    page.wait_for_function("""() => {
        const charts = document.querySelectorAll('[data-testid=stVegaLiteChart]');
        const drawn = charts[1] && charts[1].querySelector('svg.marks, canvas');
        return drawn && !drawn.dataset.old;
    }""")
    took = 1000 * (time.perf_counter() - began)
    _still(page)
    return took
