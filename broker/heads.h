// SPDX-License-Identifier: Apache-2.0
//
// The thread that signs the log's heads: at most so often while there is something new, and once more when the broker
// stops. Any number of brokers make one chain. It signs only what extends the last signed head: where the log does not
// hold that any more (entries were changed or taken away), it says so and signs nothing. A key that has not signed
// before is announced in the log first, and the heads that cover this are the former key's where its broker is still
// there. Stands in nobody's way: the log grows whether heads are signed or not.
#pragma once

#include "proto/base/clock.h"
#include "proto/base/pg.h"
#include "proto/keys.h"

#include <czmq.h>

typedef struct HeadsOptions {
    const char *exchange; // conninfo
    const char *ingress;  // is told of each head that is signed, here or elsewhere
    const Keys *keys;
    const Clock *clock;
    unsigned interval_ms;
} HeadsOptions;

// Has the log told of this key, once for all keys: before it signs. ERROR_DATABASE.
int heads_announce(Pg *exchange, const Keys *keys);
// What the options point to outlives it. zactor_destroy() ends it behind a last head.
int heads_new(zactor_t **ret, const HeadsOptions *options);
