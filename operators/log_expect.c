// SPDX-License-Identifier: Apache-2.0
//
// A receipt that nobody can be held to proves nothing against a log: one that is not signed is an error, no finding.
#include "operators/log_expect.h"

#include "operators/heads_line.h"
#include "proto/base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- heads ---------------------------------------------------------------------------------------------------------

typedef struct Reading {
    Audit *audit;
    const AuditKeys *keys;
    const char *path;
    bool witness;
    Verifier *verifier; // of the witness that was last met
    char verifier_id[KEY_ID_TEXT_BYTES];
    uint64_t line;
    Bytes packed;
    LogExpected *expected;
} Reading;

static void reading_free(Reading *reading) {
    verifier_destroy(&reading->verifier);
    bytes_free(&reading->packed);
}

static const AuditKey *key_of(const AuditKeys *keys, const char *id) {
    for (int i = 0; i < keys->n; i++)
        if (strcmp(keys->list[i].id, id) == 0)
            return &keys->list[i];
    return NULL;
}

static int check_cosignature(Reading *reading, const Cosigned *head) {
    const AuditKey *key = key_of(reading->keys, head->witness);
    int r = 0;
    reading->expected->cosigned++;
    if (key == NULL) {
        reading->expected->unchecked++;
        return 0;
    }
    if (strcmp(reading->verifier_id, key->id) != 0) {
        verifier_destroy(&reading->verifier);
        r = verifier_new(&reading->verifier, key->key);
        memcpy(reading->verifier_id, key->id, sizeof reading->verifier_id);
    }
    if (r == 0)
        r = cosigned_check(head, reading->verifier);
    reading->expected->good += r == 0;
    reading->expected->bad += r == 1;
    return r < 0 ? r : 0;
}

static int take_head(Reading *reading, const Cosigned *head) {
    Dongbo__SignedHead message;
    int r = head->cosigned ? check_cosignature(reading, head) : 0;
    if (r < 0)
        return r;
    cosigned_head(head, &message);
    bytes_clear(&reading->packed);
    bytes_append_message(&reading->packed, &message.base);
    if (reading->packed.failed)
        return error_fail(ERROR_MEMORY, "no memory for heads");
    r = audit_expect(reading->audit, reading->packed.data, reading->packed.n);
    return r <= 0 ? r
                  : error_fail(ERROR_CONFIG, "%s line %" PRIu64 " holds no signed head", reading->path, reading->line);
}

static int take_line(Reading *reading, const char *line, size_t n) {
    Cosigned head;
    if (n == 1 || (n > 0 && line[n - 1] != '\n' && reading->line > 1 && cosigned_read(line, n, &head) != 0))
        return 0; // torn, at its end
    if (cosigned_read(line, n, &head) != 0)
        return error_fail(ERROR_CONFIG,
                          "%s line %" PRIu64 " is no signed head, as a witness or dongbo log head --json writes it",
                          reading->path, reading->line);
    if (reading->witness && !head.cosigned)
        return error_fail(ERROR_CONFIG, "--witness: %s line %" PRIu64 " is not co-signed", reading->path,
                          reading->line);
    return take_head(reading, &head);
}

static int read_heads(Reading *reading) {
    char line[HEADS_LINE_BYTES];
    FILE *file = fopen(reading->path, "re");
    size_t n = 0;
    int r = 0;
    if (file == NULL)
        return error_fail(ERROR_CONFIG, "%s: %s", reading->path, strerror(errno));
    while (r == 0 && (n = heads_line_read(file, line)) > 0) {
        reading->line++;
        r = take_line(reading, line, n);
    }
    if (r == 0 && ferror(file))
        r = error_fail(ERROR_CONFIG, "%s: %s", reading->path, strerror(errno));
    fclose(file);
    return r;
}

int log_expect_heads(Audit *audit, const AuditKeys *keys, const OptionList *paths, bool witness, LogExpected *ret) {
    int r = 0;
    for (int i = 0; r == 0 && i < paths->n; i++) {
        CLEANUP(reading_free)
        Reading reading = {.audit = audit, .keys = keys, .path = paths->items[i], .witness = witness, .expected = ret};
        r = read_heads(&reading);
    }
    return r;
}

// ---- receipts ------------------------------------------------------------------------------------------------------

typedef struct Verifiers {
    Verifier *list[AUDIT_KEYS_MAX];
    size_t n;
} Verifiers;

static void verifiers_free(Verifiers *verifiers) {
    for (size_t i = 0; i < verifiers->n; i++)
        verifier_destroy(&verifiers->list[i]);
}

static int verifiers_make(Verifiers *verifiers, const AuditKeys *keys) {
    int r = 0;
    for (int i = 0; r == 0 && i < keys->n; i++) {
        if (*keys->list[i].who && strcmp(keys->list[i].who, AUDIT_EXCHANGE) != 0)
            continue;
        r = verifier_new(&verifiers->list[verifiers->n], keys->list[i].key);
        verifiers->n += r == 0;
    }
    return r;
}

static int read_receipt(const char *path, Bytes *ret) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_fail(ERROR_CONFIG, "--receipt: %s: %s", path, strerror(errno));
    uint8_t *at = bytes_reserve(ret, FRAME_BODY_BYTES_MAX + 1);
    ret->n = at != NULL ? fread(at, 1, FRAME_BODY_BYTES_MAX + 1, file) : 0;
    fclose(file);
    return at != NULL ? 0 : error_fail(ERROR_MEMORY, "no memory for a receipt");
}

static int add_receipt(AuditReceipts *receipts, const Verifiers *verifiers, const char *path) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    int r = read_receipt(path, &bytes);
    if (r == 0)
        r = bytes.n > FRAME_BODY_BYTES_MAX
                ? 1
                : audit_receipts_add(receipts, &(AuditReceiptBytes){bytes.data, bytes.n, path}, verifiers->list,
                                     verifiers->n);
    if (r == 1)
        return error_fail(ERROR_CONFIG, "--receipt: %s is no receipt", path);
    return r == 2 ? error_fail(ERROR_CONFIG, "--receipt: %s is signed by none of the exchange's keys that were given",
                               path)
                  : r;
}

int log_expect_receipts(AuditReceipts *receipts, const AuditKeys *keys, const OptionList *paths) {
    CLEANUP(verifiers_free) Verifiers verifiers = {0};
    int r = paths->n > 0 ? verifiers_make(&verifiers, keys) : 0;
    for (int i = 0; r == 0 && i < paths->n; i++)
        r = add_receipt(receipts, &verifiers, paths->items[i]);
    audit_receipts_sort(receipts);
    return r;
}
