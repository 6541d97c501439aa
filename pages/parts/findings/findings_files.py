"""Draws the methods text and the downloads: tables of the study and the findings, HTML report, plan."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.study.export_files import runs_workbook, study_logs_archive
from core.study.findings.report import report_html
from core.study.findings.source import OpenedStudy
from core.text.spreadsheet_text import guarded_csv
from pages.parts.findings.findings_address import current_address, filter_sentence
from pages.parts.markdown_escape import escape_markdown


def study_downloads(opened: OpenedStudy, found: Any, pair: tuple[str, str, str]) -> None:
    """Draws the section "Methods and downloads"."""
    st.header("Methods and downloads", anchor=False, divider="gray")
    with st.expander("How all of this was computed", icon=":material/menu_book:"):
        st.markdown("\n\n".join(map(escape_markdown, found.methods_text.split("\n\n"))))
    name = f"heed-findings-{opened.id[:12]}"
    own = filter_sentence(current_address())
    files: list[tuple[str, Any, str, str, str]] = [
        ("Runs, CSV", lambda: guarded_csv(opened.every_run), "csv", "text/csv", "One row a run"),
        ("Runs, Parquet", lambda: parquet_bytes(opened.every_run), "parquet", PARQUET, "The same with its types"),
        (
            "Runs, XLSX",
            lambda: runs_workbook(opened.every_run, opened.name, opened.id, opened.plan),
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "The same for Excel, with what each column is on a second sheet",
        ),
        ("Findings, ZIP", lambda: tables_archive(found), "zip", "application/zip", "Every table of this page as CSV"),
        (
            "Report, HTML",
            lambda: report_html(opened, found, filters=own, pair=pair),
            "html",
            "text/html",
            "One page with figures, tables and methods that needs no server",
        ),
    ]
    if opened.instructions is not None and len(opened.instructions):
        rows = opened.instructions
        about = "One row a run and instruction"
        files.insert(2, ("Instructions, CSV", lambda: guarded_csv(rows), "csv", "text/csv", about))
    if opened.study and opened.folder is not None:
        logs = partial(study_logs_archive, opened.folder, opened.id, opened.every_run)
        files.append(
            ("Eval logs, ZIP", logs, "zip", "application/zip", "The runs as .eval logs, which inspect_ai opens")
        )
    if opened.plan is not None:
        plan = opened.plan
        files.append(
            ("Plan, JSON", plan.to_json, "json", "application/json", "What was asked; runs again from a shell")
        )
    with st.container(horizontal=True, vertical_alignment="center", key="findings_downloads"):
        for label, make, end, mime, about in files:
            kind = label.split(",")[0].lower()
            st.download_button(
                label, make, f"{name}-{kind}.{end}", mime, key=f"findings_file_{label}", help=about, on_click="ignore"
            )


PARQUET = "application/vnd.apache.parquet"


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """The table as a Parquet file."""
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()


def tables_archive(found: Any) -> bytes:
    """A ZIP archive of every table of the findings as CSV, with the methods and the sentences as text."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in found.frames.items():
            archive.writestr(f"{name}.csv", guarded_csv(table))
        archive.writestr("methods.txt", found.methods_text)
        archive.writestr("in-short.txt", "\n".join(found.sentences))
    return out.getvalue()
