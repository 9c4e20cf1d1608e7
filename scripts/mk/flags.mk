# SPDX-License-Identifier: Apache-2.0
# How things are compiled and linked. The same warnings hold for everything, with gcc and clang.

WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wvla -Wshadow -Werror

# The path of the folder does not get into the image, so two folders give the same bytes.
COMMON_FLAGS := -std=gnu17 $(WARNINGS) -O2 -g -ffile-prefix-map=$(CURDIR)=. \
    -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
    -fno-strict-aliasing -mgeneral-regs-only -mno-red-zone
# User mode could have a red zone; without one there is one difference less.
# A frame with an array or a variable whose address is taken holds a guard, __stack_chk_guard.
KERNEL_FLAGS := $(COMMON_FLAGS) -fno-pic -mcmodel=kernel -Ihypervisor -Ihypervisor/x86 \
    -fstack-protector-strong -mstack-protector-guard=global
# CONFIG_COUNT chooses the folder of count.h.
PLAIN_FLAGS := -Ihypervisor/x86/plain
COUNTING_FLAGS := -Ihypervisor/x86/counting
USER_FLAGS := $(COMMON_FLAGS) -fno-pic -Ihypervisor
SIGMA0_FLAGS := $(USER_FLAGS) -Ihypervisor/system
VMM_FLAGS := $(USER_FLAGS) -Ivmm
NATIVE_FLAGS := $(USER_FLAGS) -Iguests/native/lib
MINI_FLAGS := $(COMMON_FLAGS) -fno-pic -Ihypervisor -Iguests/mini/lib

# Kernel, σ0 and VMMs are optimized as wholes: an eighth of the instructions of a round trip. Fat
# objects, so that `make size` can tell the parts; one partition, so that the bytes are the same
# every time. The compiler calls the functions of memops.c only after it has seen everything.
ifneq ($(findstring gcc,$(CC)),)
LTO_FLAGS := -flto -ffat-lto-objects -flto-partition=one
LTO_LINK_FLAGS := $(foreach name,memcpy memmove memset memcmp,-Wl,-u,$(name))
endif

LINK_FLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
    -Wl,-z,noexecstack

# The letters of the frame buffer console, a table made of their picture.
build/font/font.c: hypervisor/x86/font.txt scripts/font
	@mkdir -p $(@D)
	@scripts/font $< >$@.$$$$ && mv $@.$$$$ $@

# Makes one kind of object: $(call objects,KIND,FLAGS,VARIANT) defines the rules that compile C and
# assembly files of the source tree into build/obj/KIND-VARIANT-CC/FILE.o, which all configurations
# share, and generated tables into $(OUT)/KIND/generated/. They are made anew when compiler or
# flags change. Two makes may be at it at once: what stands under its name is always whole.
objects_folder = build/obj/$(1)$(if $(2),-$(2))-$(notdir $(firstword $(CC)))
define objects
$(1)_folder := $$(call objects_folder,$(1),$(3))
$$($(1)_folder)/.flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$(CC) $(2)' | cmp -s - $$@ || { echo '$$(CC) $(2)' >$$@.$$$$$$$$; mv $$@.$$$$$$$$ $$@; }
$$($(1)_folder)/%.o: % $$($(1)_folder)/.flags
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	@$$(call compile,$(2))
$$(OUT)/$(1)/generated/%.o: $$(OUT)/generated/% $$($(1)_folder)/.flags
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	@$$(call compile,$(2))
endef
compile = $(CC) $(1) -frandom-seed=$< -MMD -MP -MT $@ -MF $@.$$$$.d -c -o $@.$$$$ $< && \
    mv $@.$$$$.d $(@:.o=.d) && mv $@.$$$$ $@

# $(call objects_of,KIND,SOURCES)
objects_of = $(patsubst %,$($(1)_folder)/%.o,$(2))
