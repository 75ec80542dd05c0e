// SPDX-License-Identifier: Apache-2.0
//
// A record's digest is taken over its fields in the order of their numbers, as text, so that a receiver can take it
// from columns as well as from bytes. Sums are modulo 2^128 and big-endian.
#include "proto/buckets.h"

#include "proto/base/error.h"
#include "proto/domain.h"
#include "proto/merkle.h"
#include "proto/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Buckets {
    Merkle *hash;
    Bytes content;
    uint8_t sums[BUCKETS_SUMS_BYTES];
};

int buckets_new(Buckets **ret) {
    Buckets *buckets = calloc(1, sizeof *buckets);
    if (!buckets)
        return error_fail(ERROR_MEMORY, "no memory for digests");
    int r = merkle_new(&buckets->hash);
    if (r < 0)
        buckets_destroy(&buckets);
    *ret = buckets;
    return r;
}

void buckets_destroy(Buckets **buckets) {
    if (!*buckets)
        return;
    merkle_destroy(&(*buckets)->hash);
    bytes_free(&(*buckets)->content);
    free(*buckets);
    *buckets = NULL;
}

void buckets_clear(Buckets *buckets) {
    memset(buckets->sums, 0, sizeof buckets->sums);
}

const uint8_t *buckets_sums(const Buckets *buckets) {
    return buckets->sums;
}

unsigned buckets_of(const uint8_t id[RECORD_ID_BYTES]) {
    _Static_assert(SNAPSHOT_BUCKETS == 1 << 12, "twelve bits");
    return (unsigned)id[0] << 4 | id[1] >> 4;
}

bool buckets_has(const uint8_t map[BUCKETS_MAP_BYTES], unsigned bucket) {
    return map[bucket / 8] >> bucket % 8 & 1;
}

static void add(uint8_t sum[SNAPSHOT_DIGEST_BYTES], const uint8_t digest[SNAPSHOT_DIGEST_BYTES]) {
    unsigned carry = 0;
    for (int i = SNAPSHOT_DIGEST_BYTES - 1; i >= 0; i--) {
        carry += (unsigned)sum[i] + digest[i];
        sum[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void value_append(Bytes *out, const void *data, size_t n) {
    bytes_append_u32(out, (uint32_t)n);
    bytes_append(out, data, n);
}

static void field_append(Bytes *out, const WalkField *field) {
    char digits[24];
    bytes_append_u8(out, (uint8_t)field->number);
    if (field->type == 2)
        value_append(out, field->data, field->n);
    else
        value_append(out, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, field->value));
}

// Granted fields that have a value, by number; of one given twice the last, as protobuf has it. 0; 1 malformed.
static int fields_find(const BucketsRecord *record, WalkField fields[DOMAIN_FIELDS_MAX + 1], uint32_t *ret_said) {
    const uint8_t *at = record->body, *end = walk_end(at, record->body_n);
    WalkField field;
    int r;
    *ret_said = 0;
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (field.number > DOMAIN_FIELDS_MAX || !(record->granted >> field.number & 1))
            continue;
        if (field.type != 0 && field.type != 2)
            return 1;
        fields[field.number] = field;
        bool said = field.type == 2 ? field.n > 0 : field.value > 0;
        *ret_said = said ? *ret_said | 1u << field.number : *ret_said & ~(1u << field.number);
    }
    return r == 1 ? 0 : 1;
}

int buckets_add(Buckets *buckets, const BucketsRecord *record) {
    WalkField fields[DOMAIN_FIELDS_MAX + 1];
    uint32_t said;
    int r = fields_find(record, fields, &said);
    if (r != 0 || said == 0)
        return r;
    Bytes *content = &buckets->content;
    bytes_clear(content);
    bytes_append(content, record->id, RECORD_ID_BYTES);
    bytes_append_u8(content, (uint8_t)record->domain);
    value_append(content, record->citizen_number, strlen(record->citizen_number));
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
        if (said >> number & 1)
            field_append(content, &fields[number]);
    if (content->failed)
        return error_fail(ERROR_MEMORY, "no memory for digests");
    uint8_t digest[HASH_BYTES];
    merkle_sha256(buckets->hash, content->data, content->n, digest);
    add(buckets->sums + (size_t)buckets_of(record->id) * SNAPSHOT_DIGEST_BYTES, digest);
    return 0;
}

static void varint_append(Bytes *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        bytes_append_u8(out, (uint8_t)(value | 0x80));
    bytes_append_u8(out, (uint8_t)value);
}

void buckets_body(Bytes *body, const ProtobufCFieldDescriptor *field, const char *text) {
    size_t n = strlen(text);
    if (n == 0)
        return;
    if (field->type != PROTOBUF_C_TYPE_STRING) {
        varint_append(body, (uint64_t)field->id << 3);
        varint_append(body, strtoull(text, NULL, 10));
        return;
    }
    varint_append(body, (uint64_t)field->id << 3 | 2);
    varint_append(body, n);
    bytes_append(body, text, n);
}

void buckets_add_sums(Buckets *buckets, const uint8_t sums[BUCKETS_SUMS_BYTES]) {
    for (size_t at = 0; at < BUCKETS_SUMS_BYTES; at += SNAPSHOT_DIGEST_BYTES)
        add(buckets->sums + at, sums + at);
}

unsigned buckets_differing(const Buckets *a, const Buckets *b, uint8_t ret_map[BUCKETS_MAP_BYTES]) {
    unsigned n = 0;
    memset(ret_map, 0, BUCKETS_MAP_BYTES);
    for (unsigned bucket = 0; bucket < SNAPSHOT_BUCKETS; bucket++) {
        size_t at = (size_t)bucket * SNAPSHOT_DIGEST_BYTES;
        if (memcmp(a->sums + at, b->sums + at, SNAPSHOT_DIGEST_BYTES) == 0)
            continue;
        ret_map[bucket / 8] |= (uint8_t)(1u << bucket % 8);
        n++;
    }
    return n;
}
