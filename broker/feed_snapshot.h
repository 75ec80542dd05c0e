// SPDX-License-Identifier: Apache-2.0
//
// Snapshots, as the feed's subscribers ask for them: one chunk for one request, in turn between all that wait, read
// beside the feed (broker/snapshot.h). A session that asked gets no records until the last chunk has gone out.
#pragma once

#include "broker/feed_state.h"

// A SnapshotRequest. 1 when it is not one; what cannot be served ends the session with a reason.
int feed_snapshot_request(FeedState *state, Subscriber *subscriber, const Frame *frame);
// Sends what was read, and has the next chunk read. Never waits. *ret_wait_ms as in feed_pump_turn(). ERROR_DATABASE.
int feed_snapshot_turn(FeedState *state, int64_t *ret_wait_ms);
