// SPDX-License-Identifier: Apache-2.0
//
// Chunks in a row, filled from the front. A piece that does not fit the present chunk goes to the next one, or to a new
// one put between. Memory held stays within about three times the limit, and between batches within the limit itself.
#include "proto/base/arena.h"
#include "proto/base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_CHUNK_MIN ((size_t)64 * 1024)
#define ARENA_CHUNK_MAX ((size_t)1024 * 1024)

typedef struct Chunk {
    struct Chunk *next;
    size_t size;
    _Alignas(ARENA_ALIGN) unsigned char data[];
} Chunk;

struct Arena {
    Chunk *first;
    Chunk *now;    // being filled; NULL until the first piece
    size_t filled; // of now
    size_t used, used_max;
    size_t held;       // bytes of all chunks
    size_t chunk_size; // of the next one
    bool failed, starved;
    ProtobufCAllocator protobuf;
};

static void *protobuf_alloc(void *arena, size_t bytes) {
    return arena_alloc(arena, bytes);
}

static void protobuf_free(void *arena, void *piece) {}

int arena_new(Arena **ret, size_t bytes_max) {
    assert(bytes_max > 0 && bytes_max <= SIZE_MAX / 4);
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return error_fail(ERROR_MEMORY, "no memory for a batch");
    arena->used_max = bytes_max;
    arena->chunk_size = ARENA_CHUNK_MIN;
    arena->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, arena};
    *ret = arena;
    return 0;
}

static void free_chunks(Arena *arena, Chunk **from) {
    Chunk *chunk = *from;
    *from = NULL;
    while (chunk) {
        Chunk *next = chunk->next;
        arena->held -= chunk->size;
        free(chunk);
        chunk = next;
    }
}

void arena_destroy(Arena **arena) {
    if (!*arena)
        return;
    free_chunks(*arena, &(*arena)->first);
    free(*arena);
    *arena = NULL;
}

void arena_reset(Arena *arena) {
    arena_rewind(arena, &(ArenaMark){0});
}

ArenaMark arena_mark(const Arena *arena) {
    return (ArenaMark){.chunk = arena->now, .filled = arena->filled, .used = arena->used};
}

void arena_rewind(Arena *arena, const ArenaMark *mark) {
    Chunk *chunk = mark->chunk ? mark->chunk : arena->first;
    // Batches of ever other shapes must not pile chunks up.
    if (arena->held > arena->used_max && chunk)
        free_chunks(arena, &chunk->next);
    arena->now = chunk;
    arena->filled = mark->filled;
    arena->used = mark->used;
    arena->failed = arena->starved = false;
}

// Makes `now` a chunk with room for bytes. False when the system has no memory.
static bool advance(Arena *arena, size_t bytes) {
    Chunk **link = arena->now ? &arena->now->next : &arena->first;
    if (!*link || (*link)->size < bytes) {
        size_t size = bytes > arena->chunk_size ? bytes : arena->chunk_size;
        Chunk *chunk = malloc(sizeof *chunk + size);
        if (!chunk) {
            arena->starved = true;
            return false;
        }
        *chunk = (Chunk){.next = *link, .size = size};
        *link = chunk;
        arena->held += size;
        if (arena->chunk_size < ARENA_CHUNK_MAX)
            arena->chunk_size *= 2;
    }
    arena->now = *link;
    arena->filled = 0;
    return true;
}

static void *take(Arena *arena, size_t bytes) {
    if (bytes > arena->used_max)
        return NULL;
    // A piece of no bytes still has an address of its own.
    bytes = (bytes + !bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (bytes > arena->used_max - arena->used)
        return NULL;
    if ((!arena->now || bytes > arena->now->size - arena->filled) && !advance(arena, bytes))
        return NULL;
    void *piece = arena->now->data + arena->filled;
    arena->filled += bytes;
    arena->used += bytes;
    return piece;
}

void *arena_alloc(Arena *arena, size_t bytes) {
    void *piece = take(arena, bytes);
    if (!piece)
        arena->failed = true;
    return piece;
}

void *arena_zalloc(Arena *arena, size_t bytes) {
    void *piece = arena_alloc(arena, bytes);
    return piece ? memset(piece, 0, bytes) : NULL;
}

char *arena_strndup(Arena *arena, const char *text, size_t bytes) {
    if (bytes == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(arena, bytes + 1);
    if (!copy)
        return NULL;
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

bool arena_copy(Arena *arena, const void *data, size_t n, ProtobufCBinaryData *ret) {
    *ret = (ProtobufCBinaryData){.data = (uint8_t *)arena_strndup(arena, data, n), .len = n};
    return ret->data != NULL;
}

char *arena_printf(Arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

size_t arena_used(const Arena *arena) {
    return arena->used;
}

bool arena_starved(const Arena *arena) {
    return arena->starved;
}

bool arena_failed(const Arena *arena) {
    return arena->failed;
}

ProtobufCAllocator *arena_protobuf(Arena *arena) {
    return &arena->protobuf;
}
