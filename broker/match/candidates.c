// SPDX-License-Identifier: Apache-2.0
//
// Sums run in the pairs' order, which is sorted: the same every time.
#include "broker/match/candidates.h"
#include "proto/base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ODDS_BITS_MAX 36000 // beyond, sums would lose the 1 that stands for nobody
#define SWEEPS 8
#define UNMATCHED_SHARE .01 // of a list, at least: no list is believed to be matched wholly

void candidates_free(Candidates *candidates) {
    free(candidates->a);
    free(candidates->b);
    free(candidates->bits);
    free(candidates->level);
    free(candidates->rarity);
    *candidates = (Candidates){0};
}

static int make_room(Candidates *c) {
    size_t width = (size_t)c->n_components, size = c->size;
    if (c->n < c->size)
        return 0;
    int r = roster_grow(&c->a, &size, c->n + 1, sizeof *c->a);
    size = c->size;
    if (r == 0)
        r = roster_grow(&c->b, &size, c->n + 1, sizeof *c->b);
    size = c->size;
    if (r == 0)
        r = roster_grow(&c->bits, &size, c->n + 1, sizeof *c->bits);
    size = c->size;
    if (r == 0)
        r = roster_grow(&c->level, &size, c->n + 1, width * sizeof *c->level);
    size = c->size;
    if (r == 0)
        r = roster_grow(&c->rarity, &size, c->n + 1, width * sizeof *c->rarity);
    if (r == 0)
        c->size = size;
    return r;
}

void candidates_put(Candidates *candidates, size_t at, uint32_t a, uint32_t b, const Comparison *comparison,
                    int32_t bits) {
    size_t width = (size_t)candidates->n_components;
    candidates->a[at] = a;
    candidates->b[at] = b;
    candidates->bits[at] = bits;
    memcpy(candidates->level + at * width, comparison->level, width * sizeof *candidates->level);
    memcpy(candidates->rarity + at * width, comparison->rarity, width * sizeof *candidates->rarity);
}

int candidates_add(Candidates *candidates, uint32_t a, uint32_t b, const Comparison *comparison, int32_t bits) {
    int r = make_room(candidates);
    if (r < 0)
        return r;
    candidates_put(candidates, candidates->n++, a, b, comparison, bits);
    return 0;
}

void candidates_get(const Candidates *candidates, size_t at, Comparison *ret) {
    size_t width = (size_t)candidates->n_components;
    memcpy(ret->level, candidates->level + at * width, width * sizeof *candidates->level);
    memcpy(ret->rarity, candidates->rarity + at * width, width * sizeof *candidates->rarity);
}

void candidates_score(Candidates *candidates, const Model *model) {
    Comparison comparison;
    for (size_t i = 0; i < candidates->n; i++) {
        candidates_get(candidates, i, &comparison);
        candidates->bits[i] = model_bits(model, &comparison);
    }
}

static double odds_of(int32_t bits) {
    int32_t bounded = bits > ODDS_BITS_MAX ? ODDS_BITS_MAX : bits < -ODDS_BITS_MAX ? -ODDS_BITS_MAX : bits;
    return exp2(bounded / 1000.0);
}

static uint32_t probability_of(double odds) {
    return (uint32_t)lround(PROBABILITY_ONE * (odds / (1 + odds)));
}

uint32_t candidates_probability(int32_t bits) {
    return probability_of(odds_of(bits));
}

// How many of `n` stay without a partner, when `matched` have one; never none at all.
static double left_over(double n, double matched) {
    return fmax(n - matched, 0) + UNMATCHED_SHARE * n + 1;
}

// A matching of two lists as a sum over all matchings, passed along its pairs (belief propagation, which is exact where
// candidates form no ring): a pair counts as far as neither record is taken by another.
typedef struct Matching {
    const Candidates *candidates;
    double *weight;          // of each pair: its odds if both were free
    double *free_a, *free_b; // how far its record is free of others
    double *sums;
} Matching;

static void pass(const Matching *matching, const uint32_t *record, const double *from, double *to, size_t n_records) {
    memset(matching->sums, 0, n_records * sizeof *matching->sums);
    for (size_t i = 0; i < matching->candidates->n; i++)
        matching->sums[record[i]] += matching->weight[i] * from[i];
    for (size_t i = 0; i < matching->candidates->n; i++)
        to[i] = 1 / (1 + fmax(0, matching->sums[record[i]] - matching->weight[i] * from[i]));
}

static void one_to_one(const Candidates *candidates, const Roster *roster, int32_t prior, double *memory,
                       uint32_t *ret) {
    size_t n = candidates->n;
    Matching matching = {candidates, memory, memory + n, memory + 2 * n, memory + 3 * n};
    double n_left = (double)roster->n_left, n_right = (double)(roster->n - roster->n_left);
    double matched = exp2(prior / 1000.0) * n_left * n_right;
    int32_t if_free = model_log2(matched / (left_over(n_left, matched) * left_over(n_right, matched)));
    for (size_t i = 0; i < n; i++) {
        matching.weight[i] = odds_of(candidates->bits[i] + if_free);
        matching.free_b[i] = 1;
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        pass(&matching, candidates->a, matching.free_b, matching.free_a, roster->n);
        pass(&matching, candidates->b, matching.free_a, matching.free_b, roster->n);
    }
    for (size_t i = 0; i < n; i++)
        ret[i] = probability_of(matching.weight[i] * matching.free_a[i] * matching.free_b[i]);
}

static void many_to_one(const Candidates *candidates, const Roster *roster, int32_t prior, double *sums,
                        uint32_t *ret) {
    double n_left = (double)roster->n_left, n_right = (double)(roster->n - roster->n_left);
    double nobody = left_over(n_left, exp2(prior / 1000.0) * n_left * n_right) / n_left;
    memset(sums, 0, roster->n * sizeof *sums);
    for (size_t i = 0; i < candidates->n; i++)
        sums[candidates->a[i]] += odds_of(candidates->bits[i] + prior);
    for (size_t i = 0; i < candidates->n; i++) {
        double odds = odds_of(candidates->bits[i] + prior);
        ret[i] = probability_of(odds / (fmax(0, sums[candidates->a[i]] - odds) + nobody));
    }
}

int candidates_posterior(const Candidates *candidates, const Roster *roster, int32_t prior, uint32_t *ret) {
    if (!roster->has_right) {
        for (size_t i = 0; i < candidates->n; i++)
            ret[i] = probability_of(odds_of(candidates->bits[i] + prior));
        return 0;
    }
    double *memory = malloc((3 * candidates->n + roster->n + 1) * sizeof *memory);
    if (!memory)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    if (candidates->many_to_one)
        many_to_one(candidates, roster, prior, memory, ret);
    else
        one_to_one(candidates, roster, prior, memory, ret);
    free(memory);
    return 0;
}
