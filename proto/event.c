// SPDX-License-Identifier: Apache-2.0
//
// Gives an event its id. The id is the agent's word for "this is the same event", so that reading a source again brings
// nothing new; the exchange never trusts it for anything else.
#include "proto/event.h"

#include "proto/bounds.h"

#include <string.h>

void event_identify(Dongbo__ChangeEvent *event, const char *agency, Merkle *merkle, Bytes *scratch,
                    uint8_t id[EVENT_ID_BYTES]) {
    event->event_id = (ProtobufCBinaryData){0};
    bytes_clear(scratch);
    bytes_append(scratch, agency, strlen(agency) + 1);
    bytes_append(scratch, event->source_key, strlen(event->source_key) + 1);
    bytes_append_message(scratch, &event->base);
    if (scratch->failed)
        return;
    uint8_t hash[HASH_BYTES];
    merkle_sha256(merkle, scratch->data, scratch->n, hash);
    memcpy(id, hash, EVENT_ID_BYTES);
    event->event_id = (ProtobufCBinaryData){.len = EVENT_ID_BYTES, .data = id};
}
