/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The board's power. */

/* ACPI S5 (acpi.h); returns when the firmware's tables name no way, or it does not work. */
void power_off(void);
/* ACPI reset register, reset control register, keyboard controller, triple fault: in that order.
 * Returns when none of them worked. */
void power_reset(void);
