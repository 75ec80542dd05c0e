// SPDX-License-Identifier: Apache-2.0
//
// A batch whose signature the exchange does not take: by which key it was sealed, and what its keeper can do. A spool
// may outlive the key that is configured, so it need not be that one.
#pragma once

#include "agents/spool.h"
#include "proto/keys.h"

typedef struct Disowned {
    Spool *spool;
    int64_t stream;
    uint64_t sequence; // of the batch's first event
    const Keys *keys;  // that are configured
    const char *text;  // the exchange's
} Disowned;
// Always fails, with ERROR_CONFIG but for what the spool says: error_text() is for the agent's keeper.
int disowned_explain(const Disowned *disowned);
