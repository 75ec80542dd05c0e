// SPDX-License-Identifier: Apache-2.0
//
// Frames written and read. A frame is judged by its fixed header alone before anything is allocated for it, and its
// body is walked (check_message) before anything is decoded. It keeps no state: what may come when is the session's to
// know.
#include "proto/frame.h"

#include "proto/bounds.h"
#include "proto/check.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t MAGIC[2] = {'D', 'B'};

const char *frame_type_name(FrameType type) {
    switch (type) {
    case FRAME_HELLO_PUBLISH:
        return "HELLO_PUBLISH";
    case FRAME_WELCOME_PUBLISH:
        return "WELCOME_PUBLISH";
    case FRAME_BATCH:
        return "BATCH";
    case FRAME_RECEIPT:
        return "RECEIPT";
    case FRAME_VERDICTS:
        return "VERDICTS";
    case FRAME_PROOFS:
        return "PROOFS";
    case FRAME_REFUSAL:
        return "REFUSAL";
    case FRAME_HELLO_SUBSCRIBE:
        return "HELLO_SUBSCRIBE";
    case FRAME_WELCOME_SUBSCRIBE:
        return "WELCOME_SUBSCRIBE";
    case FRAME_CREDIT:
        return "CREDIT";
    case FRAME_RECORDS:
        return "RECORDS";
    case FRAME_WATERMARK:
        return "WATERMARK";
    case FRAME_ACK:
        return "ACK";
    case FRAME_FOLLOW:
        return "FOLLOW";
    case FRAME_FOLLOWED:
        return "FOLLOWED";
    case FRAME_SNAPSHOT:
        return "SNAPSHOT";
    case FRAME_CHUNK:
        return "CHUNK";
    case FRAME_ASK_HEADS:
        return "ASK_HEADS";
    case FRAME_HEADS:
        return "HEADS";
    case FRAME_ENROL:
        return "ENROL";
    case FRAME_ENROLLED:
        return "ENROLLED";
    case FRAME_PING:
        return "PING";
    case FRAME_PONG:
        return "PONG";
    case FRAME_ERROR:
        return "ERROR";
    case FRAME_GOODBYE:
        return "GOODBYE";
    }
    return "?";
}

int frame_read(const uint8_t *data, size_t n, Frame *ret) {
    if (n < FRAME_HEADER_BYTES || memcmp(data, MAGIC, sizeof(MAGIC)) != 0)
        return 1;
    if (data[2] != PROTOCOL_VERSION)
        return 2;
    size_t body_bytes = (size_t)bytes_get_number(data + 4, 4);
    if (body_bytes > FRAME_BODY_BYTES_MAX || body_bytes != n - FRAME_HEADER_BYTES)
        return 1;
    FrameType type = (FrameType)data[3];
    if (frame_type_name(type)[0] == '?')
        return 1;
    *ret = (Frame){
        .type = type,
        .session = bytes_get_number(data + 8, 8),
        .sequence = bytes_get_number(data + 16, 8),
        .body = data + FRAME_HEADER_BYTES,
        .body_bytes = body_bytes,
    };
    return 0;
}

// False, and out->failed set, when such a body may not be sent.
static bool write_header(Bytes *out, FrameType type, uint64_t session, uint64_t sequence, size_t body_bytes) {
    if (body_bytes > FRAME_BODY_BYTES_MAX)
        out->failed = true;
    if (out->failed)
        return false;
    bytes_append(out, MAGIC, sizeof(MAGIC));
    bytes_append_u8(out, PROTOCOL_VERSION);
    bytes_append_u8(out, (uint8_t)type);
    bytes_append_u32(out, (uint32_t)body_bytes);
    bytes_append_u64(out, session);
    bytes_append_u64(out, sequence);
    return true;
}

void frame_write(Bytes *out, FrameType type, uint64_t session, uint64_t sequence, const ProtobufCMessage *message) {
    size_t body_bytes = message != NULL ? protobuf_c_message_get_packed_size(message) : 0;
    if (write_header(out, type, session, sequence, body_bytes) && message != NULL)
        bytes_append_message(out, message);
}

void frame_write_bytes(Bytes *out, FrameType type, uint64_t session, uint64_t sequence, const uint8_t *body, size_t n) {
    if (write_header(out, type, session, sequence, n) && n > 0)
        bytes_append(out, body, n);
}

int frame_decode(const Frame *frame, const ProtobufCMessageDescriptor *descriptor, ProtobufCAllocator *allocator,
                 ProtobufCMessage **ret) {
    if (check_message(descriptor, &CHECK_WIRE, frame->body, frame->body_bytes, NULL) != 0)
        return 1;
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, allocator, frame->body_bytes, frame->body);
    if (message == NULL)
        return 1;
    *ret = message;
    return 0;
}
