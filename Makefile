# On a fresh machine: `make demo` runs the whole gateway with nothing to configure, `make test` all tests.
.PHONY: demo test postgres tools

demo: postgres
	cargo run --release --locked -- demo

test: postgres tools
	cargo test --locked

# The server binaries, by the system's package manager when they are not there.
postgres:
	@.ci/postgres >/dev/null

# What some tests put between the gateway and its surroundings.
tools:
	@.ci/tools >/dev/null
