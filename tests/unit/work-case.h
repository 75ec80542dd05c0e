// SPDX-License-Identifier: Apache-2.0
//
// Works decided without a database, for tests of them: the shipped rules, An, an event about a dose of his, and the
// decision as the broker makes it, with nobody in the store but whom the test names.
#pragma once

#include "broker/decide.h"

#define NOW 1700000000000000LL

extern Rules *rules; // for cmocka's group
int work_rules_load(void **state);
int work_rules_free(void **state);

extern const Person AN;

typedef struct Dose {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    Dongbo__Vaccination body;
    uint8_t id[EVENT_ID_BYTES];
} Dose;
// His first one, to be changed and packed where it is: it points into itself.
void dose_make(Dose *dose);

// After decide_forms(): persons by their numbers, copied into the arena, and records.
void work_decide(Work *work, const Person *store, size_t n);
// What a Work of the test's own holds.
void work_end(Work *work);
