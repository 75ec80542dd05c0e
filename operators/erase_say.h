// SPDX-License-Identifier: Apache-2.0
//
// What an erasure takes, told before it does anything: how many entries of which kinds, under which numbers, and which
// subscriptions have been sent them. Numbers are masked.
#pragma once

#include "operators/erase_find.h"

#include <jansson.h>

// {"entries", "events", "others" (events under one of the numbers that were decided to be somebody else's, and stay),
//  "first_position", "last_position" (null where there are none), "kinds": {"event": …},
//  "domains": {"health": …}, "numbers": […], "segments_read",
//  "subscriptions": [{"subscription", "subscriber", "delivered", "possibly", "snapshots"}]}, the last three in records.
// ERROR_CONFIG, ERROR_DATABASE, ERROR_MEMORY.
int erase_say(Desk *desk, const EraseFind *find, json_t **ret);
void erase_say_text(const json_t *said);
