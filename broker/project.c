// SPDX-License-Identifier: Apache-2.0
//
// Projection field by field on the wire: bodies are flat (proto/domain.h), so no decoding is needed, and what was not
// granted is never touched.
#include "broker/project.h"

#include "proto/base/error.h"
#include "proto/walk.h"
#include "wire.pb-c.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define POPULATION_NUMBER 2 // PopulationChange.citizen_number

struct Projector {
    EVP_MAC_CTX *mac;
    Bytes body;
};

static EVP_MAC_CTX *mac_new(const uint8_t secret[32]) {
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    if (mac && EVP_MAC_init(mac, secret, 32, params) == 1)
        return mac;
    EVP_MAC_CTX_free(mac);
    return NULL;
}

int projector_new(Projector **ret, const uint8_t secret[32]) {
    Projector *projector = calloc(1, sizeof *projector);
    if (!projector)
        return error_fail(ERROR_MEMORY, "no memory for a subscription");
    projector->mac = mac_new(secret);
    if (!projector->mac) {
        free(projector);
        return error_fail(ERROR_CRYPTO, "OpenSSL does not give HMAC-SHA256");
    }
    *ret = projector;
    return 0;
}

void projector_destroy(Projector **projector) {
    if (!*projector)
        return;
    EVP_MAC_CTX_free((*projector)->mac);
    bytes_free(&(*projector)->body);
    free(*projector);
    *projector = NULL;
}

typedef struct Piece {
    const void *data;
    size_t n;
} Piece;

// The first `bytes` of HMAC-SHA256(secret, the pieces). No key: the one set in the beginning is kept.
static int mac_cut(EVP_MAC_CTX *mac, Piece first, Piece second, Piece out) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    size_t n;
    if (EVP_MAC_init(mac, NULL, 0, NULL) != 1 || EVP_MAC_update(mac, first.data, first.n) != 1 ||
        EVP_MAC_update(mac, second.data, second.n) != 1 || EVP_MAC_final(mac, hash, &n, sizeof hash) != 1)
        return error_fail(ERROR_CRYPTO, "HMAC-SHA256 failed");
    memcpy((void *)out.data, hash, out.n);
    return 0;
}

int projector_record_id(Projector *projector, const Dongbo__Entry *entry, uint8_t out[RECORD_ID_BYTES]) {
    uint8_t head[9];
    bytes_put_number(head, 8, (uint64_t)entry->person);
    head[8] = (uint8_t)entry->domain;
    return mac_cut(projector->mac, (Piece){head, sizeof head}, (Piece){entry->record_key, strlen(entry->record_key)},
                   (Piece){out, RECORD_ID_BYTES});
}

int projector_person_id(Projector *projector, int64_t person, uint8_t out[PERSON_ID_BYTES]) {
    uint8_t key[8];
    bytes_put_number(key, sizeof key, (uint64_t)person);
    return mac_cut(projector->mac, (Piece){"person", 6}, (Piece){key, sizeof key}, (Piece){out, PERSON_ID_BYTES});
}

int projector_share(Projector *projector, int64_t person, int n, int *ret) {
    uint8_t key[8], mac[8];
    bytes_put_number(key, sizeof key, (uint64_t)person);
    int r = mac_cut(projector->mac, (Piece){"share", 5}, (Piece){key, sizeof key}, (Piece){mac, sizeof mac});
    if (r == 0)
        *ret = (int)(bytes_get_number(mac, sizeof mac) % (unsigned)n) + 1;
    return r;
}

int project_body(const uint8_t *body, size_t n, uint32_t granted, Bytes *out) {
    const uint8_t *at = body, *end = body + n;
    size_t before = out->n;
    WalkField field;
    int r;
    while ((r = walk_next(&at, end, &field)) == 0)
        if (field.number <= DOMAIN_FIELDS_MAX && granted >> field.number & 1)
            bytes_append(out, field.start, field.bytes);
    if (r == 1)
        return 0;
    out->n = before;
    return 1;
}

static size_t changed_granted(const Dongbo__Entry *entry, uint32_t granted, uint32_t changed[DOMAIN_FIELDS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < entry->n_changed_fields && n < DOMAIN_FIELDS_MAX; i++) {
        uint32_t field = entry->changed_fields[i];
        if (field <= DOMAIN_FIELDS_MAX && granted >> field & 1)
            changed[n++] = field;
    }
    return n;
}

static bool is_held(Dongbo__ChangeKind change) {
    return change == DONGBO__CHANGE_KIND__CHANGE_UPSERT || change == DONGBO__CHANGE_KIND__CHANGE_ENTERED;
}

static bool has_granted(const Dongbo__Entry *entry, uint32_t granted) {
    const uint8_t *at = entry->body.data, *end = walk_end(at, entry->body.len);
    WalkField field;
    while (walk_next(&at, end, &field) == 0)
        if (field.number <= DOMAIN_FIELDS_MAX && granted >> field.number & 1)
            return true;
    return false;
}

// Who somebody is, is not told again by itself, as other records are, when they get another number or come to live
// somewhere: the entry that says so does it, also where none of its own fields is granted. It may be the first about
// them, too: then there is a record only if something that is granted is known. One that was emptied since it was told
// keeps the old number: to tell of it would tell everybody's new number to who may know, say, when somebody died.
static bool tells_who(const PolicyVersion *version, const Dongbo__Entry *entry) {
    if (entry->domain != DONGBO__DOMAIN__POPULATION)
        return false;
    bool comes = policy_sees_home(version, entry->province_after, entry->province63_after) &&
                 !policy_sees_home(version, entry->province_before, entry->province63_before);
    uint32_t changed[DOMAIN_FIELDS_MAX];
    bool numbered = version->citizen_number && changed_granted(entry, 1u << POPULATION_NUMBER, changed) > 0;
    return (comes || numbered) && has_granted(entry, version->fields[entry->domain] & ~1u);
}

bool projection_is_empty(const Projection *projection) {
    const Dongbo__Entry *entry = projection->entry;
    uint32_t granted = projection->version->fields[entry->domain] & ~1u;
    uint32_t changed[DOMAIN_FIELDS_MAX];
    Dongbo__ChangeKind change = policy_change(projection->passage, entry);
    bool whole = change == DONGBO__CHANGE_KIND__CHANGE_ENTERED || entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD ||
                 tells_who(projection->version, entry);
    // Without a field of its domain nothing is granted of a record, not even that it is gone.
    return granted == 0 ||
           (is_held(change) && ((changed_granted(entry, granted, changed) == 0 && !whole) || entry->body.len == 0));
}

int projector_append(Projector *projector, const Projection *projection, Bytes *out) {
    const Dongbo__Entry *entry = projection->entry;
    uint32_t granted = projection->version->fields[entry->domain] & ~1u;
    uint32_t changed[DOMAIN_FIELDS_MAX];
    size_t n_changed = changed_granted(entry, granted, changed);
    Dongbo__ChangeKind change = policy_change(projection->passage, entry);
    if (projection_is_empty(projection))
        return 1;
    bytes_clear(&projector->body);
    if (is_held(change) && project_body(entry->body.data, entry->body.len, granted, &projector->body))
        return 2;
    uint8_t id[RECORD_ID_BYTES], person_id[PERSON_ID_BYTES];
    int r = projector_record_id(projector, entry, id);
    if (r == 0 && projection->version->person_id)
        r = projector_person_id(projector, entry->person, person_id);
    if (r < 0)
        return r;

    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = projection->position;
    record.previous = projection->previous;
    record.domain = entry->domain;
    record.change = change;
    record.record_id = (ProtobufCBinaryData){sizeof id, id};
    if (projection->version->citizen_number)
        record.citizen_number = entry->citizen_number;
    if (projection->version->person_id)
        record.person_id = (ProtobufCBinaryData){sizeof person_id, person_id};
    record.event_time_us = entry->event_time_us;
    record.agency = (char *)projection->agency;
    record.n_changed_fields = n_changed;
    record.changed_fields = changed;
    record.body = (ProtobufCBinaryData){projector->body.n, projector->body.data};
    bytes_append_message(out, &record.base);
    if (out->failed || projector->body.failed)
        return error_fail(ERROR_MEMORY, "no memory for a feed record");
    return 0;
}
