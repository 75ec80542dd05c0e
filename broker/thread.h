// SPDX-License-Identifier: Apache-2.0
//
// What the broker's threads have in common: how one starts and ends, and how one waits while a database is away.
#pragma once

#include <czmq.h>
#include <stdbool.h>

// A thread's state is made before the thread, so that whatever can fail fails in the caller; the thread frees it.
typedef struct ThreadKind {
    const char *name;                        // for sentences: "the writer"
    void (*run)(zsock_t *pipe, void *state); // until the pipe says something
    void (*destroy)(void *state);
} ThreadKind;

// Takes the state over, also when it fails. `kind` is static. zactor_destroy() ends the thread. ERROR_MEMORY.
int thread_start(zactor_t **ret, const ThreadKind *kind, void *state);

// Trying again until it succeeds, ever more slowly; said in the log once, again when the reason is another one, and
// once more when it is over.
typedef struct Retry {
    const char *waiting; // what is said: "sessions wait for the exchange's database"
    const char *over;    // "the exchange's database is back"
    int max_ms;          // of one wait; 0: five seconds
    int backoff_ms;      // 0 at first
    bool failing;
    int n_said;       // of it, since it last succeeded
    char reason[128]; // the last that was said, as much as fits
} Retry;

// It failed, the reason being error_text(): in how many milliseconds to try again.
int retry_failed(Retry *retry);
// Waits for so long. ERROR_STOPPED when the pipe says something meanwhile.
int retry_wait(Retry *retry, zsock_t *pipe);
void retry_succeeded(Retry *retry);
