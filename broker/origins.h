// SPDX-License-Identifier: Apache-2.0
//
// A record's origins as they are put together: which event each field is from. Pure.
#pragma once

#include "proto/base/arena.h"
#include "store.pb-c.h"

// Adds an origin in its place, greatest first, like `like` but of these fields (CLAIM_BIT); none where it has no field.
// The record's list has room. ERROR_MEMORY.
int origins_add(Arena *arena, Dongbo__Record *record, const Dongbo__Origin *like, uint32_t sets, uint32_t clears);
// That of the event that happened last. NULL where nobody's word is left.
const Dongbo__Origin *origins_newest(const Dongbo__Record *record);
// What follows from the origins and the body, once both are whole. ERROR_MEMORY.
int origins_close(Arena *arena, Dongbo__Record *record, const ProtobufCMessage *body);
