# make run   sets up, runs all of it on this machine, and says where to look
# make test  sets up, runs every test and lint
# make soak  kills it a hundred times on its way
# make bench times what the README's figures are about

PYTHON ?= python3.11
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# dbt's and dlt's own calls home are off in every target.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export RUNTIME__DLTHUB_TELEMETRY := false

# What dbt compiles.
SQL := dbt_project analyses tests/dbt

.PHONY: run setup test lint audit soak bench bench-web-logs bench-spark lock clean

run: setup
	@status=0; \
	dlt pipeline run || status=$$?; \
	if [ $$status -ge 2 ]; then exit $$status; fi; \
	rm -rf target/run_results.json target/export.json target/proved; \
	dbt build || status=$$?; \
	dbt docs generate --static --target-path target/docs --quiet || status=$$?; \
	python -m loaders.cli.summary || status=$$?; \
	exit $$status

setup: $(BIN)/.installed profiles.yml .dlt/config.toml .dlt/secrets.toml

# pip's own cache makes a second checkout quick; --require-hashes is implied by the lock's hashes.
$(BIN)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON is '$(PYTHON)': wants Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "PYTHON is '$(PYTHON)': wants Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

profiles.yml .dlt/config.toml .dlt/secrets.toml: %: | %.example
	@cp $*.example $@

# Spark is large, and nothing else needs it.
$(BIN)/.spark: requirements-spark.lock $(BIN)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-spark.lock
	@touch $@

test: setup lint $(BIN)/.spark
	@pytest -n 3 --dist loadgroup --no-loadscope-reorder

lint: setup
	@ruff check .
	@ruff format --check .
	@mypy
	@sqlfluff lint --processes 2 $(SQL)
	@sqlfluff lint --processes 2 --config tests/sqlfluff/duckdb.cfg $(SQL)

# Asks PyPI which of the locked versions have known vulnerabilities.
audit: setup
	@pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements.lock --requirement requirements-spark.lock

# A hundred kills.
soak: setup
	@PYTHONPATH=tests python tests/soak.py

bench: setup
	@python tests/bench/calls.py
	@python tests/bench/stage.py
	@PYTHONPATH=tests python tests/bench/export.py
	@PYTHONPATH=tests python tests/bench/load.py
	@PYTHONPATH=tests:tests/bench python tests/bench/unload.py
	@python tests/bench/day.py
	@python tests/bench/build.py

# Wants 15 GB of disk.
bench-web-logs: setup
	@python tests/bench/web_logs.py 0.01 0.1 1

bench-spark: setup $(BIN)/.spark
	@python tests/bench/spark_skew.py

# The lock names versions and hashes only, so that any index serves it. UPGRADE=--upgrade takes the
# newest versions.
lock: setup
	@uv pip compile --quiet $(UPGRADE) --extra dev --python-version 3.11 --generate-hashes --no-strip-extras \
		--no-header --output-file requirements.lock pyproject.toml
	@echo 'pyspark' | uv pip compile --quiet $(UPGRADE) --python-version 3.11 --generate-hashes \
		--no-header --constraint requirements.lock --output-file requirements-spark.lock -

clean:
	@test ! -x $(BIN)/python || $(BIN)/python -m loaders.export.embedded_postgres stop
	rm -rf .local target logs
