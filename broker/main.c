// SPDX-License-Identifier: Apache-2.0
//
// dongbo-broker: reads its configuration, lets in whom the exchange knows, runs the publish side and the feed, and
// stops when asked to. Follows agencies and keys while it runs.
#include "broker/descriptors.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/heads.h"
#include "broker/pipeline.h"
#include "broker/quota.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/socket.h"
#include "proto/store_version.h"
#include "proto/zap.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define COMMITS "inproc://commits"
#define REVIEW_CHANNEL "dongbo_review"
#define FOLLOW_CHANNEL "dongbo_follow"
#define REFRESH_MS 500 // so that a key ends within a second of its time, and where a notification is lost
#define RETRY_MAX_MS 5000

typedef struct Notified {
    bool policy, review;
} Notified;

typedef struct Broker {
    Settings *settings;
    Keys keys, next_keys;
    bool announces; // the latter
    Rules *rules;
    const Clock *clock;
    Stats stats;
    int signals;
    Pg *policy;
    Notified notified; // and not looked at yet
    bool policies;     // somebody changed one while agencies could not be read
    Agencies *agencies;
    Zap *zap;
    zactor_t *feed, *door;
    Pipeline *pipeline;
    int publish_port, subscribe_port, enrol_port;
    bool failing;
    bool out_of_descriptors;
    uint64_t n_refused; // connections, as last looked at
    uint64_t n_often;
    Quota quota; // of lines about them
} Broker;

static int load_next(Broker *broker) {
    char fingerprint[KEY_FINGERPRINT_BYTES];
    int result = keys_load_public(broker->settings->next_keys, &broker->next_keys, NULL);
    if (result < 0)
        return result;
    broker->announces = memcmp(broker->next_keys.sign_public, broker->keys.sign_public, KEY_BYTES) != 0;
    keys_fingerprint(&broker->next_keys, fingerprint);
    if (broker->announces)
        log_info("peers that ask are told that keys of fingerprint %s will follow", fingerprint);
    else
        log_warn("next_keys are those in use by now: take that line out of the configuration");
    return 0;
}

static int load(Broker *broker, const char *path) {
    int result = settings_load(&broker->settings, path);
    if (result == 0)
        result = keys_load(broker->settings->keys, &broker->keys);
    if (result == 0 && !broker->keys.has_secret)
        result = error_fail(ERROR_CONFIG, "%s holds no secret keys: it is the public half", broker->settings->keys);
    if (result == 0 && broker->settings->next_keys != NULL)
        result = load_next(broker);
    if (result == 0)
        result = rules_load(&broker->rules, broker->settings->schemas);
    if (result == 0)
        result = pg_new(&broker->policy, broker->settings->exchange, "dongbo policy");
    return result;
}

static int open_signals(Broker *broker) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    broker->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return broker->signals < 0 ? error_fail(ERROR_SYSTEM, "no signalfd: %m") : 0;
}

static void note(void *self, const char *channel, const char *text) {
    Notified *notified = self;
    bool review = strcmp(channel, REVIEW_CHANNEL) == 0 || strcmp(channel, FOLLOW_CHANNEL) == 0;
    notified->review = notified->review || review;
    notified->policy = notified->policy || !review;
}

// Waits for a signal, something on the policy session, or the time-out. 1 when asked to stop.
static int wait_for(Broker *broker, int timeout_ms) {
    (void)pg_heard(broker->policy, note, &broker->notified);
    if (broker->notified.policy || broker->notified.review)
        timeout_ms = 0;
    struct pollfd fds[2] = {{.fd = broker->signals, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (pg_connected(broker->policy))
        fds[1].fd = PQsocket(pg_raw(broker->policy));
    poll(fds, 2, timeout_ms);
    return fds[0].revents != 0 ? 1 : 0;
}

// ---- agencies and keys --------------------------------------------------------------------------------------------

static int read_agencies(Broker *broker, bool *ret_changed) {
    Agencies *agencies = NULL;
    int result = 0;
    if (!pg_connected(broker->policy)) {
        result = pg_connect(broker->policy);
        if (result == 0)
            result = store_version_check(broker->policy, STORE_EXCHANGE_WRITE);
        if (result == 0)
            result =
                pg_command(broker->policy, "LISTEN dongbo_policy; LISTEN " REVIEW_CHANNEL "; LISTEN " FOLLOW_CHANNEL);
    }
    if (result == 0)
        result = agencies_read(&agencies, broker->policy);
    if (result < 0)
        return result;
    *ret_changed = broker->agencies == NULL || !agencies_equal(agencies, broker->agencies);
    if (!*ret_changed) {
        agencies_unref(&agencies);
        return 0;
    }
    // Before its key is let in, or an agency's first Hello would be taken for a stranger's.
    if (broker->pipeline != NULL)
        pipeline_take_agencies(broker->pipeline, agencies);
    size_t n = 0;
    const ZapKey *keys = agencies_zap(agencies, &n);
    result = zap_allow(broker->zap, keys, n);
    if (result < 0) { // what is not in force is not taken for known: it is tried again
        agencies_unref(&agencies);
        return result;
    }
    agencies_unref(&broker->agencies);
    broker->agencies = agencies;
    return 0;
}

static void look_at_often(Broker *broker, const ZapRefused *refused) {
    char hidden[QUOTA_TEXT_BYTES];
    if (refused->often == broker->n_often ||
        quota_take(&broker->quota, refused->user, clock_monotonic_ms(broker->clock), hidden) == NULL)
        return;
    log_warn("connections put off, for their party makes too many: %" PRIu64 ", the last of %s",
             refused->often - broker->n_often, refused->user);
    broker->n_often = refused->often;
}

// Connections of keys that nobody knows, and of parties that make too many.
static void look_at_refused(Broker *broker) {
    ZapRefused refused;
    char hidden[QUOTA_TEXT_BYTES];
    zap_refused(broker->zap, &refused);
    look_at_often(broker, &refused);
    if (refused.n == broker->n_refused)
        return;
    const char *address = refused.address[0] == 0 ? "this machine" : refused.address;
    if (quota_take(&broker->quota, address, clock_monotonic_ms(broker->clock), hidden) == NULL)
        return;
    log_warn("connections refused, for their key is not known here: %" PRIu64 ", the last from %s with key %s",
             refused.n - broker->n_refused, address, refused.key);
    broker->n_refused = refused.n;
}

// Connections that are not accepted leave no trace of their own.
static void look_at_descriptors(Broker *broker) {
    bool are_short = descriptors_are_short();
    if (are_short && !broker->out_of_descriptors)
        log_error("no file descriptors are left for peers: new connections are closed until others end; raise "
                  "LimitNOFILE of its unit");
    broker->out_of_descriptors = are_short;
}

static void refresh(Broker *broker) {
    look_at_descriptors(broker);
    look_at_refused(broker);
    if (pg_connected(broker->policy))
        (void)pg_hear(broker->policy, note, &broker->notified); // who is lost is connected to again below
    Notified notified = broker->notified;
    broker->notified = (Notified){0};
    bool changed = false, reconnected = !pg_connected(broker->policy);
    if (notified.review)
        pipeline_review(broker->pipeline);
    int result = read_agencies(broker, &changed);
    if (result < 0) {
        if (!broker->failing)
            log_warn("agencies and keys stay as they were: %s", error_text());
        broker->failing = true;
        broker->policies = broker->policies || notified.policy || reconnected;
        return;
    }
    broker->failing = false;
    if (changed || notified.policy || reconnected || broker->policies)
        pipeline_log_policies(broker->pipeline);
    broker->policies = false;
}

// Somebody else's database may be away, and is waited for later; one that can never do is refused here.
static int check_population(const char *name, const char *conninfo, StoreUse use) {
    CLEANUP(pg_destroy) Pg *pg = NULL;
    int result = pg_new(&pg, conninfo, name);
    if (result == 0)
        result = pg_connect(pg);
    if (result == 0)
        result = store_version_check(pg, use);
    if (result == ERROR_DATABASE) {
        log_warn("%s: %s", name, error_text());
        return 0;
    }
    return result < 0 ? error_context(result, "%s", name) : 0;
}

// The database may come up after the broker. 1 when asked to stop.
static int read_agencies_first(Broker *broker) {
    bool changed = false;
    for (int wait_ms = 100;; wait_ms = wait_ms * 2 < RETRY_MAX_MS ? wait_ms * 2 : RETRY_MAX_MS) {
        int result = read_agencies(broker, &changed);
        if (result != ERROR_DATABASE)
            return result;
        if (!broker->failing)
            log_warn("waiting for the exchange's database: %s", error_text());
        broker->failing = true;
        pg_disconnect(broker->policy);
        if (wait_for(broker, wait_ms) != 0)
            return 1;
    }
}

// ---- start and stop -----------------------------------------------------------------------------------------------

static int write_ready(const Broker *broker) {
    const char *path = broker->settings->ready_file;
    if (path == NULL || path[0] == '\0')
        return 0;
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    if (file == NULL)
        return error_fail(ERROR_SYSTEM, "%s: %m", temporary);
    fprintf(file, "{\"publish\": %d, \"subscribe\": %d, \"enrol\": %d}\n", broker->publish_port, broker->subscribe_port,
            broker->enrol_port);
    if (fclose(file) != 0 || rename(temporary, path) != 0)
        return error_fail(ERROR_SYSTEM, "%s: %m", path);
    return 0;
}

static int start(Broker *broker) {
    int result = zap_new(&broker->zap);
    if (result == 0)
        result = zap_prove(broker->zap, &broker->keys);
    if (result == 0)
        result = read_agencies_first(broker);
    if (result == 0)
        result = heads_announce(broker->policy, &broker->keys);
    if (result == ERROR_DATABASE) { // whoever signs does it
        log_warn("the key that signs heads is not announced yet: %s", error_text());
        result = 0;
    }
    const SettingsPopulation *population = &broker->settings->population;
    if (result == 0)
        result = check_population("population.reader", population->reader, STORE_POPULATION_READ);
    if (result == 0)
        result = check_population("population.writer", population->writer, STORE_POPULATION_WRITE);
    if (result != 0)
        return result;
    FeedOptions feed = {.exchange = broker->settings->exchange,
                        .population = population->reader,
                        .endpoint = broker->settings->subscribe,
                        .commits = COMMITS,
                        .keys = &broker->keys,
                        .next_keys = broker->announces ? &broker->next_keys : NULL,
                        .clock = broker->clock,
                        .stats = &broker->stats};
    result = feed_new(&broker->feed, &feed, &broker->subscribe_port);
    PipelineOptions pipeline = {.settings = broker->settings,
                                .rules = broker->rules,
                                .agencies = broker->agencies,
                                .keys = &broker->keys,
                                .next_keys = broker->announces ? &broker->next_keys : NULL,
                                .clock = broker->clock,
                                .stats = &broker->stats,
                                .commits = COMMITS};
    if (result == 0)
        result = pipeline_new(&broker->pipeline, &pipeline, &broker->publish_port);
    DoorOptions door = {broker->settings->enrol, broker->settings->exchange, &broker->keys, broker->clock};
    if (result == 0 && door.endpoint != NULL)
        result = door_new(&broker->door, &door, &broker->enrol_port);
    if (result < 0)
        return result;
    ZapRefused trials;
    zap_refused(broker->zap, &trials);
    broker->n_refused = trials.n;
    result = write_ready(broker);
    if (result == 0)
        log_info("ready: publish %s port %d, subscribe %s port %d", broker->settings->publish, broker->publish_port,
                 broker->settings->subscribe, broker->subscribe_port);
    return result;
}

static void stop(Broker *broker) {
    pipeline_destroy(&broker->pipeline);
    zactor_destroy(&broker->feed);
    zactor_destroy(&broker->door);
    zap_destroy(&broker->zap);
    if (broker->settings != NULL && broker->settings->stats_file != NULL &&
        stats_write(&broker->stats, broker->settings->stats_file) < 0)
        log_warn("%s", error_text());
    agencies_unref(&broker->agencies);
    pg_destroy(&broker->policy);
    rules_destroy(&broker->rules);
    keys_wipe(&broker->keys);
    settings_destroy(&broker->settings);
    if (broker->signals >= 0)
        close(broker->signals);
}

static int run(Broker *broker) {
    int result = open_signals(broker);
    if (result == 0)
        result = start(broker);
    if (result != 0)
        return result < 0 ? result : 0;
    while (wait_for(broker, REFRESH_MS) == 0)
        refresh(broker);
    log_info("stopping");
    return 0;
}

int main(int argc, char **argv) {
    const char *path = NULL;
    bool check = false, version = false;
    int operand = 0;
    const Option options[] = {
        {.name = "config",
         .letter = 'c',
         .kind = OPTION_TEXT,
         .value = "FILE",
         .help = "configuration file",
         .into = &path},
        {.name = "check", .kind = OPTION_FLAG, .help = "read configuration, keys and rules, and end", .into = &check},
        {.name = "version", .kind = OPTION_FLAG, .help = "print it, and end", .into = &version},
        {0}};
    const Command command = {.name = "dongbo-broker", .summary = "Runs the exchange's broker.", .options = options};
    log_setup("dongbo-broker", LOG_LEVEL_INFO);
    descriptors_limit();
    int result = options_parse(&command, argc, argv, &operand);
    if (result == 1)
        return 0;
    if (result == 0 && version)
        return puts("dongbo-broker " DONGBO_VERSION) < 0;
    if (result == 0 && path == NULL)
        result = error_fail(ERROR_CONFIG, "say which configuration: dongbo-broker --config FILE");
    Broker broker = {.clock = clock_system(), .signals = -1};
    if (result == 0)
        result = load(&broker, path);
    if (result == 0 && !check)
        result = run(&broker);
    else if (result == 0)
        printf("%s is good\n", path);
    if (result < 0)
        log_error("%s", error_text());
    stop(&broker);
    return result < 0 ? error_exit_code(result) : 0;
}
