# SPDX-License-Identifier: Apache-2.0
# Tests. Each part can be run by itself; `make check` runs them all and counts.

# ---- Unit tests: on the host, under the sanitizers --------------------------------------------

UNIT_CC := gcc
UNIT_FLAGS := -std=gnu17 $(WARNINGS) -g -O1 -fsanitize=address,undefined \
    -fno-sanitize-recover=all -fno-omit-frame-pointer -Ihypervisor -Ivmm \
    -Ihypervisor/x86/plain

.PHONY: unit
ifneq ($(filter unit unit-%,$(goals)),)
unit_tests := $(wildcard tests/unit/test_*.c)
build/unit/rules.mk: $(unit_tests) scripts/unit-rules
	@mkdir -p $(@D)
	@scripts/unit-rules >$@
include build/unit/rules.mk
-include $(shell [ -d build/unit ] && find build/unit -name '*.d')

# A test runs again only when it was built anew. Its log stays; a failed one is shown.
$(unit_logs): %/log: %/program
	@echo "  TEST    $(notdir $*)"
	@if ASAN_OPTIONS=detect_leaks=1 timeout 120 $< >$@.new 2>&1; then mv $@.new $@; \
	else cat $@.new; echo "FAILED: $(notdir $*)"; exit 1; fi

unit: $(unit_logs)
	@cat $(unit_logs) | awk '/^\[  PASSED  \]/ { passed += $$4 } \
	    END { printf "unit: %d passed in %d programs\n", passed, $(words $(unit_logs)) }'

# For one subject: make unit-pic
unit-%: build/unit/test_%/log
	@tail -n 3 $<
endif

# ---- Fuzzing: as short, fixed runs; FUZZ_SECONDS=N for longer ones ----------------------------

.PHONY: fuzz
FUZZ_SECONDS ?=
fuzz_programs := $(patsubst tests/unit/%.c,build/fuzz/%,$(wildcard tests/unit/fuzz_*.c))
fuzz_sources = $(shell sed -n 's|^/\* sources: \(.*\) \*/$$|\1|p' tests/unit/$(1).c)
fuzz_cflags = $(shell sed -n 's|^/\* cflags: \(.*\) \*/$$|\1|p' tests/unit/$(1).c)
$(fuzz_programs): build/fuzz/%: tests/unit/%.c $$(call fuzz_sources,$$*)
	@mkdir -p $(@D)
	@echo "  FUZZ    $@"
	@clang -fsanitize=fuzzer $(filter-out -fno-omit-frame-pointer,$(UNIT_FLAGS)) \
	    $(call fuzz_cflags,$*) -o $@ $^
fuzz: $(fuzz_programs)
	@for program in $^; do \
	    timeout $$(($(or $(FUZZ_SECONDS),110) + 10)) $$program -verbosity=0 -seed=1 \
	        -artifact_prefix=build/fuzz/ \
	        $(if $(FUZZ_SECONDS),-max_total_time=$(FUZZ_SECONDS),-runs=20000) || exit 1; done
	@echo "fuzz: $(words $^) programs without a finding"

# ---- Habits -----------------------------------------------------------------------------------

.PHONY: lint check-includes check-headers check-sources
lint: check-includes check-headers check-sources
check-includes:
	@scripts/check-includes
check-headers check-sources: check-%:
	@KERNEL_FLAGS='$(KERNEL_FLAGS) $(PLAIN_FLAGS)' \
	    COUNTING_FLAGS='$(KERNEL_FLAGS) $(COUNTING_FLAGS)' USER_FLAGS='$(USER_FLAGS)' \
	    SIGMA0_FLAGS='$(SIGMA0_FLAGS)' VMM_FLAGS='$(VMM_FLAGS)' MINI_FLAGS='$(MINI_FLAGS)' \
	    NATIVE_FLAGS='$(NATIVE_FLAGS)' \
	    scripts/check-compile $*

# ---- Everything -------------------------------------------------------------------------------

.PHONY: check check-full check-images
check:
	@scripts/check
check-full:
	@scripts/check --full

# The images that the system tests boot: the first makes the objects that all share, and the
# guest; of the others as many at a time as there are processors.
matrix_configs = $(shell awk '!/^\#/ && NF { print $$2 }' tests/matrix | sort -u)
check-images:
	@$(MAKE) --no-print-directory CONFIG=$(firstword $(matrix_configs)) iso
	@printf '%s\n' $(matrix_configs) | xargs -P $$(nproc) -I @ \
	    $(MAKE) --no-print-directory MAKEFLAGS= CONFIG=@ iso

.PHONY: bench
bench:
	@scripts/bench $(BENCH)
