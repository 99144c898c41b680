# `make help` lists the targets. The environment is made in .venv from requirements.lock.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first Python of a supported version; `make PYTHON=/path/to/python3.11 …` chooses another.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& command -v $$p && break; done)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)

.PHONY: help run test lint format bench faults faults-backfill model topics eval-ner eval-dedup eval-tags lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(STAMP) ## broker, sample articles, streaming run, summary; stops by itself
	$(BIN)/python -m pipeline demo $(DEMO)

# More processes than cores: much of the time goes into waiting for leases to run out. In the order
# of the folders, so that what takes longest is not left for the end.
test: $(STAMP) ## every test, in JOBS processes (3); what needs a part that is missing is skipped
	$(BIN)/python -m pytest --numprocesses $(or $(JOBS),3) --dist loadfile \
		--no-loadscope-reorder $(TESTS)

lint: $(STAMP) ## ruff (rules and format), mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure against bare libraries and peers; prints tables
	$(BIN)/python -m tests.benchmarks $(BENCH)

faults: $(STAMP) ## strike a running pipeline KILLS times over MESSAGES messages (SEED, BROKERS, STATE=redis); prints a table
	$(BIN)/python -m tests.faults --kills $(or $(KILLS),100) --messages $(or $(MESSAGES),20000) \
		$(if $(SEED),--seed $(SEED)) $(if $(BROKERS),--brokers $(BROKERS)) \
		$(if $(STATE),--state $(STATE)) $(FAULTS)

faults-backfill: $(STAMP) ## kill a backfill KILLS times over ARTICLES articles (SEED), and compare with one left alone
	$(BIN)/python -m tests.faults.backfill --kills $(or $(KILLS),10) \
		--articles $(or $(ARTICLES),10000) $(if $(SEED),--seed $(SEED)) $(FAULTS)

model: $(STAMP) ## train the shipped entity model anew (DATA=../shared/data/ner)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pipeline.model.train \
		--data $(or $(DATA),../shared/data/ner)

eval-ner: $(STAMP) ## score the entity model, and others installed beside it (MODELS="en_core_web_sm …")
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pipeline.model.compare \
		--data $(or $(DATA),../shared/data/ner) $(if $(MODELS),--models $(MODELS))

eval-dedup: $(STAMP) ## score near-duplicates, beside datasketch and an exact hash (TEXTS=../shared/data/text, EVAL="--mistakes")
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.evaluation.dedup \
		--data $(or $(TEXTS),../shared/data/text) $(EVAL)

topics: $(STAMP) ## train the shipped topic classifier anew (TEXTS=../shared/data)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pipeline.model.train_topics \
		--data $(or $(TEXTS),../shared/data)

eval-tags: $(STAMP) ## score topics, countries and keywords (TEXTS=../shared/data, EVAL="--textcat --mistakes")
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.evaluation.tags \
		--data $(or $(TEXTS),../shared/data) $(EVAL)

lock: ## pin the newest versions that setup.py allows
	uv pip compile --quiet --universal --python-version 3.10 --extra dev setup.py \
		--no-header --output-file requirements.lock --upgrade

clean: ## take away the environment, caches and build products
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): requirements.lock setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.10, 3.11 or 3.12 found: give PYTHON=..."; exit 1; }
ifeq ($(UV),uv)
	uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV)
	uv pip install --quiet --python $(BIN)/python -r requirements.lock
	uv pip install --quiet --python $(BIN)/python --no-deps --editable .
else
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
endif
	@touch $@
