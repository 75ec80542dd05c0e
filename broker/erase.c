// SPDX-License-Identifier: Apache-2.0
//
// See erase.h. Steps over fields as they stand on the wire, and copies what stays. What is left is a zstd frame like
// any other (RFC 8878), but of blocks that are stored as they are.
#include "broker/erase.h"

#include "broker/logfile.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/walk.h"
#include "store.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC 0xFD2FB528u
#define DESCRIPTOR 0xA0 // one segment, its size in four bytes
#define BLOCK_BYTES ((size_t)128 * 1024)

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory to erase");
}

// ---- lists of entries -----------------------------------------------------------------------------------------------

typedef struct Shape { // of a message with a list and perhaps salts
    unsigned list, salts;
} Shape;

static void append_varint(Bytes *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        bytes_append_u8(to, (uint8_t)(value | 0x80));
    bytes_append_u8(to, (uint8_t)value);
}

static void append_delimited(Bytes *to, unsigned number, const Bytes *body) {
    append_varint(to, (uint64_t)number << 3 | 2);
    append_varint(to, body->n);
    bytes_append(to, body->data, body->n);
}

// Zeros in the places of those that go.
static int append_salts(Bytes *to, const WalkField *salts, EraseSet set) {
    size_t at = to->n + (salts->bytes - salts->n);
    if (salts->n != set.n * SALT_BYTES)
        return 1;
    bytes_append(to, salts->start, salts->bytes);
    for (size_t i = 0; i < set.n && !to->failed; i++) {
        if (set.gone[i])
            memset(to->data + at + i * SALT_BYTES, 0, SALT_BYTES);
    }
    return 0;
}

static int erase_list(const Bytes *plain, Shape shape, EraseSet set, Bytes *out) {
    static const Bytes EMPTY = {0};
    const uint8_t *at = plain->data, *end = at + plain->n;
    WalkField field;
    size_t i = 0;
    int r;
    while ((r = walk_next(&at, end, &field)) == 0) {
        bool listed = field.number == shape.list;
        if (listed && i == set.n) // more than there are entries: who can say which are which?
            return 1;
        if (listed && set.gone[i++])
            append_delimited(out, field.number, &EMPTY);
        else if (shape.salts != 0 && field.number == shape.salts)
            r = append_salts(out, &field, set);
        else
            bytes_append(out, field.start, field.bytes);
        if (r != 0)
            return 1;
    }
    return r == 1 && i == set.n ? 0 : 1;
}

static void append_little(Bytes *to, size_t number, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        bytes_append_u8(to, (uint8_t)(number >> 8 * i));
}

// The database looks at what it is given here, and cannot decompress (exchange.erase_segment()).
static int frame(const Bytes *plain, Bytes *out) {
    append_little(out, MAGIC, 4);
    bytes_append_u8(out, DESCRIPTOR);
    append_little(out, plain->n, 4);
    size_t at = 0, n;
    do {
        n = plain->n - at < BLOCK_BYTES ? plain->n - at : BLOCK_BYTES;
        append_little(out, n << 3 | (at + n == plain->n), 3);
        bytes_append(out, plain->data + at, n);
        at += n;
    } while (at < plain->n);
    return plain->failed || out->failed ? no_memory() : 0;
}

int erase_payload(const uint8_t *data, size_t n, EraseSet set, Bytes *out) {
    CLEANUP(bytes_free) Bytes plain = {0};
    CLEANUP(bytes_free) Bytes erased = {0};
    int r = logfile_unpack(data, n, &plain);
    if (r == 0)
        r = erase_list(&plain, (Shape){1, 2}, set, &erased);
    return r != 0 ? r : frame(&erased, out);
}

// The masked number is field 7 of a line. What was noted and who decided stays: it names nobody.
static int erase_line(const WalkField *line, Bytes *to) {
    const uint8_t *at = line->data, *end = at + line->n;
    WalkField field;
    int r;
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (field.number != 7)
            bytes_append(to, field.start, field.bytes);
    }
    return r == 1 ? 0 : 1;
}

int erase_summary(const uint8_t *data, size_t n, EraseSet set, Bytes *out) {
    CLEANUP(bytes_free) Bytes plain = {0};
    CLEANUP(bytes_free) Bytes erased = {0};
    CLEANUP(bytes_free) Bytes line = {0};
    int r = logfile_unpack(data, n, &plain);
    if (r != 0)
        return r;
    const uint8_t *at = plain.data, *end = at + plain.n;
    WalkField field;
    for (size_t i = 0; (r = walk_next(&at, end, &field)) == 0; i++) {
        bytes_clear(&line);
        if (i >= set.n || field.number != 1 || field.type != 2)
            return 1;
        if (!set.gone[i])
            bytes_append(&erased, field.start, field.bytes);
        else if (erase_line(&field, &line) != 0)
            return 1;
        else
            append_delimited(&erased, 1, &line);
    }
    return r != 1 ? 1 : line.failed ? no_memory() : frame(&erased, out);
}

int erase_batch(const uint8_t *data, size_t n, EraseSet set, Bytes *out) {
    const Bytes plain = {.data = (uint8_t *)data, .n = n};
    int r = erase_list(&plain, (Shape){4, 3}, set, out);
    return r != 0 ? r : out->failed ? no_memory() : 0;
}

// ---- records --------------------------------------------------------------------------------------------------------

static bool is_by(const Dongbo__Origin *origin, const uint8_t event_id[16]) {
    return origin->event_id.len == EVENT_ID_BYTES && memcmp(origin->event_id.data, event_id, EVENT_ID_BYTES) == 0;
}

static uint32_t bits(const uint32_t *numbers, size_t n) {
    uint32_t set = 0;
    for (size_t i = 0; i < n; i++)
        set |= numbers[i] < 32 ? 1u << numbers[i] : 0;
    return set;
}

static void copy_without(const ProtobufCBinaryData *body, uint32_t fields, Bytes *to) {
    const uint8_t *at = body->data, *end = at + body->len;
    WalkField field;
    while (walk_next(&at, end, &field) == 0) {
        if (field.number >= 32 || !(fields >> field.number & 1))
            bytes_append(to, field.start, field.bytes);
    }
}

// Which fields were by it; the origins that stay are moved together.
static uint32_t take_origins(Dongbo__Record *record, const uint8_t event_id[16]) {
    uint32_t fields = 0;
    size_t n = 0;
    for (size_t i = 0; i < record->n_origins; i++) {
        Dongbo__Origin *origin = record->origins[i];
        if (is_by(origin, event_id)) {
            fields |= bits(origin->fields, origin->n_fields);
            continue;
        }
        record->origins[n++] = origin;
    }
    record->n_origins = n;
    return fields;
}

static bool lost_by(const Dongbo__Lost *lost, const uint8_t event_id[16]) {
    for (size_t i = 0; lost != NULL && i < lost->n_origins; i++) {
        if (is_by(lost->origins[i], event_id))
            return true;
    }
    return false;
}

static int erase_from(Dongbo__Record *record, const uint8_t event_id[16], uint32_t keys, Bytes *out) {
    CLEANUP(bytes_free) Bytes body = {0};
    Dongbo__Record left = *record; // what was unpacked is freed as it was
    Dongbo__Lost lost = DONGBO__LOST__INIT;
    uint32_t fields = take_origins(&left, event_id);
    if (left.n_origins > 0)
        copy_without(&record->body, fields & ~keys, &body);
    left.body = (ProtobufCBinaryData){.len = body.n, .data = body.data};
    left.retracted = left.n_origins == 0 || record->retracted;
    if (lost_by(record->lost, event_id)) { // that it was taken back, if it was, still counts
        lost.origins = record->lost->origins;
        lost.n_origins = record->lost->n_origins;
        left.lost = &lost;
        for (size_t i = 0; i < lost.n_origins; i++)
            lost.origins[i]->n_fields = lost.origins[i]->n_cleared = 0;
    }
    bytes_append_message(out, &left.base);
    return body.failed || out->failed ? no_memory() : 0;
}

int erase_record(const uint8_t *data, size_t n, const uint8_t event_id[16], uint32_t keys, Bytes *out) {
    Dongbo__Record *record = dongbo__record__unpack(NULL, n, data);
    if (record == NULL)
        return 1;
    size_t bytes = record->n_origins * sizeof *record->origins;
    Dongbo__Origin **origins = malloc(bytes + 1);
    int r = origins == NULL ? no_memory() : 0;
    if (r == 0 && bytes > 0)
        memcpy(origins, record->origins, bytes);
    if (r == 0)
        r = erase_from(record, event_id, keys, out);
    if (origins != NULL && bytes > 0)
        memcpy(record->origins, origins, bytes); // for whoever frees them
    free(origins);
    dongbo__record__free_unpacked(record, NULL);
    return r;
}
