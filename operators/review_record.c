// SPDX-License-Identifier: Apache-2.0
//
// One query for all of them. Records that were withdrawn as a whole are held by nobody, and are left out.
#include "operators/review_record.h"
#include "broker/verify.h"
#include "operators/result.h"
#include "store.pb-c.h"

#include <string.h>

static const PgStatement RECORDS = {
    "review_records",
    "SELECT p.person, r.record_key, r.record, r.n FROM unnest($1::bigint[]) p(person) CROSS JOIN LATERAL ("
    "SELECT d.record_key, d.record, count(*) OVER () AS n FROM (SELECT DISTINCT ON (v.record_key) v.record_key, "
    "v.record FROM exchange.seen_version v WHERE v.person = p.person AND v.domain = $2::smallint "
    "AND NOT v.superseded ORDER BY v.record_key, v.position DESC) d ORDER BY d.record_key <> $3, d.record_key LIMIT $4"
    ") r ORDER BY p.person, r.record_key <> $3, r.record_key",
    4, NULL};
enum { PERSON, KEY, RECORD, N };

static const char *key_of(const ReviewCase *of) {
    const VerifyContext context = {.rules = of->rules, .arena = of->arena};
    const char *key = of->body ? verify_record_key(&context, of->event) : "";
    return key ? key : "";
}

int review_record_read(Pg *exchange, ReviewCase *of) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, of->n_alternatives);
    for (int i = 0; i < of->n_alternatives; i++)
        pg_array_i64(&params, of->alternatives[i].person);
    pg_param_i16(&params, (int16_t)review_case_i64(of, REVIEW_DOMAIN));
    of->record_key = key_of(of);
    pg_param_text(&params, of->record_key);
    pg_param_i64(&params, REVIEW_RECORDS_SHOWN);
    int r = pg_run(exchange, &RECORDS, &params, &of->records);
    pg_params_free(&params);
    return r;
}

static int first_row(const ReviewCase *of, int64_t person) {
    int row = 0;
    while (row < PQntuples(of->records) && pg_i64(of->records, row, PERSON) != person)
        row++;
    return row;
}

int64_t review_record_count(const ReviewCase *of, const ReviewAlternative *alternative) {
    int row = first_row(of, alternative->person);
    return row < PQntuples(of->records) ? pg_i64(of->records, row, N) : 0;
}

static const ProtobufCMessage *body_of(const ReviewCase *of, int row, bool *ret_retracted) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(of->records, row, RECORD, &n);
    const Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(of->arena), n, bytes);
    *ret_retracted = record && record->retracted;
    return record && of->domain
               ? protobuf_c_message_unpack(domain_descriptor(of->domain->domain), arena_protobuf(of->arena),
                                           record->body.len, record->body.data)
               : NULL;
}

int review_record_get(const ReviewCase *of, const ReviewAlternative *alternative, int n, ReviewRecord *ret) {
    int row = first_row(of, alternative->person);
    for (; row < PQntuples(of->records) && pg_i64(of->records, row, PERSON) == alternative->person; row++) {
        bool retracted = false;
        const ProtobufCMessage *body = body_of(of, row, &retracted);
        if (retracted || n-- > 0)
            continue;
        const char *key = pg_text(of->records, row, KEY);
        *ret = (ReviewRecord){.key = key, .is_same = *key && strcmp(key, of->record_key) == 0, .body = body};
        return 0;
    }
    return 1;
}
