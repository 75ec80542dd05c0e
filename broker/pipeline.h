// SPDX-License-Identifier: Apache-2.0
//
// Owns and wires the publish side: ingress → workers → writer, with greeter, prover, re-decider and the signer of
// heads beside them. Holds no logic.
#pragma once

#include "broker/agencies.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "proto/base/clock.h"
#include "proto/keys.h"

typedef struct PipelineOptions {
    const Settings *settings;
    const Rules *rules;
    Agencies *agencies;           // who may speak from the first frame on
    const Keys *keys, *next_keys; // the latter are announced; NULL: none
    const Clock *clock;
    Stats *stats;
    const char *commits; // where to tell of commits: 8 bytes, big-endian, the new head's position
} PipelineOptions;

typedef struct Pipeline Pipeline;
// Returns once the publish socket is bound. Options outlive the pipeline.
int pipeline_new(Pipeline **ret, const PipelineOptions *options, int *ret_port);
void pipeline_destroy(Pipeline **pipeline);
// From soon on this is who may speak: said before ZAP lets a new key in. Keeps references of its own.
void pipeline_take_agencies(Pipeline *pipeline, Agencies *agencies);
// An officer decided a case: the re-decider carries it out.
void pipeline_review(Pipeline *pipeline);
// Policies changed, or somebody asked for an epoch: the writer logs it.
void pipeline_log_policies(Pipeline *pipeline);
