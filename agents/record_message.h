// SPDX-License-Identifier: Apache-2.0
//
// A feed record as proto/record.proto's message SubscriberRecord, for programs that have that file: in protobuf's own
// encoding, and in its canonical JSON mapping (lowerCamelCase names, 64-bit numbers as strings, enums by name, bytes in
// base64). Absent values are left out.
#pragma once

#include "proto/base/bytes.h"
#include "wire.pb-c.h"

// origin: the proof of whose word it is, a Proof's file (PROTOCOL.md, Proofs); NULL: there is none.
// Appends one line with its line feed. 1 when the record cannot be read; `out` is then as before.
int record_message_append_json(const Dongbo__FeedRecord *record, const ProtobufCBinaryData *origin, Bytes *out);
// Appends the message's length as a varint and then the message, as protobuf's own readers of delimited messages take
// it. 1 likewise.
int record_message_append_delimited(const Dongbo__FeedRecord *record, const ProtobufCBinaryData *origin, Bytes *out);
