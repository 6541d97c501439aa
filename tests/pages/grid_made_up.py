"""Grids with answers and no model, for the tests of the page Grid."""

import numpy as np

from core.study import Study, cell_store, database
from core.study.digest import make_digest
from core.study.grid import grid_plan, open_grid
from tests.pages import made_up

SMOL, QWEN = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"


def grid(items, models=(SMOL,), samples=1, answers=("The sky is blue.",), done=None):
    """Makes a grid whose first ``done`` cells (None: all) hold ``answers`` in turn; returns its id.

    Every token of a made-up answer has the probability 1 / 2.
    """
    ident = open_grid(grid_plan(items, models, samples))
    study = Study(ident)
    digests = []
    for answer in answers:
        trace = made_up.run(answer=answer)
        found = make_digest(trace, ("mean-attention",))
        object.__setattr__(found, "logprobs", np.full(found.steps, np.log(0.5), np.float32))
        digests.append((trace, found))
    places = database.query_rows(study.db, "SELECT * FROM cells ORDER BY number")
    for number, place in enumerate(places[:done]):
        trace, found = digests[number % len(digests)]
        item = study.items()[place["item"]]
        spans = ((),) * len(item.instructions)
        kept = cell_store.KeptCell(place["cell"], trace.request, spans, found, {})
        facts = {"error": "", "seconds": 1.0, "near_ties": 0, "prompt_tokens": 9, "output_tokens": found.steps}
        cell_store.write_cell(study.db, cell_store.rows_of_cell(place, item, kept, facts))
    study.close()
    return ident
