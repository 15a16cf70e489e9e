# Two commands matter to a newcomer: `make run` and `make test`. Both set up what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
LISTEN ?= 127.0.0.1:9946
# Tests of one file share what is slow to start, and many wait for deadlines: three workers keep two cores busy.
AT_ONCE := -n 3 --dist loadfile
# Else files of few tests come last, and they are those that wait longest. The lowest xdist does not know the option.
IN_ORDER := --no-loadscope-reorder
# Images of containers often set it: each worker would then compile all tests anew, which is a tenth of their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test lint fast-test format lock bench golden lab lab-build lab-shell lab-soak lab-stop lab-test lab-test-full test-lowest clean
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(STAMP): pyproject.toml tests/locks/newest.txt tests/setup.sh
	@bash tests/setup.sh $(VENV)
	@touch $@

setup: $(STAMP) ## install what the project needs (Debian packages by apt, Python packages by pip)

run: $(STAMP) ## start the agent: this host's containers, or the embedded example host where there is no podman
	@$(VENV)/bin/bulkhead serve --listen $(LISTEN) --auto-example

.PHONY: check lint-code lint-alerts
check: lint-code ## lint and the fast tests with few examples of each property: the loop while you work (under 90 s)
	@bash tests/check.sh $(PY) -m pytest --ignore=tests/lab $(AT_ONCE) $(IN_ORDER) -q --hypothesis-profile=small

test: lint fast-test test-lowest ## lint and all fast tests, with the newest and the lowest dependencies

lint: lint-code lint-alerts ## every policy: ruff, mypy strict, import contracts, promtool, amtool

lint-code: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

lint-alerts: $(STAMP)
	@bash tests/lint-alerts.sh

fast-test: $(STAMP) ## the fast tests alone
	$(PY) -m pytest --ignore=tests/lab $(AT_ONCE) $(IN_ORDER)

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

lab: ## build and boot a real host as a guest of this machine (3 min the first time, under 1 after; LAB_ENGINE, LAB_RELEASE)
	@python3 tests/lab/lab.py up

lab-build: $(STAMP)
	@python3 tests/lab/lab.py build

lab-shell: ## a shell in the guest (LAB_NAME=test-gw0: in one that a failed test left)
	@python3 tests/lab/lab.py shell

lab-stop: ## end every guest (LAB_NAME=x: that guest alone)
	@python3 tests/lab/lab.py stop $(if $(LAB_NAME),,--all)

# Two guests of one processor each share the modules, longest first; an emulated guest wants both processors for itself.
LAB_AT_ONCE = -n $$(python3 tests/lab/lab.py engine | sed 's/tcg/1/; s/[a-z].*/2/') --dist loadfile --no-loadscope-reorder
SUBJECT_FILE = tests/lab/test_$(SUBJECT).py
lab-test: lab-build ## what a user is promised, on a real host (SUBJECT=storage: all of that subject, in the guest of `make lab`)
	$(PY) -m pytest $(if $(SUBJECT),$(SUBJECT_FILE),tests/lab -m core $(LAB_AT_ONCE)) -v --tb=short --durations=15

lab-soak: lab-build ## an hour of restarts on a healthy host: nothing half seen, no alert without a cause
	LAB_SOAK_SECONDS=$${LAB_SOAK_SECONDS:-3600} LAB_NAME=soak $(PY) -m pytest tests/lab/test_soak.py -v -s --tb=short

lab-test-full: lab-build ## all tests on a real host, the torture too
	$(PY) -m pytest tests/lab $(if $(LAB_EXCEPT),--ignore=tests/lab/test_$(LAB_EXCEPT).py) $(LAB_AT_ONCE) -v --tb=short --durations=30

clean: ## remove what make made here (the lab's cache stays)
	rm -rf $(VENV) $(VENV)-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis
