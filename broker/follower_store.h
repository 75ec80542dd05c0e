// SPDX-License-Identifier: Apache-2.0
//
// What subscribers' lists of followed persons are asked of PostgreSQL: who has a number, what is kept of a request, who
// is on a list. Every function may return ERROR_DATABASE; the next call then begins with new sessions.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/pg.h"

typedef struct FollowerStore FollowerStore;

int follower_store_new(FollowerStore **ret, const char *exchange, const char *population); // ERROR_CONFIG, ERROR_MEMORY
void follower_store_destroy(FollowerStore **store);
int follower_store_connect(FollowerStore *store); // as far as needed
void follower_store_drop(FollowerStore *store);   // after a failure

typedef struct FollowerNumber {
    const char *number; // as the subscriber says it
    int64_t person;     // 0: nobody's, or not one person's
    char province[8], province63[8];
    bool removed; // it is to be followed no more
    bool covered; // it is to be followed, and may be
} FollowerNumber;

typedef struct FollowerNumbers {
    FollowerNumber *list;
    size_t n;
    int64_t turn, request; // their order among the list's changes; turn 0: none
} FollowerNumbers;

// Fills in persons and where they live. Numbers that were replaced, and identity cards', lead to whose they were.
int follower_store_find(FollowerStore *store, const FollowerNumbers *numbers);

typedef struct FollowerCount {
    uint64_t followed, waiting;
} FollowerCount;
// Keeps what is covered or removed, all of it or nothing. 1 when the list would be longer than FOLLOWED_MAX, 2 when it
// was changed more than FOLLOW_CHANGES_PER_DAY_MAX times within a day, 3 when a later change was taken already.
int follower_store_keep(FollowerStore *store, int32_t subscription, const FollowerNumbers *numbers, FollowerCount *ret);
// A turn that is later than whatever was taken.
int follower_store_turn(FollowerStore *store, int32_t subscription, int64_t *ret);
// Up to FOLLOW_NUMBERS_MAX numbers behind `after`, ascending, in the arena: as the list is when all that waits is
// carried out. ERROR_MEMORY.
typedef struct FollowerPage {
    char **numbers;
    size_t n;
    bool more;
    FollowerCount count;
} FollowerPage;
int follower_store_list(FollowerStore *store, Arena *arena, int32_t subscription, const char *after, FollowerPage *ret);
