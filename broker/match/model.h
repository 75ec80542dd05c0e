// SPDX-License-Identifier: Apache-2.0
//
// What levels are worth: Fellegi and Sunter's m (how often true pairs show a level) and u (how often any two records
// do), as log2 in milli-bits, so that a sum is the same on every machine. For equal values u is the value's own share;
// for less than equal the level's u is tilted by how rare the values are, as far as the lists show that it matters.
// The two ends of a name are worth what they show together, since they go wrong together.
#pragma once

#include "broker/match/compare.h"

#define MODEL_VERSION 1

typedef struct Model {
    int n;
    Component components[COMPARE_COMPONENTS_MAX];
    int32_t m[COMPARE_COMPONENTS_MAX][LEVELS], u[COMPARE_COMPONENTS_MAX][LEVELS];
    int32_t together[COMPARE_COMPONENTS_MAX][LEVELS][LEVELS]; // log2 m of a name's first and last part, by the first's
    int32_t tilt[COMPARE_COMPONENTS_MAX][LEVELS];             // thousandths of a bit for each bit of rarity
    int32_t middle[COMPARE_COMPONENTS_MAX][LEVELS];           // the rarity at which a tilt gives nothing
    bool own[COMPARE_COMPONENTS_MAX]; // tells the people of one house apart: a name, a date, a number few share
    int32_t prior;                    // log2 of the odds that any two records match
} Model;

// With the m that clerks' errors usually have, and a u that says nothing yet.
void model_start(Model *model, const Roster *roster);
// The evidence of one component alone, and of all; milli-bits, without the prior.
int32_t model_component_bits(const Model *model, const Comparison *comparison, int component);
int32_t model_bits(const Model *model, const Comparison *comparison);
// JSON, one line; the same model gives the same bytes. What a stored artefact holds.
void model_write(const Model *model, const Roster *roster, Bytes *out);
// "1-9f86d081": MODEL_VERSION and a hash of what model_write() says. out: 24 bytes.
void model_name(const Model *model, const Roster *roster, char out[24]);

int32_t model_log2(double value); // milli-bits
