// SPDX-License-Identifier: Apache-2.0
//
// The publish side's door: one thread with the ROUTER that agents connect to. Knows who speaks from ZAP, keeps sessions
// and their credit, gives batches to the workers and answers to the agents. Touches no database and decodes no batch.
#pragma once

#include "broker/agencies.h"
#include "broker/item.h"
#include "broker/stats.h"
#include "proto/base/clock.h"
#include "proto/keys.h"

#define WORKERS_MAX 16

typedef struct IngressOptions {
    const char *endpoint; // tcp://… of the ROUTER; a ZAP handler must be running
    const char *inbox;    // inproc, bound here
    const char *greeter, *prover;
    const char *workers[WORKERS_MAX];
    size_t n_workers;
    Agencies *agencies; // kept by a reference of its own; later ones come as MAIL_AGENCIES
    Work **works;       // WORKS_MAX of them; given out and taken back here, freed by the caller at the very end
    const Keys *keys, *next_keys; // the latter are announced; NULL: none
    const Clock *clock;
    Stats *stats;
} IngressOptions;

// Returns once the socket is bound (*ret_port as of socket_bind()).
// zactor_destroy() lets it say goodbye to its sessions and ends it.
int ingress_new(zactor_t **ret, const IngressOptions *options, int *ret_port);
