# Everything a newcomer needs is `make demo` and `make test`; `make help` lists the rest.
# Each command says what it does and reuses what is there.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Where it is set, every process that starts would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo test check up down reset bench faults lock

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.brobyg-setup
SERVICES := $(addprefix services/,referral matching notification reporting portal)
PARTS := libs/contracts libs/kit deploy/local $(SERVICES)
# Writes a lock for every platform, with hashes.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header \
  --no-emit-package brobyg-kit --no-emit-package brobyg-contracts
ONLY ?=
TESTS ?=

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## the Python environment in .venv, from requirements.lock with hashes

$(STAMP): requirements.lock pyproject.toml $(PARTS:%=%/pyproject.toml)
	@deploy/local/setup $(PARTS)

demo: setup ## set everything up, start it, play a hospital's week through it, print what happened
	@$(BIN)/brobyg local demo

test: setup ## all tests, against a real broker and database (TESTS=path for some)
	@echo "==> $(if $(TESTS),$(TESTS),all tests), on a real Kafka and a real PostgreSQL of their own"
	@mkdir -p var; set +e; $(BIN)/python -m pytest $(if $(TESTS),$(TESTS),-n auto) \
	  | tee var/test.log; code=$${PIPESTATUS[0]}; \
	  echo "==> $$(tail -n 1 var/test.log | tr -d '=' | xargs)"; exit $$code

check: setup ## format, lint, types, imports, schemas, migrations, compose file, dead code
	@deploy/local/check

up: setup ## the whole system in the background, data kept
	@$(BIN)/brobyg local up

down: ## end every system of this checkout, data kept
	@if [ -x $(BIN)/brobyg ]; then $(BIN)/brobyg local down; \
	  else echo "nothing is set up here, so nothing runs"; fi

reset: ## end it and remove its data
	@if [ -x $(BIN)/brobyg ]; then $(BIN)/brobyg local reset; \
	  else echo "nothing is set up here, so there is nothing to remove"; fi

bench: setup ## benchmarks into benchmarks/results.json (ONLY=name for one)
	@$(BIN)/python -m benchmarks $(ONLY)

faults: setup ## fault injection into var/faults/report.json (ONLY=name for one, ONLY=--help)
	@$(BIN)/python -m tests.faults $(ONLY)

lock: setup ## write the two locks anew from the parts' pyproject.toml
	@echo "==> resolving the newest versions that the parts allow"
	@$(COMPILE) --upgrade --group pyproject.toml:dev $(PARTS:%=%/pyproject.toml) \
	  -o requirements.lock
	@printf 'hatchling\neditables\n' | $(COMPILE) -c requirements.lock \
	  $(filter libs/% services/%,$(PARTS:%=%/pyproject.toml)) - -o deploy/production.lock
	@git --no-pager diff --stat -- requirements.lock deploy/production.lock
