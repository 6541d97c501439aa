"""Tests of the means of cells: those of pandas, in the order of their names, with nothing where nothing was run."""

import numpy as np
import pandas as pd

from core.study.statistics.cell_means import cell_means, design_levels, paired_design


def means_of(table, values, by=(), match=None):
    return cell_means(table, values, paired_design(table, "structure", "prompt_id", by, match))


def test_means_of_many_columns_are_those_of_pandas_in_their_order():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"v{i}": rng.normal(size=60) for i in range(40)}).mask(rng.random((60, 40)) < 0.1)
    table = table.assign(structure=["a", "b"] * 30, prompt_id=[f"p{i // 6}" for i in range(60)], v7=["no number"] * 60)
    values = [*(f"v{i}" for i in range(40)), "missing"]
    means = means_of(table, values)
    assert list(means.columns) == values and np.isnan(means.pick(["v7", "missing"]).values).all()
    numbers = [name for name in values if name not in ("v7", "missing")]
    expected = table.groupby(["prompt_id", "structure"])[numbers].mean()
    for level in ("a", "b"):
        np.testing.assert_array_equal(means.pick(numbers).of_level(level), expected.xs(level, level="structure"))


def unbalanced():
    """Two models and tasks, cells missing, several seeds, position controls."""
    rng = np.random.default_rng(1)
    names = {"task": ["t", "u"], "model": ["m", "k"], "structure": ["a", "b"], "control": [True, False]}
    table = pd.DataFrame({name: rng.choice(options, 300) for name, options in names.items()})
    return table.assign(prompt_id=rng.integers(0, 20, 300), y=rng.normal(size=300))


def test_prompts_and_groups_stand_as_pandas_sorts_them():
    table = unbalanced()
    means = means_of(table, ["y"], by=("task",), match=["model"])
    own = table[(table["structure"] == "a") & ~table["control"]]
    cells = own.groupby(["task", "prompt_id", "model"])["y"].mean()
    rows = np.flatnonzero(means.rows("a") >= 0)
    prompts, found = means.by_prompt(means.of_level("a")[rows], rows)
    expected = cells.groupby(level=["task", "prompt_id"]).mean()
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-14)
    by_task = {means.held[group][0]: found[at, 0] for group, at in means.by_group(prompts)}
    assert list(by_task) == ["t", "u"]
    for task, numbers in by_task.items():
        np.testing.assert_allclose(numbers, expected.loc[task], rtol=1e-14)


def test_what_was_not_run_is_nowhere():
    table = unbalanced()
    table = table[(table["structure"] == "a") | table["control"]]
    means = means_of(table, ["y"], by=("task",))
    assert design_levels(means) == ["a"] and (means.rows("b") < 0).all() and np.isnan(means.of_level("no")).all()
    assert (means.rows("b", control=True) >= 0).any()
    half = np.arange(len(means.prompts)) % 2 == 0
    kept = means.only(half)
    assert (kept.rows("a")[~half] < 0).all() and (kept.rows("a")[half] == means.rows("a")[half]).all()


def test_an_empty_table_has_no_level():
    means = means_of(unbalanced().iloc[:0], ["y"])
    assert design_levels(means) == [] and means.by_group(np.arange(0)) == [] and not len(means.values)
