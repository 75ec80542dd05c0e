// SPDX-License-Identifier: Apache-2.0
//
// What left the exchange about one person, or may have: computed from the log, from how far each subscription was
// released and acknowledged, and from the rights that held at each position, by the code that sends. Nothing is kept of
// a single delivery, and not acknowledging hides nothing.
#pragma once

#include "operators/identity.h"
#include "operators/names.h"

#include <jansson.h>

// {"subscriptions": [{"subscription", "subscriber", "state", "acked", "released",
//    "policies": [{"version", "legal_basis", "valid_from", "valid_to", "position", "records": [{"position", "stored",
//      "domain", "change", "record", "fields": […], "delivery": "delivered" | "possibly", "trimmed"?, "erased"?,
//      "origin": "leaf" | "event" | none}]}],
//    "snapshots": [{"snapshot", "digests", "started", "finished", "first_position", "head_position",
//      "records": [{"position", "domain", "record", "policy_version", "fields": […]}]}]}],
//  "unknown_positions": […]}
// "origin": what may have gone along for whoever asks for proofs of origin, as far as rights go: a leaf tells nothing,
// an event is all that its agency said. Subscriptions that were sent nothing are left out. "digests": not the records
// went out, but what they add up to. "trimmed": the log's content was let go, and this is what the version of the
// record allows, wherever its person lived. "erased": as it was when its content was erased, without the record's key.
// "unknown_positions": first ones of such segments, in which records may have been told again. unmask: keys of records.
// ERROR_DATABASE, ERROR_MEMORY, ERROR_CONFIG.
int disclosure_read(Desk *desk, const Identity *identity, bool unmask, json_t **ret);
// Before the content of entries about this person goes: keeps what disclosure_read() says of those of them whose
// tombstones stand in the log. ERROR_DATABASE, ERROR_MEMORY, ERROR_CONFIG.
int disclosure_keep(Desk *desk, int64_t person);
// Who has this number by what events taught alone, for a number that the population store does not know: 0 for nobody,
// or several.
int disclosure_find_person(Pg *exchange, const char *number, int64_t *ret);
