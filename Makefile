# What a developer runs, by name; `make` alone lists it. The first call makes an environment in
# .venv, for which Python 3.11 or newer and a C++17 compiler (GCC or Clang) are enough.

PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs clean bench-peers-env test-sktime

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Fit a forecaster on real data, compare it with its baselines, name the report
	$(BIN)/python examples/demo.py

test: $(READY) ## Run all tests and doctests (ARGS="-k name" for some, ARGS=-n0 in one process)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## Lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/pyright --project pyright-strict.json
	$(BIN)/lint-imports --no-logo

bench: $(READY) ## Measure (NAME=... for one benchmark, ARGS=--quick for its short form)
	$(BIN)/python -m benchmarks $(NAME) $(ARGS)

docs: $(READY) ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench-peers-env: ## Make the environment of the peers that benchmarks compare with
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet '$(TORCH)'
	.venv-peers/bin/python -m pip install --quiet -r benchmarks/peers/requirements.txt
	test -x .venv-serving/bin/python || $(PYTHON) -m venv .venv-serving
	.venv-serving/bin/python -m pip install --quiet -r benchmarks/peers/serving-requirements.txt

test-sktime: ## Run sktime's own checks on the adapter, in an environment of its own
	test -x .venv-sktime/bin/python || $(PYTHON) -m venv .venv-sktime
	.venv-sktime/bin/python -m pip install --quiet '$(TORCH)'
	.venv-sktime/bin/python -m pip install --quiet --config-settings=build-dir=.venv-sktime/build \
		'.[forecast]' sktime pytest hypothesis
	.venv-sktime/bin/python -m pytest -o pythonpath=. tests/tasks/forecast/test_sktime_adapter.py

clean: ## Remove what was built, but not the environment
	rm -rf build docs/_build
	rm -f $(READY)

# torch goes first, at one version, so that nothing else decides which.
$(READY): pyproject.toml CMakeLists.txt $(wildcard csrc/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cellstate: needs Python \
	3.11 or newer; got " + sys.version.split()[0] + ". Run make PYTHON=python3.12, say.")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	@touch $@
