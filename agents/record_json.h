// SPDX-License-Identifier: Apache-2.0
//
// A feed record as one line of JSON (RFC 8259), written straight from its bytes. Absent values are left out.
#pragma once

#include "agents/record_origin.h"
#include "proto/base/bytes.h"
#include "wire.pb-c.h"

// Appends {"position":N,"domain":"health","change":"upsert","record":"<hex>","citizen_number":"…","person":"<hex>",
// "agency":"MOH","event_time":"…Z","fields":{…},"changed":[…],"origin":{…}} and a line feed; origin is what proves
// whose word it is (record_origin.h), where there is one (NULL: none); change is upsert, delete, entered or left. 1
// when the record cannot be read (its domain is not known here, or its body is malformed); `out` is then as before.
int record_json_append(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out);
