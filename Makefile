# `make demo` to see azc at work, `make test` to test it; both set up what they need in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q
TESTS ?=
# A process for each core; JOBS=0 runs the tests in one, which a debugger needs.
JOBS ?= logical
PYTEST := $(BIN)/pytest -n $(JOBS) --dist worksteal
comma := ,

CYTHON_FILES := runtime/_core.pyx $(wildcard runtime/*.pxi)
RUNTIME := setup.py $(filter-out runtime/_core.c,$(wildcard runtime/*.[ch])) \
	$(CYTHON_FILES) runtime/generate.py runtime/tables.py azc/ops/table.py azc/ops/model.py

# What pyproject.toml lists under a key, one a line.
listed = $(BIN)/python -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))$(1), sep="\n")'

# The tests that run the C code, for builds of it that are not the installed one; without those
# that look at pages, packages and what Python makes of it.
NATIVE_TESTS := $(filter-out $(patsubst %,tests/test_%.py,packaging own_data_page sklearn tutorial), \
	$(wildcard tests/test_*.py)) tests/ops \
	$(patsubst %,tests/search/test_%.py,canonical given island mutations niches snapshot)

SANITIZE := -O1 -g1 -fno-omit-frame-pointer -foptimize-sibling-calls \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
# Checks of pointers, most of which the address sanitizer makes as well, double the time that kernels
# take to compile.
SANITIZE_KERNELS := -fno-sanitize=alignment,null,object-size,pointer-overflow
LIBASAN = $(shell gcc -print-file-name=libasan.so)

C_FILES := $(filter-out runtime/_core.c,$(wildcard runtime/*.[ch] benchmarks/*.[ch]))
PYTHON_FILES = setup.py $(shell find azc runtime benchmarks -name '*.py')

# Files have so many lines at most; those that tests are in may have more.
at_most = awk 'FNR > $(1) && !told[FILENAME]++ { \
	print FILENAME ": expected at most $(1) lines, got more; split it" } \
	END { for (name in told) exit 1 }' $(2)

.PHONY: help demo test verify lint format sanitize clang warnings wheel docs site bench clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo      train an algorithm on handwritten digits, evolve one from nothing"
	@echo "make test      run the tests; TESTS='tests/ops -k name' runs some of them"
	@echo "make verify    run the tests with full counts (long)"
	@echo "make lint      ruff, mypy, clang-format, the length of files, the floors of imports"
	@echo "make format    put the layout of Python and C files right"
	@echo "make sanitize  test the C code under the address and undefined-behaviour sanitizers"
	@echo "make clang     test the C code as clang compiles it"
	@echo "make warnings  compile with gcc and clang, warnings being errors"
	@echo "make wheel     build dist/*.whl and dist/*.tar.gz"
	@echo "make docs      write what is generated in docs/ and grammar/"
	@echo "make site      build the documentation as a site in build/site"
	@echo "make bench     how to measure"
	@echo "make clean     remove what was built, but for .venv"

# ---- set up -------------------------------------------------------------------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "azc needs Python 3.11 or later: expected it as '$(PYTHON)'; name one with PYTHON=…"; \
		exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "Python's venv module did not work; on Debian and Ubuntu: apt install python3-venv"; \
		exit 1; }
	@touch $@

# Editable: what is edited below azc/ and grammar/ is in force at once, the runtime after a build.
$(VENV)/.installed: $(VENV)/.made pyproject.toml $(RUNTIME)
	@echo "Installing azc into $(VENV): a minute or so, most of it compiling."
	@$(call listed,["build-system"]["requires"]) | xargs $(PIP)
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.%-tools: $(VENV)/.made pyproject.toml
	@$(call listed,["project"]["optional-dependencies"]["$*"]) | xargs $(PIP)
	@touch $@

# Tests on a cluster are left out where Ray has no wheel for this Python.
$(VENV)/.ray-tools: $(VENV)/.made pyproject.toml
	@$(call listed,["project"]["optional-dependencies"]["ray"]) | xargs $(PIP) --only-binary :all: \
		|| echo "Ray could not be installed: its tests are left out."
	@touch $@

# ---- use ----------------------------------------------------------------------------------------

define SHOW_RUN
	@echo
	@echo '$$ azc $(1)'
	@$(BIN)/azc $(1)

endef

demo: $(VENV)/.installed
	$(call SHOW_RUN,library logistic)
	$(call SHOW_RUN,run logistic --task digits:3$(comma)8 --tasks 4)
	$(call SHOW_RUN,evolve demo --seed 1)
	@echo
	@echo "'$(BIN)/azc library' lists the programs, '$(BIN)/azc --help' the commands."

# ---- check --------------------------------------------------------------------------------------

test: $(VENV)/.installed $(VENV)/.test-tools $(VENV)/.ray-tools
	$(PYTEST) $(TESTS)

verify: $(VENV)/.installed $(VENV)/.test-tools $(VENV)/.ray-tools
	AZC_VERIFY=1 $(PYTEST) $(TESTS)

# mypy, import-linter and what makes the reference of the site read packages as folders lie, so they
# are laid out for them as they are installed.
define LAY_OUT
	@rm -rf build/layout && mkdir -p build/layout/azc
	@ln -s "$(CURDIR)"/azc/* "$(CURDIR)/runtime" "$(CURDIR)/grammar" build/layout/azc
endef

lint: $(VENV)/.installed $(VENV)/.lint-tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	@$(call at_most,400,$(PYTHON_FILES))
	@$(call at_most,800,$(C_FILES) $(CYTHON_FILES))
	$(LAY_OUT)
	cd build/layout && "$(abspath $(BIN))/mypy" --config-file "$(CURDIR)/pyproject.toml"
	cd build/layout && "$(abspath $(BIN))/lint-imports" "$(CURDIR)/pyproject.toml" \
		--cache-dir "$(CURDIR)/build/imports"

format: $(VENV)/.lint-tools
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

# The package in build/NAME/lib, its runtime compiled anew where that is out of date.
define BUILD
build/$(1)/.built: $(RUNTIME) | $(VENV)/.installed
	@mkdir -p build/$(1)
	$(2) $(BIN)/python setup.py -q build_ext \
		--build-temp build/$(1)/temp --build-lib build/$(1)/lib
	@touch $$@
endef
$(eval $(call BUILD,sanitize,CC=gcc CFLAGS="$(SANITIZE)" KERNEL_CFLAGS="$(SANITIZE_KERNELS)" \
	LDFLAGS="$(SANITIZE)"))
$(eval $(call BUILD,gcc,CC=gcc CFLAGS=-Werror))
$(eval $(call BUILD,clang,CC=clang CFLAGS=-Werror))
# Unlike gcc's, clang's warnings do not depend on what it optimizes.
$(eval $(call BUILD,clang-quick,CC=clang CFLAGS="-Werror -O0"))

# Runs $(NATIVE_TESTS) on the build of that name, which may have modules that are no more.
define TEST_BUILD
	@find build/$(1)/lib -name '*.py' -delete
	@$(BIN)/python setup.py -q build_py --build-lib build/$(1)/lib
	@$(2) PYTHONPATH=build/$(1)/lib $(BIN)/python -P -c 'from azc.runtime import _core; \
		assert "/build/$(1)/" in _core.__file__, _core.__file__'
	$(2) PYTHONPATH=build/$(1)/lib $(PYTEST) -p no:cacheprovider $(or $(TESTS),$(NATIVE_TESTS))
endef

sanitize: build/sanitize/.built $(VENV)/.test-tools
	$(call TEST_BUILD,sanitize,LD_PRELOAD=$(LIBASAN) \
		ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 \
		UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1)

clang: $(VENV)/.test-tools
	@command -v clang >/dev/null || { echo "expected clang, found none; install it"; exit 1; }
	@$(MAKE) --no-print-directory build/clang/.built
	$(call TEST_BUILD,clang,)

COMPILERS ?= gcc clang
FOUND := $(foreach cc,$(COMPILERS),$(if $(shell command -v $(cc)),$(cc)))
warnings: $(patsubst %,build/%/.built,$(FOUND:clang=clang-quick))
	@echo "No warnings: $(FOUND)"

# ---- make ---------------------------------------------------------------------------------------

wheel: $(VENV)/.installed
	$(PIP) build
	$(BIN)/python -m build --no-isolation .

docs: $(VENV)/.installed
	$(BIN)/python -m azc.ops.page >docs/ops.md
	$(BIN)/python -m azc.lang.textmate >grammar/az.tmLanguage.json

# What the theme says of its own future is no warning of ours.
site: $(VENV)/.installed $(VENV)/.docs-tools
	$(LAY_OUT)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html"

bench: $(VENV)/.installed
	@for file in benchmarks/*.py; do echo "$(BIN)/python $$file"; \
		$(BIN)/python -c 'import ast, sys; \
			print("   ", ast.get_docstring(ast.parse(open(sys.argv[1]).read())).splitlines()[0])' $$file; \
	done

clean:
	rm -rf build dist *.egg-info runtime/_core.c runtime/_generated runtime/*.so \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f $(VENV)/.installed
