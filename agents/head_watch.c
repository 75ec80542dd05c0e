// SPDX-License-Identifier: Apache-2.0
//
// One head is kept: the newest that fitted.
#include "agents/head_watch.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAIN_MS 60000
#define ARENA_BYTES (32 * 1024)

struct HeadWatch {
    const Clock *clock;
    Arena *arena;
    HeadKeys *keys;
    int64_t complained_ms;                                    // 0: never
    uint8_t kept[HEAD_BYTES_MAX], signature[SIGNATURE_BYTES]; // of the newest
    size_t kept_n;                                            // 0: none
    bool fresh;                                               // its line was not taken yet
};

int head_watch_new(HeadWatch **ret, const uint8_t *const sign_keys[2], const Clock *clock) {
    HeadWatch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return error_fail(ERROR_MEMORY, "no memory for signed heads");
    watch->clock = clock;
    int r = arena_new(&watch->arena, ARENA_BYTES);
    if (r == 0)
        r = head_keys_new(&watch->keys, sign_keys);
    if (r < 0) {
        head_watch_destroy(&watch);
        return r;
    }
    *ret = watch;
    return 0;
}

void head_watch_destroy(HeadWatch **pointer) {
    HeadWatch *watch = *pointer;
    if (watch == NULL)
        return;
    head_keys_destroy(&watch->keys);
    arena_destroy(&watch->arena);
    free(watch);
    *pointer = NULL;
}

int head_watch_keys(HeadWatch *watch, const uint8_t *const sign_keys[2]) {
    HeadKeys *keys = NULL;
    int r = head_keys_new(&keys, sign_keys);
    if (r < 0)
        return r;
    head_keys_destroy(&watch->keys);
    watch->keys = keys;
    return 0;
}

static const char *compare_place(const Dongbo__TreeHead *head, const SinkPlace *place) {
    bool here =
        place != NULL && place->position != 0 && place->epoch == head->epoch && place->position == head->last_position;
    return here && memcmp(place->hash, head->segment_hash.data, HASH_BYTES) != 0
               ? "is of another log than the one received here"
               : NULL;
}

static void keep(HeadWatch *watch, const Dongbo__SignedHead *head) {
    memcpy(watch->kept, head->head.data, head->head.len);
    memcpy(watch->signature, head->signature.data, SIGNATURE_BYTES);
    watch->kept_n = head->head.len;
}

const char *head_watch_judge(HeadWatch *watch, const Dongbo__SignedHead *head, const SinkPlace *place) {
    const Dongbo__TreeHead *now = NULL, *before = NULL;
    arena_reset(watch->arena);
    int opened = head_keys_open(watch->keys, head, watch->arena, &now);
    if (opened == 1)
        return "cannot be read";
    if (opened == 3)
        return NULL;
    if (opened != 0)
        return "is not signed by the exchange's key";
    const char *wrong = compare_place(now, place);
    if (watch->kept_n > 0 && head_read(watch->kept, watch->kept_n, watch->arena, &before) == 0 && wrong == NULL)
        wrong = head_compare(before, now);
    if (wrong != NULL || (before != NULL && before->epoch == now->epoch && before->number >= now->number))
        return wrong;
    keep(watch, head);
    watch->fresh = true;
    return NULL;
}

static void write_hex(char *to, const uint8_t *data, size_t n) {
    hex_encode(data, n < HEAD_BYTES_MAX ? n : HEAD_BYTES_MAX, to);
}

void head_watch_take(HeadWatch *watch, const Dongbo__SignedHead *head, const SinkPlace *place) {
    char now[2 * HEAD_BYTES_MAX + 1], before[2 * HEAD_BYTES_MAX + 1];
    char signed_now[2 * SIGNATURE_BYTES + 1] = "", signed_before[2 * SIGNATURE_BYTES + 1] = "";
    const char *wrong = head_watch_judge(watch, head, place);
    int64_t at = clock_monotonic_ms(watch->clock);
    if (wrong == NULL || (watch->complained_ms != 0 && at - watch->complained_ms < COMPLAIN_MS))
        return;
    watch->complained_ms = at;
    write_hex(now, head->head.data, head->head.len);
    write_hex(before, watch->kept, watch->kept_n);
    if (head->signature.len == SIGNATURE_BYTES)
        hex_encode(head->signature.data, SIGNATURE_BYTES, signed_now);
    if (watch->kept_n > 0)
        hex_encode(watch->signature, SIGNATURE_BYTES, signed_before);
    log_error(
        "a signed head of the exchange's log %s: it may show others another log. Keep this line, and ask others who "
        "receive from it for theirs. head %s signature %s; before it: head %s signature %s",
        wrong, now, signed_now, watch->kept_n > 0 ? before : "none", watch->kept_n > 0 ? signed_before : "none");
}

// ---- over a restart ------------------------------------------------------------------------------------------------

bool head_watch_is_fresh(const HeadWatch *watch) {
    return watch->fresh;
}

void head_watch_line(HeadWatch *watch, Bytes *line) {
    watch->fresh = false;
    bytes_append_text(line, "{\"head\":\"");
    bytes_append_hex(line, watch->kept, watch->kept_n);
    bytes_append_text(line, "\",\"signature\":\"");
    bytes_append_hex(line, watch->signature, SIGNATURE_BYTES);
    bytes_append_text(line, "\"}");
}

// It was judged when it was kept, by a key that this keeper had then. Heads of all keys are one chain, so that what
// came later is held against it all the same.
static void keep_of_former_key(HeadWatch *watch, const Dongbo__SignedHead *kept, const Dongbo__TreeHead *head) {
    keep(watch, kept);
    log_warn(
        "the signed head that was kept last is by a key of the exchange's that is in none of the key files any more "
        "(id %s): heads by its present key are held against that one. If its keeper did not tell you that the "
        "key changed, ask, compare the fingerprint (dongbo keys show FILE), and the heads that others keep (dongbo "
        "log compare)",
        head->key_id);
}

void head_watch_resume(HeadWatch *watch, const char *line, size_t n) {
    char text[HEAD_LINE_BYTES_MAX], head[2 * HEAD_BYTES_MAX + 1], signature[2 * SIGNATURE_BYTES + 1];
    uint8_t bytes[HEAD_BYTES_MAX], by[SIGNATURE_BYTES];
    Dongbo__SignedHead kept = DONGBO__SIGNED_HEAD__INIT;
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    if (sscanf(text, "{\"head\":\"%1024[0-9a-f]\",\"signature\":\"%128[0-9a-f]\"}", head, signature) != 2 ||
        hex_decode(head, bytes, strlen(head) / 2) != 0 || hex_decode(signature, by, SIGNATURE_BYTES) != 0)
        return;
    kept.head = (ProtobufCBinaryData){.data = bytes, .len = strlen(head) / 2};
    kept.signature = (ProtobufCBinaryData){.data = by, .len = SIGNATURE_BYTES};
    const Dongbo__TreeHead *read = NULL;
    arena_reset(watch->arena);
    if (head_keys_open(watch->keys, &kept, watch->arena, &read) == 3)
        keep_of_former_key(watch, &kept, read);
    else
        head_watch_judge(watch, &kept, NULL); // by none it is not kept
    watch->fresh = false;
}
