"""Tests of scripts/house.py: which files an entry touches, in a small made-up Heed and in the real one."""

from scripts import house

MADE_UP = {
    "core/importance/methods.py": "METHODS = {'mean-attention': 1}",
    "core/importance/explain.py": "def explain(method='mean-attention'):\n    return f'{method} of mean-attention runs'",
    "core/study/plan.py": "PRIMARY = (('masked_instruction', 'token_f1'),)",
    "pages/parts/frame.py": "PAGES = ('pages/runs.py',)",
    "pages/runs.py": "",
    "pages/rate.py": "",
    "pages/parts/views.py": "def bars_view():\n    return helper()\n\n\ndef other_view():\n    pass",
    "pages/parts/switch.py": "RUN_VIEWS = {'bars': ('Bars', lambda x: bars_view())}",
}


def test_files_are_those_that_name_an_entry():
    found = house.naming(MADE_UP)
    assert found["method"]["mean-attention"] == ["core/importance/explain.py", "core/importance/methods.py"]
    assert found["metric"]["token_f1"] == ["core/study/plan.py", "core/study/quality/metrics.py"]
    assert found["feature"]["masked_instruction"] == ["core/study/features.py", "core/study/plan.py"]
    assert found["page"]["pages/runs.py"] == ["pages/parts/frame.py", "pages/runs.py"]
    assert found["chart"] == {"bars_view": ["pages/parts/switch.py", "pages/parts/views.py"]}
    assert "words" not in found["metric"], "a word of other things too"


def test_every_extension_is_counted_and_has_its_example(capsys):
    files = house.files_now()
    found = house.naming(files)
    assert found.keys() <= house.examples().keys() and all(found.values())
    homes = {home for kind, home in house.HOMES.items() if kind != "chart"}
    assert all(any(path.startswith(home) for path in files) for home in homes), "a registry has moved"
    house.print_extensions(files)
    printed = capsys.readouterr().out.splitlines()[-len(found) :]
    assert len({line.split()[3] for line in printed}) > 1, "the same number for all would be no count"
