"""The Dockerfile and the repository: what it copies is there, whom it runs as, which Python, and what checks its health.

No image is built here; hadolint, where it is installed, reads the file too.
"""

import json
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from core import cli
from scripts.hashes import PYTHONS

ROOT = Path(__file__).resolve().parent.parent


def steps():
    """[(instruction, the rest of its line)] of the Dockerfile; lines that go on are one."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def rest_of(name):
    return [rest for step, rest in steps() if step == name]


def copied():
    return [source for rest in rest_of("COPY") for source in rest.split()[:-1]]


def environment():
    return dict(word.split("=", 1) for rest in rest_of("ENV") for word in shlex.split(rest))


def test_each_source_is_in_the_repository_and_reaches_the_build():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, one) for one in kept), f"{source} is left out by .dockerignore"
    assert set(kept) == set(copied()), "nothing goes to the builder that is not copied"


def test_what_the_app_reads_is_copied():
    assert {"app.py", "core", "pages", "examples", ".streamlit", "docs/example-study", "docs/steering-study"} <= set(
        copied()
    )
    assert not [source for source in copied() if re.search(r"\.git|\.venv|secret|\.env", source)]


def test_the_base_is_a_supported_python_of_one_release():
    (base,) = rest_of("FROM")
    found = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    assert found and found[1] in PYTHONS


def test_it_runs_as_nobody_special():
    order = [step for step, _ in steps()]
    (user,) = rest_of("USER")
    assert user == "1000:1000" and "RUN" not in order[order.index("USER") :] and "--uid 1000" in str(rest_of("RUN"))


def test_only_files_with_hashes_are_installed():
    calls = [call for run in rest_of("RUN") for call in run.split("&&") if "pip install" in call]
    assert len(calls) == 3
    for call in calls:
        (file,) = re.findall(r"-r (\S+)", call)
        assert (ROOT / file).exists() and "--require-hashes" in call and "--no-deps" in call
    assert "--no-build-isolation" in calls[-1], "what builds from source is the builder with a hash"


def test_folders_are_volumes_and_models_come_from_theirs_alone():
    here, volumes = environment(), json.loads(rest_of("VOLUME")[0])
    assert volumes == [here["HEED_HOME"], here["HEED_MODELS"]] and here["HEED_MODEL_ROOTS"] == here["HEED_MODELS"]
    assert all(folder in str(rest_of("RUN")) for folder in volumes), "they belong to whom it runs as"


def test_the_health_check_is_a_command_of_heed(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    command = json.loads(rest_of("HEALTHCHECK")[0].split("CMD", 1)[1])
    assert command[:3] == ["python", "-m", "core"]
    monkeypatch.setattr(cli, "health_problems", lambda address: [f"No answer at {address}."])
    assert cli.main(command[3:]) == 1 and ":8501." in capsys.readouterr().out
    assert rest_of("EXPOSE") == ["8501"]


def start(tmp_path, **variables):
    """What deploy/start.sh becomes, where python only prints its arguments."""
    (tmp_path / "python").write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done\n')
    (tmp_path / "python").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
    entry = json.loads(rest_of("ENTRYPOINT")[0])
    done = subprocess.run([*entry, "--server.maxUploadSize", "50"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def hosts(words):
    return {words[i + 1] for i, word in enumerate(words) if word == "--server.allowedHosts"}


def test_it_listens_inside_and_answers_to_its_names_alone(tmp_path):
    words = start(tmp_path, HEED_HOSTS="lab.example.org,10.0.0.7", SPACE_HOST="ada-heed.hf.space")
    assert words[:7] == ["-m", "core", "app", "--server.address", "0.0.0.0", "--server.port", "8501"]
    own = {"localhost", "127.0.0.1", "::1"}
    assert hosts(words) == own | {"lab.example.org", "10.0.0.7", "ada-heed.hf.space"}
    assert words[-2:] == ["--server.maxUploadSize", "50"] and hosts(start(tmp_path)) == own


def test_the_space_is_built_from_it():
    _, head, text = (ROOT / "deploy/huggingface/README.md").read_text("utf-8").split("---\n", 2)
    space = yaml.safe_load(head)
    assert space["sdk"] == "docker" and str(space["app_port"]) == rest_of("EXPOSE")[0] and "# Heed" in text
    assert space["license"] == "apache-2.0" and len(space["short_description"]) <= 60
    assert {space["colorFrom"], space["colorTo"]} <= {
        *("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"),
    }


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
def test_a_linter_of_dockerfiles_finds_nothing():
    done = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
