# make run    set up, run everything on this machine, and print where to look
# make dashboards  build the pages of target/dashboards
# make dashboards-serve  serve them with filters, on the warehouse as it is
# make metrics  install MetricFlow, and list the metrics of mf query
# make check  lint what changed and run the fast tests
# make test   set up, run the tests and lint
# make test-long  run the tests that build everything from recordings, on Redshift and after kills
# make score  compare the matching rules with labelled records of the real APIs
# make soak   run the long tests, and kill the commands a hundred times
# make airflow       run everything by Airflow, and print where to look
# make airflow-down  stop Airflow
# make test-airflow  run the tests of the DAGs, with a real Airflow
# make bench  measure the figures of docs/benchmarks.md
# make bench-history  measure a day after 2, 30, 365 and 1,095 days
# make bench-rebuild  measure the rebuild after 2, 30 and 365 days
# make bench-verify   measure the verification of 2, 30 and 365 days

PYTHON ?= python3.11
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The telemetry of dbt, dlt, dbt-charts and dbt-colibri is off in every target.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export RUNTIME__DLTHUB_TELEMETRY := false
export DO_NOT_TRACK := 1
export DBT_COLIBRI_NO_VERSION_CHECK := 1

# Folders of SQL that dbt compiles.
SQL := dbt_project analyses tests/dbt
# make check BASE=main lints what changed since that commit.
BASE ?= HEAD

PIP := pip install --quiet --disable-pip-version-check
PIP_INSTALL := $(BIN)/$(PIP)
# $(call step,what,command) prints what is done, then how long it took.
step = @printf 'setup: %s ... ' '$(1)'; began=$$(date +%s); $(2) && echo "$$(($$(date +%s) - began)) s"

# dbt-colibri 0.3.7 fails on unions with sqlglot 30.19 and later, which the tests use.
LINEAGE := .venv-lineage
COLUMNS := $(LINEAGE)/bin/colibri generate --light --manifest target/docs/manifest.json \
	--catalog target/docs/catalog.json --output-dir target/docs/columns > target/docs/columns.log 2>&1

.PHONY: run dashboards dashboards-serve metrics setup airflow airflow-down check test test-long test-airflow lint audit score soak bench bench-history bench-rebuild bench-verify bench-web-logs bench-spark lock clean

run: setup $(LINEAGE)/.installed
	@status=0; \
	dlt pipeline run || status=$$?; \
	if [ $$status -ge 2 ]; then exit $$status; fi; \
	if [ $$status -ne 0 ] || ! python -m loaders.cli.unchanged; then \
		rm -f target/run_results.json target/export.json; \
		python -m loaders.cli.build || status=$$?; \
		dbt docs generate --static --target-path target/docs --quiet || status=$$?; \
		$(COLUMNS) || { status=$$?; echo "lineage of columns: target/docs/columns.log says what failed" >&2; }; \
		python -m loaders.cli.dashboards || status=$$?; \
		[ $$status -ne 0 ] || python -m loaders.cli.unchanged --record; \
	fi; \
	python -m loaders.cli.summary || status=$$?; \
	exit $$status

dashboards: setup
	@python -m loaders.cli.dashboards

# PORT is dct's own choice unless set.
dashboards-serve: setup
	@python -m loaders.cli.dashboards --serve $(if $(PORT),--port $(PORT))

setup: $(BIN)/.installed profiles.yml .dlt/config.toml .dlt/secrets.toml

# The hashes of the lock imply --require-hashes.
$(BIN)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON is '$(PYTHON)': expected Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "PYTHON is '$(PYTHON)': expected Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	$(call step,create .venv,$(PYTHON) -m venv .venv)
	$(call step,install $(words $(shell grep -o '^[a-z][^ ]*==' requirements.lock)) packages,$(PIP_INSTALL) -r requirements.lock)
	$(call step,install this project,$(PIP_INSTALL) --no-deps --no-build-isolation -e .)
	@touch $@

profiles.yml .dlt/config.toml: %: | %.example
	@cp $*.example $@
	@echo "setup: create $@"

# Only its owner reads the keys.
.dlt/secrets.toml: | .dlt/secrets.toml.example
	@install -m 600 $@.example $@
	@echo "setup: create $@"

# Spark is large, so only the targets that use it install it.
$(BIN)/.spark: requirements-spark.lock $(BIN)/.installed
	$(call step,install Spark,$(PIP_INSTALL) -r requirements-spark.lock)
	@touch $@

# Analysts query the metrics, and no other command needs MetricFlow.
$(BIN)/.metrics: requirements-metrics.lock $(BIN)/.installed
	$(call step,install MetricFlow,$(PIP_INSTALL) -r requirements-metrics.lock)
	@touch $@

metrics: setup $(BIN)/.metrics
	@mf list metrics --show-all-dimensions

$(LINEAGE)/.installed: requirements-lineage.lock
	$(call step,create $(LINEAGE),$(PYTHON) -m venv $(LINEAGE))
	$(call step,install dbt-colibri,$(LINEAGE)/bin/$(PIP) -r requirements-lineage.lock)
	@touch $@

# Airflow and dbt want different versions of some packages over time, so they are kept apart.
AIRFLOW := .venv-airflow

$(AIRFLOW)/.installed: requirements-airflow.lock
	$(call step,create $(AIRFLOW),$(PYTHON) -m venv $(AIRFLOW))
	$(call step,install Airflow,$(AIRFLOW)/bin/$(PIP) -r requirements-airflow.lock)
	@touch $@

# A port: make airflow AIRFLOW__API__PORT=8081
airflow: setup $(AIRFLOW)/.installed
	@python -m loaders.airflow.local start

airflow-down: setup
	@python -m loaders.airflow.local stop

test-airflow: setup $(AIRFLOW)/.installed
	@pytest -n 0 -m airflow

test: setup lint $(BIN)/.spark $(BIN)/.metrics $(LINEAGE)/.installed
	@pytest -n 4 --dist loadgroup --no-loadscope-reorder -m "not long and not soak and not airflow"

test-long: setup $(BIN)/.spark $(BIN)/.metrics
	@pytest -n 4 --dist loadgroup --no-loadscope-reorder -m "long and not soak"

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
	@pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "not slow and not long and not soak and not airflow"

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
		--requirement requirements.lock --requirement requirements-spark.lock \
		--requirement requirements-metrics.lock
	@pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements-airflow.lock
	@pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements-lineage.lock

# RECORDINGS is the folder of recorded responses.
score: setup
	@PYTHONPATH=tests python tests/score.py --wrong

soak: setup
	@pytest -n 2 --dist loadgroup --no-loadscope-reorder -m soak
	@PYTHONPATH=tests python tests/soak.py

bench: setup
	@python tests/bench/calls.py
	@python tests/bench/distance.py
	@python tests/bench/stage.py
	@PYTHONPATH=tests python tests/bench/export.py
	@PYTHONPATH=tests python tests/bench/load.py
	@PYTHONPATH=tests:tests/bench python tests/bench/unload.py
	@python tests/bench/day.py
	@python tests/bench/build.py

bench-history: setup
	@PYTHONPATH=tests:tests/bench python tests/bench/history.py

bench-rebuild: setup
	@PYTHONPATH=tests:tests/bench python tests/bench/rebuild.py

bench-verify: setup
	@PYTHONPATH=tests:tests/bench python tests/bench/verify.py

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
	@echo 'dbt-metricflow>=0.15,<0.16' | uv pip compile --quiet $(UPGRADE) --python-version 3.11 --generate-hashes \
		--no-header --constraint requirements.lock --output-file requirements-metrics.lock -
	@printf '%s\n' 'dbt-colibri>=0.3.7,<0.4' 'sqlglot<30.19' | uv pip compile --quiet $(UPGRADE) \
		--python-version 3.11 --generate-hashes --no-strip-extras --no-header \
		--output-file requirements-lineage.lock -
	@printf '%s\n' 'apache-airflow>=3.3,<3.4' asyncpg psycopg2-binary | uv pip compile --quiet $(UPGRADE) \
		--python-version 3.11 --generate-hashes --no-header --output-file requirements-airflow.lock -

# A PostgreSQL that can't be stopped ends by itself when its files are gone.
clean:
	@test ! -d .local/airflow || $(BIN)/python -m loaders.airflow.local stop || true
	@test ! -x $(BIN)/python || $(BIN)/python -m loaders.export.embedded_postgres stop || true
	rm -rf .local target logs
