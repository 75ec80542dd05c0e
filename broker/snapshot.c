// SPDX-License-Identifier: Apache-2.0
//
// The thread around snapshot_read(): a work comes, is filled, goes back. What fails goes back with its reason; the next
// work connects anew.
#include "broker/snapshot.h"

#include "broker/snapshot_read.h"
#include "broker/thread.h"
#include "proto/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

int snapshot_work_new(SnapshotWork **ret) {
    SnapshotWork *work = calloc(1, sizeof *work);
    if (!work)
        return error_fail(ERROR_MEMORY, "no memory for snapshots");
    int r = buckets_new(&work->sums);
    if (r < 0)
        snapshot_work_destroy(&work);
    *ret = work;
    return r;
}

void snapshot_work_destroy(SnapshotWork **work) {
    if (!*work)
        return;
    buckets_destroy(&(*work)->sums);
    bytes_free(&(*work)->records);
    free(*work);
    *work = NULL;
}

static void fill(SnapshotReader *reader, SnapshotWork *work) {
    bytes_clear(&work->records);
    buckets_clear(work->sums);
    work->n = 0;
    work->tells = false;
    work->done = false;
    work->result = snapshot_read(reader, work);
    if (work->result == 0)
        return;
    snprintf(work->why, sizeof work->why, "%s", error_text());
    if (work->result < 0)
        snapshot_reader_disconnect(reader);
}

static void run(zsock_t *pipe, void *state) {
    void *socket = zsock_resolve(pipe);
    SnapshotWork *work;
    for (;;) {
        int n = zmq_recv(socket, &work, sizeof work, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof work) // anything else is the end
            return;
        fill(state, work);
        zmq_send(socket, &work, sizeof work, 0);
    }
}

static void destroy(void *state) {
    SnapshotReader *reader = state;
    snapshot_reader_destroy(&reader);
}

int snapshot_new(zactor_t **ret, const SnapshotOptions *options) {
    static const ThreadKind kind = {"snapshots", run, destroy};
    SnapshotReader *reader = NULL;
    int r = snapshot_reader_new(&reader, options);
    return r < 0 ? r : thread_start(ret, &kind, reader);
}

void snapshot_give(zactor_t *snapshot, SnapshotWork *work) {
    zmq_send(zsock_resolve(snapshot), &work, sizeof work, 0);
}

SnapshotWork *snapshot_take(zactor_t *snapshot) {
    SnapshotWork *work = NULL;
    return zmq_recv(zsock_resolve(snapshot), &work, sizeof work, ZMQ_DONTWAIT) == sizeof work ? work : NULL;
}
