// SPDX-License-Identifier: Apache-2.0
//
// One message is one ZeroMQ frame: a fixed header of 24 bytes, then a protobuf body.
//   0  2  magic "DB"     2  1  version (PROTOCOL_VERSION)     3  1  type     4  4  body length
//   8  8  session (0 before Welcome)     16  8  sequence (first_sequence of a Batch; otherwise a counter from 1)
// All integers big-endian. Nothing is allocated for a frame before frame_read() has accepted its header.
#pragma once

#include "proto/base/bytes.h"

#include <stddef.h>
#include <stdint.h>

typedef enum FrameType {
    FRAME_HELLO_PUBLISH = 1,
    FRAME_WELCOME_PUBLISH = 2,
    FRAME_BATCH = 3,
    FRAME_RECEIPT = 4,
    FRAME_VERDICTS = 5,
    FRAME_REFUSAL = 6,
    FRAME_PROOFS = 7,
    FRAME_HELLO_SUBSCRIBE = 16,
    FRAME_WELCOME_SUBSCRIBE = 17,
    FRAME_CREDIT = 18,
    FRAME_RECORDS = 19,
    FRAME_WATERMARK = 20,
    FRAME_ACK = 21,
    FRAME_FOLLOW = 22,
    FRAME_FOLLOWED = 23,
    FRAME_SNAPSHOT = 24,
    FRAME_CHUNK = 25,
    FRAME_ASK_HEADS = 26,
    FRAME_HEADS = 27,
    FRAME_ENROL = 28,
    FRAME_ENROLLED = 29,
    FRAME_PING = 32,
    FRAME_PONG = 33,
    FRAME_ERROR = 34,
    FRAME_GOODBYE = 35, // empty body: the session ends, nothing is wrong
} FrameType;

typedef struct Frame {
    FrameType type;
    uint64_t session;
    uint64_t sequence;
    const uint8_t *body; // into the caller's bytes
    size_t body_bytes;
} Frame;

// 0; 1 not a frame of ours (magic, length, unknown type); 2 another protocol version.
int frame_read(const uint8_t *data, size_t n, Frame *ret);
// Appends header and packed message (NULL: empty body). A body beyond FRAME_BODY_BYTES_MAX appends nothing and sets
// out->failed, as a failed growth does: whoever fills a message must stop in time.
void frame_write(Bytes *out, FrameType type, uint64_t session, uint64_t sequence, const ProtobufCMessage *message);
// The same with a body that is packed already: a sealed batch goes out byte for byte.
void frame_write_bytes(Bytes *out, FrameType type, uint64_t session, uint64_t sequence, const uint8_t *body, size_t n);
// Decodes the body as `descriptor`, after check_message() with the wire limits, with this allocator.
// 1 when it is unreadable or beyond a limit. The message lives in the allocator.
int frame_decode(const Frame *frame, const ProtobufCMessageDescriptor *descriptor, ProtobufCAllocator *allocator,
                 ProtobufCMessage **ret);
const char *frame_type_name(FrameType type);
