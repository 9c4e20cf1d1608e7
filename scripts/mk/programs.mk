# SPDX-License-Identifier: Apache-2.0
# Kernel, σ0, VMMs, native programs and small guests. Folders are compiled whole; the configuration chooses files.

.PHONY: programs tables size
programs: $(OUT)/kernel.elf $(OUT)/sigma0.elf

sources = $(wildcard $(foreach folder,$(1),$(folder)/*.c $(folder)/*.S))

# ---- Tables -----------------------------------------------------------------------------------

# Always asked, since a guest's file can change beside .config; it writes only what changes.
$(OUT)/.tables: FORCE $(if $(PACKAGED_GUEST),build/guest/lock)
	@mkdir -p $(OUT)
	@scripts/generate $(KCONFIG_CONFIG) --tables $(OUT)
tables: $(OUT)/.tables
	@scripts/generate $(KCONFIG_CONFIG) --show
	@echo
	@echo "All of it: $(OUT)/model.json; the tables: $(OUT)/generated"

$(OUT)/generated/%.c: $(OUT)/.tables ;

# ---- Shared library ---------------------------------------------------------------------------

# Compiled once for each kind of program, which takes of it what it uses.
define library
$(1)_library := $$($(1)_folder)/lib.a
$$($(1)_library): $$(call objects_of,$(1),$$(call sources,hypervisor/lib))
	@$$(call archive)
endef
archive = rm -f $@.$$$$ && $(ARCHIVE) rcsD $@.$$$$ $^ && mv $@.$$$$ $@

# ---- Kernel -----------------------------------------------------------------------------------

$(eval $(call objects,kernel,$(KERNEL_FLAGS) $(LTO_FLAGS) $(if $(COUNT),$(COUNTING_FLAGS),$(PLAIN_FLAGS)),$(if $(COUNT),counting)))
$(eval $(call library,kernel))

kernel_folders := hypervisor/kernel hypervisor/x86
ifneq ($(BACKENDS),)
kernel_folders += hypervisor/virt $(BACKENDS:%=hypervisor/x86/%)
kernel_unwanted := hypervisor/kernel/without_virt.c
endif
kernel_folders += $(if $(COUNT),hypervisor/x86/counting,hypervisor/x86/plain)
kernel_sources := $(filter-out $(kernel_unwanted),$(call sources,$(kernel_folders))) \
    build/font/font.c
kernel_objects := $(call objects_of,kernel,$(kernel_sources)) \
    $(OUT)/kernel/generated/kernel_config.c.o

$(OUT)/kernel.elf: $(kernel_objects) $(kernel_library) hypervisor/x86/kernel.lds
	@echo "  LINK    $@"
	@$(CC) $(KERNEL_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    $(if $(COUNT),$(foreach name,kernel_syscall trap_user svm_exited vmx_exited,-Wl,--wrap=$(name))) \
	    -Wl,-T,hypervisor/x86/kernel.lds -o $@ \
	    $(kernel_objects) $(kernel_library)

# ---- σ0 and VMMs ------------------------------------------------------------------------------

$(eval $(call objects,sigma0,$(SIGMA0_FLAGS) $(LTO_FLAGS)))
$(eval $(call objects,vmm,$(VMM_FLAGS) $(LTO_FLAGS)))
$(foreach kind,sigma0 vmm,$(eval $(call library,$(kind))))

user_sources := $(call sources,hypervisor/lib/user)
sigma0_sources := $(call sources,hypervisor/system) $(user_sources)
vmm_sources := $(call sources,vmm vmm/dev) $(user_sources)
sigma0_objects := $(call objects_of,sigma0,$(sigma0_sources)) \
    $(OUT)/sigma0/generated/sigma0_config.c.o
vmm_objects := $(call objects_of,vmm,$(vmm_sources))
vmm_programs := $(VMS:%=$(OUT)/vmm-%.elf)

$(OUT)/sigma0.elf: $(sigma0_objects) $(sigma0_library) hypervisor/system/user.lds
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ \
	    $(sigma0_objects) $(sigma0_library)

$(vmm_programs): $(OUT)/vmm-%.elf: $(vmm_objects) $(OUT)/vmm/generated/vmm_%.c.o \
    $(vmm_library) hypervisor/system/user.lds
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ \
	    $(filter %.o %.a,$^)
programs: $(vmm_programs)

# ---- Native programs --------------------------------------------------------------------------

# A program is named by the path of its C file without .c: guests/native/NAME, or a test's.
# The library is an archive: a program that has an entry of its own takes nothing of it.
$(eval $(call objects,native,$(NATIVE_FLAGS) $(LTO_FLAGS)))
$(eval $(call library,native))
native_shared := $(call objects_of,native,$(user_sources))
native_programs := $(PROGRAMS:%=$(OUT)/native/%.elf)

$(native_folder)/native.a: $(call objects_of,native,$(call sources,guests/native/lib))
	@$(call archive)

$(OUT)/native/%.elf: $(native_folder)/%.c.o $(native_shared) $(native_folder)/native.a \
    $(native_library) hypervisor/system/user.lds
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ $(filter %.o %.a,$^)
.PHONY: native
native: $(patsubst %.c,$(OUT)/native/%.elf,$(wildcard guests/native/*.c))
programs: $(native_programs)

# ---- Small guests -----------------------------------------------------------------------------

$(eval $(call objects,mini,$(MINI_FLAGS)))
$(eval $(call library,mini))
mini_shared := $(call objects_of,mini,guests/mini/start.S $(call sources,guests/mini/lib))
mini_programs := $(patsubst guests/mini/%.c,$(OUT)/mini/%.bin,$(wildcard guests/mini/*.c))

$(OUT)/mini/%.elf: $(mini_folder)/guests/mini/%.c.o $(mini_shared) $(mini_library) \
    guests/mini/mini.lds
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LINK_FLAGS) -Wl,--no-warn-rwx-segments -Wl,-T,guests/mini/mini.lds -o $@ \
	    $(filter %.o %.a,$^)
# What a guest has in a folder of its name.
$(foreach name,$(filter-out lib,$(patsubst guests/mini/%/,%,$(wildcard guests/mini/*/))),\
    $(eval $(OUT)/mini/$(name).elf: $(call objects_of,mini,$(call sources,guests/mini/$(name)))))
$(OUT)/mini/%.bin: $(OUT)/mini/%.elf
	@$(OBJCOPY) -O binary $< $@
.PHONY: mini
mini: $(mini_programs)
programs: $(MINI_GUESTS:%=$(OUT)/mini/%.bin)
.SECONDARY:

# ---- Packaged Linux guest ---------------------------------------------------------------------

build/guest/lock: $(filter-out %/lock,$(wildcard guests/linux/*)) $(if $(LOCK),FORCE)
	@echo "  GUEST   build/guest"
	@guests/linux/build build/guest --cache build/cache
	@touch $@

# ---- Sizes ------------------------------------------------------------------------------------

size: programs
	@scripts/size $(OUT) $(kernel_objects)

-include $(shell find $(OUT) $(foreach kind,kernel sigma0 vmm native mini,$($(kind)_folder)) -name '*.d' 2>/dev/null)
