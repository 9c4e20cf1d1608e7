/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The legacy interrupt controllers: not used. */

/* Moves their vectors out of the exceptions' way and masks every line. */
void pic8259_disable(void);
