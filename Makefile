# `make demo` and `make test` need nothing but a Python with pip; .ci/set-up makes .venv for both.
BIN := .venv/bin
BENCHMARKS := $(wildcard benchmarks/[a-z]*.py)

.DEFAULT_GOAL := help
.PHONY: help set-up demo test check lint types imports mutation-test crash-test bench-quick peers texts lock clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

set-up: .venv/ready  ## Make .venv, or renew it after a change of the lock.

.venv/ready: requirements.lock pyproject.toml .ci/set-up
	@.ci/set-up

demo: .venv/ready  ## Run the whole loop on a simulated market, offline.
	@$(BIN)/outlay demo

test: .venv/ready  ## Run the tests on all cores.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

check: lint types imports  ## Run every check but the tests.

lint: .venv/ready  ## Check format and style.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready  ## Check types, strictly.
	$(BIN)/mypy

imports: .venv/ready  ## Check who imports whom.
	$(BIN)/lint-imports

mutation-test: .venv/ready  ## Take each guard away and say who noticed. Takes minutes.
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.machine.mutations

crash-test: .venv/ready  ## Kill the agent 10,000 times (or KILLS=n) and say what that did.
	$(BIN)/python benchmarks/crash.py --kills $(or $(KILLS),10000)

bench-quick: .venv/ready  ## Run every benchmark in its short form.
	@missed=0; for bench in $(BENCHMARKS); do \
		echo "== $$bench"; $(BIN)/python $$bench --quick || missed=1; \
	done; exit $$missed

peers: .venv/ready  ## Make .venv-peers, in which benchmarks/peers*.py compare us with PyMC-Marketing.
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	$(BIN)/uv pip sync --quiet --python .venv-peers/bin/python benchmarks/peers.lock

texts: .venv/ready  ## Collect the texts of the page for translators.
	$(BIN)/python -m optimizer.agent.web.texts

lock: .venv/ready  ## Write requirements.lock and benchmarks/peers.lock anew.
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
		--extra dev --extra cluster --extra postgres --extra google --extra meta --extra ga4 --extra warehouse --extra awin \
		--extra tiktok --extra linkedin --extra microsoft --extra oidc --extra mcp --python-version 3.12 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
		--python-version 3.12 benchmarks/peers.in -o benchmarks/peers.lock

clean:  ## Remove .venv and all caches; data of the store are left alone.
	rm -rf .venv .venv-peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
