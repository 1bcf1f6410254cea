# make demo   pre-train on real news, evaluate with few labels, write runs/demo/report.html
# make test   run all tests
# make check  lint, format and types
# make clean  remove the environment, the demo's data and the caches
#
# Every target makes .venv first, with the versions that constraints.txt pins.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
NEWS := data/bbc_news

.PHONY: demo test check lint format types clean

demo: $(READY)
	$(BIN)/python examples/bbc_news.py $(NEWS)
	$(BIN)/headstart pretrain $(NEWS)/unlabeled.jsonl --out runs/demo --budget 1min --start none --overwrite
	$(BIN)/headstart evaluate runs/demo --train $(NEWS)/train.jsonl --test $(NEWS)/test.jsonl

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: lint types

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11, or name it: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV): some 6 GB, most of it torch."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo,chinese,images,audio,search,sentence,audit,excel,explain,export,tasks,lora,synonyms,serve,qdrant,dev]"
	@touch $@

clean:
	rm -rf $(VENV) $(NEWS) build .mypy_cache .pytest_cache .ruff_cache
	find src tests examples docs benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
