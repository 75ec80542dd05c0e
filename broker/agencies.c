// SPDX-License-Identifier: Apache-2.0
//
// Reads agencies and keys. A disabled agency or a key that is revoked or out of its time is simply not there.
#include "broker/agencies.h"

#include "broker/learnt.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGENCIES_BYTES_MAX (64 * 1024 * 1024)
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define KEY_GRACE_DAYS_TEXT TEXT(KEY_GRACE_DAYS)

struct Agencies {
    atomic_int count;
    Arena *arena;
    Agency *list;
    size_t n;
    ZapKey *zap;
    size_t n_zap;
};

static const PgStatement AGENCIES = {
    "agencies",
    "SELECT agency, code, domains, provinces, told_fields FROM exchange.agency WHERE state = 'active' ORDER BY agency",
    0, NULL};

static const PgStatement SIGNING = {
    "signing-keys",
    "SELECT k.agency, k.key, k.valid_to FROM exchange.key k JOIN exchange.agency a USING (agency) "
    "WHERE k.purpose = 'ed25519' AND a.state = 'active' AND k.revoked_at IS NULL AND length(k.key) = 32 "
    "AND k.valid_from <= now() AND coalesce(k.valid_to > now() - make_interval(days => " KEY_GRACE_DAYS_TEXT "), true) "
    "ORDER BY k.agency, k.key",
    0, NULL};

static const PgStatement TRANSPORT = {
    "transport-keys",
    "SELECT k.key, coalesce(k.agency, 0), coalesce(k.subscription, 0), 0 FROM exchange.key k "
    "LEFT JOIN exchange.agency a ON a.agency = k.agency "
    "LEFT JOIN exchange.subscription s ON s.subscription = k.subscription "
    "WHERE k.purpose = 'curve' AND coalesce(a.state, s.state) = 'active' AND k.revoked_at IS NULL "
    "AND length(k.key) = 32 AND k.valid_from <= now() AND coalesce(k.valid_to > now(), true) "
    "UNION ALL SELECT door_key, 0, 0, enrolment::integer FROM exchange.enrolment_open ORDER BY 1",
    0, NULL};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "agencies and their keys do not fit");
}

static int read_texts(Arena *arena, const PGresult *rows, int row, int column, const char *const **ret, size_t *ret_n) {
    PgElement *elements = NULL;
    int n = pg_array(rows, row, column, &elements);
    if (n < 0)
        return n;
    const char **texts = arena_alloc(arena, (size_t)n * sizeof *texts);
    int result = texts == NULL ? no_memory() : 0;
    for (int i = 0; result == 0 && i < n; i++) {
        texts[i] = arena_strndup(arena, (const char *)elements[i].data, elements[i].n);
        if (texts[i] == NULL)
            result = no_memory();
    }
    free(elements);
    *ret = texts;
    *ret_n = (size_t)n;
    return result;
}

static int read_agency(Arena *arena, const PGresult *rows, int row, Agency *ret) {
    Grants *grants = &ret->grants;
    const char *code = pg_text(rows, row, 1);
    *ret = (Agency){0};
    grants->agency = (uint32_t)pg_i32(rows, row, 0);
    grants->code = arena_strndup(arena, code, strlen(code));
    int result = grants->code == NULL ? no_memory() : 0;
    if (result == 0)
        result = pg_array_bits(rows, row, 2, DOMAIN_MAX, &grants->domains);
    if (result == 0)
        result = read_texts(arena, rows, row, 3, &grants->provinces, &grants->n_provinces);
    if (result == 0)
        result = read_texts(arena, rows, row, 4, &grants->told_fields, &grants->n_told);
    return result < 0 ? error_context(result, "agency %s", code) : 0;
}

static int read_agencies(Agencies *agencies, Pg *pg) {
    PGresult *rows = NULL;
    PgParams params = {0};
    int result = pg_run(pg, &AGENCIES, &params, &rows);
    if (result == 0) {
        agencies->n = (size_t)PQntuples(rows);
        agencies->list = arena_alloc(agencies->arena, agencies->n * sizeof *agencies->list + 1);
        if (agencies->list == NULL)
            result = no_memory();
    }
    for (size_t i = 0; result == 0 && i < agencies->n; i++)
        result = read_agency(agencies->arena, rows, (int)i, &agencies->list[i]);
    PQclear(rows);
    return result;
}

static void read_key(const PGresult *rows, int row, int column, uint8_t out[KEY_BYTES]) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, column, &n);
    memcpy(out, data, n < KEY_BYTES ? n : KEY_BYTES);
}

static int read_signing(Agencies *agencies, Pg *pg) {
    PGresult *rows = NULL;
    PgParams params = {0};
    int result = pg_run(pg, &SIGNING, &params, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    AgencyKey *keys = arena_zalloc(agencies->arena, (size_t)n * sizeof *keys + 1);
    if (result == 0 && keys == NULL)
        result = no_memory();
    size_t at = 0;
    for (int row = 0; result == 0 && row < n; row++) {
        uint32_t agency = (uint32_t)pg_i32(rows, row, 0);
        while (at < agencies->n && agencies->list[at].grants.agency < agency)
            at++;
        if (at == agencies->n || agencies->list[at].grants.agency != agency)
            continue; // enabled between the two queries: there at the next refresh
        read_key(rows, row, 1, keys[row].key);
        keys_id(keys[row].key, keys[row].id);
        keys[row].until_us = pg_is_null(rows, row, 2) ? INT64_MAX : pg_us(rows, row, 2);
        Agency *owner = &agencies->list[at];
        if (owner->n_keys++ == 0)
            owner->keys = &keys[row];
    }
    PQclear(rows);
    return result;
}

static int read_transport(Agencies *agencies, Pg *pg) {
    PGresult *rows = NULL;
    PgParams params = {0};
    int result = pg_run(pg, &TRANSPORT, &params, &rows);
    size_t n = result == 0 ? (size_t)PQntuples(rows) : 0;
    agencies->zap = arena_zalloc(agencies->arena, n * sizeof *agencies->zap + 1);
    if (result == 0 && agencies->zap == NULL)
        result = no_memory();
    for (; result == 0 && agencies->n_zap < n; agencies->n_zap++) {
        ZapKey *key = &agencies->zap[agencies->n_zap];
        read_key(rows, (int)agencies->n_zap, 0, key->key);
        int32_t agency = pg_i32(rows, (int)agencies->n_zap, 1);
        int32_t subscription = pg_i32(rows, (int)agencies->n_zap, 2);
        int32_t enrolment = pg_i32(rows, (int)agencies->n_zap, 3);
        zap_name(key,
                 enrolment != 0 ? ZAP_ENROLMENT
                 : agency != 0  ? "agency"
                                : "subscription",
                 enrolment != 0 ? enrolment
                 : agency != 0  ? agency
                                : subscription);
    }
    PQclear(rows);
    return result;
}

static int read_weights(Agencies *agencies, Pg *pg) {
    Learnt learnt;
    int result = learnt_read(pg, agencies->arena, &learnt);
    for (size_t i = 0; result == 0 && i < agencies->n; i++)
        agencies->list[i].weights = learnt_find(&learnt, agencies->list[i].grants.agency);
    return result;
}

int agencies_read(Agencies **ret, Pg *pg) {
    Agencies *agencies = calloc(1, sizeof *agencies);
    if (agencies == NULL)
        return no_memory();
    atomic_init(&agencies->count, 1);
    int result = arena_new(&agencies->arena, AGENCIES_BYTES_MAX);
    if (result == 0)
        result = read_agencies(agencies, pg);
    if (result == 0)
        result = read_signing(agencies, pg);
    if (result == 0)
        result = read_transport(agencies, pg);
    if (result == 0)
        result = read_weights(agencies, pg);
    if (result < 0) {
        agencies_unref(&agencies);
        return result;
    }
    *ret = agencies;
    return 0;
}

Agencies *agencies_ref(Agencies *agencies) {
    atomic_fetch_add(&agencies->count, 1);
    return agencies;
}

void agencies_unref(Agencies **pointer) {
    Agencies *agencies = *pointer;
    *pointer = NULL;
    if (agencies == NULL || atomic_fetch_sub(&agencies->count, 1) > 1)
        return;
    arena_destroy(&agencies->arena);
    free(agencies);
}

const Agency *agencies_find(const Agencies *agencies, uint32_t agency) {
    for (size_t i = 0; i < agencies->n; i++) {
        if (agencies->list[i].grants.agency == agency)
            return &agencies->list[i];
    }
    return NULL;
}

const Agency *agencies_of_user(const Agencies *agencies, const char *user) {
    uint32_t agency = 0;
    if (sscanf(user, "agency:%" SCNu32 ":", &agency) != 1)
        return NULL;
    return agencies_transport(agencies, user) == NULL ? NULL : agencies_find(agencies, agency);
}

const uint8_t *agencies_transport(const Agencies *agencies, const char *user) {
    for (size_t i = 0; i < agencies->n_zap; i++) {
        if (strcmp(agencies->zap[i].user, user) == 0)
            return agencies->zap[i].key;
    }
    return NULL;
}

const AgencyKey *agency_key(const Agency *agency, const char *key_id) {
    for (size_t i = 0; i < agency->n_keys; i++) {
        if (strcmp(agency->keys[i].id, key_id) == 0)
            return &agency->keys[i];
    }
    return NULL;
}

const ZapKey *agencies_zap(const Agencies *agencies, size_t *ret_n) {
    *ret_n = agencies->n_zap;
    return agencies->zap;
}

static bool texts_equal(const char *const *a, size_t n_a, const char *const *b, size_t n_b) {
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

// A model is never changed, only followed by another.
static int64_t learnt_as(const Agency *agency) {
    return agency->weights == NULL ? 0 : agency->weights->learnt;
}

static bool agency_equal(const Agency *a, const Agency *b) {
    const Grants *x = &a->grants, *y = &b->grants;
    return x->agency == y->agency && strcmp(x->code, y->code) == 0 && x->domains == y->domains &&
           texts_equal(x->provinces, x->n_provinces, y->provinces, y->n_provinces) &&
           texts_equal(x->told_fields, x->n_told, y->told_fields, y->n_told) && a->n_keys == b->n_keys &&
           learnt_as(a) == learnt_as(b) &&
           (a->n_keys == 0 || memcmp(a->keys, b->keys, a->n_keys * sizeof *a->keys) == 0);
}

bool agencies_equal(const Agencies *a, const Agencies *b) {
    if (a->n != b->n || a->n_zap != b->n_zap)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!agency_equal(&a->list[i], &b->list[i]))
            return false;
    }
    return a->n_zap == 0 || memcmp(a->zap, b->zap, a->n_zap * sizeof *a->zap) == 0;
}
