# Every target does the set-up it needs. `make` alone says what there is.

.PHONY: help build compile demo test test-full check bench clean

help:
	@echo 'make build      install dependencies, compile'
	@echo 'make demo       the whole pipeline on the embedded checkpoint, in under two minutes'
	@echo 'make test       the tests, reduced counts (under 8 minutes on 2 cores)'
	@echo 'make test-full  the tests that have full counts, with them (under 40 minutes)'
	@echo 'make check      types, lint, import rules, dead code'
	@echo 'make bench      speed and errors against peers, written to test/bench/'

node_modules/.package-lock.json: package.json package-lock.json
	npm ci
	@touch $@

# Foreign implementations that judge our files; where one does not exist for the platform, its tests say so and skip.
test/judges/node_modules/.package-lock.json: test/judges/package.json test/judges/package-lock.json
	npm ci --prefix test/judges
	@mkdir -p test/judges/node_modules && touch $@

build: node_modules/.package-lock.json compile

compile:
	@npx tsc -p tsconfig.json
	@node kernels/build.mjs
	@chmod +x dist/tools/cli.js

demo: build test/judges/node_modules/.package-lock.json
	node dist/tools/cli.js demo

REPORTERS = --reporter=default --reporter=json

test: build test/judges/node_modules/.package-lock.json
	npx vitest run $(REPORTERS) --outputFile.json=build/test.json

test-full: build test/judges/node_modules/.package-lock.json
	V4KIT_FULL=1 npx vitest run $$(grep -rl FULL test --include='*.test.ts') $(REPORTERS) --outputFile.json=build/test-full.json

check: build
	npx tsc -p tsconfig.check.json
	npx biome check --error-on-warnings
	npx vitest run test/boundaries.test.ts
	npx knip
	npx publint --strict

# MACHINE names the file; ratios against peers are taken in the same run.
MACHINE ?= $(shell uname -m)
bench: build test/judges/node_modules/.package-lock.json
	node dist/tools/cli.js bench kernels --error-rows 1024 --csv test/bench/$(MACHINE)-kernels.csv
	npx tsx test/bench/workers.ts | tee test/bench/$(MACHINE)-workers.csv

clean:
	rm -rf dist build
