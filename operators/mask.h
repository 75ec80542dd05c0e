// SPDX-License-Identifier: Apache-2.0
//
// A record's values and key as they are shown to somebody who did not ask to see the person, by what the domain's rules
// say of each field (`personal`). Pure; what the rules do not know is hidden.
#pragma once

#include "broker/rules.h"
#include "proto/base/bytes.h"

#define MASK_BYTES 256

// The value as shown; `out` is used where that differs from it. A field that is NULL is hidden.
const char *mask_value(const RuleField *field, const char *value, char out[MASK_BYTES]);
// A record's key, its parts joined by '/'; masked part by part, or as it is. Closed by 0.
void mask_key(const DomainRules *rules, const char *key, bool unmask, Bytes *out);
