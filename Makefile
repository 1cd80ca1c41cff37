# On a fresh machine: `make demo` runs the whole gateway with nothing to configure, `make test` all tests.
.PHONY: demo test postgres

demo: postgres
	cargo run --release --locked -- demo

test: postgres
	cargo test --locked

# The server binaries, by the system's package manager when they are not there.
postgres:
	@.ci/postgres >/dev/null
