# make run    set up, run everything on this machine, and print where to look
# make check  lint what changed and run the fast tests
# make test   set up, run every test and lint
# make soak   kill the commands a hundred times
# make bench  measure the figures of docs/benchmarks.md

PYTHON ?= python3.11
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# dbt's and dlt's telemetry is off in every target.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export RUNTIME__DLTHUB_TELEMETRY := false

# Folders of SQL that dbt compiles.
SQL := dbt_project analyses tests/dbt
# make check BASE=main lints what changed since that commit.
BASE ?= HEAD

.PHONY: run setup check test lint audit soak bench bench-web-logs bench-spark lock clean

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

# The hashes of the lock imply --require-hashes.
$(BIN)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON is '$(PYTHON)': expected Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "PYTHON is '$(PYTHON)': expected Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

profiles.yml .dlt/config.toml .dlt/secrets.toml: %: | %.example
	@cp $*.example $@

# Spark is large, so only the targets that use it install it.
$(BIN)/.spark: requirements-spark.lock $(BIN)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-spark.lock
	@touch $@

test: setup lint $(BIN)/.spark
	@pytest -n 3 --dist loadgroup --no-loadscope-reorder

check: setup
	@ruff check .
	@ruff format --check .
	@mypy
	@yamllint --strict .
	@changed=$$({ git diff --name-only --diff-filter=d $(BASE) -- $(SQL); \
		git ls-files --others --exclude-standard -- $(SQL); } | grep '\.sql$$'); \
	if [ -n "$$changed" ]; then \
		sqlfluff lint $$changed && sqlfluff lint --config tests/sqlfluff/duckdb.cfg $$changed; \
	fi
	@pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "not slow"

lint: setup
	@ruff check .
	@ruff format --check .
	@mypy
	@yamllint --strict .
	@sqlfluff lint --processes 2 $(SQL)
	@sqlfluff lint --processes 2 --config tests/sqlfluff/duckdb.cfg $(SQL)

# Ask PyPI which locked versions have known vulnerabilities.
audit: setup
	@pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements.lock --requirement requirements-spark.lock

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

# Needs 15 GB of disk.
bench-web-logs: setup
	@python tests/bench/web_logs.py 0.01 0.1 1

bench-spark: setup $(BIN)/.spark
	@python tests/bench/spark_skew.py

# The lock contains versions and hashes but no index, so that any index serves it. UPGRADE=--upgrade
# takes the newest versions.
lock: setup
	@uv pip compile --quiet $(UPGRADE) --extra dev --python-version 3.11 --generate-hashes --no-strip-extras \
		--no-header --output-file requirements.lock pyproject.toml
	@echo 'pyspark' | uv pip compile --quiet $(UPGRADE) --python-version 3.11 --generate-hashes \
		--no-header --constraint requirements.lock --output-file requirements-spark.lock -

clean:
	@test ! -x $(BIN)/python || $(BIN)/python -m loaders.export.embedded_postgres stop
	rm -rf .local target logs
