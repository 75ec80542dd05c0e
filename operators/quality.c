// SPDX-License-Identifier: Apache-2.0
//
// Groups in an array, found through an open-addressed table. Refuses to grow without bound: facility codes come from
// outside.
#include "operators/quality.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Quality {
    QualityGroup *groups;
    size_t n, size;
    uint32_t *slots; // of a group, from 1; at most half are taken
    size_t mask;
};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for counts");
}

int quality_new(Quality **ret) {
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : no_memory();
}

void quality_destroy(Quality **quality) {
    if (!*quality)
        return;
    for (size_t i = 0; i < (*quality)->n; i++)
        free((*quality)->groups[i].reasons);
    free((*quality)->groups);
    free((*quality)->slots);
    free(*quality);
    *quality = NULL;
}

static int key_compare(const QualityKey *a, const QualityKey *b) {
    if (a->agency != b->agency)
        return a->agency < b->agency ? -1 : 1;
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    int r = strcmp(a->facility, b->facility);
    return r ? r : (a->month > b->month) - (a->month < b->month);
}

static uint64_t key_hash(const QualityKey *key) {
    uint64_t hash = 0xCBF29CE484222325ULL ^
                    ((uint64_t)key->agency << 40 | (uint64_t)key->domain << 32 | (uint64_t)(uint32_t)key->month);
    for (const unsigned char *at = (const unsigned char *)key->facility; *at; at++)
        hash = (hash ^ *at) * 0x100000001B3ULL;
    hash *= 0x9E3779B97F4A7C15ULL;
    return hash ^ hash >> 32;
}

static uint32_t *slot_of(const Quality *quality, const QualityKey *key) {
    size_t at = key_hash(key) & quality->mask;
    while (quality->slots[at] && key_compare(&quality->groups[quality->slots[at] - 1].key, key) != 0)
        at = (at + 1) & quality->mask;
    return &quality->slots[at];
}

static void fill_slots(Quality *quality) {
    memset(quality->slots, 0, (quality->mask + 1) * sizeof *quality->slots);
    for (size_t i = 0; i < quality->n; i++)
        *slot_of(quality, &quality->groups[i].key) = (uint32_t)i + 1;
}

static int grow(Quality *quality) {
    if (quality->n < quality->size)
        return 0;
    size_t size = quality->size ? 2 * quality->size : 64;
    QualityGroup *groups = realloc(quality->groups, size * sizeof *groups);
    if (!groups)
        return no_memory();
    quality->groups = groups;
    uint32_t *slots = realloc(quality->slots, 2 * size * sizeof *slots);
    if (!slots)
        return no_memory();
    quality->slots = slots;
    quality->size = size;
    quality->mask = 2 * size - 1;
    fill_slots(quality);
    return 0;
}

// NULL without memory. The pointer is good until the next group is made.
static QualityGroup *group_of(Quality *quality, const QualityKey *key) {
    QualityKey others = *key;
    if (grow(quality) < 0)
        return NULL;
    uint32_t *slot = slot_of(quality, key);
    if (!*slot && quality->n >= QUALITY_GROUPS_MAX && *key->facility) {
        snprintf(others.facility, sizeof others.facility, "%s", QUALITY_OTHERS);
        slot = slot_of(quality, &others);
    }
    if (!*slot) {
        quality->groups[quality->n++] = (QualityGroup){.key = others};
        *slot = (uint32_t)quality->n;
    }
    return &quality->groups[*slot - 1];
}

int quality_add_event(Quality *quality, const QualityKey *key) {
    QualityGroup *group = group_of(quality, key);
    if (!group)
        return no_memory();
    group->events++;
    return 0;
}

static int add_reason(QualityGroup *group, int code, const char *field, uint64_t n) {
    size_t i = 0;
    while (i < group->n_reasons && (group->reasons[i].code != code || strcmp(group->reasons[i].field, field) != 0))
        i++;
    if (i == QUALITY_REASONS_MAX) {
        QualityReason *last = &group->reasons[QUALITY_REASONS_MAX - 1];
        *last = (QualityReason){.n = last->n + n};
        return 0;
    }
    if (i == group->n_reasons) {
        QualityReason *reasons = realloc(group->reasons, (i + 1) * sizeof *reasons);
        if (!reasons)
            return no_memory();
        group->reasons = reasons;
        reasons[i] = (QualityReason){.code = code};
        snprintf(reasons[i].field, sizeof reasons[i].field, "%s", field);
        group->n_reasons++;
    }
    group->reasons[i].n += n;
    return 0;
}

int quality_add_verdict(Quality *quality, const QualityKey *key, const Dongbo__EventVerdict *verdict) {
    QualityGroup *group = group_of(quality, key);
    if (!group)
        return no_memory();
    if (verdict->verdict == DONGBO__VERDICT__DEFERRED)
        group->waiting++;
    if (verdict->verdict != DONGBO__VERDICT__MISMATCH && verdict->verdict != DONGBO__VERDICT__REJECTED)
        return 0;
    group->refused++;
    int r = 0;
    for (size_t i = 0; r == 0 && i < verdict->n_reasons; i++) {
        char field[QUALITY_FIELD_BYTES];
        snprintf(field, sizeof field, "%s", verdict->reasons[i]->field);
        r = add_reason(group, (int)verdict->reasons[i]->code, field, 1);
    }
    return r;
}

static int add_group(Quality *quality, const QualityKey *key, const QualityGroup *from) {
    QualityGroup *group = group_of(quality, key);
    if (!group)
        return no_memory();
    group->events += from->events;
    group->refused += from->refused;
    group->waiting += from->waiting;
    int r = 0;
    for (size_t i = 0; r == 0 && i < from->n_reasons; i++)
        r = add_reason(group, from->reasons[i].code, from->reasons[i].field, from->reasons[i].n);
    return r;
}

int quality_roll_up(const Quality *quality, unsigned keep, Quality **ret) {
    Quality *rolled = NULL;
    int r = quality_new(&rolled);
    for (size_t i = 0; r == 0 && i < quality->n; i++) {
        QualityKey key = quality->groups[i].key;
        if (!(keep & QUALITY_KEEP_FACILITY))
            memset(key.facility, 0, sizeof key.facility);
        if (!(keep & QUALITY_KEEP_MONTH))
            key.month = 0;
        r = add_group(rolled, &key, &quality->groups[i]);
    }
    if (r < 0)
        quality_destroy(&rolled);
    *ret = rolled;
    return r;
}

static int groups_in_order(const void *a, const void *b) {
    return key_compare(&((const QualityGroup *)a)->key, &((const QualityGroup *)b)->key);
}

static int most_frequent_first(const void *a, const void *b) {
    const QualityReason *one = a, *other = b;
    if (one->n != other->n)
        return one->n < other->n ? 1 : -1;
    return one->code != other->code ? (one->code < other->code ? -1 : 1) : strcmp(one->field, other->field);
}

const QualityGroup *quality_groups(Quality *quality, size_t *ret_n) {
    if (quality->n > 1)
        qsort(quality->groups, quality->n, sizeof *quality->groups, groups_in_order);
    for (size_t i = 0; i < quality->n; i++)
        if (quality->groups[i].n_reasons > 1)
            qsort(quality->groups[i].reasons, quality->groups[i].n_reasons, sizeof(QualityReason), most_frequent_first);
    if (quality->n)
        fill_slots(quality);
    *ret_n = quality->n;
    return quality->groups;
}

double quality_share(const QualityGroup *group) {
    return group->events ? (double)group->refused / (double)group->events : 0;
}
