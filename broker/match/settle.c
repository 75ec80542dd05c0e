// SPDX-License-Identifier: Apache-2.0
//
// Both walk the candidates from the likeliest down; ties are broken by the records' contents, never by chance.
#include "broker/match/settle.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_EVIDENCE_MAX 8000 // one pair speaks for or against a group by this much at most, milli-bits
#define GROUP_PAIRS_MAX 400     // of two groups, how many pairs are asked

int settle_add(MatchResult *result, MatchLink link) {
    int r = roster_grow(&result->links, &result->size, result->n + 1, sizeof *result->links);
    if (r < 0)
        return r;
    result->links[result->n++] = link;
    return 0;
}

static int by_likelihood(const void *a, const void *b, void *of) {
    const Settlement *s = of;
    const Candidates *c = s->candidates;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (s->probability[i] != s->probability[j])
        return s->probability[i] > s->probability[j] ? -1 : 1;
    if (c->bits[i] != c->bits[j])
        return c->bits[i] > c->bits[j] ? -1 : 1;
    uint64_t of_i = s->roster->contents[c->a[i]] ^ s->roster->contents[c->b[i]];
    uint64_t of_j = s->roster->contents[c->a[j]] ^ s->roster->contents[c->b[j]];
    if (of_i != of_j)
        return of_i < of_j ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int likeliest_first(const Settlement *s, uint32_t least, uint32_t **ret, size_t *ret_n) {
    size_t n = 0;
    uint32_t *order = malloc((s->candidates->n + 1) * sizeof *order);
    if (!order)
        return error_fail(ERROR_MEMORY, "no memory for that many pairs");
    for (size_t i = 0; i < s->candidates->n; i++)
        if (s->probability[i] >= least)
            order[n++] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, by_likelihood, (void *)(uintptr_t)s);
    *ret = order;
    *ret_n = n;
    return 0;
}

static MatchLink link_of(const Settlement *s, size_t i) {
    return (MatchLink){s->candidates->a[i], s->candidates->b[i], s->candidates->bits[i], s->probability[i], UINT32_MAX};
}

int settle_partners(const Settlement *s, bool many_to_one) {
    uint32_t *order = NULL;
    size_t n = 0;
    uint8_t *taken = calloc(s->roster->n + 1, 1);
    int r = taken ? likeliest_first(s, MATCH_DECIDED, &order, &n) : error_fail(ERROR_MEMORY, "no memory");
    for (size_t i = 0; i < n && r == 0; i++) {
        uint32_t a = s->candidates->a[order[i]], b = s->candidates->b[order[i]];
        if (taken[a] || (taken[b] && !many_to_one))
            continue;
        taken[a] = taken[b] = 1;
        r = settle_add(s->result, link_of(s, order[i]));
    }
    free(order);
    free(taken);
    return r;
}

// Groups as rings: next[] leads around, head[] names the group.
typedef struct Groups {
    uint32_t *head, *next, *count;
} Groups;

static int32_t bounded(int32_t bits) {
    return bits > GROUP_EVIDENCE_MAX ? GROUP_EVIDENCE_MAX : bits < -GROUP_EVIDENCE_MAX ? -GROUP_EVIDENCE_MAX : bits;
}

static int32_t pair_bits(const Settlement *s, uint32_t a, uint32_t b) {
    Comparison comparison;
    compare_records(s->roster, a < b ? a : b, a < b ? b : a, &comparison);
    return model_bits(&s->result->model, &comparison);
}

// The sum of what all pairs between two groups say, the prior included.
static int64_t between(const Settlement *s, const Groups *groups, uint32_t a, uint32_t b) {
    int64_t sum = 0;
    size_t asked = 0;
    uint32_t i = a;
    do {
        uint32_t j = b;
        do {
            sum += bounded(pair_bits(s, i, j) + s->result->model.prior);
            j = groups->next[j];
        } while (j != b && ++asked < GROUP_PAIRS_MAX);
        i = groups->next[i];
    } while (i != a && asked < GROUP_PAIRS_MAX);
    return sum;
}

static void join(Groups *groups, uint32_t a, uint32_t b) {
    uint32_t keep = groups->head[a], lose = groups->head[b], at = b;
    do {
        groups->head[at] = keep;
        at = groups->next[at];
    } while (at != b);
    groups->count[keep] += groups->count[lose];
    uint32_t swap = groups->next[a];
    groups->next[a] = groups->next[b];
    groups->next[b] = swap;
}

// How likely two of one group are one person: by themselves, or by way of a third that is like both.
static void group_posterior(const Settlement *s, const Groups *groups, MatchLink *link) {
    int32_t prior = s->result->model.prior;
    link->posterior = candidates_probability(link->bits + prior);
    for (uint32_t k = groups->next[link->a]; k != link->a; k = groups->next[k]) {
        if (k == link->b)
            continue;
        uint64_t to_a = candidates_probability(pair_bits(s, link->a, k) + prior);
        uint64_t to_b = candidates_probability(pair_bits(s, link->b, k) + prior);
        uint64_t by_way = to_a * to_b / PROBABILITY_ONE;
        if (by_way <= link->posterior)
            continue;
        link->posterior = (uint32_t)by_way;
        link->through = k;
    }
    if (link->posterior < MATCH_DECIDED)
        link->posterior = MATCH_DECIDED; // the group as a whole spoke for it
}

static int write_groups(const Settlement *s, const Groups *groups) {
    int r = 0;
    for (uint32_t i = 0; i < s->roster->n && r == 0; i++)
        for (uint32_t j = groups->next[i]; j != i && r == 0; j = groups->next[j]) {
            if (j < i)
                continue;
            MatchLink link = {i, j, pair_bits(s, i, j), 0, UINT32_MAX};
            group_posterior(s, groups, &link);
            r = settle_add(s->result, link);
        }
    return r;
}

int settle_groups(const Settlement *s) {
    size_t n_records = s->roster->n, n = 0;
    uint32_t *order = NULL, *memory = malloc(3 * (n_records + 1) * sizeof *memory);
    Groups groups = {memory, memory + n_records, memory + 2 * n_records};
    int r = memory ? likeliest_first(s, MATCH_DECIDED, &order, &n) : error_fail(ERROR_MEMORY, "no memory");
    for (uint32_t i = 0; i < n_records && r == 0; i++) {
        groups.head[i] = groups.next[i] = i;
        groups.count[i] = 1;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        uint32_t a = s->candidates->a[order[i]], b = s->candidates->b[order[i]];
        if (groups.head[a] == groups.head[b])
            continue;
        if (groups.count[groups.head[a]] + groups.count[groups.head[b]] == 2 || between(s, &groups, a, b) > 0)
            join(&groups, a, b);
    }
    if (r == 0)
        r = write_groups(s, &groups);
    free(order);
    free(memory);
    return r;
}
