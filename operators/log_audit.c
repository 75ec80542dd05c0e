// SPDX-License-Identifier: Apache-2.0
//
// Frame n goes to thread n modulo their number and comes back from it, so that answers are taken in the frames' order
// without any of them being sorted. A job is its owner's, who is whoever holds it; threads share nothing.
#include "operators/log_audit.h"

#include "proto/base/error.h"

#include <assert.h>
#include <czmq.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 8
#define JOBS_PER_THREAD 3 // one at work, one waiting, one being linked

typedef struct Job {
    Bytes packed;
    uint64_t at; // where the frame begins in its file
    AuditFrame frame;
    bool is_first; // of its file
    int result;
    char error[512];
} Job;

struct LogAudit {
    Audit *audit;
    zactor_t *threads[THREADS_MAX];
    int n_threads;
    Job jobs[THREADS_MAX * JOBS_PER_THREAD];
    uint64_t sent, linked;
    Progress progress;
};

// ---- on a thread --------------------------------------------------------------------------------------------------

static int examine(AuditExaminer *examiner, Job *job) {
    int r = logfile_unpack(job->packed.data, job->packed.n, &job->frame.plain);
    if (r != 0)
        return r < 0 ? r : (error_fail(ERROR_CONFIG, "the frame at byte %" PRIu64 " is damaged", job->at), 1);
    const uint8_t *at = job->frame.plain.data, *end = at + job->frame.plain.n;
    if (job->is_first && logfile_magic(&at, end) != 0) {
        error_fail(ERROR_CONFIG, "it is no export of a log, or of a newer program");
        return 1;
    }
    size_t skip = (size_t)(at - job->frame.plain.data);
    if (logfile_check(job->frame.plain.data, job->frame.plain.n, skip) != 0) {
        error_fail(ERROR_CONFIG, "a frame that is longer than any of an export");
        return 1;
    }
    return audit_examine(examiner, &job->frame, skip);
}

static void run(zsock_t *pipe, void *state) {
    AuditExaminer *examiner = state;
    Job *job = NULL;
    zsock_signal(pipe, 0);
    while (zsock_recv(pipe, "p", &job) == 0 && job) { // "$TERM" is no pointer
        job->result = examine(examiner, job);
        if (job->result != 0)
            snprintf(job->error, sizeof job->error, "%s", error_text());
        if (zsock_send(pipe, "p", job) != 0)
            break;
    }
    audit_examiner_destroy(&examiner);
    OPENSSL_thread_stop(); // else only when the thread ends, which may be after main()'s end
}

// ---- the caller's -------------------------------------------------------------------------------------------------

static int start_thread(LogAudit *log, const LogAuditOptions *options) {
    AuditExaminer *examiner = NULL;
    int r = audit_examiner_new(&examiner, options->keys);
    if (r < 0)
        return r;
    audit_examiner_receipts(examiner, options->receipts);
    zactor_t *thread = zactor_new(run, examiner);
    if (!thread)
        return error_fail(ERROR_MEMORY, "no memory for a thread");
    log->threads[log->n_threads++] = thread;
    return 0;
}

int log_audit_new(LogAudit **ret, const LogAuditOptions *options) {
    LogAudit *log = *ret = calloc(1, sizeof *log);
    if (!log)
        return error_fail(ERROR_MEMORY, "no memory to verify a log");
    log->audit = options->audit;
    audit_receipts(log->audit, options->receipts);
    long processors = options->threads > 0 ? options->threads : sysconf(_SC_NPROCESSORS_ONLN);
    int n = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (int)processors;
    zsys_handler_set(NULL); // an interrupt ends the program
    int r = 0;
    while (r == 0 && log->n_threads < n)
        r = start_thread(log, options);
    progress_begin(&log->progress);
    if (r < 0)
        log_audit_destroy(ret);
    return r;
}

void log_audit_destroy(LogAudit **log) {
    if (!*log)
        return;
    for (int i = 0; i < (*log)->n_threads; i++)
        zactor_destroy(&(*log)->threads[i]);
    for (size_t i = 0; i < sizeof(*log)->jobs / sizeof *(*log)->jobs; i++) {
        bytes_free(&(*log)->jobs[i].packed);
        audit_frame_free(&(*log)->jobs[i].frame);
    }
    free(*log);
    *log = NULL;
}

static Job *job_of(LogAudit *log, uint64_t n) {
    return &log->jobs[n % (uint64_t)(log->n_threads * JOBS_PER_THREAD)];
}

static zactor_t *thread_of(LogAudit *log, uint64_t n) {
    return log->threads[n % (uint64_t)log->n_threads];
}

// 1 at the file's end, 2 when it cannot be read, be it the disk's fault or no file at all.
static int send_next(LogAudit *log, Logfile *file, bool is_first) {
    Job *job = job_of(log, log->sent);
    job->at = logfile_position(file);
    int r = logfile_next(file, &job->packed);
    if (r != 0)
        return r == ERROR_SYSTEM ? 2 : r;
    job->is_first = is_first;
    if (zsock_send(thread_of(log, log->sent), "p", job) != 0)
        return error_fail(ERROR_STOPPED, "interrupted");
    log->sent++;
    return 0;
}

static int take_next(LogAudit *log, bool drop) {
    Job *job = NULL;
    if (zsock_recv(thread_of(log, log->linked), "p", &job) != 0)
        return error_fail(ERROR_STOPPED, "interrupted");
    assert(job == job_of(log, log->linked));
    log->linked++;
    if (drop)
        return 0;
    if (job->result != 0) {
        error_fail(job->result < 0 ? (ErrorCode)job->result : ERROR_CONFIG, "%s", job->error);
        return job->result;
    }
    int r = audit_link(log->audit, &job->frame);
    progress_show(&log->progress, "verified", audit_counts(log->audit)->entries, "entries");
    return r;
}

// What cannot be read is told of once all before it was linked.
static int read_file(LogAudit *log, Logfile *file) {
    uint64_t first = log->sent;
    int end = 0, r = 0;
    while (r == 0 && (end == 0 || log->linked < log->sent)) {
        bool has_room = log->sent - log->linked < (uint64_t)(log->n_threads * JOBS_PER_THREAD);
        if (end == 0 && has_room)
            end = send_next(log, file, log->sent == first);
        else
            r = take_next(log, false);
        if (end < 0)
            r = end;
    }
    char error[512];
    snprintf(error, sizeof error, "%s", error_text());
    while (log->linked < log->sent && take_next(log, true) == 0)
        ;
    if (r == 0 && end == 1)
        return audit_end(log->audit);
    error_fail(ERROR_CONFIG, "%s", error);
    return r < 0 ? r : 1;
}

int log_audit_file(LogAudit *log, const char *path) {
    Logfile *file = NULL;
    int r = logfile_open(&file, path);
    if (r < 0)
        return r == ERROR_CONFIG ? 1 : r; // it names the path
    r = read_file(log, file);
    logfile_close(&file);
    progress_end();
    return r == 0 ? 0 : (error_context(ERROR_CONFIG, "%s", path), r);
}
