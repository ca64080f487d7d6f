# Each target sets the machine up by itself; see scripts/setup.sh.
.PHONY: build test demo edge arm package bench fuzz coverage soak lint tidy format check-format sanitize setup
.DEFAULT_GOAL := build

JOBS := $(shell scripts/jobs.sh)
ifneq ($(shell command -v ccache),)
export CMAKE_CXX_COMPILER_LAUNCHER ?= ccache
endif
CTEST := ctest --output-on-failure --no-tests=error -j $(JOBS)

setup:
	@scripts/setup.sh

build/release/build.ninja: | setup
	cmake --preset release

build: build/release/build.ninja ## the program: build/release/limbeck
	cmake --build --preset release -j $(JOBS) --target limbeck

test: build/release/build.ninja ## unit and end-to-end tests
	cmake --build --preset release -j $(JOBS)
	$(CTEST) --test-dir build/release -L 'unit|e2e'

demo: build ## a teacher distilled and quantized, with the table that proves it
	cmake --build --preset release -j $(JOBS) --target helpdesk_data
	scripts/demo.sh

edge: | setup ## the small program without the trainer, its size, and what it still needs of the system
	cmake --preset edge
	cmake --build --preset edge -j $(JOBS) --target limbeck
	scripts/edge_size.sh build/edge/limbeck

arm: ## kernels and codecs for 64-bit ARM, cross-compiled and tested under qemu-user
	scripts/arm.sh

package: build/release/build.ninja ## limbeck and limbeck-dev as .deb, unpacked and tried
	cmake --build --preset release -j $(JOBS)
	cd build/release && cpack -G DEB
	scripts/try_packages.sh build/release

bench: build/release/build.ninja ## every kernel for every instruction set
	cmake --build --preset release -j $(JOBS) --target benchmarks
	for program in build/release/bench/*_bench; do $$program || exit 1; done

# The parsers under the address and undefined-behaviour sanitizers.
sanitize: setup
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS) --target base_test format_test fuzzers
	$(CTEST) --test-dir build/dev -R '^(base|format|fuzz)\.'

fuzz: ## every parser for FUZZ_SECONDS (30) under clang's libFuzzer; FUZZ_GOAL=1: as long as docs/security.md asks
	scripts/fuzz.sh

coverage: ## the parsers' lines that the fuzzing corpora reach
	scripts/coverage.sh

soak: test ## long fuzzing, every fault, a thousand kills, then the tests again and again
	FUZZ_GOAL=1 FUZZ_SECONDS=$${SOAK_SECONDS:-0} scripts/fuzz.sh
	LIMBECK_FLIPS=10000 $(CTEST) --test-dir build/release -R '^fuzz\.'
	ctest --output-on-failure --test-dir build/release -L soak
	$(CTEST) --test-dir build/release -L 'unit|e2e' --repeat until-fail:20

lint: ## cppcheck without a finding that is not explained
	scripts/lint.sh

tidy: ## clang-tidy over the library and the program
	scripts/tidy.sh

format:
	scripts/format.sh

check-format:
	scripts/format.sh --check
