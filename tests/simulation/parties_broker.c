// SPDX-License-Identifier: Apache-2.0
//
// What broker/main.c does, in a few lines.
#include "parties_state.h"

#include "broker/agencies.h"
#include "broker/feed.h"

#define REFRESH_MS 2000

typedef struct Broker {
    Settings settings;
    Stats stats;
    Pg *policy;
    Agencies *agencies;
    zactor_t *feed;
    Pipeline *pipeline;
} Broker;

static int broker_read_agencies(Broker *broker, bool *ret_changed) {
    Agencies *agencies = NULL;
    int r = 0;
    if (!pg_connected(broker->policy)) {
        r = pg_connect(broker->policy);
        if (r == 0)
            r = pg_command(broker->policy, "LISTEN dongbo_policy; LISTEN dongbo_review; LISTEN dongbo_follow");
    }
    if (r == 0)
        r = agencies_read(&agencies, broker->policy);
    if (r < 0)
        return r;
    *ret_changed = broker->agencies == NULL || !agencies_equal(agencies, broker->agencies);
    Agencies *other = *ret_changed ? broker->agencies : agencies;
    if (*ret_changed)
        broker->agencies = agencies;
    agencies_unref(&other);
    return 0;
}

static int broker_start(Broker *broker) {
    bool changed = false;
    int port;
    while (broker_read_agencies(broker, &changed) < 0) {
        if (zmq_poll(NULL, 0, 200) < 0)
            return ERROR_STOPPED;
    }
    FeedOptions feed = {.exchange = "exchange",
                        .population = "reader",
                        .endpoint = broker->settings.subscribe,
                        .commits = "inproc://commits",
                        .keys = &parties.broker_keys,
                        .clock = clock_system(),
                        .stats = &broker->stats};
    int r = feed_new(&broker->feed, &feed, &port);
    PipelineOptions pipeline = {.settings = &broker->settings,
                                .rules = parties.rules,
                                .agencies = broker->agencies,
                                .keys = &parties.broker_keys,
                                .clock = clock_system(),
                                .stats = &broker->stats,
                                .commits = "inproc://commits"};
    return r < 0 ? r : pipeline_new(&broker->pipeline, &pipeline, &port);
}

void parties_broker(void *argument) {
    Party *party = argument;
    Broker *broker = calloc(1, sizeof *broker);
    assert(broker != NULL);
    broker->settings = (Settings){.publish = parties.endpoints[0][party->number],
                                  .subscribe = parties.endpoints[1][party->number],
                                  .exchange = "exchange",
                                  .population = {"reader", "writer"},
                                  .decide = {.not_found_after_days = 30},
                                  .workers = 2,
                                  .head_interval_ms = 1000};
    pg_new(&broker->policy, "exchange", "dongbo policy");
    int r = broker_start(broker);
    if (r < 0 && r != ERROR_STOPPED && !world_is_dead())
        world_fail("%s does not start: %s", party->name, error_text());
    while (r == 0 && zmq_poll(NULL, 0, REFRESH_MS) >= 0) {
        bool changed = false, reconnected = !pg_connected(broker->policy);
        if (broker_read_agencies(broker, &changed) < 0)
            continue;
        if (changed)
            pipeline_take_agencies(broker->pipeline, broker->agencies);
        if (changed || reconnected)
            pipeline_log_policies(broker->pipeline);
    }
    pipeline_destroy(&broker->pipeline);
    zactor_destroy(&broker->feed);
    agencies_unref(&broker->agencies);
    pg_destroy(&broker->policy);
    free(broker);
}
