// SPDX-License-Identifier: Apache-2.0
//
// Cases' keys, and the places in COPY rows where a case is written in. Judges no event.
#include "broker/cases.h"

#include "proto/base/error.h"
#include "proto/base/pg-values.h"
#include "proto/bounds.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

// ---- keys ---------------------------------------------------------------------------------------------------------

#define TEXTS_MAX (8 + DOMAIN_FIELDS_MAX)

// What is hashed: every text behind its length, so that no two lists of texts are one.
typedef struct Said {
    size_t n;
    uint8_t bytes[12 + TEXTS_MAX * (2 + TEXT_BYTES_MAX)];
} Said;

static void add_number(Said *said, size_t n, uint32_t number) {
    bytes_put_number(said->bytes + said->n, n, number);
    said->n += n;
}

static void add_text(Said *said, const char *text) {
    size_t n = strnlen(text, TEXT_BYTES_MAX);
    add_number(said, 2, (uint32_t)n);
    memcpy(said->bytes + said->n, text, n);
    said->n += n;
}

static void add_subject(Said *said, const Dongbo__Subject *subject) {
    const char *texts[] = {
        subject->citizen_number, subject->full_name,   subject->birth_date,         subject->sex,
        subject->mother_name,    subject->father_name, subject->residence_province, subject->province_code_set};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(said, texts[i]);
}

static void add_key(Said *said, const DomainRules *rules, const ProtobufCMessage *body) {
    char number[12];
    for (size_t i = 0; i < rules->n_key; i++)
        add_text(said, field_text(body, rules->key[i]->number, number));
    for (const RuleField *field = rules->fields; rules->n_key == 0 && field->number != 0; field++)
        add_text(said, field_text(body, field->number, number));
}

// SHA-256, for of a weaker hash an agency could make two rows that collide.
void cases_key(const Rules *rules, uint32_t agency, const Dongbo__ChangeEvent *event, uint8_t out[CASE_KEY_BYTES]) {
    static const Dongbo__Subject NOBODY = DONGBO__SUBJECT__INIT;
    int domain = event_domain(event);
    const DomainRules *of = rules_domain(rules, domain);
    Said said;
    said.n = 0;
    add_number(&said, 4, agency);
    add_number(&said, 4, (uint32_t)domain);
    add_number(&said, 4, (uint32_t)event->operation); // who accepts what is told has not accepted its withdrawal
    add_subject(&said, event->subject == NULL ? &NOBODY : event->subject);
    if (of != NULL)
        add_key(&said, of, event_body(event));
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256(said.bytes, said.n, hash);
    memcpy(out, hash, CASE_KEY_BYTES);
}

void cases_held_key(uint32_t agency, int domain, int64_t person, uint8_t out[CASE_KEY_BYTES]) {
    uint8_t bytes[20], hash[SHA256_DIGEST_LENGTH];
    bytes_put_number(bytes, 4, agency);
    bytes_put_number(bytes + 4, 8, (uint64_t)domain);
    bytes_put_number(bytes + 12, 8, (uint64_t)person);
    SHA256(bytes, sizeof bytes, hash);
    memcpy(out, hash, CASE_KEY_BYTES);
}

// ---- rows ---------------------------------------------------------------------------------------------------------

// A row: its number of columns, then each behind its length, -1 for null.
#define POSITION_AT (2 + 4)
#define CASE_AT (POSITION_AT + 8 + 4)
#define KEY_AT (CASE_AT + 8 + 4)

void cases_put(Bytes *rows, const uint8_t key[CASE_KEY_BYTES]) {
    if (key == NULL) {
        copy_null(rows);
        copy_null(rows);
    } else {
        copy_i64(rows, 0);
        copy_bytes(rows, key, CASE_KEY_BYTES);
    }
}

static const uint8_t *skip_row(const uint8_t *row) {
    size_t n = bytes_get_number(row, 2);
    const uint8_t *at = row + 2;
    for (size_t i = 0; i < n; i++) {
        int32_t length = (int32_t)bytes_get_number(at, 4);
        at += 4 + (length > 0 ? length : 0);
    }
    return at;
}

static bool has_case(const uint8_t *row) {
    return bytes_get_number(row + CASE_AT - 4, 4) == 8;
}

static size_t count_rows(const Bytes *rows) {
    size_t n = 0;
    for (const uint8_t *row = rows->data, *end = row + rows->n; row < end; row = skip_row(row))
        n += has_case(row);
    return n;
}

static int compare_rows(const void *a, const void *b) {
    const CaseRow *left = a, *right = b;
    int order = memcmp(left->key, right->key, CASE_KEY_BYTES);
    return order != 0 ? order : (left->position > right->position) - (left->position < right->position);
}

int cases_read(Bytes *rows, Cases *ret) {
    *ret = (Cases){0};
    size_t n = rows->n == 0 ? 0 : count_rows(rows);
    if (n == 0)
        return 0;
    ret->rows = malloc(n * sizeof *ret->rows);
    if (ret->rows == NULL)
        return error_fail(ERROR_MEMORY, "no memory for %zu cases", n);
    uint8_t *end = rows->data + rows->n;
    for (uint8_t *row = rows->data; row < end; row += skip_row(row) - row) {
        if (has_case(row))
            ret->rows[ret->n++] = (CaseRow){.key = row + KEY_AT,
                                            .review_case = row + CASE_AT,
                                            .position = (int64_t)bytes_get_number(row + POSITION_AT, 8)};
    }
    qsort(ret->rows, ret->n, sizeof *ret->rows, compare_rows);
    return 0;
}

void cases_free(Cases *cases) {
    free(cases->rows);
    *cases = (Cases){0};
}

size_t cases_end(const Cases *cases, size_t from) {
    size_t to = from + 1;
    while (to < cases->n && memcmp(cases->rows[to].key, cases->rows[from].key, CASE_KEY_BYTES) == 0)
        to++;
    return to;
}

void cases_join(const Cases *cases, size_t from, int64_t review_case) {
    int64_t joined = review_case != 0 ? review_case : cases->rows[from].position;
    size_t end = cases_end(cases, from);
    for (size_t row = from; row < end; row++)
        bytes_put_number(cases->rows[row].review_case, 8, (uint64_t)joined);
}
