# SPDX-License-Identifier: Apache-2.0
#
# From a configuration to a bootable image, and to tests of it. `make help` lists what there is.
#
#   .config ── scripts/generate ──> build/NAME/model.json, build/NAME/generated/*.c
#   sources + generated tables ──> build/NAME/kernel.elf, sigma0.elf, vmm-VM.elf
#   those + guests + GRUB ──> images/NAME.iso
#
# Which configuration? The one in .config; or that of `make CONFIG=NAME ...`, which takes
# NAME_defconfig from configs/ or tests/configs/ and leaves .config alone.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SUFFIXES:

.PHONY: iso
iso:

ifeq ($(origin CC),default)
CC := gcc
endif
OBJCOPY ?= objcopy
# gcc-ar knows the objects that are optimized at link time.
ARCHIVE ?= $(if $(findstring gcc,$(CC)),gcc-ar,ar)
export LC_ALL := C.UTF-8
export PYTHONDONTWRITEBYTECODE := 1
export SOURCE_DATE_EPOCH ?= 1704067200

# Goals that need no configuration.
UNCONFIGURED := help clean distclean unit fuzz lint check check-% bench %config
goals := $(or $(MAKECMDGOALS),iso)
CONFIGURED := $(filter-out $(UNCONFIGURED),$(goals))

include scripts/mk/config.mk
include scripts/mk/flags.mk
ifneq ($(CONFIGURED),)
include scripts/mk/programs.mk
include scripts/mk/image.mk
endif
include scripts/mk/check.mk

.PHONY: help clean distclean
help:
	@cat scripts/mk/help.txt
	@echo
	@echo "Named configurations:"
	@for file in configs/*_defconfig; do \
	    echo "  make $$(basename $$file)"; done

clean:
	rm -rf $(filter-out build/cache,$(wildcard build/*)) images/*.iso

distclean: clean
	rm -rf build .config .config.old defconfig
