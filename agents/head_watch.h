// SPDX-License-Identifier: Apache-2.0
//
// Looks at the signed heads that an exchange hands out: that its key signed them, that each goes on from the one before
// (PROTOCOL.md, Signed heads), and that they are of the log that is received here. What does not fit is said in the
// agent's log, and stops nothing: it is evidence, and what was received stays as it is. Whoever owns it keeps the
// newest good head over a restart, as a line of text that dongbo log compare reads.
#pragma once

#include "agents/sink.h"
#include "proto/base/clock.h"
#include "proto/head.h"

typedef struct HeadWatch HeadWatch;
// sign_keys: the exchange's, KEY_BYTES each: its present one, and one that it may go over to (the same again, or NULL).
// ERROR_CRYPTO, ERROR_MEMORY.
int head_watch_new(HeadWatch **ret, const uint8_t *const sign_keys[2], const Clock *clock);
void head_watch_destroy(HeadWatch **watch);
// Whether the newest good head is another one since its line was last taken.
bool head_watch_is_fresh(const HeadWatch *watch);
// Its line, without an end.
void head_watch_line(HeadWatch *watch, Bytes *line);
// Goes on from such a line, where it holds a head that one of the keys signed; also from one by a key that is not one
// of these any more, and says so. Else nothing is known.
void head_watch_resume(HeadWatch *watch, const char *line, size_t n);
// By these from now on. As above; on failure nothing changes.
int head_watch_keys(HeadWatch *watch, const uint8_t *const sign_keys[2]);
// NULL: it fits, or is by a key that is not known here and cannot be judged; else what is wrong with it. `place` is
// what was received, or NULL.
const char *head_watch_judge(HeadWatch *watch, const Dongbo__SignedHead *head, const SinkPlace *place);
// Judges, and says what is wrong, with both heads where there are two; not every time of many.
void head_watch_take(HeadWatch *watch, const Dongbo__SignedHead *head, const SinkPlace *place);
