// SPDX-License-Identifier: Apache-2.0
//
// The stand-ins for main(): each does in a few lines what broker/main.c, a program that uses libdongbo, and
// agents/receive.c do. All else is the programs' own code.
#include "parties_state.h"

#include "packing.h"
#include "sign.h"
#include "wire.h"
#include "proto/zap.h"
#include <ftw.h>
#include <openssl/evp.h>
#include <unistd.h>

#define WATCH_US 50000 // how often the service manager looks
#define CALM_SAYINGS 6 // that an agent has left when all is calm
#define MOH 1
#define NPC 2

Parties parties;

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

// ---- the service manager -------------------------------------------------------------------------------------------

static void start(Party *party) {
    static WorldRun *const RUN[] = {parties_broker, parties_agent, parties_committee};
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
            for (int person = 0; person < TRUTH_PERSONS; person++)
                party->list[person] = LIST_OFF;
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

void party_want_snapshot(Party *party) {
    party->wants_snapshot = true;
    party_kill(party, 0, 100000, false);
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

bool party_is_centre(const Party *party) {
    return party->kind == PARTY_AGENT && party->number == parties.plan.n_agents - 1;
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

const char *party_missing(const Party *party) {
    static char text[64];
    if (party->kind == PARTY_COMMITTEE)
        return parties_copy_missing(party);
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
    base_head_key = parties.broker_keys.sign_public;
    wire_who(who_is);
    wire_descriptors(base_readable);
    for (int i = 0; i < plan->n_committees; i++) {
        parties.subscriptions[i].n_provinces = 0;
        parties.subscriptions[i].followed_only = plan->follows && i == 0;
    }
    BaseSubscription *last = &parties.subscriptions[plan->n_committees - 1];
    for (int i = 0; plan->provinces && i < 2; i++)
        last->provinces[last->n_provinces++] = truth_province(i);
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
