/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is true for all VMs: the backend, chosen once at boot. */
#include "virt/virt_ops.h"

/* The backend's functions; NULL when this machine or image has none. Never changes after boot. */
extern const struct virt_ops *virt;
/* Has it nested paging? */
extern bool virt_nested;
