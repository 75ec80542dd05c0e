// SPDX-License-Identifier: Apache-2.0
//
// Counts, and their shares drawn towards the shipped ones.
#include "broker/weights.h"

#include "broker/match/model.h"

#include <math.h>
#include <string.h>

static bool is_alike(SearchLevel level) {
    return level == SEARCH_EXACT || level == SEARCH_FOLDED;
}

// Whether the person is known by other fields than this one.
static bool is_known_without(int field, const uint8_t level[SEARCH_FIELDS]) {
    bool name = is_alike((SearchLevel)level[SEARCH_NAME]);
    bool birth = level[SEARCH_BIRTH] == SEARCH_EXACT, sex = level[SEARCH_SEX] == SEARCH_EXACT;
    switch ((SearchField)field) {
    case SEARCH_NAME:
        return birth && sex;
    case SEARCH_BIRTH:
        return name && sex;
    case SEARCH_NUMBER:
        return false;
    default:
        return name && birth;
    }
}

// Levels that stand beside the others and are no part of the same whole.
static bool is_apart(int field, int level) {
    return level == SEARCH_MISSING || (field == SEARCH_BIRTH && level == SEARCH_YEAR_ONLY);
}

void weights_count(WeightCounts *counts, const uint8_t level[SEARCH_FIELDS]) {
    counts->events++;
    for (int field = 0; field < SEARCH_FIELDS; field++) {
        if (!is_apart(field, level[field]) && is_known_without(field, level))
            counts->n[field][level[field]]++;
    }
}

int64_t weights_counted(const WeightCounts *counts, int field) {
    int64_t n = 0;
    for (int level = 0; level < SEARCH_LEVELS; level++)
        n += counts->n[field][level];
    return n;
}

bool weights_learn(const WeightCounts *counts, int field, int32_t ret[SEARCH_LEVELS]) {
    const int32_t *shipped = search_shipped()->m[field];
    int64_t n = weights_counted(counts, field);
    double shares[SEARCH_LEVELS] = {0}, all = 0;
    memcpy(ret, shipped, SEARCH_LEVELS * sizeof *ret);
    if (n < WEIGHTS_EVENTS_MIN)
        return false;
    for (int level = 0; level < SEARCH_LEVELS; level++) {
        if (!is_apart(field, level) && shipped[level] != 0)
            all += shares[level] = exp2(shipped[level] / 1000.0);
    }
    for (int level = 0; level < SEARCH_LEVELS; level++) {
        if (shares[level] > 0)
            ret[level] = model_log2(((double)counts->n[field][level] + WEIGHTS_PRIOR * shares[level] / all) /
                                    (double)(n + WEIGHTS_PRIOR));
    }
    return true;
}
