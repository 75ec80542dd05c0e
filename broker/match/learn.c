// SPDX-License-Identifier: Apache-2.0
//
// Counts are whole millionths of pairs, so that no order of summing matters.
#include "broker/match/learn.h"
#include "proto/base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_PER_RECORD 30
#define SAMPLE_MIN 100000
#define SAMPLE_MAX 1000000
#define ROUNDS 25
#define SURELY_NOT (-12000) // milli-bits, with the prior
#define PRIOR_PAIRS 10.0    // what the starting m weighs against what is seen
#define TOGETHER_PAIRS 20.0 // what "the two parts go wrong apart" weighs
#define TILT_PAIRS 30.0

typedef struct Moments {
    int64_t weight, sum, squares; // of rarity, in whole bits / 8
} Moments;

typedef struct Tally {
    Moments level[COMPARE_COMPONENTS_MAX][LEVELS];
    int64_t together[COMPARE_COMPONENTS_MAX][LEVELS][LEVELS];
    int64_t pairs;
} Tally;

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u; // splitmix64
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void tally_add(Tally *tally, const Candidates *candidates, size_t at, int64_t weight) {
    Comparison comparison;
    candidates_get(candidates, at, &comparison);
    tally->pairs += weight;
    for (int c = 0; c < candidates->n_components; c++) {
        Moments *moments = &tally->level[c][comparison.level[c]];
        int64_t rarity = comparison.rarity[c] / 125;
        moments->weight += weight;
        moments->sum += weight * rarity;
        moments->squares += weight * rarity * rarity;
        if (c + 1 < candidates->n_components)
            tally->together[c][comparison.level[c]][comparison.level[c + 1]] += weight;
    }
}

static double tally_known(const Tally *tally, int c) {
    int64_t known = 0;
    for (int level = LEVEL_EXACT; level < LEVELS; level++)
        known += tally->level[c][level].weight;
    return (double)known / PROBABILITY_ONE;
}

static void learn_u(Model *model, const Tally *tally) {
    for (int c = 0; c < model->n; c++) {
        double known = tally_known(tally, c);
        for (int level = LEVEL_EXACT; level < LEVELS; level++) {
            double seen = (double)tally->level[c][level].weight / PROBABILITY_ONE;
            model->u[c][level] = model_log2((seen + .5) / (known + 4));
        }
    }
}

static void learn_together(Model *model, const Tally *tally, int c) {
    double both = 0;
    for (int first = LEVEL_EXACT; first < LEVELS; first++)
        for (int last = LEVEL_EXACT; last < LEVELS; last++)
            both += (double)tally->together[c][first][last] / PROBABILITY_ONE;
    for (int first = LEVEL_EXACT; first < LEVELS; first++)
        for (int last = LEVEL_EXACT; last < LEVELS; last++) {
            double apart = exp2((model->m[c][first] + model->m[c + 1][last]) / 1000.0);
            double seen = (double)tally->together[c][first][last] / PROBABILITY_ONE;
            model->together[c][first][last] = model_log2((seen + TOGETHER_PAIRS * apart) / (both + TOGETHER_PAIRS));
        }
}

static void learn_m(Model *model, const Model *start, const Tally *tally) {
    for (int c = 0; c < model->n; c++) {
        double known = tally_known(tally, c);
        for (int level = LEVEL_EXACT; level < LEVELS; level++) {
            double seen = (double)tally->level[c][level].weight / PROBABILITY_ONE;
            double usual = exp2(start->m[c][level] / 1000.0);
            model->m[c][level] = model_log2((seen + PRIOR_PAIRS * usual) / (known + PRIOR_PAIRS));
        }
    }
    for (int c = 0; c + 1 < model->n; c++)
        learn_together(model, tally, c);
}

typedef struct Spread {
    double n, mean, variance; // bits
} Spread;

static Spread spread_of(const Moments *moments) {
    Spread spread = {(double)moments->weight / PROBABILITY_ONE, 0, 0};
    if (moments->weight <= 0)
        return spread;
    spread.mean = (double)moments->sum / (double)moments->weight;
    spread.variance = fmax(0, (double)moments->squares / (double)moments->weight - spread.mean * spread.mean) / 64;
    spread.mean /= 8;
    return spread;
}

// How much rarer the values are where this level is a true pair's than where it is chance: two normal curves of one
// width differ by a straight line.
static void learn_tilt(Model *model, const Tally *matched, const Tally *any) {
    for (int c = 0; c < model->n; c++)
        for (int level = LEVEL_FOLD; level < LEVELS; level++) {
            Spread of_matched = spread_of(&matched->level[c][level]), of_any = spread_of(&any->level[c][level]);
            double n = fmin(of_matched.n, of_any.n), shrink = n / (n + TILT_PAIRS);
            double variance = (of_matched.variance + of_any.variance) / 2 + .5;
            double tilt = shrink * (of_matched.mean - of_any.mean) / variance;
            model->tilt[c][level] = (int32_t)lround(1000 * fmax(0, fmin(1, tilt)));
            model->middle[c][level] = (int32_t)lround(500 * (of_matched.mean + of_any.mean));
        }
}

static int draw_sample(Learner *learner) {
    const Roster *roster = learner->roster;
    size_t n = roster->n, wanted = n * SAMPLE_PER_RECORD;
    wanted = wanted < SAMPLE_MIN ? SAMPLE_MIN : wanted > SAMPLE_MAX ? SAMPLE_MAX : wanted;
    uint64_t state = 20261124;
    Comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    for (size_t tries = 0; n > 1 && learner->sample.n < wanted && tries < 8 * wanted; tries++) {
        uint32_t a = roster->order[next_random(&state) % n], b = roster->order[next_random(&state) % n];
        if (a == b || !roster_crosses(roster, a, b))
            continue;
        compare_records(roster, a < b ? a : b, a < b ? b : a, &comparison);
        int r = candidates_add(&learner->sample, a < b ? a : b, a < b ? b : a, &comparison, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static void sample_tally(const Learner *learner, Tally *tally) {
    *tally = *learner->chance;
    for (size_t i = 0; i < learner->sample.n; i++) {
        double odds = exp2(fmin(60000, learner->sample.bits[i] + learner->model->prior) / 1000.0);
        tally_add(tally, &learner->sample, i, lround(PROBABILITY_ONE / (1 + odds)));
    }
}

// Most of a sample never comes near a match: those are counted once, the others again in every round.
static void set_apart(Learner *learner) {
    Candidates *sample = &learner->sample;
    size_t n = sample->n;
    Comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    sample->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (sample->bits[i] + learner->model->prior < SURELY_NOT) {
            tally_add(learner->chance, sample, i, PROBABILITY_ONE);
            continue;
        }
        candidates_get(sample, i, &comparison);
        candidates_put(sample, sample->n++, sample->a[i], sample->b[i], &comparison, sample->bits[i]);
    }
}

int learner_start(Learner *learner, const Roster *roster, Model *model) {
    *learner = (Learner){.roster = roster, .model = model};
    learner->sample.n_components = model->n;
    Tally *tally = malloc(sizeof *tally);
    learner->chance = calloc(1, sizeof *learner->chance);
    int r = tally && learner->chance ? draw_sample(learner) : error_fail(ERROR_MEMORY, "no memory");
    // Twice: the true pairs that chance drew are seen by the first u and do not count in the second.
    for (int i = 0; i < 2 && r == 0; i++) {
        sample_tally(learner, tally);
        learn_u(model, tally);
        candidates_score(&learner->sample, model);
    }
    if (r == 0)
        set_apart(learner);
    free(tally);
    return r;
}

void learner_free(Learner *learner) {
    candidates_free(&learner->sample);
    free(learner->chance);
    learner->chance = NULL;
}

static void learn_prior(Model *model, const Roster *roster, int64_t matched) {
    double n = (double)roster->n, n_left = (double)roster->n_left;
    double all = roster->has_right ? n_left * (n - n_left) : n * (n - 1) / 2;
    model->prior = model_log2(((double)matched / PROBABILITY_ONE + .5) / (all + 1));
}

int learner_run(Learner *learner, Candidates *candidates, uint32_t *probability) {
    Model *model = learner->model, start = *learner->model;
    Tally *tallies = calloc(2, sizeof *tallies);
    int r = tallies ? 0 : error_fail(ERROR_MEMORY, "no memory");
    for (int round = 0; round < ROUNDS && r == 0; round++) {
        candidates_score(candidates, model);
        candidates_score(&learner->sample, model);
        r = candidates_posterior(candidates, learner->roster, model->prior, probability);
        if (r < 0)
            break;
        memset(tallies, 0, sizeof *tallies);
        for (size_t i = 0; i < candidates->n; i++)
            if (probability[i] > 0)
                tally_add(&tallies[0], candidates, i, probability[i]);
        sample_tally(learner, &tallies[1]);
        learn_m(model, &start, &tallies[0]);
        learn_u(model, &tallies[1]);
        learn_tilt(model, &tallies[0], &tallies[1]);
        learn_prior(model, learner->roster, tallies[0].pairs);
    }
    free(tallies);
    if (r < 0)
        return r;
    candidates_score(candidates, model);
    return candidates_posterior(candidates, learner->roster, model->prior, probability);
}
