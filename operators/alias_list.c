// SPDX-License-Identifier: Apache-2.0
//
// Sorted once by number, kind and citizen; a number is found by halving.
#include "operators/alias_list.h"
#include "broker/decide.h"
#include "operators/alias_file.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Alias {
    char number[13], kind[10], from[11], to[11];
    uint32_t citizen; // place in the census
} Alias;

struct AliasList {
    Alias *list;
    size_t n, size;
};

typedef struct Loading {
    AliasList *list;
    const Census *census;
    AliasFile file;
} Loading;

static int compare_numbers(const Alias *a, const Alias *b) {
    int order = strcmp(a->number, b->number);
    return order ? order : strcmp(a->kind, b->kind);
}

static int compare(const void *a, const void *b) {
    const Alias *left = a, *right = b;
    int order = compare_numbers(left, right);
    return order ? order : (left->citizen > right->citizen) - (left->citizen < right->citizen);
}

static int take_row(void *context, const AliasRow *row) {
    Loading *loading = context;
    AliasList *list = loading->list;
    Person citizen;
    if (!census_find(loading->census, row->texts[ALIAS_CITIZEN], &citizen)) {
        alias_file_fault(&loading->file, row->number, "nobody has this citizen_number");
        return 0;
    }
    if (list->n == list->size) {
        size_t size = list->size ? 2 * list->size : 1024;
        Alias *more = realloc(list->list, size * sizeof *more);
        if (!more)
            return error_fail(ERROR_MEMORY, "no memory for more than %zu numbers", list->n);
        list->list = more;
        list->size = size;
    }
    Alias *alias = &list->list[list->n++];
    *alias = (Alias){.citizen = (uint32_t)citizen.key};
    snprintf(alias->number, sizeof alias->number, "%s", row->texts[ALIAS_NUMBER]);
    snprintf(alias->kind, sizeof alias->kind, "%s", row->texts[ALIAS_KIND]);
    snprintf(alias->from, sizeof alias->from, "%s", row->texts[ALIAS_FROM]);
    snprintf(alias->to, sizeof alias->to, "%s", row->texts[ALIAS_TO]);
    return 0;
}

int alias_list_load(AliasList **ret, const char *path, const Census *census) {
    CLEANUP(alias_list_destroy) AliasList *list = calloc(1, sizeof *list);
    if (!list)
        return error_fail(ERROR_MEMORY, "no memory for numbers");
    Loading loading = {.list = list, .census = census, .file = {.path = path}};
    int r = alias_file_read(&loading.file, take_row, &loading);
    if (r < 0)
        return r;
    if (loading.file.wrong)
        log_warn("%s: %" PRIu64 " of %" PRIu64 " rows were left out", path, loading.file.wrong, loading.file.rows);
    if (list->n > 0)
        qsort(list->list, list->n, sizeof *list->list, compare);
    *ret = list;
    list = NULL;
    return 0;
}

void alias_list_destroy(AliasList **list) {
    if (!*list)
        return;
    free((*list)->list);
    free(*list);
    *list = NULL;
}

// The first alias that is not before this number of this kind.
static size_t first_of(const AliasList *list, const Alias *key) {
    size_t from = 0, to = list->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_numbers(&list->list[middle], key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void add(Bearers *bearers, const Census *census, uint32_t place, const Alias *alias) {
    CensusCitizen citizen;
    census_citizen(census, place, &citizen);
    bearers_add(bearers,
                &(Bearer){.person = citizen.person, .from = alias ? alias->from : "", .to = alias ? alias->to : ""});
}

// NULL for want of memory; no bearers where nobody bore it.
static Bearers *find(const AliasList *list, const Census *census, Arena *arena, const char *number, const char *kind) {
    Bearers *bearers = arena_zalloc(arena, sizeof *bearers);
    Alias key = {0};
    Person citizen;
    snprintf(key.number, sizeof key.number, "%s", number);
    snprintf(key.kind, sizeof key.kind, "%s", kind);
    if (!bearers)
        return NULL;
    if (census_find(census, number, &citizen))
        add(bearers, census, (uint32_t)citizen.key, NULL);
    for (size_t i = list ? first_of(list, &key) : 0; list && i < list->n; i++) {
        if (compare_numbers(&list->list[i], &key) != 0)
            break;
        add(bearers, census, list->list[i].citizen, &list->list[i]);
    }
    return bearers;
}

int alias_list_find(const AliasList *list, const Census *census, Arena *arena, Item *item) {
    const char *kind = bearers_kind(item->claimed_number);
    const char *insurance = bearers_insurance(item->event, item->claimed_number);
    Bearers *bearers = NULL, *insured = NULL;
    if (!item->person && kind) {
        bearers = find(list, census, arena, item->claimed_number, kind);
        if (!bearers)
            return error_fail(ERROR_MEMORY, "the persons of one step do not fit");
    }
    if (*insurance) {
        kind = bearers_kind(insurance);
        insured = find(list, census, arena, insurance, kind ? kind : BEARER_INSURANCE);
        if (!insured)
            return error_fail(ERROR_MEMORY, "the persons of one step do not fit");
    }
    item->bearers = bearers && bearers->n > 0 ? bearers : NULL;
    item->insured = insured && insured->n > 0 ? insured : NULL;
    decide_bearer(item);
    return 0;
}
