// SPDX-License-Identifier: Apache-2.0
//
// A prepare worker's thread: batches in, decided works out to the writer. Has sessions of its own that only read. While
// a database is away it keeps its batch and tries again.
#pragma once

#include "broker/prepare.h"

#include <czmq.h>

typedef struct WorkerOptions {
    PrepareOptions prepare;
    const char *inbox; // bound here
    const char *writer;
} WorkerOptions;

// Returns once the inbox is bound. Options are copied, what they point to is not. zactor_destroy() ends it.
int worker_new(zactor_t **ret, const WorkerOptions *options);
