// SPDX-License-Identifier: Apache-2.0
//
// The rules and code lists of the source tree, as they are shipped.
#pragma once

#include "broker/rules.h"

#include <stdio.h>
#include <stdlib.h>

static inline int shipped_rules(Rules **ret) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemas", getenv("DONGBO_SOURCE"));
    return rules_load(ret, path);
}
