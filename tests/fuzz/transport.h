// SPDX-License-Identifier: Apache-2.0
//
// In place of ZeroMQ for targets that speak the protocol: the program is linked so that proto/socket.h's calls, and
// those that wait, come here (meson.build). What is to be received is queued; what is sent is counted and dropped.
#pragma once

#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"

void transport_clear(void);
// A frame that the other side says next, with the sequence that is due in this session; or bytes as they are.
void transport_say(FrameType type, uint64_t session, const ProtobufCBinaryData *body);
void transport_say_bytes(const ProtobufCBinaryData *bytes);
// What is said from here on comes when the program has sent something.
void transport_wait_for_them(void);
bool transport_is_empty(void);
unsigned transport_sent(void); // frames since transport_clear()
