# SPDX-License-Identifier: Apache-2.0
"""From .config to tables and image: see `scripts/generate`."""
