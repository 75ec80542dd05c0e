// SPDX-License-Identifier: Apache-2.0
//
// What one event says of one field: its weight against others. Pure, and all in this header.
#pragma once

#include "proto/bounds.h"
#include "proto/domain.h"
#include "store.pb-c.h"

#include <stdint.h>
#include <string.h>

#define CLAIM_BIT(number) (1u << (number))

typedef struct Claim {
    uint32_t authority;
    int64_t event_time_us;
    const uint8_t *event_id; // 16 bytes
} Claim;

static inline Claim claim_of(const Dongbo__Origin *origin) {
    return (Claim){origin->authority, origin->event_time_us, origin->event_id.data};
}

// By time, then by the event's id. Two events never tie.
static inline int claim_compare_time(const Claim *a, const Claim *b) {
    if (a->event_time_us != b->event_time_us)
        return a->event_time_us < b->event_time_us ? -1 : 1;
    return memcmp(a->event_id, b->event_id, EVENT_ID_BYTES);
}

// The greater one stands.
static inline int claim_compare(const Claim *a, const Claim *b) {
    if (a->authority != b->authority)
        return a->authority < b->authority ? -1 : 1;
    return claim_compare_time(a, b);
}

// Field numbers as a set; those that no body can have are dropped.
static inline uint32_t claim_bits(const uint32_t *numbers, size_t n) {
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++)
        if (numbers[i] >= 1 && numbers[i] <= DOMAIN_FIELDS_MAX)
            bits |= CLAIM_BIT(numbers[i]);
    return bits;
}
