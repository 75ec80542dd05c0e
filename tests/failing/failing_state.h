// SPDX-License-Identifier: Apache-2.0
//
// For what stands in place of a call: whether this one is to fail. Counts it.
#pragma once

#include "tests/failing/failing.h"

bool fail_now(FailKind kind);
bool fail_is_armed(FailKind kind); // does not count
