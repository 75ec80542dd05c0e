// SPDX-License-Identifier: Apache-2.0
//
// Written and read by the same program, and checked as a whole by the file's own sum.
#include "agents/snapshot_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CURSOR_DIGITS (2 * SNAPSHOT_CURSOR_BYTES_MAX)

void snapshot_place_print(const SinkSnapshot *snapshot, char *out, size_t size) {
    char hash[2 * HASH_BYTES + 1], cursor[CURSOR_DIGITS + 1] = "-";
    *out = 0;
    if (!snapshot->mark)
        return;
    hex_encode(snapshot->first.hash, HASH_BYTES, hash);
    if (snapshot->begun)
        hex_encode(snapshot->cursor, snapshot->cursor_n, cursor);
    snprintf(out, size, "snapshot %" PRId64 "\nfirst %u %" PRIu64 " %s\ncursor %s\n", snapshot->mark,
             snapshot->first.epoch, snapshot->first.position, hash, cursor);
}

int snapshot_place_read(const char *text, SinkSnapshot *ret) {
    char hash[2 * HASH_BYTES + 1], cursor[CURSOR_DIGITS + 1];
    int end = 0;
    *ret = (SinkSnapshot){0};
    if (!*text)
        return 0;
    _Static_assert(CURSOR_DIGITS == 2048, "below");
    if (sscanf(text, "snapshot %" SCNd64 "\nfirst %u %" SCNu64 " %64[0-9a-f]\ncursor %2048[0-9a-f-]\n%n", &ret->mark,
               &ret->first.epoch, &ret->first.position, hash, cursor, &end) != 5 ||
        hex_decode(hash, ret->first.hash, HASH_BYTES) != 0)
        return 1;
    ret->begun = strcmp(cursor, "-") != 0;
    ret->cursor_n = ret->begun ? strlen(cursor) / 2 : 0;
    return text[end] != 0 || (ret->begun && hex_decode(cursor, ret->cursor, ret->cursor_n) != 0);
}

void snapshot_border_append(const SinkSnapshot *snapshot, const char *border, Bytes *out) {
    char line[96];
    snprintf(line, sizeof line, "{\"snapshot\":\"%s\",\"first\":%" PRIu64 "}\n", border, snapshot->first.position);
    bytes_append_text(out, line);
}
