// SPDX-License-Identifier: Apache-2.0
//
// File descriptors are not all for peers: libzmq takes every connection that there is a descriptor for, and where there
// is none it asks again at once, for ever, while the sessions with the database that was restarted find none either. So
// the broker accepts by itself (descriptors.c stands before libc's accept4), and closes whoever would take one of the
// last DESCRIPTORS_RESERVED. Who is connected goes on, and who is not tries the next endpoint.
#pragma once

#include <stdbool.h>

// DESCRIPTORS_MAX of them, or as many as the machine lets this process have: what peers' connections hold in memory is
// bounded by it.
void descriptors_limit(void);
// Whether the next connection would be closed for that.
bool descriptors_are_short(void);
