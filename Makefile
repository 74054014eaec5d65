# make demo   set everything up and run the main job on real data, without a network beyond package installs
# make test   set everything up and run lint, types, tests and doctests
# make slow   the long simulations, and ten times the drawn examples of every Hypothesis test
# make gpu    on a machine with a CUDA device: the tests that need one, and the trainer's speed on it
# make bench  speed, memory and calibration
# make clean  remove what these made, but for runs/: saved evidence is yours to remove

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Without an NVIDIA driver take torch's CPU build: from 3.12 on the plain wheel brings gigabytes of CUDA libraries.
TORCH_INDEX := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo "--extra-index-url https://download.pytorch.org/whl/cpu")

.PHONY: demo test slow gpu bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: $(BIN)/python constraints.txt
	$(PIP) install --quiet --retries 1 --timeout 15 --no-deps "torch==2.13.0" $(TORCH_INDEX)
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable ".[train,dashboard,store,evidently]"
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/evenhanded demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist worksteal
	$(BIN)/python -m pytest tests -m hypothesis --hypothesis-profile=thorough --numprocesses 2 --dist worksteal

gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -m gpu trainer tests/trainer
	$(BIN)/python benchmarks/trainer_speed.py --device cuda

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/audit_speed.py
	$(BIN)/python benchmarks/trainer_speed.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
