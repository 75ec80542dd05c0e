// SPDX-License-Identifier: Apache-2.0
//
// What agents/receive.c does, into a copy in memory that is durable at its commit.
#include "parties_state.h"

static Party *of_sink(Sink *sink) {
    return (Party *)((char *)sink - offsetof(Party, sink));
}

static int copy_begin(Sink *sink, SinkPlace *ret) {
    Party *party = of_sink(sink);
    party->working = party->durable;
    party->fills = false;
    *ret = party->durable.place;
    return party->durable.begun ? 0 : 1;
}

static int copy_grant(Sink *sink, char *const *fields, size_t n) {
    return 0;
}

static int person_said(const char *number) {
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        if (strcmp(truth_number(person), number) == 0)
            return person;
    }
    return -1;
}

static int group_said(const char *group) {
    for (int i = 0; i < TRUTH_GROUPS; i++) {
        if (strcmp(truth_group(i), group) == 0)
            return i;
    }
    return -1;
}

// Where the record stands in the copy, and the lot that it says; NULL with a fault.
static Held *place_of(Party *party, const Dongbo__FeedRecord *record, Held *said) {
    Dongbo__Vaccination *body = dongbo__vaccination__unpack(NULL, record->body.len, record->body.data);
    int person = person_said(record->citizen_number), group = body == NULL ? -1 : group_said(body->vaccine_group);
    if (body != NULL) {
        snprintf(said->lot, sizeof said->lot, "%s", body->lot_number);
        dongbo__vaccination__free_unpacked(body, NULL);
    }
    if (person >= 0 && group >= 0)
        return &party->working.of[person][group];
    world_fail("%s is sent a record of nobody, or of no disease", party->name);
    return NULL;
}

// Of one that leaves: NULL where the copy does not have it, as when the person came and went while it was away.
static Held *held_of(Party *party, const Dongbo__FeedRecord *record) {
    Held *list = &party->working.of[0][0];
    for (size_t i = 0; i < TRUTH_PERSONS * TRUTH_GROUPS; i++) {
        if (memcmp(list[i].record_id, record->record_id.data, sizeof list[i].record_id) == 0)
            return &list[i];
    }
    return NULL;
}

// Behind a snapshot the feed goes on from its first chunk: what comes again has no effect.
static bool is_held(const Party *party, const Held *held, uint64_t position) {
    if (!party->fills && held->mark == 0 && position <= held->position)
        world_fail("%s is sent position %llu after %llu", party->name, (unsigned long long)position,
                   (unsigned long long)held->position);
    return !party->fills && position <= held->position;
}

static int copy_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Party *party = of_sink(sink);
    bool leaves = record->change == DONGBO__CHANGE_KIND__CHANGE_LEFT;
    Held said = {.position = record->position, .mark = party->fills ? party->working.snapshot.mark : 0};
    if (record->record_id.len != sizeof said.record_id) {
        world_fail("%s is sent a record without its id", party->name);
        return 0;
    }
    memcpy(said.record_id, record->record_id.data, sizeof said.record_id);
    Held *held = leaves ? held_of(party, record) : place_of(party, record, &said);
    if (held != NULL && !is_held(party, held, record->position))
        *held = said;
    return 0;
}

// Before and behind what makes it durable there may be an end.
static int make_durable(Party *party) {
    if (!world_wait_random(3000))
        return error_fail(ERROR_SYSTEM, "the committee's machine is gone");
    if (!parties.calm && world_chance(30000))
        return error_fail(ERROR_DATABASE, "the committee's database is away");
    party->durable = party->working;
    return world_wait_random(500) ? 0 : error_fail(ERROR_SYSTEM, "the committee's machine is gone");
}

static int copy_commit(Sink *sink, const SinkPlace *place) {
    Party *party = of_sink(sink);
    const SinkPlace *before = &party->durable.place;
    if (party->durable.begun && place->position < before->position)
        world_fail("%s goes back to position %llu", party->name, (unsigned long long)place->position);
    if (truth_has(place->position, place->hash) && !truth_has(before->position, before->hash))
        world_fail("%s goes on at position %llu, and what it holds up to %llu is of a life that is over", party->name,
                   (unsigned long long)place->position, (unsigned long long)before->position);
    party->working.place = *place;
    party->working.begun = true;
    return make_durable(party);
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

static int snapshot_find(Sink *sink, SinkSnapshot *ret) {
    *ret = of_sink(sink)->durable.snapshot;
    return ret->mark != 0 ? 0 : 1;
}

static int snapshot_begin(Sink *sink, const SinkSnapshot *snapshot) {
    Party *party = of_sink(sink);
    world_trace("a snapshot begins", party->number, (int64_t)snapshot->first.position);
    party->working.snapshot = *snapshot;
    party->fills = true;
    return 0;
}

static int snapshot_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    Party *party = of_sink(sink);
    world_trace("a part of a snapshot", party->number, (int64_t)snapshot->cursor_n);
    party->working.snapshot = *snapshot;
    party->wants_snapshot = false; // it is found from now on
    return make_durable(party);
}

static int snapshot_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Party *party = of_sink(sink);
    Held *list = &party->working.of[0][0];
    world_trace("a snapshot ends", party->number, (int64_t)place->position);
    for (size_t i = 0; i < TRUTH_PERSONS * TRUTH_GROUPS; i++) {
        if (list[i].mark != snapshot->mark)
            list[i] = (Held){.mark = snapshot->mark, .position = place->position};
    }
    party->working.snapshot = (SinkSnapshot){0};
    party->working.place = *place;
    party->working.begun = true;
    party->fills = party->wants_snapshot = false;
    return make_durable(party);
}

static const SinkSnapshots SNAPSHOTS = {
    .find = snapshot_find, .begin = snapshot_begin, .commit = snapshot_commit, .end = snapshot_end};

static void copy_destroy(Sink *sink) {}

static const SinkKind COPY = {.begin = copy_begin,
                              .grant = copy_grant,
                              .write = copy_write,
                              .commit = copy_commit,
                              .destroy = copy_destroy,
                              .replaces = true,
                              .snapshots = &SNAPSHOTS};

// What it wants next is no longer kept: its keeper takes a snapshot.
static bool takes_snapshot(Party *party) {
    if (base_trimmed(NULL) == 0)
        return false;
    party->wants_snapshot = true;
    return true;
}

// Its token is of a life that is over, and it has been told: its keeper has it begin anew, if what it holds is.
static bool begin_anew(Party *party, const char *why) {
    const SinkPlace *place = &party->durable.place;
    if (!truth_is_lost())
        return false;
    log_warn("begins anew: %s", why);
    if (truth_has(place->position, place->hash))
        return true;
    world_trace("begins anew", party->number, (int64_t)place->position);
    party->durable = (Copy){0};
    party->wants_snapshot = world_dice(2) == 0;
    return true;
}

void parties_committee(void *argument) {
    Party *party = argument;
    Subscription *subscription = NULL;
    SubscriptionOptions options = {.name = parties.subscriptions[party->number].name,
                                   .keys = &parties.committee_keys[party->number],
                                   .broker_key = parties.broker_keys.curve_public,
                                   .sink = &party->sink,
                                   .clock = clock_system(),
                                   .from = party->wants_snapshot ? FROM_SNAPSHOT : FROM_SINK};
    party->sink.kind = &COPY;
    zactor_t *keeper = parties.subscriptions[party->number].followed_only ? zactor_new(parties_keeper, party) : NULL;
    int r = subscription_new(&subscription, &options);
    for (int at = party->number; r >= 0 && !world_is_dead(); at++) {
        r = subscription_run(subscription, parties.endpoints[1][at % parties.plan.n_brokers], 2000);
        // A Hello of its own that came late replaces it: it ends, and is started again.
        bool replaced = r == 2 && strstr(subscription_text(subscription), "Another receiver") != NULL;
        if (r == 2 && !replaced && !world_is_dead() && !takes_snapshot(party) &&
            !begin_anew(party, subscription_text(subscription)))
            world_fail("%s is refused: %s", party->name, subscription_text(subscription));
        if (r == 2)
            break;
        if (r == ERROR_DATABASE)
            r = 0;
        if (zmq_poll(NULL, 0, 100 + (long)world_dice(400)) < 0)
            break;
    }
    zactor_destroy(&keeper);
    subscription_destroy(&subscription);
}

static bool sees(const Party *party, int person) {
    const BaseSubscription *of = &parties.subscriptions[party->number];
    bool any = of->n_provinces == 0;
    if (of->followed_only && party->list[person] != LIST_ON)
        return false;
    for (size_t i = 0; i < of->n_provinces; i++)
        any = any || strcmp(of->provinces[i], truth_residence(person)) == 0;
    return any;
}

const char *parties_copy_missing(const Party *party) {
    static char text[128];
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        for (int group = 0; group < TRUTH_GROUPS; group++) {
            const char *lot = sees(party, person) ? truth_lot(person, group) : NULL,
                       *held = party->durable.of[person][group].lot;
            if (strcmp(lot == NULL ? "" : lot, held) == 0)
                continue;
            snprintf(text, sizeof text, "%s holds lot %s of %s on %s, and must hold %s", party->name, held,
                     truth_number(person), truth_group(group), lot == NULL ? "none" : lot);
            return text;
        }
    }
    return NULL;
}
