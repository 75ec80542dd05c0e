// SPDX-License-Identifier: Apache-2.0
//
// What a death contradicts of what was accepted before it: the events of one stream at a time, as works of the writer.
// What cannot be decided is left with a line in the log, for the others must not wait for it. A broker that dies in
// between leaves the rest to whoever comes next: what is in question, or was decided since the death was told, is not
// asked again. What an officer accepted is, when another word leaves its record later.
#include "broker/redecide_state.h"

#include "broker/judging.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const Contradiction *left = a, *right = b;
    int order = memcmp(left->by.stream, right->by.stream, STREAM_BYTES);
    if (order != 0)
        return order;
    return (left->by.sequence > right->by.sequence) - (left->by.sequence < right->by.sequence);
}

static int fill_item(Work *work, Item *item, const Contradiction *from) {
    uint8_t *copy = arena_alloc(work->arena, from->by.bytes.len + HASH_BYTES);
    if (copy == NULL)
        return error_fail(ERROR_MEMORY, "events that stand in records do not fit");
    memcpy(copy, from->by.bytes.data, from->by.bytes.len);
    memcpy(copy + from->by.bytes.len, from->by.leaf, HASH_BYTES);
    item->bytes = (ProtobufCBinaryData){.data = copy, .len = from->by.bytes.len};
    item->leaf = copy + from->by.bytes.len;
    item->sequence = from->by.sequence;
    item->stands = from->by.person;
    item->because = from->because;
    return 0;
}

static int fill_work(Actor *actor, const Contradiction *list, size_t n) {
    Work *work = actor->work;
    work_reset(work);
    work->kind = WORK_JUDGE;
    work->agencies = agencies_ref(actor->agencies);
    work->agency = agencies_find(work->agencies, list->by.agency);
    if (work->agency == NULL)
        return 0;
    memcpy(work->stream, list->by.stream, STREAM_BYTES);
    work->n_items = n;
    work->items = decide_items_new(work, n);
    if (work->items == NULL)
        return error_fail(ERROR_MEMORY, "events that stand in records do not fit");
    int result = 0;
    for (size_t i = 0; result == 0 && i < n; i++)
        result = fill_item(work, &work->items[i], &list[i]);
    return result;
}

// REDECIDE_CANNOT, and REDECIDE_DISABLED.
static int decide_together(Actor *actor, const Contradiction *list, size_t n) {
    int result = redecide_decide(actor, fill_work(actor, list, n));
    if (result == 0 && actor->work->n_entries > 0)
        result = redecide_store(actor);
    if (result == REDECIDE_CANNOT)
        log_error("records of a person who died before cannot be judged%s: %s", n > 1 ? " together" : "", error_text());
    if (result != 0 || (actor->work->outcome != OUTCOME_REFUSED && actor->work->outcome != OUTCOME_ERROR))
        return result;
    log_error("records of a person who died before cannot be judged%s", n > 1 ? " together" : "");
    return REDECIDE_CANNOT;
}

// Where some cannot be decided together, only those at fault are left.
static int decide(Actor *actor, const Contradiction *list, size_t n) {
    int result = decide_together(actor, list, n);
    if (result == REDECIDE_DISABLED)
        log_warn("records of a person who died before stay as they are: their agency is disabled");
    if (result != REDECIDE_CANNOT || n == 1)
        return result < 0 ? result : 0;
    result = 0;
    for (size_t i = 0; result >= 0 && i < n; i++)
        result = decide_together(actor, &list[i], 1);
    return result < 0 ? result : 0;
}

// Sorted, and each event once: its person may wait for more than one reason.
static size_t sort(Contradiction *list, size_t n) {
    size_t kept = 0;
    if (n > 1)
        qsort(list, n, sizeof *list, compare);
    for (size_t i = 0; i < n; i++) {
        Contradiction *last = kept == 0 ? NULL : &list[kept - 1];
        if (last == NULL || compare(last, &list[i]) != 0)
            list[kept++] = list[i];
        else if (last->because < list[i].because)
            *last = list[i];
    }
    return kept;
}

static int decide_all(Actor *actor, Contradiction *list, size_t n_found) {
    int result = 0;
    size_t n = sort(list, n_found);
    for (size_t from = 0, to = 0; result == 0 && from < n; from = to) {
        while (to < n && to - from < REDECIDE_ITEMS_MAX &&
               memcmp(list[to].by.stream, list[from].by.stream, STREAM_BYTES) == 0)
            to++;
        result = decide(actor, list + from, to - from);
    }
    return result;
}

static int judge_some(Actor *actor, Judging *judging) {
    int result = judging_begin(judging), next = 0;
    while (result == 0 && next == 0) {
        Contradiction *list = NULL;
        size_t n = 0;
        next = judging_next(judging, &list, &n);
        result = next < 0 ? next : decide_all(actor, list, n);
        if (result == 0 && next == 0)
            result = redecide_see_to_officers(actor);
    }
    if (result == 0)
        result = judging_done(judging);
    judging_end(judging);
    return result;
}

int redecide_lives(Actor *actor) {
    Judging *judging = calloc(1, sizeof *judging);
    if (judging == NULL)
        return error_fail(ERROR_MEMORY, "no memory to judge records");
    judging->prepare = actor->prepare;
    int result = arena_new(&judging->arena, WORK_ARENA_BYTES);
    while (result == 0)
        result = judge_some(actor, judging);
    arena_destroy(&judging->arena);
    free(judging);
    return result < 0 ? result : 0;
}
