// SPDX-License-Identifier: Apache-2.0
//
// A snapshot that is being taken in, as lines behind a place in its file (place_file.h), and the lines that tell
// whoever reads records where one begins and ends.
#pragma once

#include "agents/sink.h"
#include "proto/base/bytes.h"

#include <stddef.h>

// snapshot->mark 0: none, and no lines. What fits PLACE_MORE_BYTES.
void snapshot_place_print(const SinkSnapshot *snapshot, char *out, size_t size);
// "" is none. 1 when they are damaged.
int snapshot_place_read(const char *text, SinkSnapshot *ret);
// {"snapshot":BORDER,"first":P} as a line of its own.
void snapshot_border_append(const SinkSnapshot *snapshot, const char *border, Bytes *out);
