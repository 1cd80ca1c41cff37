# On a fresh machine: `make demo` runs the whole gateway with nothing to configure, `make test` all tests.
.PHONY: demo test check lint queries bench campaign figures postgres tools

demo: postgres
	cargo run --release --locked -- demo

test: postgres tools
	cargo test --workspace --locked

# Before every commit: from the cheapest complaint to the dearest.
check:
	cargo fmt --all --check
	cargo test --locked --quiet --test tidy
	$(MAKE) --no-print-directory lint

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Whether .sqlx fits the source; `.ci/queries --write` makes it so.
queries:
	.ci/queries

# Minutes each; a table for people is printed.
bench: postgres
	cargo bench --locked --bench audit --bench crowd --bench reload

# The kill campaign's long form, about 25 minutes.
campaign: postgres tools
	cargo test --release --locked --test campaign -- \
		--orders 10000 --kills 200 --freezes 40 --cuts 20 --database-kills 20 --seed 11

# How the code reads, in numbers, beside what is aimed at.
figures:
	@.ci/figures

# The server binaries, by the system's package manager when they are not there.
postgres:
	@.ci/postgres >/dev/null

# What some tests put between the gateway and its surroundings.
tools:
	@.ci/tools >/dev/null
