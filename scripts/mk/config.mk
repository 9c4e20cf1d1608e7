# SPDX-License-Identifier: Apache-2.0
# Making and changing configurations (kconfig-frontends), and what make has to know of one.

# The menus of what there are several of, expanded from one template each.
menu_templates := $(wildcard configs/template/*.kconfig.in)
MENUS := build/kconfig/.expanded
$(MENUS): $(menu_templates) scripts/hecht/slots.py
	@mkdir -p $(@D)
	@scripts/generate --menus
	@touch $@

ifdef CONFIG
export KCONFIG_CONFIG := build/configs/$(CONFIG).config
defconfig_of_config := $(wildcard configs/$(CONFIG)_defconfig tests/configs/$(CONFIG)_defconfig)
ifeq ($(defconfig_of_config),)
$(error CONFIG=$(CONFIG): there is neither configs/$(CONFIG)_defconfig nor \
    tests/configs/$(CONFIG)_defconfig)
endif
$(KCONFIG_CONFIG): $(defconfig_of_config) Kconfig $(MENUS)
	@mkdir -p $(@D)
	@kconfig-conf --defconfig=$< Kconfig >/dev/null
	@touch $@
else
export KCONFIG_CONFIG ?= .config
$(KCONFIG_CONFIG): | $(MENUS)
	@echo "There is no $@ yet: taking configs/qemu_svm_defconfig"
	@kconfig-conf --defconfig=configs/qemu_svm_defconfig Kconfig >/dev/null
endif

.PHONY: menuconfig nconfig oldconfig olddefconfig savedefconfig diffconfig randconfig
# Whoever starts with the menus starts with the configuration that `make` alone would build.
menuconfig nconfig oldconfig olddefconfig: $(MENUS) | $(KCONFIG_CONFIG)
menuconfig:
	kconfig-mconf Kconfig
nconfig:
	kconfig-nconf Kconfig
oldconfig olddefconfig:
	kconfig-conf --$@ Kconfig
SAVED ?= defconfig
savedefconfig: $(KCONFIG_CONFIG) $(MENUS)
	kconfig-conf --savedefconfig=$(SAVED) Kconfig
	@echo "Written to ./$(SAVED); configs/NAME_defconfig would make it a named configuration."

# TO=NAME compares with another configuration than the defaults.
diffconfig: $(KCONFIG_CONFIG) $(MENUS)
	@scripts/diffconfig $< $(if $(TO),--to '$(TO)') || [ $$? = 1 ]
SEED ?= $(shell date +%s)
randconfig: $(MENUS)
	@scripts/randconfig --seed '$(SEED)' -o $(KCONFIG_CONFIG)

# Only as goals: files of that name are sources, not targets.
$(filter %_defconfig,$(MAKECMDGOALS)): FORCE $(MENUS)
	@file="$(firstword $(wildcard configs/$@ tests/configs/$@))"; \
	if [ -z "$$file" ]; then \
	    echo "There is no configs/$@; there are: $(notdir $(wildcard configs/*_defconfig))" >&2; \
	    exit 1; \
	fi; \
	kconfig-conf --defconfig="$$file" Kconfig

# The generator's own parts, whatever they make.
GENERATOR := scripts/generate $(wildcard scripts/hecht/*.py scripts/hecht/*/*.py) Kconfig \
    $(menu_templates) $(wildcard configs/boards/*.toml)

ifneq ($(CONFIGURED),)
config_mk := build/configs/$(subst /,_,$(patsubst ./%,%,$(KCONFIG_CONFIG))).mk
$(config_mk): $(KCONFIG_CONFIG) $(GENERATOR)
	@mkdir -p $(@D)
	@scripts/generate $< --makefile $@
include $(config_mk)
OUT := build/$(NAME)
endif

.PHONY: FORCE
FORCE:
