// SPDX-License-Identifier: Apache-2.0
//
// A list of a handful, kept in order by insertion.
#include "broker/origins.h"

#include "broker/claim.h"
#include "proto/base/error.h"

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "a record's origins do not fit the batch's memory");
}

// The fields of `fields` as an array in the arena, ascending. NULL without memory.
static uint32_t *numbers_of(Arena *arena, uint32_t fields, size_t *ret_n) {
    uint32_t *numbers = arena_alloc(arena, (size_t)__builtin_popcount(fields) * sizeof *numbers + 1);
    size_t n = 0;
    for (uint32_t number = 1; numbers && number <= DOMAIN_FIELDS_MAX; number++)
        if (fields & CLAIM_BIT(number))
            numbers[n++] = number;
    *ret_n = n;
    return numbers;
}

int origins_add(Arena *arena, Dongbo__Record *record, const Dongbo__Origin *like, uint32_t sets, uint32_t clears) {
    if (!(sets | clears))
        return 0;
    Dongbo__Origin *origin = arena_alloc(arena, sizeof *origin);
    if (!origin)
        return no_memory();
    *origin = *like;
    origin->fields = numbers_of(arena, sets, &origin->n_fields);
    origin->cleared = numbers_of(arena, clears, &origin->n_cleared);
    if (!origin->fields || !origin->cleared)
        return no_memory();
    Claim claim = claim_of(origin);
    size_t at = record->n_origins++;
    for (; at > 0; at--) {
        Claim before = claim_of(record->origins[at - 1]);
        if (claim_compare(&before, &claim) >= 0)
            break;
        record->origins[at] = record->origins[at - 1];
    }
    record->origins[at] = origin;
    return 0;
}

const Dongbo__Origin *origins_newest(const Dongbo__Record *record) {
    const Dongbo__Origin *newest = NULL;
    for (size_t i = 0; i < record->n_origins; i++)
        if (!newest || record->origins[i]->event_time_us > newest->event_time_us)
            newest = record->origins[i];
    return newest;
}

static bool is_retracted(const Dongbo__Record *record) {
    for (size_t i = 0; i < record->n_origins; i++)
        if (record->origins[i]->n_fields)
            return false;
    return true;
}

int origins_close(Arena *arena, Dongbo__Record *record, const ProtobufCMessage *body) {
    record->retracted = is_retracted(record);
    record->body.len = protobuf_c_message_get_packed_size(body);
    record->body.data = arena_alloc(arena, record->body.len + 1);
    if (!record->body.data)
        return no_memory();
    protobuf_c_message_pack(body, record->body.data);
    return 0;
}
