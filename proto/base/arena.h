// SPDX-License-Identifier: Apache-2.0
//
// Memory that lives and dies with one batch: a bump allocator with a hard limit. Fails (NULL) at the limit; never
// frees single pieces. Also serves protobuf-c as its allocator, so that decoding is bounded.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Arena Arena;

// bytes_max bounds the sum of all pieces. Chunks are kept over arena_reset(). ERROR_MEMORY.
int arena_new(Arena **ret, size_t bytes_max);
void arena_destroy(Arena **arena);
void arena_reset(Arena *arena);

// How far it is filled; arena_rewind() gives up all that was allocated since. A mark is good until the arena is reset,
// or rewound to an earlier one. All zeros is the mark of an empty arena.
typedef struct ArenaMark {
    void *chunk;
    size_t filled, used;
} ArenaMark;
ArenaMark arena_mark(const Arena *arena);
void arena_rewind(Arena *arena, const ArenaMark *mark);

// Aligned to 16, not zeroed. NULL at the limit.
void *arena_alloc(Arena *arena, size_t bytes);
void *arena_zalloc(Arena *arena, size_t bytes);
// Copies with a closing 0.
char *arena_strndup(Arena *arena, const char *text, size_t bytes);
// A copy of bytes; of none something that is not NULL. False at the limit.
bool arena_copy(Arena *arena, const void *data, size_t n, ProtobufCBinaryData *ret);
char *arena_printf(Arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const Arena *arena);
// Whether a piece was refused since the last arena_reset() or arena_rewind(): protobuf-c fails for want of memory as it
// does over broken bytes, and does not say which.
bool arena_failed(const Arena *arena);
// ... and whether it was the machine that had none, rather than the limit: the same may do another time.
bool arena_starved(const Arena *arena);

// Valid as long as the arena. free is a no-op.
ProtobufCAllocator *arena_protobuf(Arena *arena);
