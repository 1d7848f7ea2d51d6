# Every target does the set-up it needs. `make` alone says what there is.

.PHONY: help build compile test test-full demo check bench clean
help:
	@echo 'make build      install dependencies, compile'
	@echo 'make demo       the whole pipeline on the embedded checkpoint, under two minutes'
	@echo 'make test       the tests, reduced counts (under 8 minutes on 2 cores)'
	@echo 'make test-full  the tests with full counts (under 40 minutes)'
	@echo 'make check      types, lint, boundaries, dead code'
	@echo 'make bench      kernel and pipeline speed to test/bench/'

node_modules/.package-lock.json: package.json package-lock.json
	npm ci
	@touch $@

build: node_modules/.package-lock.json compile

compile:
	npx tsc -p tsconfig.json
	@chmod +x dist/tools/cli.js

clean:
	rm -rf dist build
