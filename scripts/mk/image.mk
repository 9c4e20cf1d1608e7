# SPDX-License-Identifier: Apache-2.0
# The bootable image, and starting it.

iso: images/$(NAME).iso

$(OUT)/model.json: $(OUT)/.tables ;

images/$(NAME).iso: $(OUT)/kernel.elf $(OUT)/sigma0.elf $(vmm_programs) $(native_programs) \
    $(MINI_GUESTS:%=$(OUT)/mini/%.bin) $(if $(PACKAGED_GUEST),build/guest/lock) \
    $(OUT)/model.json $(KCONFIG_CONFIG) images/grub.cfg.in scripts/image scripts/hecht/image.py
	@echo "  ISO     $@"
	@scripts/image $(KCONFIG_CONFIG) $(OUT) $@

.PHONY: run
run: iso
	@scripts/run $(KCONFIG_CONFIG) images/$(NAME).iso
