// SPDX-License-Identifier: Apache-2.0
//
// Block, compare, learn, settle. Pairs that no model could make likely are dropped while comparing.
#include "broker/match/engine.h"
#include "broker/match/block.h"
#include "broker/match/learn.h"
#include "broker/match/settle.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOPELESS (-10000) // milli-bits with the prior, by the starting model
#define DOUBT 20000
#define CERTAIN 999000

static int compare_all(const Roster *roster, const Blocks *blocks, const Model *model, Candidates *candidates) {
    Comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    int r = 0;
    for (size_t i = 0; i < blocks->n && r == 0; i++) {
        uint32_t a = (uint32_t)(blocks->pairs[i] >> 32), b = (uint32_t)blocks->pairs[i];
        compare_records(roster, a, b, &comparison);
        int32_t bits = model_bits(model, &comparison);
        if (bits + model->prior >= HOPELESS)
            r = candidates_add(candidates, a, b, &comparison, bits);
    }
    return r;
}

static int count_review(const Roster *roster, const Candidates *candidates, const uint32_t *probability,
                        MatchResult *result) {
    uint32_t *best = calloc(roster->n + 1, sizeof *best);
    if (!best)
        return error_fail(ERROR_MEMORY, "no memory");
    for (size_t i = 0; i < candidates->n; i++) {
        uint32_t *of_a = &best[candidates->a[i]], *of_b = &best[candidates->b[i]];
        *of_a = probability[i] > *of_a ? probability[i] : *of_a;
        *of_b = probability[i] > *of_b ? probability[i] : *of_b;
    }
    for (size_t i = 0; i < roster->n_left; i++)
        result->n_review += best[i] >= DOUBT && best[i] < CERTAIN;
    free(best);
    return 0;
}

static int by_records(const void *a, const void *b) {
    const MatchLink *i = a, *j = b;
    if (i->a != j->a)
        return i->a < j->a ? -1 : 1;
    return i->b < j->b ? -1 : i->b > j->b;
}

static int settle(const Settlement *settlement, const MatchOptions *options) {
    MatchResult *result = settlement->result;
    int r = 0;
    if (options->all_pairs) {
        for (size_t i = 0; i < settlement->candidates->n && r == 0; i++)
            if (settlement->probability[i] >= options->above)
                r = settle_add(result,
                               (MatchLink){settlement->candidates->a[i], settlement->candidates->b[i],
                                           settlement->candidates->bits[i], settlement->probability[i], UINT32_MAX});
    } else if (settlement->roster->has_right) {
        r = settle_partners(settlement, options->many_to_one);
    } else {
        r = settle_groups(settlement);
    }
    if (r == 0 && result->n > 0)
        qsort(result->links, result->n, sizeof *result->links, by_records);
    return r;
}

static int learn_and_settle(Learner *learner, const Roster *roster, const MatchOptions *options, Candidates *candidates,
                            MatchResult *result) {
    uint32_t *probability = calloc(candidates->n + 1, sizeof *probability);
    int r = probability ? learner_run(learner, candidates, probability) : error_fail(ERROR_MEMORY, "no memory");
    result->n_kept = candidates->n;
    Settlement settlement = {roster, candidates, probability, result};
    if (r == 0)
        r = count_review(roster, candidates, probability, result);
    if (r == 0)
        r = settle(&settlement, options);
    free(probability);
    return r;
}

int engine_run(const Roster *roster, const MatchOptions *options, MatchResult *ret) {
    memset(ret, 0, sizeof *ret);
    Blocks blocks = {0};
    Learner learner = {0};
    Candidates candidates = {0};
    model_start(&ret->model, roster);
    candidates.n_components = ret->model.n;
    candidates.many_to_one = options->many_to_one;
    int r = blocks_find(roster, &blocks);
    if (r == 0)
        r = learner_start(&learner, roster, &ret->model);
    if (r == 0)
        r = compare_all(roster, &blocks, &ret->model, &candidates);
    ret->n_compared = blocks.n;
    ret->n_blocks_too_large = blocks.n_too_large;
    ret->n_not_covered = blocks.n_not_covered;
    ret->block_limit = blocks.limit;
    blocks_free(&blocks);
    if (r == 0)
        r = learn_and_settle(&learner, roster, options, &candidates, ret);
    learner_free(&learner);
    candidates_free(&candidates);
    if (r < 0)
        engine_free(ret);
    return r;
}

void engine_free(MatchResult *result) {
    free(result->links);
    result->links = NULL;
    result->n = result->size = 0;
}

void engine_reasons(const Roster *roster, const Model *model, uint32_t a, uint32_t b, Bytes *out) {
    Comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    compare_records(roster, a, b, &comparison);
    static const char *const PARTS[3] = {" first", " middle", " last"};
    bool any = false;
    for (int c = 0; c < model->n; c++) {
        const Component *component = &model->components[c];
        Level level = comparison.level[c];
        if (level == LEVEL_MISSING)
            continue;
        char text[64];
        bytes_append_text(out, any ? "; " : "");
        bytes_append_text(out, roster->fields[component->field].label);
        snprintf(text, sizeof text, "%s %s %+.1f", component->kind == MATCH_NAME ? PARTS[component->part] : "",
                 compare_level_name(component->kind, level), model_component_bits(model, &comparison, c) / 1000.0);
        bytes_append_text(out, text);
        any = true;
    }
}
