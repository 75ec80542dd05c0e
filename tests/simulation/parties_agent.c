// SPDX-License-Identifier: Apache-2.0
//
// A program with libdongbo: what it had not seen flushed it puts again.
#include "parties_state.h"

#include "agents/library/library.h"

#define BATCH_MAX 4

static int put_saying(DongboPublisher *publisher, const Saying *saying) {
    DongboField dose[] = {{"vaccine_group", truth_group(saying->group)},
                          {"dose_number", "1"},
                          {"occurrence_date", saying->day},
                          {"status", "completed"},
                          {"lot_number", saying->lot},
                          {"facility_code", saying->facility}};
    DongboField born[] = {{"kind", "birth"},
                          {"citizen_number", truth_number(saying->person)},
                          {"full_name", "Nguyễn Văn An"},
                          {"birth_date", truth_birth_date(saying->person)},
                          {"sex", "male"}};
    static const char *const DIED[] = {"died_on"};
    DongboField died[] = {{"kind", "death"}, {"died_on", saying->day}}, lives[] = {{"kind", "correction"}};
    DongboField moved[] = {{"kind", "move"}, {"residence_province", saying->province}};
    const struct {
        DongboField *list;
        size_t n;
    } fields[] = {[SAID_DOSE] = {dose, sizeof dose / sizeof *dose},
                  [SAID_BIRTH] = {born, sizeof born / sizeof *born},
                  [SAID_MOVE] = {moved, sizeof moved / sizeof *moved},
                  [SAID_DEATH] = {died, sizeof died / sizeof *died},
                  [SAID_NO_DEATH] = {lives, sizeof lives / sizeof *lives}};
    DongboEvent event = DONGBO_INIT(DongboEvent);
    event.domain = saying->kind == SAID_DOSE ? "health" : "population";
    event.source_key = saying->key;
    event.event_time_us = saying->event_time_us;
    event.citizen_number = truth_number(saying->person);
    event.full_name = "Nguyễn Văn An";
    event.birth_date = truth_birth_date(saying->person);
    event.sex = "male";
    event.fields = fields[saying->kind].list;
    event.n_fields = fields[saying->kind].n;
    if (saying->kind == SAID_NO_DEATH) {
        event.cleared = DIED;
        event.n_cleared = 1;
    }
    return dongbo_publisher_put(publisher, &event);
}

// What the application had not seen flushed is put again, whatever became of it.
static int put_some(Party *party, DongboPublisher *publisher) {
    bool centre = party_is_centre(party);
    for (uint64_t n = 1 + world_dice(4); n > 0 && party->n_said < party->n_to_say; n--) {
        Saying *saying = truth_say(party->number, centre);
        if (saying != NULL)
            party->said[party->n_said++] = saying;
    }
    int upto = party->n_said < party->n_flushed + BATCH_MAX ? party->n_said : party->n_flushed + BATCH_MAX, r = 0;
    for (int i = party->n_flushed; r == 0 && i < upto; i++)
        r = put_saying(publisher, party->said[i]);
    if (r == DONGBO_FULL)
        return 0;
    if (r == 0)
        r = dongbo_publisher_flush(publisher);
    if (r != 0)
        return r;
    for (int i = party->n_flushed; i < upto; i++)
        truth_promise(party->said[i]);
    party->n_flushed = upto;
    return 0;
}

static int take_verdicts(Party *party, DongboPublisher *publisher) {
    const DongboVerdict *verdict;
    int r;
    while ((r = dongbo_publisher_verdict(publisher, &verdict)) == 0) {
        truth_told(party->number, verdict->source_key, verdict->verdict, verdict->position);
        r = dongbo_publisher_take(publisher);
        if (r < 0)
            return r;
    }
    return r == DONGBO_LATER ? 0 : r;
}

static int agent_step(Party *party, DongboPublisher *publisher) {
    int r = 0;
    if (party->n_flushed < party->n_said || world_dice(3) != 0)
        r = put_some(party, publisher);
    if (r < 0)
        return r;
    r = dongbo_publisher_run(publisher, (int)world_dice(2500));
    if (r < 0 || world_is_dead())
        return r;
    uint64_t flushed = 0, proven = 0;
    int asked = dongbo_publisher_proven(publisher, &flushed, &proven, 0);
    if (asked < 0 || world_is_dead())
        return asked;
    party->idle = r == 0 && asked == 0 && proven == flushed && party->n_flushed == party->n_said &&
                  party->n_said == party->n_to_say;
    for (int i = 0; r == 0 && i < party->n_flushed; i++)
        truth_acknowledged(party->said[i]);
    return take_verdicts(party, publisher);
}

void parties_agent(void *argument) {
    Party *party = argument;
    bool centre = party_is_centre(party);
    char keys[PATH_BYTES + 32], broker_key[PATH_BYTES + 32];
    const char *endpoints[BROKERS_MAX];
    snprintf(keys, sizeof keys, "%s/%s.yaml", parties.directory, centre ? "npc" : "moh");
    snprintf(broker_key, sizeof broker_key, "%s/broker.yaml.pub", parties.directory);
    for (int i = 0; i < parties.plan.n_brokers; i++)
        endpoints[i] = parties.endpoints[0][(i + party->number) % parties.plan.n_brokers];
    DongboPublisherOptions options = DONGBO_INIT(DongboPublisherOptions);
    options.agency = centre ? "NPC" : "MOH";
    options.agent = party->name;
    options.keys = keys;
    options.broker_key = broker_key;
    options.endpoints = endpoints;
    options.n_endpoints = (size_t)parties.plan.n_brokers;
    options.spool = party->spool;
    DongboPublisher *publisher = NULL;
    int r = dongbo_publisher_open(&publisher, &options);
    party->idle = false;
    while (r == 0 && !world_is_dead()) {
        r = agent_step(party, publisher);
        if (r == DONGBO_ERROR_SYSTEM && world_dice(2) == 0)
            r = 0; // its disk fails: another one ends; this one tries again
        if (r == 0 && !world_wait_random(parties.calm ? 400000 : 1500000))
            break;
    }
    if (r < 0 && strstr(error_text(), "proves something false") != NULL)
        world_fail("%s: %s", party->name, error_text());
    if (r < 0 && !world_is_dead()) {
        world_trace("an agent ends", r, 0);
        log_warn("ends: %s", error_text());
    }
    dongbo_publisher_close(&publisher);
}
