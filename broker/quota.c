// SPDX-License-Identifier: Apache-2.0
//
// A fixed number of slots, by a hash of the peer's name: whoever makes many names up gets no more lines by it.
#include "broker/quota.h"

#include <stdio.h>

#define WINDOW_MS 60000

// FNV-1a.
static uint32_t hash(const char *peer) {
    uint32_t h = 2166136261u;
    for (; *peer; peer++)
        h = (h ^ (uint8_t)*peer) * 16777619u;
    return h;
}

const char *quota_take(Quota *quota, const char *peer, int64_t now_ms, char text[QUOTA_TEXT_BYTES]) {
    QuotaSlot *slot = &quota->slots[hash(peer) % QUOTA_SLOTS];
    if (slot->lines == 0 || now_ms - slot->since_ms >= WINDOW_MS) {
        slot->since_ms = now_ms;
        slot->lines = 0;
    }
    if (slot->lines == QUOTA_LINES) {
        slot->hidden++;
        return NULL;
    }
    slot->lines++;
    text[0] = 0;
    if (slot->hidden > 0)
        snprintf(text, QUOTA_TEXT_BYTES, " (and %u lines more before, not shown)", slot->hidden);
    slot->hidden = 0;
    return text;
}
