# Everything a developer runs. `make` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Each is checked alone, and without any.
FEATURES := redis mysql tls websocket elasticsearch full
# Arguments of the demo: make demo ARGS="--seconds 30"
ARGS ?=
# The same for chaos and soak: make chaos SECONDS=60 SEED=7. Every bash has SECONDS of its own, which some
# export: only what is said on the command line counts.
CHAOS = $(if $(filter command,$(origin SECONDS)),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))
# The tests and the demo start this program; scripts/setup has seen to it.
WITH_SERVER = EVERLINK_REDIS_SERVER="$$(scripts/setup --server)"; export EVERLINK_REDIS_SERVER;

# Simulated worlds: make simulate SEEDS=20000 FROM=5000
SEEDS ?= 5000
FROM ?= 0

# Seconds for each fuzz target: make fuzz FUZZ_SECONDS=600
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := decode oracles topology redirect configuration

# The benchmarks of the table of targets, and what they measured last
BENCHES ?= bench-instructions bench bench-scale bench-recovery
FIGURES := $(CURDIR)/bench/target/figures

.PHONY: help setup demo test simulate chaos soak matrix fuzz bench bench-recovery bench-scale bench-instructions bench-targets lint format-check clippy doc examples ci

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian, Ubuntu), or say what to install
	@scripts/setup

demo: setup ## run the demo on a real local cluster (ARGS="..." are passed on)
	@$(WITH_SERVER) cargo run --release --example demo -- $(ARGS)

test: setup ## run all tests, on real servers of their own
	@# An example with tests of its own is not built as a program by `cargo test`; a test runs it.
	@$(WITH_SERVER) cargo build --all-features --example chaos && cargo test --all-features

simulate: setup ## a whole client in SEEDS (5000) simulated worlds with random faults (SEED=7: only this one)
	@$(if $(SEED),EVERLINK_SIM_SEED=$(SEED),EVERLINK_SIM_SEEDS=$(SEEDS) EVERLINK_SIM_FROM=$(FROM)) \
	  cargo test --release --all-features --lib router::simulation -- --nocapture

fuzz: ## fuzz what reads foreign bytes, each target for FUZZ_SECONDS (30)
	@scripts/setup --fuzz
	@cd fuzz && for target in $(FUZZ_TARGETS); do \
	  mkdir -p target corpus/$$target; log=target/$$target.log; \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run "$$target" corpus/$$target seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 >"$$log" 2>&1 \
	    || { tail -n 60 "$$log"; exit 1; }; \
	  echo "fuzz $$target: $$(sed -n 's/^Done //p' "$$log")"; \
	done

chaos: setup ## random faults on a real cluster, and a checker (SECONDS=60 SEED=7, ARGS="...")
	@$(WITH_SERVER) cargo run --release --example chaos -- $(CHAOS) $(ARGS)

soak: setup ## 30 minutes of chaos on one client; memory and sockets must come back (ARGS="--seconds N")
	@$(WITH_SERVER) cargo run --release --example chaos -- --soak $(CHAOS) $(ARGS)

matrix: setup ## the tests against servers of several kinds and versions (scripts/servers fetches them)
	@scripts/matrix

bench: setup ## throughput and latency against other clients, on the same servers (ARGS=--quick, --json)
	@$(WITH_SERVER) cargo run --release --locked --manifest-path bench/Cargo.toml --bin speed -- $(ARGS)

bench-recovery: setup ## restarts, failovers, stalls, double execution, memory, against other clients (ARGS=--quick, --json)
	@$(WITH_SERVER) cargo run --release --locked --manifest-path bench/Cargo.toml --bin recovery -- $(ARGS)

bench-scale: setup ## 1,000 nodes, 10,000 links, 100,000 waiting requests, a million elements (ARGS=--quick, --json)
	@$(WITH_SERVER) cargo run --release --locked --manifest-path bench/Cargo.toml --no-default-features \
	  --bin scale -- $(ARGS)

bench-instructions: setup ## instructions per command, compared with bench/instructions.toml (ARGS=--quick)
	@scripts/setup --valgrind
	@$(WITH_SERVER) cargo run --release --locked --manifest-path bench/Cargo.toml --no-default-features \
	  --bin instructions -- $(ARGS)

bench-targets: ## all benchmarks, and the table of targets (BENCHES= only the table; ARGS=--write: into docs/performance.md)
	@mkdir -p $(FIGURES)
	@for bench in $(BENCHES); do \
	  echo "make $$bench" >&2; \
	  $(MAKE) --no-print-directory $$bench ARGS=--json >$(FIGURES)/$$bench.new; \
	  mv $(FIGURES)/$$bench.new $(FIGURES)/$$bench.json; \
	done
	@cargo run --quiet --release --locked --manifest-path bench/Cargo.toml --no-default-features \
	  --bin targets -- $(FIGURES) $(ARGS)

lint: format-check clippy doc examples ## format, clippy, docs and examples, without warnings

format-check: ## check the format
	@scripts/setup --lint
	cargo fmt --all --check

clippy: ## clippy on all features, on each alone, and on none
	@scripts/setup --lint
	cargo clippy --all-targets --all-features -- -D warnings
	cargo clippy --all-targets --no-default-features -- -D warnings
	@for feature in $(FEATURES); do \
	  echo "cargo clippy --all-targets --no-default-features --features $$feature -- -D warnings"; \
	  cargo clippy --all-targets --no-default-features --features "$$feature" -- -D warnings; \
	done

doc: setup ## build the documentation without warnings, of all features and of none
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --no-default-features
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --all-features

examples: setup ## build the examples
	cargo build --examples --all-features

ci: ## what CI runs
	@.ci/run
