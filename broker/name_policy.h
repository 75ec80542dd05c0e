// SPDX-License-Identifier: Apache-2.0
//
// Which differences of a name are accepted, with the reason, and which a person must look at: schemas/rules/names.yaml,
// read once, immutable afterwards. Decides about no event.
#pragma once

typedef struct NamePolicy NamePolicy;
// ERROR_CONFIG names the file and line; ERROR_MEMORY.
int name_policy_load(NamePolicy **ret, const char *path);
void name_policy_destroy(NamePolicy **policy);

// Of NAME_SOFT (broker/name.h), the differences that may be accepted of this agency when all else agrees.
unsigned name_policy_accepts(const NamePolicy *policy, const char *agency);
