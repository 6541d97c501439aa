"""Prepares a study's folder that opens with one click: its tables, computed findings, and report.

    from core.study.findings.bundle import bundle_study
    bundle_study(Path("docs/example-study"), study="a1e1f12a8b16ef9f")

Writes the tables and plan.json of the study (left as they are without one), then ``findings/`` and ``report.html``.
With the study at hand, they include predictions from single heads, and ``heads-0.parquet``, ... hold what these are
made of: a row per run of one model, columns ``cell`` and the heads' features as float16 (``Study.head_names``);
``head-entropies-0.parquet``, ... the same for ``Study.head_entropies``, columns ``LAYER.HEAD``.
Guarded by tests/core/test_findings_cache.py and tests/core/test_study_run.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..unsteered_runs import unsteered
from .cache import SHIPPED, compute_opened, findings_name, read_findings, write_findings
from .report import report_html
from .source import EXAMPLE, open_folder

if TYPE_CHECKING:
    from ..study import Study
    from .record import Findings


def bundle_study(
    folder: Path,
    study: str = "",
    *,
    ident: str = EXAMPLE,
    heads: bool = True,
    slow: bool = True,
    progress: Callable[..., None] | None = None,
    **effort: Any,
) -> Findings:
    """Writes the folder and returns the findings.

    ``ident``: the id under which the page opens it. ``heads``: write the features of every head too. ``study``: id of a
    study of this machine; "": the tables in the folder are computed anew, and its predictions, which take the rows of
    every head, stay. ``effort`` goes to ``compute_opened``.
    """
    if study:
        from ..study import Study

        with closing(Study(study)) as found:
            for path in found.export(folder):
                if path.suffix not in (".parquet", ".json"):
                    path.unlink()  # Parquet holds the same in a third of the room
            if heads:
                _write_heads(found, folder)
    opened = open_folder(folder, ident)
    if not study and (folder / SHIPPED).is_dir():
        slow, effort["prediction"] = False, read_findings(folder / SHIPPED).prediction
    made = compute_opened(replace(opened, study=study), slow=slow, progress=progress, **effort)
    write_findings(made, folder / SHIPPED, findings_name(opened))
    (folder / "report.html").write_text(report_html(opened, made), "utf-8")
    return made


def _write_heads(study: Study, folder: Path) -> None:
    """Writes the features of every head, a file for each model."""
    import numpy as np
    import pandas as pd

    runs = unsteered(study.table())
    for number, (_, rows) in enumerate(runs[runs["error"] == ""].groupby("model", sort=False)):
        values = study.heads(rows).astype(np.float16)
        if values.shape[1]:
            names = list(study.head_names(rows))
            entropies = study.head_entropies(rows).astype(np.float16)
            places = [name.partition(" ")[2] for name in names[: entropies.shape[1]]]
            for kind, numbers, columns in (("heads", values, names), ("head-entropies", entropies, places)):
                table = pd.DataFrame(numbers, columns=columns)
                table.insert(0, "cell", rows["cell"].to_numpy())
                table.to_parquet(folder / f"{kind}-{number}.parquet", index=False)
