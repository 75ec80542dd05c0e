// SPDX-License-Identifier: Apache-2.0
//
// Connects a session on a thread of its own, so that its owner goes on meanwhile, however long a server that is away
// leaves it without an answer. Runs nothing else on the session.
#pragma once

#include "proto/base/pg.h"

#include <czmq.h>

typedef struct Connector Connector;

// `pg` is not owned, and must not be touched while an attempt is under way. `settings` is run on every new connection.
// ERROR_MEMORY.
int connector_new(Connector **ret, Pg *pg, const char *settings);
void connector_destroy(Connector **connector); // waits for an attempt under way
// Begins an attempt, unless one is under way.
void connector_begin(Connector *connector);
bool connector_is_under_way(const Connector *connector);
// The session is connected, as far as is known, and may be used.
bool connector_is_ready(const Connector *connector);
// For zmq_poll(): readable when an attempt has ended; then connector_end() takes its result.
void *connector_socket(Connector *connector);
int connector_end(Connector *connector); // ERROR_DATABASE
