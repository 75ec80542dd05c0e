// SPDX-License-Identifier: Apache-2.0
//
// What whoever runs the exchange can do about a database that does not answer, or says that it cannot. Pure.
#pragma once

// A short sentence without a full stop, to be put behind the server's own; NULL where there is nothing to be done but
// to wait, or the server's sentence is all that is known. `sqlstate` has five characters, as in appendix A of
// PostgreSQL's documentation, class 08 for a session that is lost or cannot be had; `message` is what was said of it.
const char *pg_advice(const char *sqlstate, const char *message);
