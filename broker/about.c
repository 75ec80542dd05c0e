// SPDX-License-Identifier: Apache-2.0
//
// See about.h. A byte for the form, then the bits: sixteen for each key, of which a key sets six.
#include "broker/about.h"

#include "broker/item.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <endian.h>
#include <string.h>

#define FORM 1
#define BITS 16
#define PROBES 6
#define KEYS_PER_ENTRY 3

// Apart from each other, and stored: never to be changed without another FORM.
enum { PERSON = 101, NUMBER, EVENT };

AboutKey about_person(int64_t person) {
    return record_hash(person, PERSON, "");
}

AboutKey about_number(const char *number) {
    return record_hash(0, NUMBER, number);
}

AboutKey about_event(const uint8_t event_id[16]) {
    int64_t part;
    memcpy(&part, event_id, sizeof part);
    return record_hash((int64_t)le64toh((uint64_t)part), EVENT, "");
}

static uint64_t probe(AboutKey key, unsigned i, uint64_t bits) {
    return ((key & UINT32_MAX) + i * (key >> 32 | 1)) % bits;
}

static void add(uint8_t *filter, uint64_t bits, AboutKey key) {
    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t at = probe(key, i, bits);
        filter[at / 8] |= (uint8_t)(1u << at % 8);
    }
}

static size_t keys_of(const Dongbo__Entry *entry, AboutKey keys[KEYS_PER_ENTRY]) {
    size_t n = 0;
    if (entry->person != 0)
        keys[n++] = about_person(entry->person);
    if (entry->citizen_number[0] != '\0')
        keys[n++] = about_number(entry->citizen_number);
    if (entry->event_id.len == EVENT_ID_BYTES)
        keys[n++] = about_event(entry->event_id.data);
    return n;
}

int about_build(const Dongbo__Entry *const *entries, size_t n, Bytes *out) {
    AboutKey keys[KEYS_PER_ENTRY];
    size_t n_keys = 0;
    for (size_t i = 0; i < n; i++)
        n_keys += keys_of(entries[i], keys);
    size_t bytes = n_keys * BITS / 8;
    bytes_append_u8(out, FORM);
    uint8_t *filter = bytes_reserve(out, bytes);
    if (filter == NULL && bytes > 0)
        return error_fail(ERROR_MEMORY, "no memory for a segment's filter");
    if (bytes > 0)
        memset(filter, 0, bytes);
    for (size_t i = 0; i < n; i++)
        for (size_t left = keys_of(entries[i], keys); left > 0; left--)
            add(filter, 8 * bytes, keys[left - 1]);
    out->n += bytes;
    return out->failed ? error_fail(ERROR_MEMORY, "no memory for a segment's filter") : 0;
}

static bool holds(const uint8_t *filter, uint64_t bits, AboutKey key) {
    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t at = probe(key, i, bits);
        if (!(filter[at / 8] >> at % 8 & 1))
            return false;
    }
    return true;
}

bool about_may_hold(const uint8_t *filter, size_t bytes, const AboutKey *keys, size_t n) {
    if (bytes == 0 || filter[0] != FORM)
        return true;
    for (size_t i = 0; i < n && bytes > 1; i++)
        if (holds(filter + 1, 8 * (uint64_t)(bytes - 1), keys[i]))
            return true;
    return false;
}
