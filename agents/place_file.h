// SPDX-License-Identifier: Apache-2.0
//
// A sink's place in the feed as a small file, beside its data or for data that stands elsewhere. It is written anew and
// put in the old one's place, so that the old or the new one stands, whatever is interrupted.
#pragma once

#include "agents/sink.h"

typedef struct PlaceFile PlaceFile;

// The file's directory must be there. ERROR_CONFIG, ERROR_MEMORY.
int place_file_new(PlaceFile **ret, const char *path);
void place_file_destroy(PlaceFile **file);
// One receiver at a time, by a lock on a file beside it ("PATH.lock"). 1 while another process has it.
int place_file_lock(PlaceFile *file);
int place_file_lock_fd(const PlaceFile *file); // -1 before it is locked
// What a sink keeps with it, as lines of its own; "" for nothing.
#define PLACE_MORE_BYTES 3072
// 1 when there is none yet; 2 when it is damaged: it is never guessed at.
int place_file_read(const PlaceFile *file, SinkPlace *ret, char more[PLACE_MORE_BYTES]);
// Durable when it returns 0; ERROR_SYSTEM.
int place_file_write(const PlaceFile *file, const SinkPlace *place, const char *more);
// The exchange's newest signed head, as PATH.head: whoever compares what they were shown takes that file (dongbo log
// compare). keep_head(), kept_head() of sink.h; the latter appends.
int place_file_keep_head(const PlaceFile *file, const char *line, size_t n);
int place_file_kept_head(const PlaceFile *file, Bytes *ret);
// The sentence about a damaged one of a sink that has no other data. ERROR_CONFIG.
int place_file_damaged(const PlaceFile *file);
