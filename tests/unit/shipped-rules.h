// SPDX-License-Identifier: Apache-2.0
//
// The shipped rules for all tests of a program, loaded and freed as cmocka has it done for a group.
#pragma once

#include "shipped.h"

static Rules *rules;

static inline int load_rules(void **state) {
    return shipped_rules(&rules);
}

static inline int free_rules(void **state) {
    rules_destroy(&rules);
    return 0;
}
