// SPDX-License-Identifier: Apache-2.0
//
// The stand-ins for main(): each does in a few lines what broker/main.c, a program that uses libdongbo, and
// agents/receive.c do. All else is the programs' own code.
#include "parties.h"

#include "base_rows.h"
#include "disk.h"
#include "packing.h"
#include "sign.h"
#include "truth.h"
#include "wire.h"

#include "agents/library/dongbo.h"
#include "agents/subscription.h"
#include "broker/agencies.h"
#include "broker/feed.h"
#include "broker/pipeline.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/zap.h"

#include <assert.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define PARTIES_MAX 16
#define BROKERS_MAX 4
#define COMMITTEES_MAX 4
#define PATH_BYTES 128
#define WATCH_US 50000 // how often the service manager looks
#define REFRESH_MS 2000
#define SAID_MAX 64 // per agent
#define BATCH_MAX 4
#define CALM_SAYINGS 6 // that an agent has left when all is calm
#define MOH 1
#define NPC 2

typedef struct Held {
    char lot[16];
    uint64_t position;
} Held;

typedef struct Copy {
    Held of[TRUTH_PERSONS][TRUTH_GROUPS];
    SinkPlace place;
    bool begun;
} Copy;

struct Party {
    PartyKind kind;
    char name[WORLD_NAME_BYTES];
    int number; // among its kind
    Process *process;
    int64_t up_at, down_us; // when to start it, and how long it is down when it dies
    bool power;
    // An agent: its application's own memory, which is as durable as its spool.
    char spool[PATH_BYTES + 32];
    Saying *said[SAID_MAX];
    int n_said, n_flushed, n_to_say, backup_flushed;
    bool idle; // all it has is acknowledged
    DiskBackup *backup;
    // A committee
    Sink sink;
    Copy durable, working;
};

static struct Parties {
    char directory[PATH_BYTES];
    Rules *rules;
    Keys broker_keys, agency_keys[2], committee_keys[COMMITTEES_MAX];
    BaseAgency agencies[2];
    BaseSubscription subscriptions[COMMITTEES_MAX];
    char endpoints[2][BROKERS_MAX][40]; // publish, subscribe
    Party list[PARTIES_MAX];
    size_t n;
    PartiesPlan plan;
    bool calm;
} parties;

// ---- keys ----------------------------------------------------------------------------------------------------------

static void derive(int type, const uint8_t secret[KEY_BYTES], uint8_t out[KEY_BYTES]) {
    size_t n = KEY_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, secret, KEY_BYTES);
    assert(key != NULL);
    EVP_PKEY_get_raw_public_key(key, out, &n);
    EVP_PKEY_free(key);
}

// The same in every run: nothing may depend on what the machine's own dice say.
static void make_keys(Keys *keys, uint8_t number) {
    *keys = (Keys){.has_secret = true};
    memset(keys->sign_secret, number, KEY_BYTES);
    memset(keys->curve_secret, number + 100, KEY_BYTES);
    derive(EVP_PKEY_ED25519, keys->sign_secret, keys->sign_public);
    derive(EVP_PKEY_X25519, keys->curve_secret, keys->curve_public);
    sign_know(keys);
}

static const char *who_is(const uint8_t key[32]) {
    static ZapKey answer;
    memcpy(answer.key, key, KEY_BYTES);
    for (size_t i = 0; i < base_n_agencies; i++) {
        if (memcmp(base_agencies[i].curve_public, key, KEY_BYTES) == 0)
            zap_name(&answer, "agency", base_agencies[i].agency);
    }
    for (size_t i = 0; i < base_n_subscriptions; i++) {
        if (memcmp(base_subscriptions[i].curve_public, key, KEY_BYTES) == 0)
            zap_name(&answer, "subscription", base_subscriptions[i].subscription);
    }
    return answer.user;
}

// ---- a broker ------------------------------------------------------------------------------------------------------

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

static void broker_run(void *argument) {
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

// ---- an agency -----------------------------------------------------------------------------------------------------

static int put_saying(DongboPublisher *publisher, const Saying *saying) {
    bool birth = saying->group < 0;
    DongboField dose[] = {{"vaccine_group", birth ? "" : truth_group(saying->group)},
                          {"dose_number", "1"},
                          {"occurrence_date", "2025-06-01"},
                          {"status", "completed"},
                          {"lot_number", saying->lot},
                          {"facility_code", saying->facility}};
    DongboField born[] = {{"kind", "birth"},
                          {"citizen_number", truth_number(saying->person)},
                          {"full_name", "Nguyễn Văn An"},
                          {"birth_date", truth_birth_date(saying->person)},
                          {"sex", "male"}};
    DongboEvent event = DONGBO_INIT(DongboEvent);
    event.domain = birth ? "population" : "health";
    event.source_key = saying->key;
    event.event_time_us = saying->event_time_us;
    event.citizen_number = truth_number(saying->person);
    event.full_name = "Nguyễn Văn An";
    event.birth_date = truth_birth_date(saying->person);
    event.sex = "male";
    event.fields = birth ? born : dose;
    event.n_fields = birth ? sizeof born / sizeof *born : sizeof dose / sizeof *dose;
    return dongbo_publisher_put(publisher, &event);
}

// What the application had not seen flushed is put again, whatever became of it.
static int put_some(Party *party, DongboPublisher *publisher) {
    bool births = party->number == parties.plan.n_agents - 1;
    for (uint64_t n = 1 + world_dice(4); n > 0 && party->n_said < party->n_to_say; n--) {
        Saying *saying = truth_say(party->number, births);
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
    party->idle = r == 0 && party->n_flushed == party->n_said && party->n_said == party->n_to_say;
    for (int i = 0; r == 0 && i < party->n_flushed; i++)
        truth_acknowledged(party->said[i]);
    return take_verdicts(party, publisher);
}

static void agent_run(void *argument) {
    Party *party = argument;
    bool centre = party->number == parties.plan.n_agents - 1;
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

// ---- a committee ---------------------------------------------------------------------------------------------------

static Party *of_sink(Sink *sink) {
    return (Party *)((char *)sink - offsetof(Party, sink));
}

static int copy_begin(Sink *sink, SinkPlace *ret) {
    Party *party = of_sink(sink);
    party->working = party->durable;
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

static int copy_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Party *party = of_sink(sink);
    Dongbo__Vaccination *body = dongbo__vaccination__unpack(NULL, record->body.len, record->body.data);
    int person = person_said(record->citizen_number), group = body == NULL ? -1 : group_said(body->vaccine_group);
    if (person < 0 || group < 0) {
        world_fail("%s is sent a record of nobody, or of no disease", party->name);
    } else {
        Held *held = &party->working.of[person][group];
        if (record->position <= held->position)
            world_fail("%s is sent position %llu after %llu", party->name, (unsigned long long)record->position,
                       (unsigned long long)held->position);
        snprintf(held->lot, sizeof held->lot, "%s", body->lot_number);
        held->position = record->position;
    }
    if (body != NULL)
        dongbo__vaccination__free_unpacked(body, NULL);
    return 0;
}

// Before and behind what makes it durable there may be an end.
static int copy_commit(Sink *sink, const SinkPlace *place) {
    Party *party = of_sink(sink);
    if (!world_wait_random(3000))
        return error_fail(ERROR_SYSTEM, "the committee's machine is gone");
    if (!parties.calm && world_chance(30000))
        return error_fail(ERROR_DATABASE, "the committee's database is away");
    const SinkPlace *before = &party->durable.place;
    if (party->durable.begun && place->position < before->position)
        world_fail("%s goes back to position %llu", party->name, (unsigned long long)place->position);
    if (truth_has(place->position, place->hash) && !truth_has(before->position, before->hash))
        world_fail("%s goes on at position %llu, and what it holds up to %llu is of a life that is over", party->name,
                   (unsigned long long)place->position, (unsigned long long)before->position);
    party->working.place = *place;
    party->working.begun = true;
    party->durable = party->working;
    return world_wait_random(500) ? 0 : error_fail(ERROR_SYSTEM, "the committee's machine is gone");
}

static void copy_destroy(Sink *sink) {}

static const SinkKind COPY = {.begin = copy_begin,
                              .grant = copy_grant,
                              .write = copy_write,
                              .commit = copy_commit,
                              .destroy = copy_destroy,
                              .replaces = true};

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
    return true;
}

static void committee_run(void *argument) {
    Party *party = argument;
    Subscription *subscription = NULL;
    SubscriptionOptions options = {.name = parties.subscriptions[party->number].name,
                                   .keys = &parties.committee_keys[party->number],
                                   .broker_key = parties.broker_keys.curve_public,
                                   .sink = &party->sink,
                                   .clock = clock_system(),
                                   .from = FROM_SINK};
    party->sink.kind = &COPY;
    int r = subscription_new(&subscription, &options);
    for (int at = party->number; r >= 0 && !world_is_dead(); at++) {
        r = subscription_run(subscription, parties.endpoints[1][at % parties.plan.n_brokers], 2000);
        // A Hello of its own that came late replaces it: it ends, and is started again.
        bool replaced = r == 2 && strstr(subscription_text(subscription), "Another receiver") != NULL;
        if (r == 2 && !replaced && !world_is_dead() && !begin_anew(party, subscription_text(subscription)))
            world_fail("%s is refused: %s", party->name, subscription_text(subscription));
        if (r == 2)
            break;
        if (r == ERROR_DATABASE)
            r = 0;
        if (zmq_poll(NULL, 0, 100 + (long)world_dice(400)) < 0)
            break;
    }
    subscription_destroy(&subscription);
}

// ---- the service manager -------------------------------------------------------------------------------------------

static void start(Party *party) {
    static WorldRun *const RUN[] = {broker_run, agent_run, committee_run};
    party->process = world_process(party->name, RUN[party->kind], party);
    party->down_us = 500000;
    party->power = false;
}

static void watch(void *argument, int64_t number) {
    for (size_t i = 0; i < parties.n; i++) {
        Party *party = &parties.list[i];
        if (party->process != NULL && party->process->ended) {
            if (party->power)
                disk_power_cut(party->spool);
            party->process = NULL;
            party->idle = false;
            party->up_at = world_us() + party->down_us;
        }
        if (party->process == NULL && world_us() >= party->up_at)
            start(party);
    }
    world_at(world_us() + WATCH_US, watch, NULL, 0);
}

void party_kill(Party *party, int64_t waits, int64_t down_us, bool power) {
    if (party->process == NULL || party->process->ended)
        return;
    party->down_us = down_us;
    party->power = power && party->kind == PARTY_AGENT;
    party->process->paused_until = 0;
    if (waits > 0)
        party->process->waits_left = waits;
    else
        world_kill(party->process);
}

void party_fill_disk(Party *party, int64_t until_us) {
    disk_fill(party->spool, until_us);
}

void party_back_up(Party *party) {
    disk_backup_free(party->backup);
    party->backup = disk_backup(party->spool);
    party->backup_flushed = party->n_flushed;
    truth_back_up(party->number);
}

// The machine comes up as it was then: the spool, and the place at which the application was.
void party_set_back(Party *party) {
    if (party->backup == NULL)
        return;
    party_kill(party, 0, 1000000, false);
    world_trace("set back", party->number, party->backup_flushed);
    disk_restore(party->backup);
    party->n_flushed = party->backup_flushed;
    truth_set_back(party->number);
}

void party_lose(Party *party) {
    party_kill(party, 0, 1000000, false);
    world_trace("spool lost", party->number, party->n_flushed);
    disk_lose(party->spool);
    party->n_flushed = 0;
    truth_lose(party->number);
}

// ---- all of them ---------------------------------------------------------------------------------------------------

size_t parties_count(void) {
    return parties.n;
}

Party *party_at(size_t i) {
    return &parties.list[i];
}

PartyKind party_kind(const Party *party) {
    return party->kind;
}

const char *party_name(const Party *party) {
    return party->name;
}

Process *party_process(Party *party) {
    return party_is_up(party) ? party->process : NULL;
}

bool party_is_up(const Party *party) {
    return party->process != NULL && !party->process->ended && !party->process->dead;
}

void parties_calm(void) {
    parties.calm = true;
    for (size_t i = 0; i < parties.n; i++) {
        if (parties.list[i].kind == PARTY_AGENT)
            parties.list[i].n_to_say += CALM_SAYINGS;
    }
}

static const char *copy_missing(const Party *party) {
    static char text[128];
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        for (int group = 0; group < TRUTH_GROUPS; group++) {
            const char *lot = truth_lot(person, group), *held = party->durable.of[person][group].lot;
            if (strcmp(lot == NULL ? "" : lot, held) == 0)
                continue;
            snprintf(text, sizeof text, "%s holds lot %s of %s on %s, and must hold %s", party->name, held,
                     truth_number(person), truth_group(group), lot == NULL ? "none" : lot);
            return text;
        }
    }
    return NULL;
}

const char *party_missing(const Party *party) {
    static char text[64];
    if (party->kind == PARTY_COMMITTEE)
        return copy_missing(party);
    if (party->kind == PARTY_BROKER || party->idle)
        return NULL;
    snprintf(text, sizeof text, "%s still has what is not acknowledged", party->name);
    return text;
}

static void path_of(Party *party, int number) {
    char directory[sizeof parties.directory];
    memcpy(directory, parties.directory, sizeof directory);
    snprintf(party->spool, sizeof party->spool, "%s/spool-%d", directory, number % 100);
}

static Party *add(PartyKind kind, int number) {
    static const char *const NAMES[] = {"broker", "agent", "committee"};
    assert(parties.n < PARTIES_MAX);
    Party *party = &parties.list[parties.n++];
    *party = (Party){.kind = kind, .number = number};
    snprintf(party->name, sizeof party->name, "%s-%d", NAMES[kind], number + 1);
    path_of(party, number + 1);
    party->up_at = (int64_t)world_dice(500000);
    party->n_to_say = kind == PARTY_AGENT ? 4 + (int)world_dice(20) : 0;
    return party;
}

void parties_begin(const PartiesPlan *plan) {
    parties.plan = *plan;
    parties.n = 0;
    parties.calm = false;
    base_agencies = parties.agencies;
    base_n_agencies = 2;
    base_subscriptions = parties.subscriptions;
    base_n_subscriptions = (size_t)plan->n_committees;
    wire_who(who_is);
    wire_descriptors(base_readable);
    for (int i = 0; i < plan->n_brokers; i++)
        add(PARTY_BROKER, i);
    for (int i = 0; i < plan->n_agents; i++)
        add(PARTY_AGENT, i);
    for (int i = 0; i < plan->n_committees; i++)
        add(PARTY_COMMITTEE, i);
    world_at(0, watch, NULL, 0);
}

void parties_end(void) {
    for (size_t i = 0; i < parties.n; i++)
        disk_backup_free(parties.list[i].backup);
    parties.n = 0;
}

static void save_keys(const Keys *keys, const char *name) {
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s.yaml", parties.directory, name);
    if (keys_save(keys, path, NULL) < 0) {
        fprintf(stderr, "%s\n", error_text());
        exit(2);
    }
}

void parties_open(const char *schemas) {
    static const char *const FIELDS[] = {"citizen_number", "health.vaccine_group", "health.dose_number",
                                         "health.lot_number", "health.facility_code"};
    static const char *const NAMES[] = {"committee-a", "committee-b", "committee-c", "committee-d"};
    const char *base = getenv("TMPDIR");
    snprintf(parties.directory, sizeof parties.directory, "%s/dongbo-simulation-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(parties.directory) == NULL || rules_load(&parties.rules, schemas) < 0) {
        fprintf(stderr, "cannot begin: %s\n", error_text());
        exit(2);
    }
    sign_open();
    packing_open();
    make_keys(&parties.broker_keys, 1);
    for (int i = 0; i < 2; i++) {
        make_keys(&parties.agency_keys[i], (uint8_t)(2 + i));
        BaseAgency *agency = &parties.agencies[i];
        *agency = (BaseAgency){.agency = i == 0 ? MOH : NPC, .code = i == 0 ? "MOH" : "NPC", .n_domains = 1};
        agency->domains[0] = i == 0 ? 2 : 1;
        memcpy(agency->sign_public, parties.agency_keys[i].sign_public, KEY_BYTES);
        memcpy(agency->curve_public, parties.agency_keys[i].curve_public, KEY_BYTES);
    }
    for (int i = 0; i < COMMITTEES_MAX; i++) {
        make_keys(&parties.committee_keys[i], (uint8_t)(10 + i));
        BaseSubscription *one = &parties.subscriptions[i];
        *one = (BaseSubscription){.subscription = i + 1, .name = NAMES[i], .n_domains = 1};
        one->domains[0] = 2;
        one->fields = FIELDS;
        one->n_fields = sizeof FIELDS / sizeof *FIELDS;
        memset(one->secret, i + 1, sizeof one->secret);
        memcpy(one->curve_public, parties.committee_keys[i].curve_public, KEY_BYTES);
    }
    save_keys(&parties.broker_keys, "broker");
    save_keys(&parties.agency_keys[0], "moh");
    save_keys(&parties.agency_keys[1], "npc");
    for (int i = 0; i < BROKERS_MAX; i++) {
        snprintf(parties.endpoints[0][i], 40, "tcp://broker-%d:7701", i + 1);
        snprintf(parties.endpoints[1][i], 40, "tcp://broker-%d:7702", i + 1);
    }
}

static int remove_path(const char *path, const struct stat *stat, int type, struct FTW *at) {
    return remove(path);
}

void parties_close(void) {
    rules_destroy(&parties.rules);
    packing_close();
    sign_close();
    if (nftw(parties.directory, remove_path, 8, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "%s stays\n", parties.directory);
}
