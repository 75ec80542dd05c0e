// SPDX-License-Identifier: Apache-2.0
//
// A ChangeEvent's identity: the same row with the same content at the same agency is the same event, whoever reads it
// again and however often.
#pragma once

#include "event.pb-c.h"
#include "proto/base/bytes.h"
#include "proto/bounds.h"
#include "proto/merkle.h"

// Fills event->event_id: SHA-256(agency 0x00 source_key 0x00 content), first 16 bytes, where content is the packed
// event without its id. `id` is 16 bytes of the caller's and is kept by pointer. `scratch` is overwritten;
// with scratch->failed (no memory) the event has no id.
void event_identify(Dongbo__ChangeEvent *event, const char *agency, Merkle *merkle, Bytes *scratch,
                    uint8_t id[EVENT_ID_BYTES]);
