# The verbs of this repository. A bare `make` lists them; each installs what it needs into .venv first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check  # errors only
SOURCES := newsletter tests benchmarks
CHECKERS := tests/checkers

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types format check messages torture bench wheel clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/installed-demo ## Bring out two editions without a network, in build/demo
	@$(BIN)/newsletter demo build/demo

test: $(VENV)/installed-dev $(CHECKERS)/node_modules/.package-lock.json ## Run the whole test suite; ARGS="-k word" for a part, -n0 in one process
	@$(BIN)/python -m pytest -n auto --no-loadscope-reorder $(ARGS)

lint: $(VENV)/installed-dev ## Check style and formatting
	@$(BIN)/ruff check $(wildcard $(SOURCES))
	@$(BIN)/ruff format --check $(wildcard $(SOURCES))

types: $(VENV)/installed-dev ## Check types, strictly
	@$(BIN)/mypy $(wildcard $(SOURCES))

format: $(VENV)/installed-dev ## Put the code into its format
	@$(BIN)/ruff check --fix-only $(wildcard $(SOURCES))
	@$(BIN)/ruff format $(wildcard $(SOURCES))

check: lint types test ## All of lint, types and test

messages: $(VENV)/installed-dev ## Take new words of ours up into the catalogues of newsletter/translations
	@mkdir -p build
	@$(BIN)/pybabel -q extract -F pyproject.toml -o build/messages.pot --add-location file --sort-by-file newsletter templates
	@$(BIN)/pybabel -q update -i build/messages.pot -d newsletter/translations -w 120 \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

torture: $(VENV)/installed-dev ## Kill the sender at random moments, for minutes; TORTURE_KILLS=, TORTURE_DELIVERIES=, TORTURE_SEED=
	@$(BIN)/python tests/torture.py

bench: $(VENV)/installed-dev ## Print what a day costs, beside references; ARGS="--quick" for a short run
	@$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/installed-dev ## Build the wheel, in dist
	@$(BIN)/python -m hatchling build -t wheel -d dist

clean: ## Remove all that was made here, the virtual environment too
	@rm -rf $(VENV) build dist $(CHECKERS)/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find newsletter $(wildcard tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +

# The environment: stamps tell what is installed, and a changed pyproject.toml outdates them.

$(VENV)/installed-demo: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing the package into $(VENV) ..." >&2
	@$(PIP) install -e '.[demo]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing the package and its tools into $(VENV) ..." >&2
	@$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/installed-demo

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, and $(PYTHON) is " + sys.version.split()[0] + "; name another: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)

# What checks the mail's HTML. Where it cannot be installed, the tests that need it are skipped, and say so.

$(CHECKERS)/node_modules/.package-lock.json: $(CHECKERS)/package-lock.json
	@if node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && \
	command -v npm >/dev/null; then \
		echo "Installing the checkers of mails into $(CHECKERS) ..." >&2; \
		npm ci --prefix $(CHECKERS) --loglevel error >/dev/null && touch $@ || echo "They could not be installed." >&2; \
	fi
