// SPDX-License-Identifier: Apache-2.0
//
// Of which persons, numbers and events a segment's entries may be: a Bloom filter beside the segment, by which whoever
// looks for somebody's entries passes over nearly all others without unpacking them. It names nobody, and is no proof:
// about one segment in a thousand is looked at for nothing. Pure.
#pragma once

#include "proto/base/bytes.h"
#include "store.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t AboutKey;
AboutKey about_person(int64_t person);
AboutKey about_number(const char *number);
AboutKey about_event(const uint8_t event_id[16]);

// Appends the filter of these entries. ERROR_MEMORY.
int about_build(const Dongbo__Entry *const *entries, size_t n, Bytes *out);
// Whether any of these keys may be in it; true for what is no such filter.
bool about_may_hold(const uint8_t *filter, size_t bytes, const AboutKey *keys, size_t n);
