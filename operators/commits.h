// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a broker to commit something: its notification is a hint to look again, not a promise, and so is the end
// of the time.
#pragma once

#include "proto/base/pg.h"

// From now on; whoever looks for the first time after this misses nothing. ERROR_DATABASE.
int commits_listen(Pg *exchange);
// Until a commit, the time, or the end of whoever reads the file descriptor `reader` (-1: nobody does). 1 when nobody
// reads any more. A session that is not connected only waits for the others. ERROR_DATABASE, ERROR_SYSTEM.
int commits_wait(Pg *exchange, int reader, int timeout_ms);
