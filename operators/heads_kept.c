// SPDX-License-Identifier: Apache-2.0
//
// A line that is torn at a file's end is passed over, as whoever writes it does; any other that is none is an error.
#include "operators/heads_kept.h"

#include "operators/heads_line.h"
#include "proto/base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reading {
    HeadsKept *kept;
    const char *path;
    Arena *arena;
    Merkle *merkle;
    Verifier *verifiers[HEADS_FILES_MAX]; // as the keys, made when needed
    uint32_t line;
} Reading;

static void reading_free(Reading *reading) {
    for (int i = 0; i < HEADS_FILES_MAX; i++)
        verifier_destroy(&reading->verifiers[i]);
    arena_destroy(&reading->arena);
    merkle_destroy(&reading->merkle);
}

void heads_kept_free(HeadsKept *kept) {
    free(kept->heads);
    *kept = (HeadsKept){0};
}

int heads_kept_keys(HeadsKept *kept, const OptionList *paths) {
    for (int i = 0; i < paths->n; i++) {
        Keys keys;
        int r = keys_load(paths->items[i], &keys);
        if (r < 0)
            return r;
        memcpy(kept->keys[kept->n_keys], keys.sign_public, KEY_BYTES);
        keys_id(keys.sign_public, kept->key_ids[kept->n_keys++]);
        keys_wipe(&keys);
    }
    return 0;
}

// ---- one line ------------------------------------------------------------------------------------------------------

// *ret NULL where it was not given.
static int verifier_of(Reading *reading, const char *id, Verifier **ret) {
    const HeadsKept *kept = reading->kept;
    *ret = NULL;
    for (int i = 0; i < kept->n_keys; i++) {
        if (strcmp(kept->key_ids[i], id) != 0)
            continue;
        int r = reading->verifiers[i] != NULL ? 0 : verifier_new(&reading->verifiers[i], kept->keys[i]);
        *ret = reading->verifiers[i];
        return r;
    }
    return 0;
}

static int check_signature(Reading *reading, const Cosigned *cosigned, const Dongbo__TreeHead *tree, KeptHead *ret) {
    Dongbo__SignedHead head;
    const Dongbo__TreeHead *opened = NULL;
    Verifier *verifier = NULL;
    cosigned_head(cosigned, &head);
    int r = verifier_of(reading, tree->key_id, &verifier);
    if (r == 0 && verifier != NULL) {
        r = head_open(&head, verifier, reading->arena, &opened);
        ret->signature = r == 0 ? HEAD_GOOD : HEAD_BAD;
    }
    reading->kept->good += ret->signature == HEAD_GOOD;
    reading->kept->bad += ret->signature == HEAD_BAD;
    reading->kept->unchecked += ret->signature == HEAD_NOT_CHECKED;
    return r < 0 ? r : 0;
}

static int check_cosignature(Reading *reading, const Cosigned *cosigned, KeptHead *ret) {
    HeadsKept *kept = reading->kept;
    Verifier *verifier = NULL;
    if (!cosigned->cosigned)
        return 0;
    int r = verifier_of(reading, cosigned->witness, &verifier);
    if (r == 0 && verifier != NULL) {
        r = cosigned_check(cosigned, verifier);
        ret->cosignature = r == 0 ? HEAD_GOOD : HEAD_BAD;
    }
    kept->cosigned++;
    kept->cosigned_good += ret->cosignature == HEAD_GOOD;
    kept->cosigned_bad += ret->cosignature == HEAD_BAD;
    kept->cosigned_unchecked += ret->cosignature == HEAD_NOT_CHECKED;
    return r < 0 ? r : 0;
}

static int room(HeadsKept *kept) {
    if (kept->n < kept->size)
        return 0;
    if (kept->n == HEADS_KEPT_MAX)
        return error_fail(ERROR_CONFIG, "more than %zu heads: give fewer files, or parts of them", HEADS_KEPT_MAX);
    size_t size = kept->size > 0 ? 2 * kept->size : 1024;
    KeptHead *grown = realloc(kept->heads, size * sizeof *grown);
    if (grown == NULL)
        return error_fail(ERROR_MEMORY, "no memory for heads");
    kept->heads = grown;
    kept->size = size;
    return 0;
}

static int take_line(Reading *reading, const char *line, size_t n) {
    const Dongbo__TreeHead *tree = NULL;
    HeadsKept *kept = reading->kept;
    Cosigned cosigned;
    arena_reset(reading->arena);
    if (cosigned_read(line, n, &cosigned) != 0 || head_read(cosigned.head, cosigned.head_n, reading->arena, &tree) != 0)
        return error_fail(ERROR_CONFIG,
                          "%s line %" PRIu32 " is no signed head, as a witness or dongbo log head --json "
                          "writes it",
                          reading->path, reading->line);
    int r = room(kept);
    if (r < 0)
        return r;
    KeptHead *head = &kept->heads[kept->n];
    *head = (KeptHead){.line = reading->line, .file = (uint8_t)(kept->n_paths - 1)};
    head_mark(reading->merkle, tree, (ProtobufCBinaryData){cosigned.head_n, cosigned.head}, &head->mark);
    r = check_signature(reading, &cosigned, tree, head);
    if (r == 0)
        r = check_cosignature(reading, &cosigned, head);
    kept->n += r == 0;
    return r;
}

// ---- a file --------------------------------------------------------------------------------------------------------

static int read_lines(Reading *reading, FILE *file) {
    char line[HEADS_LINE_BYTES];
    size_t n = 0;
    int r = 0;
    while (r == 0 && (n = heads_line_read(file, line)) > 0) {
        reading->line++;
        if (n == sizeof line - 1)
            return error_fail(ERROR_CONFIG, "%s line %" PRIu32 " is longer than any", reading->path, reading->line);
        r = n > 1 ? take_line(reading, line, n) : 0;
        if (r == ERROR_CONFIG && line[n - 1] != '\n' && reading->line > 1)
            r = 0;
    }
    return r == 0 && ferror(file) ? error_fail(ERROR_CONFIG, "%s: %s", reading->path, strerror(errno)) : r;
}

int heads_kept_read(HeadsKept *kept, const char *path) {
    CLEANUP(reading_free) Reading reading = {.kept = kept, .path = path};
    if (kept->n_paths == HEADS_FILES_MAX)
        return error_fail(ERROR_CONFIG, "more than %d files", HEADS_FILES_MAX);
    kept->paths[kept->n_paths++] = path;
    int r = arena_new(&reading.arena, (size_t)64 * 1024);
    if (r == 0)
        r = merkle_new(&reading.merkle);
    if (r < 0)
        return r;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    r = read_lines(&reading, file);
    fclose(file);
    return r;
}

static int order(const void *one, const void *other) {
    const KeptHead *a = one, *b = other;
    int r = head_order(&a->mark, &b->mark);
    return r != 0 ? r : memcmp(a->mark.hash, b->mark.hash, HASH_BYTES);
}

void heads_kept_sort(HeadsKept *kept) {
    if (kept->n > 1)
        qsort(kept->heads, kept->n, sizeof *kept->heads, order);
}
