// SPDX-License-Identifier: Apache-2.0
//
// Moves subscribers along the log: filters and projects entries into Records as far as credit goes, and tells where the
// end is. A subscriber that takes nothing keeps its place, and nothing else is kept for it.
#pragma once

#include "broker/feed_state.h"

// The log may have grown, to `told` if that is known (UINT64_MAX: not known). ERROR_DATABASE.
int feed_pump_advance(FeedState *state, uint64_t told);
// One turn for every subscriber that can go on. *ret_wait_ms is how long nothing needs doing: 0 when there is more to
// send now, -1 for as long as nothing arrives. What fails for one subscriber ends that one. ERROR_DATABASE.
int feed_pump_turn(FeedState *state, int64_t *ret_wait_ms);
