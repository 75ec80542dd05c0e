// SPDX-License-Identifier: Apache-2.0
//
// Sockets without libzmq: what proto/socket.h, and the few functions of ZeroMQ and CZMQ that broker/ and agents/ call
// beside it, are in the simulation. Inside a process a message is there at once; between processes there are
// connections with a delay for each frame, which break, and then lose what was under way, or bring it late; parts of
// the network that do not reach each other; Follows that come once more, as from a broker that stood still; and, where
// `hostile`, frames that come twice or in another order, as no honest TCP brings them.
#pragma once

#include "world.h"

typedef struct WireFaults {
    int64_t delay_us_max;
    unsigned cut;       // a connection, per million frames
    unsigned late;      // what was under way when a connection broke comes late, per million
    unsigned twice;     // a frame, per million; not of honest networks
    unsigned reordered; // likewise
    unsigned stale;     // a Follow comes once more, seconds later, whatever became of its connection, per million
} WireFaults;

void wire_begin(const WireFaults *faults);
void wire_end(void);
void wire_calm(void); // no faults from here on
// Whoever is named so reaches nobody until then, or is reached by nobody, or both; what is under way is lost.
typedef enum WireCut { WIRE_CUT_BOTH, WIRE_CUT_OUT, WIRE_CUT_IN } WireCut;
void wire_isolate(const char *name, WireCut cut, int64_t until_us);
// Who a transport key is: ZAP's answer. "" refuses it.
typedef const char *WireWho(const uint8_t key[32]);
void wire_who(WireWho *who);
// Every frame that a ROUTER or a DEALER is handed, or hands out. `out` is from a broker.
typedef void WireHeard(Process *process, bool sent, const uint8_t *data, size_t n);
void wire_listen(WireHeard *heard);
// Of other descriptors that zmq_poll() is asked about: whether there is something to read.
typedef bool WireReadable(int fd, Fiber *waiter);
void wire_descriptors(WireReadable *readable);
