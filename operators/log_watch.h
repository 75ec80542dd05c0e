// SPDX-License-Identifier: Apache-2.0
//
// Checks the log in the database as it grows, as `log verify` checks an export: each new segment once, and the newest
// ones again at every look, for who changes the log changes what was just written or what was not yet read. Older ones
// are for an export. A payload that is missing is told of unless it was let go of, as the log says. What cannot be read
// is told of, too, and gone on behind.
#pragma once

#include "broker/audit.h"
#include "proto/base/pg.h"

typedef struct LogWatch LogWatch;

// Begins with the segment that holds `from`. payloads: the role may read them; else nothing is said of them. What is
// found is told. ERROR_MEMORY, ERROR_CRYPTO, ERROR_DATABASE.
int log_watch_new(LogWatch **ret, Pg *exchange, int64_t from, bool payloads);
void log_watch_destroy(LogWatch **watch);
void log_watch_tell(LogWatch *watch, AuditTell tell, void *to); // before the first look
// Everything up to this position, and then the newest again. ERROR_DATABASE, ERROR_MEMORY, ERROR_CRYPTO.
int log_watch_look(LogWatch *watch, int64_t to);
// How much content is gone of which no entry of the log tells, for no broker has come to it: a trim counts once.
// before: of these what was so at the look before the last one, too.
size_t log_watch_waiting(const LogWatch *watch, bool before);
// What is found where a stored segment cannot be read, as error_text() says.
void log_watch_unread(uint64_t position, AuditFinding *ret);
