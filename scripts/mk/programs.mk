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
	@echo "Written to $(OUT)/generated; the whole model is $(OUT)/model.json"

$(OUT)/generated/%.c: $(OUT)/.tables ;

# ---- Shared library ---------------------------------------------------------------------------

# Compiled once for each kind of program, which takes of it what it uses.
define library
$(OUT)/$(1)/lib.a: $(call objects_of,$(1),$(call sources,hypervisor/lib))
	@rm -f $$@
	@$$(ARCHIVE) rcsD $$@ $$^
endef
$(foreach kind,kernel sigma0 vmm native mini,$(eval $(call library,$(kind))))

# ---- Kernel -----------------------------------------------------------------------------------

kernel_folders := hypervisor/kernel hypervisor/x86
ifneq ($(BACKENDS),)
kernel_folders += hypervisor/virt $(BACKENDS:%=hypervisor/x86/%)
kernel_unwanted := hypervisor/kernel/without_virt.c
endif
kernel_folders += $(if $(COUNT),hypervisor/x86/counting,hypervisor/x86/plain)
kernel_sources := $(filter-out $(kernel_unwanted),$(call sources,$(kernel_folders)))
kernel_objects := $(call objects_of,kernel,$(kernel_sources)) \
    $(OUT)/kernel/generated/kernel_config.c.o

$(eval $(call objects,kernel,$(KERNEL_FLAGS) $(LTO_FLAGS) $(if $(COUNT),$(COUNTING_FLAGS),$(PLAIN_FLAGS))))

$(OUT)/kernel.elf: $(kernel_objects) $(OUT)/kernel/lib.a hypervisor/x86/kernel.lds
	@echo "  LINK    $@"
	@$(CC) $(KERNEL_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    $(if $(COUNT),$(foreach name,kernel_syscall trap_user svm_exited vmx_exited,-Wl,--wrap=$(name))) \
	    -Wl,-T,hypervisor/x86/kernel.lds -o $@ \
	    $(kernel_objects) $(OUT)/kernel/lib.a

# ---- σ0 and VMMs ------------------------------------------------------------------------------

user_sources := $(call sources,hypervisor/lib/user)
sigma0_sources := $(call sources,hypervisor/system) $(user_sources)
vmm_sources := $(call sources,vmm vmm/dev) $(user_sources)
sigma0_objects := $(call objects_of,sigma0,$(sigma0_sources)) \
    $(OUT)/sigma0/generated/sigma0_config.c.o
vmm_objects := $(call objects_of,vmm,$(vmm_sources))
vmm_programs := $(VMS:%=$(OUT)/vmm-%.elf)

$(eval $(call objects,sigma0,$(SIGMA0_FLAGS) $(LTO_FLAGS)))
$(eval $(call objects,vmm,$(VMM_FLAGS) $(LTO_FLAGS)))

$(OUT)/sigma0.elf: $(sigma0_objects) $(OUT)/sigma0/lib.a hypervisor/system/user.lds
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ \
	    $(sigma0_objects) $(OUT)/sigma0/lib.a

$(vmm_programs): $(OUT)/vmm-%.elf: $(vmm_objects) $(OUT)/vmm/generated/vmm_%.c.o \
    $(OUT)/vmm/lib.a hypervisor/system/user.lds
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ \
	    $(filter %.o %.a,$^)
programs: $(vmm_programs)

# ---- Native programs --------------------------------------------------------------------------

# A program is named by the path of its C file without .c: guests/native/NAME, or a test's.
# The library is an archive: a program that has an entry of its own takes nothing of it.
native_shared := $(call objects_of,native,$(user_sources))
native_programs := $(PROGRAMS:%=$(OUT)/native/%.elf)

$(eval $(call objects,native,$(NATIVE_FLAGS) $(LTO_FLAGS)))

$(OUT)/native/native.a: $(call objects_of,native,$(call sources,guests/native/lib))
	@rm -f $@
	@$(ARCHIVE) rcsD $@ $^

$(OUT)/native/%.elf: $(OUT)/native/%.c.o $(native_shared) $(OUT)/native/native.a \
    $(OUT)/native/lib.a hypervisor/system/user.lds
	@echo "  LINK    $@"
	@$(CC) $(USER_FLAGS) $(LTO_FLAGS) $(LTO_LINK_FLAGS) $(LINK_FLAGS) -Wl,--fatal-warnings \
	    -Wl,-T,hypervisor/system/user.lds -o $@ $(filter %.o %.a,$^)
.PHONY: native
native: $(patsubst %.c,$(OUT)/native/%.elf,$(wildcard guests/native/*.c))
programs: $(native_programs)

# ---- Small guests -----------------------------------------------------------------------------

mini_shared := $(call objects_of,mini,guests/mini/start.S $(call sources,guests/mini/lib))
mini_programs := $(patsubst guests/mini/%.c,$(OUT)/mini/%.bin,$(wildcard guests/mini/*.c))

$(eval $(call objects,mini,$(MINI_FLAGS)))

$(OUT)/mini/%.elf: $(OUT)/mini/guests/mini/%.c.o $(mini_shared) $(OUT)/mini/lib.a \
    guests/mini/mini.lds
	@echo "  LINK    $@"
	@$(CC) $(LINK_FLAGS) -Wl,--no-warn-rwx-segments -Wl,-T,guests/mini/mini.lds -o $@ \
	    $(filter %.o %.a,$^)
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
	@scripts/size $(OUT)

-include $(shell [ -d $(OUT) ] && find $(OUT) -name '*.d')
