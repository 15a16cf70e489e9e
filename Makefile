# Two commands matter to a newcomer: `make run` and `make test`. Both set up what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
LISTEN ?= 127.0.0.1:9946
# Tests of one file share what is slow to start, and many wait for deadlines: three workers keep two cores busy.
AT_ONCE := -n 3 --dist loadfile

.PHONY: help setup run test lint fast-test format lock bench golden lab lab-shell lab-stop lab-test test-lowest clean
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(STAMP): pyproject.toml tests/locks/newest.txt tests/setup.sh
	@bash tests/setup.sh $(VENV)
	@touch $@

setup: $(STAMP) ## install what the project needs (Debian packages by apt, Python packages by pip)

run: $(STAMP) ## start the agent: this host's containers, or the embedded example host where there is no podman
	@$(VENV)/bin/bulkhead serve --listen $(LISTEN) --auto-example

test: lint fast-test test-lowest ## lint and all fast tests, with the newest and the lowest dependencies

lint: $(STAMP) ## every policy: ruff, mypy strict, import contracts, promtool, amtool
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	@bash tests/lint-alerts.sh

fast-test: $(STAMP) ## the fast tests alone
	$(PY) -m pytest --ignore=tests/lab $(AT_ONCE)

test-lowest: $(VENV)-lowest/.ready
	$(VENV)-lowest/bin/python -m pytest --ignore=tests/lab $(AT_ONCE) -q

$(VENV)-lowest/.ready: pyproject.toml tests/locks/lowest.txt tests/setup.sh
	@bash tests/setup.sh $(VENV)-lowest tests/locks/lowest.txt
	@touch $@

format: $(STAMP) ## put code into the house's format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

golden: $(STAMP) ## rewrite the golden pages and the dashboards; read the diff
	$(PY) -m dashboards.build
	$(PY) -m pytest --ignore=tests/lab -q --update-golden

lock: $(STAMP) ## resolve the development dependencies anew, newest and lowest
	@bash tests/lock.sh

bench: $(STAMP) ## performance claims, as ratios measured side by side
	$(PY) -m tests.bench

lab: ## build and boot the emulated host (about 15 min the first time, 4 min after)
	@python3 tests/lab/lab.py up

lab-shell: ## a shell in the emulated host
	@python3 tests/lab/lab.py shell

lab-stop: ## end the emulated host
	@python3 tests/lab/lab.py stop

lab-test: $(STAMP) lab ## the tests that need the emulated host
	$(PY) -m pytest tests/lab -v --tb=short

clean: ## remove what make made here (the lab's cache stays)
	rm -rf $(VENV) $(VENV)-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis
