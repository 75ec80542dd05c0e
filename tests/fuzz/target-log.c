// SPDX-License-Identifier: Apache-2.0
//
// A file that a log was exported to, as `dongbo log verify` reads it: the file as it is, or (first byte) one frame of
// it without the compression, so that records are reached. Verified twice it says the same; what it finds is counted,
// and closed text.
#include "broker/audit.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/log-case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE_FILE, PLAIN_FRAME, WAYS };

static AuditKeys keys;
static AuditExaminer *examiner;

typedef struct Verified {
    uint64_t told;
    int result; // 1: it cannot be read to its end
    AuditCounts counts;
} Verified;

static void tell(void *to, const AuditFinding *finding) {
    FUZZ_ASSERT(finding->what[0] != 0);
    FUZZ_ASSERT(memchr(finding->is, 0, AUDIT_TEXT_BYTES) != NULL);
    FUZZ_ASSERT(memchr(finding->should, 0, AUDIT_TEXT_BYTES) != NULL);
    ((Verified *)to)->told++;
}

static int take_frame(Audit *audit, AuditFrame *frame, size_t skip) {
    int r = audit_examine(examiner, frame, skip);
    FUZZ_ASSERT(r >= 0);
    if (r == 0)
        r = audit_link(audit, frame);
    FUZZ_ASSERT(r == 0 || r == 1);
    return r;
}

static int take_packed(Audit *audit, const Bytes *packed, bool is_first) {
    AuditFrame frame = {0};
    int r = logfile_unpack(packed->data, packed->n, &frame.plain);
    FUZZ_ASSERT(r == 0 || r == 1);
    const uint8_t *at = frame.plain.data;
    if (r == 0 && is_first)
        r = logfile_magic(&at, frame.plain.data + frame.plain.n);
    if (r == 0)
        r = take_frame(audit, &frame, (size_t)(at - frame.plain.data));
    audit_frame_free(&frame);
    return r;
}

static int take_file(Audit *audit, const char *path) {
    Logfile *file = NULL;
    Bytes packed = {0};
    FUZZ_ASSERT(logfile_open(&file, path) == 0);
    bool is_first = true;
    int r = 0, got = 0;
    while (r == 0 && (got = logfile_next(file, &packed)) == 0) {
        r = take_packed(audit, &packed, is_first);
        is_first = false;
    }
    FUZZ_ASSERT(got >= 0 && got <= 2);
    logfile_close(&file);
    bytes_free(&packed);
    return r == 0 && got == 1 ? audit_end(audit) : 1;
}

static Verified verify(unsigned way, const uint8_t *data, size_t n) {
    Verified verified = {0};
    Audit *audit = NULL;
    FUZZ_ASSERT(audit_new(&audit, &keys, tell, &verified) == 0);
    if (way == WHOLE_FILE) {
        verified.result = take_file(audit, fuzz_file(0, data, n));
    } else {
        AuditFrame frame = {0};
        bytes_append(&frame.plain, data, n);
        verified.result = take_frame(audit, &frame, 0);
        audit_frame_free(&frame);
    }
    if (verified.result == 0)
        FUZZ_ASSERT(audit_finish(audit) == 0);
    verified.counts = *audit_counts(audit);
    FUZZ_ASSERT(verified.counts.broken == verified.told);
    audit_destroy(&audit);
    return verified;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (examiner == NULL)
        FUZZ_ASSERT(audit_examiner_new(&examiner, &keys) == 0);
    if (n == 0)
        return 0;
    Verified first = verify(data[0] % WAYS, data + 1, n - 1), second = verify(data[0] % WAYS, data + 1, n - 1);
    FUZZ_ASSERT(first.result == second.result && memcmp(&first.counts, &second.counts, sizeof first.counts) == 0);
    return 0;
}

// ---- seeds ----

static void seed_plain(const char *name, const uint8_t *file, size_t n) {
    Bytes plain = {0}, out = {0};
    FUZZ_ASSERT(logfile_unpack(file, n, &plain) == 0);
    const uint8_t *at = plain.data, *end = at + plain.n;
    FUZZ_ASSERT(logfile_magic(&at, end) == 0);
    bytes_append_u8(&out, PLAIN_FRAME);
    bytes_append(&out, at, (size_t)(end - at));
    fuzz_seed(name, out.data, out.n);
    bytes_free(&plain);
    bytes_free(&out);
}

// Without its key a log's signatures are not checked; all else is.
static void seed_log(const char *name, bool payloads, size_t n_events) {
    LogCase log;
    char *data = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&data, &n);
    FUZZ_ASSERT(file != NULL && log_case_begin(&log, file, payloads) == 0 && log_case_new_epoch(&log) == 0);
    FUZZ_ASSERT(log_case_batch(&log, n_events) == 0);
    FUZZ_ASSERT(log_case_note(&log, DONGBO__ENTRY_KIND__ENTRY_POLICY, "agency MOH added") == 0);
    FUZZ_ASSERT(log_case_batch(&log, 1) == 0 && log_case_put_end(&log) == 0 && fclose(file) == 0);
    if (examiner == NULL) {
        keys.n = 1;
        memcpy(keys.list[0].key, log.keys.sign_public, KEY_BYTES);
        memcpy(keys.list[0].id, log.key_id, sizeof log.key_id);
    }
    Bytes out = {0};
    bytes_append_u8(&out, WHOLE_FILE);
    bytes_append(&out, data, n);
    Verified verified = {0};
    if (examiner == NULL)
        FUZZ_ASSERT(audit_examiner_new(&examiner, &keys) == 0);
    verified = verify(WHOLE_FILE, (const uint8_t *)data, n);
    FUZZ_ASSERT(verified.result == 0 && verified.counts.entries >= n_events + 2);
    fuzz_seed(name, out.data, out.n);
    seed_plain(payloads ? "plain-payloads" : "plain", (const uint8_t *)data, n);
    log_case_free(&log);
    bytes_free(&out);
    free(data);
}

void fuzz_seeds(void) {
    seed_log("payloads", true, 2);
    seed_log("masked", false, 2);
}
