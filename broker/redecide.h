// SPDX-License-Identifier: Apache-2.0
//
// Deferred events are decided again when the population store has moved to where their person may be, and by a sweep
// over all of them now and then. In bounded works, one at a time, through the same deciding and the same writer as a
// batch. One that stays unknown for too long becomes a mismatch, for a person to look at. Mismatches are decided again
// when the store moved under the number that they say.
#pragma once

#include "broker/prepare.h"

typedef struct RedecideOptions {
    PrepareOptions prepare;
    const char *inbox; // bound here; MAIL_AGENCIES, MAIL_POPULATION and its works back
    const char *writer;
    unsigned not_found_after_days;
    Work *work; // not owned: freed by the caller at the very end
} RedecideOptions;

// zactor_destroy() ends it.
int redecide_new(zactor_t **ret, const RedecideOptions *options);
