// SPDX-License-Identifier: Apache-2.0
//
// Bits for each subscription and entry, one row of them for each subscription.
#include "broker/followed.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 32
#define ROWS_MAX 65536 // of one answer: persons by subscriptions

typedef struct Slot {
    uint64_t first; // of the segment; 0: empty
    uint64_t used;
    int32_t *subscriptions;
    size_t n, words;
    uint64_t *bits; // n rows of `words`
} Slot;

// An entry about somebody.
typedef struct Mention {
    int64_t person;
    size_t entry;
} Mention;

struct Followed {
    FeedStore *store;
    uint64_t uses;
    Slot slots[SLOTS];
    Mention *mentions;
    int64_t *persons; // without repeats
    size_t n_mentions, n_persons, size;
};

int followed_new(Followed **ret, FeedStore *store) {
    *ret = calloc(1, sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    (*ret)->store = store;
    return 0;
}

static void slot_clear(Slot *slot) {
    free(slot->subscriptions);
    free(slot->bits);
    *slot = (Slot){0};
}

void followed_forget(Followed *followed) {
    for (size_t i = 0; i < SLOTS; i++)
        slot_clear(&followed->slots[i]);
}

void followed_destroy(Followed **followed) {
    if (*followed == NULL)
        return;
    followed_forget(*followed);
    free((*followed)->mentions);
    free((*followed)->persons);
    free(*followed);
    *followed = NULL;
}

// ---- who is in the segment -----------------------------------------------------------------------------------------

static int compare_mentions(const void *a, const void *b) {
    const Mention *x = a, *y = b;
    return (x->person > y->person) - (x->person < y->person);
}

static int mentions_room(Followed *followed, size_t n) {
    if (n <= followed->size)
        return 0;
    Mention *mentions = realloc(followed->mentions, n * sizeof *mentions);
    followed->mentions = mentions != NULL ? mentions : followed->mentions;
    int64_t *persons = realloc(followed->persons, n * sizeof *persons);
    followed->persons = persons != NULL ? persons : followed->persons;
    if (mentions == NULL || persons == NULL)
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    followed->size = n;
    return 0;
}

static int mentions_collect(Followed *followed, const ReaderSegment *segment) {
    size_t n = (size_t)(segment->last - segment->first + 1);
    int r = mentions_room(followed, n);
    followed->n_mentions = followed->n_persons = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (segment->entries[i]->person != 0)
            followed->mentions[followed->n_mentions++] = (Mention){segment->entries[i]->person, i};
    if (followed->n_mentions > 0)
        qsort(followed->mentions, followed->n_mentions, sizeof *followed->mentions, compare_mentions);
    for (size_t i = 0; i < followed->n_mentions; i++)
        if (i == 0 || followed->mentions[i].person != followed->mentions[i - 1].person)
            followed->persons[followed->n_persons++] = followed->mentions[i].person;
    return r;
}

// ---- who follows them ----------------------------------------------------------------------------------------------

static int compare_subscriptions(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t *bits_of(const Slot *slot, int32_t subscription) {
    if (slot->n == 0)
        return NULL;
    const int32_t *found =
        bsearch(&subscription, slot->subscriptions, slot->n, sizeof subscription, compare_subscriptions);
    return found == NULL ? NULL : slot->bits + (size_t)(found - slot->subscriptions) * slot->words;
}

static size_t first_mention(const Followed *followed, int64_t person) {
    size_t from = 0, to = followed->n_mentions;
    while (from < to) {
        size_t half = from + (to - from) / 2;
        if (followed->mentions[half].person < person)
            from = half + 1;
        else
            to = half;
    }
    return from;
}

static void take_row(const Followed *followed, const Slot *slot, const FollowedRow *row) {
    uint64_t *bits = bits_of(slot, row->subscription);
    size_t i = first_mention(followed, row->person);
    for (; bits != NULL && i < followed->n_mentions && followed->mentions[i].person == row->person; i++) {
        size_t entry = followed->mentions[i].entry;
        uint64_t position = slot->first + entry;
        if (row->from <= position && position < row->to)
            bits[entry / 64] |= UINT64_C(1) << entry % 64;
    }
}

static int look_up(Followed *followed, const ReaderSegment *segment, Slot *slot) {
    size_t at_once = followed->n_persons > 0 && followed->n_persons < ROWS_MAX ? ROWS_MAX / followed->n_persons : 1;
    for (size_t from = 0; followed->n_persons > 0 && from < slot->n; from += at_once) {
        PGresult *rows = NULL;
        FollowedQuestion question = {.persons = followed->persons,
                                     .n_persons = followed->n_persons,
                                     .subscriptions = slot->subscriptions + from,
                                     .n_subscriptions = slot->n - from < at_once ? slot->n - from : at_once,
                                     .first = segment->first,
                                     .last = segment->last};
        int r = feed_store_followed(followed->store, &question, &rows);
        if (r < 0)
            return r;
        for (int i = 0; i < PQntuples(rows); i++) {
            FollowedRow row;
            feed_store_followed_row(rows, i, &row);
            take_row(followed, slot, &row);
        }
        PQclear(rows);
    }
    return 0;
}

static Slot *slot_of(Followed *followed, uint64_t first) {
    Slot *oldest = &followed->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        if (followed->slots[i].first == first)
            return &followed->slots[i];
        if (followed->slots[i].used < oldest->used)
            oldest = &followed->slots[i];
    }
    return oldest;
}

static int fill(Followed *followed, const ReaderSegment *segment, const FollowedFor *all, Slot *slot) {
    slot_clear(slot);
    size_t words = (size_t)(segment->last - segment->first) / 64 + 1;
    slot->subscriptions = malloc(all->n * sizeof *slot->subscriptions);
    slot->bits = calloc(all->n * words, sizeof *slot->bits);
    if (slot->subscriptions == NULL || slot->bits == NULL) {
        slot_clear(slot);
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    }
    memcpy(slot->subscriptions, all->subscriptions, all->n * sizeof *slot->subscriptions);
    slot->n = all->n;
    slot->words = words;
    slot->first = segment->first;
    int r = mentions_collect(followed, segment);
    if (r == 0)
        r = look_up(followed, segment, slot);
    if (r < 0)
        slot_clear(slot);
    return r;
}

const uint64_t *followed_bits(Followed *followed, const ReaderSegment *segment, int32_t subscription) {
    Slot *slot = slot_of(followed, segment->first);
    if (slot->first != segment->first)
        return NULL;
    slot->used = ++followed->uses;
    return bits_of(slot, subscription);
}

int followed_look(Followed *followed, const ReaderSegment *segment, const FollowedFor *all) {
    return fill(followed, segment, all, slot_of(followed, segment->first));
}
