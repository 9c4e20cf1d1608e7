/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest guest: says that it runs, and ends. */
#include "guest.h"

int main(const char *cmdline)
{
    (void)cmdline;
    print("mini: hello\n");
    return 0;
}
