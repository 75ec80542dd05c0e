// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/failing/failing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/failing/failing_state.h"

static struct {
    bool armed, all_after, fired;
    FailKind kind;
    unsigned long left;
} state;

const char *fail_name(FailKind kind) {
    static const char *const NAMES[FAIL_KINDS] = {
        [FAIL_MEMORY] = "memory",
        [FAIL_SQLITE_MEMORY] = "sqlite memory",
        [FAIL_SQLITE_CALL] = "sqlite call",
        [FAIL_SQLITE_WRITE] = "sqlite write",
        [FAIL_SQLITE_SYNC] = "sqlite sync",
        [FAIL_FILE] = "file",
        [FAIL_PG_REFUSED] = "refused",
        [FAIL_PG_LOST] = "connection lost",
        [FAIL_PG_LOST_AFTER] = "answer lost",
    };
    return NAMES[kind];
}

void fail_arm(FailKind kind, unsigned long n, bool all_after) {
    state.kind = kind;
    state.left = n;
    state.all_after = all_after;
    state.fired = false;
    state.armed = true;
}

bool fail_disarm(void) {
    state.armed = false;
    return state.fired;
}

bool fail_now(FailKind kind) {
    if (!state.armed || state.kind != kind)
        return false;
    if (state.left > 1) {
        state.left--;
        return false;
    }
    if (state.left == 0 && !state.all_after)
        return false;
    state.left = 0;
    state.fired = true;
    return true;
}

bool fail_is_armed(FailKind kind) {
    return state.armed && state.kind == kind;
}

// ---- our allocations ----

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t n) {
    return fail_now(FAIL_MEMORY) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fail_now(FAIL_MEMORY) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n) {
    return fail_now(FAIL_MEMORY) ? NULL : __real_realloc(old, n);
}

char *__wrap_strdup(const char *text) {
    return fail_now(FAIL_MEMORY) ? NULL : __real_strdup(text);
}
