// SPDX-License-Identifier: Apache-2.0
//
// What subscribers say and are answered: sessions begin, resume, are fenced and end here. Who speaks is known from the
// transport's key alone. Bad words from outside end that session with an Error that says what to do, nothing more.
#pragma once

#include "broker/feed_place.h"
#include "broker/feed_state.h"
#include "wire.pb-c.h"

// What was read of the log, and of batches for proofs of origin: it is read anew.
void feed_session_forget(FeedState *state);

// One message, as socket_receive() gave it (frame NULL: it had several frames). Takes *route over. What fails for one
// peer is answered to that peer. ERROR_DATABASE.
int feed_session_frame(FeedState *state, zframe_t **route, zframe_t *frame, const char *user);
// Sends an Error (or Goodbye for code 0), stores what was acknowledged, closes.
void feed_session_end(FeedState *state, Subscriber *subscriber, Dongbo__Error__Code code, const char *text);
// This one cannot be served, for the reason that error_text() gives.
void feed_session_fail(FeedState *state, Subscriber *subscriber);
// The database knows this session no more: it was replaced at another broker, or the database by an older copy.
int feed_session_over(FeedState *state, Subscriber *subscriber);
// Reads the policies again; ends sessions that may not go on, tells others what they are granted now.
int feed_session_policies(FeedState *state);
// After a reconnection: every session's place must still be this log's.
int feed_session_recheck(FeedState *state);
// A Ping to a session that comes over this connection: its Pong tells what of it was read.
void feed_session_ask(FeedState *state, const Connection *connection);
// Of a key's user, the number of its subscription; 0: of none.
int32_t feed_session_subscription(const char *user);
// Whose allowance a user takes of: whoever's key was revoked may have a connection still, and has one of its own.
const char *feed_session_payer(const FeedState *state, const char *user);
// A subscription or a key may have been added a moment ago, or taken back: whom the policies at hand refuse is looked
// at by new ones, as far as it may cause that; a Hello has been paid for. 1 with an answer. Overwrites the arena.
int feed_session_fresh(FeedState *state, const char *user, bool is_paid, FeedAnswer *answer);
// Once a second: pings, silence, days that passed; acknowledged positions, and who goes on, to the database.
int feed_session_tick(FeedState *state);
