// SPDX-License-Identifier: Apache-2.0
//
// Which things (records, persons, numbers: 64-bit hashes of them) moved at which position, for the recent past: so that
// under the writer's lock only what really moved since it was read is read again. Bounded: it forgets the oldest, and
// then says of everything read before that it may have moved. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Touched Touched;

// Remembers between n_max and 2 × n_max things. ERROR_MEMORY.
int touched_new(Touched **ret, size_t n_max);
void touched_destroy(Touched **touched);
// Forgets all; nothing is known of what moved up to `position`.
void touched_restart(Touched *touched, uint64_t position);
// `thing` is not 0.
void touched_add(Touched *touched, uint64_t thing, uint64_t position);
// Everything up to `position` has been added.
void touched_cover(Touched *touched, uint64_t position);
uint64_t touched_covered(const Touched *touched);
// Where it moved last, as far as is remembered; 0: that is not known.
uint64_t touched_last(const Touched *touched, uint64_t thing);
// Whether something that moved after `position` may have been forgotten.
bool touched_forgot(const Touched *touched, uint64_t position);
// Has it moved after `position`, or can that not be told any more?
bool touched_since(const Touched *touched, uint64_t thing, uint64_t position);
