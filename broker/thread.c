// SPDX-License-Identifier: Apache-2.0
//
// Threads and their waiting. Knows nothing of what they do.
#include "broker/thread.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define RETRY_SAID_MAX 4 // reasons that come and go must not fill the log

typedef struct Start {
    const ThreadKind *kind;
    void *state;
} Start;

static void run(zsock_t *pipe, void *argument) {
    Start start = *(Start *)argument;
    free(argument);
    zsock_signal(pipe, 0);
    start.kind->run(pipe, start.state);
    start.kind->destroy(start.state);
    // What it keeps for a thread goes with the thread, which may be after main()'s end.
    OPENSSL_thread_stop();
}

int thread_start(zactor_t **ret, const ThreadKind *kind, void *state) {
    Start *start = malloc(sizeof *start);
    zactor_t *actor = NULL;
    if (start != NULL) {
        *start = (Start){.kind = kind, .state = state};
        actor = zactor_new(run, start);
    }
    if (actor == NULL) {
        free(start);
        kind->destroy(state);
        return error_fail(ERROR_MEMORY, "no thread for %s", kind->name);
    }
    *ret = actor;
    return 0;
}

// A session that is lost is the first that is heard of a server with no sessions left.
static void say_reason(Retry *retry) {
    if (retry->n_said == RETRY_SAID_MAX || strncmp(retry->reason, error_text(), sizeof retry->reason - 1) == 0)
        return;
    snprintf(retry->reason, sizeof retry->reason, "%s", error_text());
    retry->n_said++;
    log_warn("%s: %s", retry->waiting, error_text());
}

int retry_failed(Retry *retry) {
    say_reason(retry);
    retry->failing = true;
    if (retry->backoff_ms == 0)
        retry->backoff_ms = RETRY_MIN_MS;
    int wait_ms = retry->backoff_ms, max_ms = retry->max_ms > 0 ? retry->max_ms : RETRY_MAX_MS;
    retry->backoff_ms = wait_ms * 2 < max_ms ? wait_ms * 2 : max_ms;
    return wait_ms;
}

int retry_wait(Retry *retry, zsock_t *pipe) {
    zmq_pollitem_t item = {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, retry_failed(retry)) != 0 ? ERROR_STOPPED : 0;
}

void retry_succeeded(Retry *retry) {
    if (retry->failing)
        log_info("%s", retry->over);
    retry->failing = false;
    retry->n_said = 0;
    retry->reason[0] = '\0';
    retry->backoff_ms = 0;
}
