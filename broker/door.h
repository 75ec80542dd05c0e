// SPDX-License-Identifier: Apache-2.0
//
// The enrolment door: a port of its own, at which a party with a one-time token hands in its public keys. Who has no
// token that holds does not get through the handshake (proto/zap.h), and tokens open no other port. One thread, one
// database session, so many requests a second.
#pragma once

#include "proto/base/clock.h"
#include "proto/keys.h"

#include <czmq.h>

typedef struct DoorOptions {
    const char *endpoint, *exchange; // outlive it, as the others here
    const Keys *keys;
    const Clock *clock;
} DoorOptions;

// zactor_destroy() closes it. ERROR_CONFIG, ERROR_CRYPTO, ERROR_MEMORY.
int door_new(zactor_t **ret, const DoorOptions *options, int *ret_port);
