# Two commands: `make run` starts the dashboard, `make test` checks everything. The rest is for now and then.
# What each step does stands in scripts/; nothing outside this folder, HEED_HOME and HEED_MODELS is written
# (except that `make test` as root installs Debian's chromium where no browser is found).

PYTHON = .venv/bin/python

.PHONY: run demo test check bench torture doctor load bench-peers fuzz gpu calibrate calibrate-heads gallery docs licences requirements audit lint format venv dev torch-cpu clean

run: venv        ## start the dashboard and print its address
	@exec $(PYTHON) -m core app

demo: venv       ## fetch and convert both small models, so that a lecture needs no network
	@exec $(PYTHON) -m core models fetch

test: dev        ## unit tests, pages, README, real browser on the real default model
	@exec $(PYTHON) scripts/test.py $(ARGS)

check: lint      ## before a commit, in under a minute: lint, types, the fast tests
	@exec $(PYTHON) scripts/test.py --fast

bench: dev       ## what capturing, comparing and knocking out cost, in time and memory
	@exec $(PYTHON) -m benchmarks.run

load: dev        ## 20 websocket sessions for 5 minutes against a fresh dashboard, each result beside its solo run
	@exec $(PYTHON) -m benchmarks.load $(ARGS)

torture: dev     ## kills, full disks, read-only folders, clocks put back, flipped bits: is anything lost?
	@exec $(PYTHON) -m benchmarks.torture $(ARGS)

doctor: venv     ## what is wrong with this machine, its models and folders, in words
	@exec $(PYTHON) -m core doctor

bench-peers: dev ## Heed beside inseq, Captum and transformers alone, in an environment of their own; writes a page of docs
	@exec $(PYTHON) -m benchmarks.peers --save docs/beside-others.md $(ARGS)

fuzz: dev        ## hostile input at every door, some thousand tries in minutes; ARGS="--examples N --seed S --only DOOR"
	@exec $(PYTHON) -m benchmarks.fuzz $(ARGS)

gpu: dev         ## does a GPU give the numbers of the processor? A table; HEED_GPU=cpu runs it without one
	@exec $(PYTHON) -m scripts.gpu $(ARGS)

EXAMPLE = $(firstword $(wildcard docs/example-study/runs.parquet docs/example-study/runs.csv))
FEATURES = share_instruction,share_context,share_question,multiple_instruction,sink,lookback,entropy,gini,content_share
FEATURES := $(FEATURES),masked_instruction,removed_instruction,masked_context
METRICS = correct,followed,instructions_loose,token_f1,rouge_l,relevance_rank

calibrate: dev   ## do the statistics of Findings tell the truth where it is known? Writes docs/calibration.md
	@$(PYTHON) -m core.study.statistics.calibration --save docs/calibration.md \
	    $(if $(EXAMPLE),--table $(EXAMPLE) --features $(FEATURES) --metrics $(METRICS)) $(ARGS); first=$$?; \
	$(PYTHON) -m core.study.findings.hard_designs --add docs/calibration.md || first=1; \
	$(PYTHON) -m core.study.statistics.dose_calibration --add docs/calibration.md && exit $$first

calibrate-heads: dev   ## measure MODEL=... for the page Trust and learn weights of its heads: hours
	@$(PYTHON) -m scripts.make_league $(MODEL) $(ARGS)

gallery: dev     ## the pictures of docs/gallery.md, from real runs
	@exec $(PYTHON) -m scripts.make_gallery

docs: dev        ## the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet && echo "site/index.html"

licences: venv   ## the licence of every package that Heed installs, as a table
	@exec $(PYTHON) -m scripts.licences $(ARGS)

requirements: venv ## after a pin changed: every package with the hashes of its files, in requirements/
	@exec $(PYTHON) -m scripts.hashes

audit: venv      ## known holes of the versions that are pinned, from the database of PyPI: needs the network
	@exec $(PYTHON) -m scripts.audit

lint: dev
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy

format: dev
	@$(PYTHON) -m ruff check --fix . ; $(PYTHON) -m ruff format .

venv:            ## what `make run` needs; HASHES=1 checks each file against its hash (HASHES=cpu: torch's CPU build)
	@sh scripts/setup.sh requirements.txt

dev:
	@sh scripts/setup.sh requirements.txt requirements-cluster.txt requirements-dev.txt

torch-cpu:       ## the small CPU build of torch on Linux, before `make run`: make torch-cpu run
	@sh scripts/torch-cpu.sh

clean:           ## what tests and Python left behind; runs, weights and .venv stay
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis tests/browser/shots
	@find . -name .venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
