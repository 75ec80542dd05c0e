// SPDX-License-Identifier: Apache-2.0
//
// Whether an Error or Refusal that would end a program is the exchange's own word (proto/denial.h), and how long to
// wait where it is not: what nobody signed passes, so that whoever has the exchange's transport key alone keeps a peer
// from being served for as long as he is on the line, and some minutes more. Long, and longer each time, for an older
// exchange signs nothing: two programs that share one spool or subscription there must not take it from each other all
// the time. (A question takes nothing from anybody: agents/asker.c asks again without this wait.)
#pragma once

#include "proto/base/clock.h"
#include "proto/denial.h"

typedef struct Doubt {
    DenialAsked asked; // of the present session
    int64_t wait_ms;   // the last time; 0: there was none
    int64_t at_ms;     // ... when that was
    int64_t pause_ms;  // not taken yet
} Doubt;

// For a Hello or AskHeads, a new one each time. ERROR_SYSTEM.
int doubt_ask(Doubt *doubt, const Clock *clock, ProtobufCBinaryData *ret);
// Said to the owner of `own` in answer to that.
typedef struct DoubtSaid {
    const Keys *own;
    FrameType type;
    int code;
    const char *text;
    ProtobufCBinaryData signature;
} DoubtSaid;
// By the owner of this signing key?
bool doubt_is_signed(const Doubt *doubt, const DoubtSaid *said, const uint8_t sign_public[KEY_BYTES]);
// It is not. ERROR_SYSTEM.
int doubt_begin(Doubt *doubt, const Clock *clock);
// How long to wait for that before asking again, once; 0: there is nothing to wait for.
int64_t doubt_pause_ms(Doubt *doubt);
