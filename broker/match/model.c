// SPDX-License-Identifier: Apache-2.0
//
// Scoring is a few table look-ups and sums. Learning is in learn.c.
#include "broker/match/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Per kind: of a hundred true pairs, how many show EXACT, FOLD, NEAR, PART, MOVED, WEAK, ELSE. Only where learning
// begins: lists of any size soon say otherwise.
static const double START[MATCH_KINDS][LEVELS] = {
    [MATCH_NAME] = {0, 80, 3, 8, 3, 2, 2, 2},       [MATCH_DATE] = {0, 85, 2, 6, 2, 2, 1.5, 1.5},
    [MATCH_CATEGORY] = {0, 90, 1, 3, 1, .5, 1, 3},  [MATCH_TEXT] = {0, 72, 4, 8, 4, 4, 3, 5},
    [MATCH_IDENTIFIER] = {0, 85, 1, 6, 2, 1, 2, 3},
};

#define OWN_BITS 2500 // milli-bits

int32_t model_log2(double value) {
    return (int32_t)lround(log2(value) * 1000);
}

// Hardly anybody shares its values with more than a person's own rows.
static bool is_own_number(const Roster *roster, int slot, int32_t all_bits) {
    uint64_t sum = 0, n = 0;
    for (size_t i = 0; i < roster->n; i++) {
        uint32_t value = roster_at(roster, i, slot);
        sum += value ? roster->value[value].rarity[0] : 0;
        n += value != 0;
    }
    return n > 0 && (int32_t)(sum / n) > all_bits - OWN_BITS;
}

void model_start(Model *model, const Roster *roster) {
    memset(model, 0, sizeof *model);
    model->n = compare_components(roster, model->components);
    for (int c = 0; c < model->n; c++)
        for (int level = LEVEL_EXACT; level < LEVELS; level++)
            model->m[c][level] = model_log2(START[model->components[c].kind][level] / 100);
    for (int c = 0; c + 1 < model->n; c++)
        for (int first = LEVEL_EXACT; first < LEVELS; first++)
            for (int last = LEVEL_EXACT; last < LEVELS; last++)
                model->together[c][first][last] = model->m[c][first] + model->m[c + 1][last];
    double n = (double)roster->n, n_left = (double)roster->n_left, n_right = n - n_left;
    double expected = roster->has_right ? fmin(n_left, n_right) / 2 : n / 2;
    double all = roster->has_right ? n_left * n_right : n * (n - 1) / 2;
    model->prior = all > 0 ? model_log2(expected / all) : 0;
    bool named = false;
    for (int c = 0; c < model->n; c++) {
        const Component *component = &model->components[c];
        if (component->kind == MATCH_NAME) {
            model->own[c] = component->part == NAME_FIRST && !named; // later names are a mother's, a father's
            named = true;
        } else if (component->kind == MATCH_IDENTIFIER) {
            model->own[c] = is_own_number(roster, component->slot, -model->prior);
        } else {
            model->own[c] = component->kind == MATCH_DATE;
        }
    }
}

// -log2 u as far as this pair's values go.
static int32_t surprise(const Model *model, const Comparison *comparison, int c) {
    int level = comparison->level[c];
    if (level == LEVEL_EXACT)
        return comparison->rarity[c];
    return -model->u[c][level] +
           model->tilt[c][level] * ((int32_t)comparison->rarity[c] - model->middle[c][level]) / 1000;
}

static bool is_first_part(const Model *model, int c) {
    return model->components[c].kind == MATCH_NAME && model->components[c].part == NAME_FIRST;
}

int32_t model_component_bits(const Model *model, const Comparison *comparison, int c) {
    int level = comparison->level[c];
    return level == LEVEL_MISSING ? 0 : model->m[c][level] + surprise(model, comparison, c);
}

// What a component that should be a person's own says: 1 for the pair, -1 against it, 0 neither.
static int own_word(const Model *model, const Comparison *comparison, int c) {
    int level = comparison->level[c], last = comparison->level[c + 1 < model->n ? c + 1 : c];
    if (!model->own[c])
        return 0;
    if (is_first_part(model, c)) {
        if (level >= LEVEL_WEAK || last >= LEVEL_WEAK)
            return -1;
        return level != LEVEL_MISSING && last != LEVEL_MISSING;
    }
    if (level >= LEVEL_WEAK)
        return -1;
    return level >= LEVEL_EXACT && level <= LEVEL_NEAR;
}

// Those of one house share surname, address and much else that is not independent. Where nothing that is a person's own
// speaks for a pair and two things speak against it, all the rest may make it as likely as not, and no more.
static bool is_house_only(const Model *model, const Comparison *comparison) {
    int against = 0;
    for (int c = 0; c < model->n; c++) {
        int word = own_word(model, comparison, c);
        if (word > 0)
            return false;
        against += word < 0;
    }
    return against >= 2;
}

static int32_t house_bits(const Model *model, const Comparison *comparison) {
    int32_t shared = 0, against = 0;
    for (int c = 0; c < model->n; c++) {
        int32_t bits = model_component_bits(model, comparison, c);
        *(bits > 0 ? &shared : &against) += bits;
    }
    return (shared < -model->prior ? shared : -model->prior) + against;
}

int32_t model_bits(const Model *model, const Comparison *comparison) {
    if (is_house_only(model, comparison))
        return house_bits(model, comparison);
    int32_t bits = 0;
    for (int c = 0; c < model->n; c++) {
        int level = comparison->level[c], last = c + 1 < model->n ? comparison->level[c + 1] : LEVEL_MISSING;
        if (is_first_part(model, c) && level != LEVEL_MISSING && last != LEVEL_MISSING) {
            bits +=
                model->together[c][level][last] + surprise(model, comparison, c) + surprise(model, comparison, c + 1);
            c++;
        } else {
            bits += model_component_bits(model, comparison, c);
        }
    }
    return bits;
}

static void write_numbers(Bytes *out, const char *key, const int32_t *numbers, int n) {
    char text[32];
    snprintf(text, sizeof text, ",\"%s\":[", key);
    bytes_append_text(out, text);
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%s%d", i ? "," : "", numbers[i]);
        bytes_append_text(out, text);
    }
    bytes_append_text(out, "]");
}

void model_write(const Model *model, const Roster *roster, Bytes *out) {
    static const char *const KINDS[MATCH_KINDS] = {"name", "date", "category", "text", "identifier"};
    char text[96];
    snprintf(text, sizeof text, "{\"version\":%d,\"prior\":%d,\"components\":[", MODEL_VERSION, model->prior);
    bytes_append_text(out, text);
    for (int c = 0; c < model->n; c++) {
        const Component *component = &model->components[c];
        bytes_append_text(out, c ? ",{\"field\":" : "{\"field\":");
        bytes_append_json(out, roster->fields[component->field].label);
        snprintf(text, sizeof text, ",\"kind\":\"%s\",\"part\":%d,\"own\":%d", KINDS[component->kind], component->part,
                 model->own[c]);
        bytes_append_text(out, text);
        write_numbers(out, "m", model->m[c], LEVELS);
        write_numbers(out, "u", model->u[c], LEVELS);
        write_numbers(out, "tilt", model->tilt[c], LEVELS);
        write_numbers(out, "middle", model->middle[c], LEVELS);
        if (is_first_part(model, c))
            write_numbers(out, "together", model->together[c][0], LEVELS * LEVELS);
        bytes_append_text(out, "}");
    }
    bytes_append_text(out, "]}");
}

void model_name(const Model *model, const Roster *roster, char out[24]) {
    Bytes bytes = {0};
    model_write(model, roster, &bytes);
    uint64_t hash = bytes.n ? roster_hash(MODEL_VERSION, bytes.data, bytes.n) : 0;
    snprintf(out, 24, "%d-%08x", MODEL_VERSION, (unsigned)(hash & 0xffffffffu));
    bytes_free(&bytes);
}
