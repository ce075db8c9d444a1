# The two commands are `make demo` and `make test`; `make` alone says what else there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/made

# bin/system_libraries may have to unpack libraries there
export LD_LIBRARY_PATH := $(if $(LD_LIBRARY_PATH),$(LD_LIBRARY_PATH):)$(abspath $(VENV)/system)

.PHONY: help venv demo test test-bi lint audit up down bi screenshots compose-up compose-down psql requirements clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## make the environment: Python packages, and Pango for the page

$(STAMP): requirements.txt requirements-bootstrap.txt pyproject.toml bin/system_libraries
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	@# uv reads no pip.conf: behind a mirror set UV_DEFAULT_INDEX, or pip does it and takes longer
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt \
		|| $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@bin/system_libraries $(VENV)
	@touch $@

demo: $(STAMP) ## the whole job once, for real, on the reference cohort; the page lies in build/demo
	@$(BIN)/vmeste demo

test: $(STAMP) lint ## every test, from style to a real scheduler
	@$(BIN)/vmeste forms check
	@# a real scheduler needs both cores to itself
	@$(BIN)/pytest -n 2 --dist loadfile --ignore tests/e2e --ignore tests/bi
	@$(BIN)/pytest tests/e2e
	@$(MAKE) test-bi

# Superset's environment, and a browser that opens the dashboards
CHROMIUM = VMESTE_CHROMIUM=$$(bin/debian_command $(VENV) chromium chromium)

test-bi: $(STAMP) ## the dashboards in a real browser
	@$(CHROMIUM) && export VMESTE_CHROMIUM && $(BIN)/pytest tests/bi

lint: $(STAMP) ## ruff, mypy, bandit and sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive plugins dags docker
	@$(BIN)/python -m vmeste.local.lint_sql

audit: $(STAMP) ## ask PyPI whether a pinned package has a known hole; not part of the tests, which ask nobody
	@$(BIN)/pip-audit --requirement requirements.txt --no-deps --disable-pip

up: $(STAMP) ## start Airflow on this machine and say where it is
	@$(BIN)/vmeste up

down: ## stop what `make up` and `make bi` started
	@if [ -x $(BIN)/vmeste ]; then $(BIN)/vmeste down; fi

bi: $(STAMP) ## make, provision and start Superset on this machine and say where it is
	@$(BIN)/vmeste bi up

screenshots: $(STAMP) ## open the five dashboards of this machine's warehouse and write docs/images
	@$(CHROMIUM) && export VMESTE_CHROMIUM && $(BIN)/vmeste bi up && $(BIN)/python -m tests.bi.screenshots docs/images

# `docker/.env` holds the secrets and whatever else of .env.example shall be other than the default
# what the image is built from: there is no git in it
REVISION = $$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)
COMPOSE := docker compose --project-name vmeste --env-file docker/.env

compose-up: ## start all in containers; secrets are drawn once. WORKERS=3: three workers, BI=1: Superset too
	@$(PYTHON) docker/draw_secrets.py docker/.env
	@VMESTE_CODE_REVISION="$(REVISION)" $(COMPOSE) $(if $(BI),--profile bi) up --detach --build --wait --scale worker=$(or $(WORKERS),1)
	@echo "Airflow: http://$$($(COMPOSE) port api-server 8080); users and passwords of Airflow, then of Superset:"
	@$(COMPOSE) exec -T api-server cat /var/lib/vmeste/secrets/airflow_users.json /var/lib/vmeste/secrets/superset_users.json
	@echo

compose-down: ## stop the containers; the volumes with the data stay
	@$(COMPOSE) --profile bi down

psql: $(STAMP) ## open the warehouse in psql
	@url=$$($(BIN)/vmeste url warehouse); \
		"$$($(BIN)/python -c 'from vmeste.warehouse.embedded import binaries; print(binaries() / "psql")')" "$$url"

requirements: $(STAMP) ## compile requirements*.txt from requirements*.in, to the newest that fits
	@for name in requirements-bootstrap requirements superset/requirements; do \
		$(BIN)/uv pip compile -q --upgrade --generate-hashes --python-version 3.11 --universal \
			--no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt; \
	done

clean: down ## remove the environment and all that the embedded mode has written
	@rm -rf $(VENV) $${VMESTE_HOME:-.vmeste} build
