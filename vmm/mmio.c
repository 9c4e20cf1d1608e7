/* SPDX-License-Identifier: Apache-2.0 */
/* Accesses to guest-physical addresses that are no RAM: devices' registers, or nothing. */
#include "exits.h"
#include "report.h"
#include "vm.h"

void exit_memory(struct vm *vm)
{
    report_fatal(vm, "an access to an address without RAM");
}

void exit_string_io(struct vm *vm)
{
    report_fatal(vm, "INS or OUTS");
}
