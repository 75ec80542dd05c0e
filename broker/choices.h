// SPDX-License-Identifier: Apache-2.0
//
// What is accepted of an agency, with the reason, and what a person must look at: the files of schemas/rules/ that have
// one line of `accept` or `review` for everyone and one for each agency that is otherwise. Read once, immutable
// afterwards. Decides about no event.
#pragma once

#include <stddef.h>

#define CHOICES_MAX 8

typedef struct ChoiceKey {
    const char *key; // in the file
    unsigned bit;
} ChoiceKey;

typedef struct Choices Choices;
// A file says all `n` keys (at most CHOICES_MAX), and no others. ERROR_CONFIG names the file and line; ERROR_MEMORY.
int choices_load(Choices **ret, const char *path, const ChoiceKey *keys, size_t n);
void choices_destroy(Choices **choices);

// The bits of what may be accepted of this agency.
unsigned choices_accepted(const Choices *choices, const char *agency);
