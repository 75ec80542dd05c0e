// SPDX-License-Identifier: Apache-2.0
//
// See publish.h. The loop: let the sessions speak, read what the sources have as long as the spool has room, hand back
// what was decided, wait. A batch is sealed at once while nothing is under way; else rows stay where they are, at the
// source, until a full batch of them is there or the last receipt is.
#include "agents/publish.h"

#include "agents/publish_config.h"
#include "agents/push.h"
#include "agents/source_csv.h"
#include "agents/source_outbox.h"
#include "agents/summary.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <czmq.h>
#include <signal.h>
#include <string.h>

#define ROW_ARENA_BYTES (1024 * 1024)
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
#define HAND_BACK_MS 2000 // at most so long do results wait while batches are under way
#define TIMEOUT_DEFAULT_S 60
#define WAIT_MAX_MS 1000

static volatile sig_atomic_t stopping;

// One source with what belongs to it.
typedef struct Feeder {
    const SourceConfig *config;
    Source *source;
    Map *map;
    Intake intake;
    uint64_t bytes;   // it has about so much
    int64_t retry_ms; // not asked before this time, after its database failed
    int64_t retry_after_ms;
} Feeder;

typedef struct Publish {
    const char *config_path;
    bool once, json, verbose;
    long long timeout_s;
    PublishConfig *config;
    Keys keys, broker;
    Spool *spool;
    Arena *arena;
    Verdicts verdicts;
    Sealer *sealers[STREAM_KINDS];
    Push *pushes[STREAM_KINDS]; // NULL for a kind that no source has
    Feeder feeders[PUBLISH_SOURCES_MAX];
    unsigned n_feeders;
    const Clock *clock;
    Summary summary;
    int64_t started_ms;
    int64_t handed_back_ms;
    bool full_said;
    bool more; // something can be done at once
} Publish;

static void on_signal(int signal_number) {
    stopping = signal_number;
}

static void set_signals(void) {
    zsys_handler_set(NULL);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    // A broken file lease and a closed pipe are told by their calls.
    signal(SIGIO, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static int64_t now_ms(const Publish *publish) {
    return clock_monotonic_ms(publish->clock);
}

// ---- setting up ----

static int open_stream(Publish *publish, StreamKindName kind) {
    if (publish->pushes[kind] != NULL)
        return 0;
    const char *name = publish_stream_name(kind);
    SealerOptions sealer = {publish->spool, name, publish->config->agency, &publish->keys};
    int r = sealer_new(&publish->sealers[kind], &sealer);
    if (r < 0)
        return r;
    PushOptions push = {.spool = publish->spool,
                        .sealer = publish->sealers[kind],
                        .verdicts = &publish->verdicts,
                        .kind = name,
                        .agent = publish->config->agent,
                        .keys = &publish->keys,
                        .broker = &publish->broker,
                        .endpoints = publish->config->broker.endpoints,
                        .n_endpoints = publish->config->broker.endpoints_count,
                        .clock = publish->clock};
    return push_new(&publish->pushes[kind], &push);
}

static int open_source(Publish *publish, const SourceConfig *config) {
    Feeder *feeder = &publish->feeders[publish->n_feeders];
    *feeder = (Feeder){.config = config, .retry_after_ms = RETRY_MIN_MS};
    publish->n_feeders++;
    int r = map_load(&feeder->map, config->mapping);
    if (r == 0)
        r = open_stream(publish, config->stream);
    if (r < 0)
        return r;
    feeder->intake = (Intake){.spool = publish->spool,
                              .map = feeder->map,
                              .sealer = publish->sealers[config->stream],
                              .arena = publish->arena};
    SourceOptions options = {config, publish->spool, feeder->map, publish->clock};
    return config->kind == SOURCE_CSV ? source_csv_new(&feeder->source, &options)
                                      : source_outbox_new(&feeder->source, &options);
}

static int load_keys(Publish *publish) {
    int r = keys_load(publish->config->keys, &publish->keys);
    if (r == 0 && !publish->keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s is a public key file; give the secret one", publish->config->keys);
    if (r == 0)
        r = keys_load(publish->config->broker.key, &publish->broker);
    return r;
}

static bool is_lasting(void *self, const char *source) {
    const Publish *publish = self;
    for (unsigned i = 0; i < publish->n_feeders; i++)
        if (strcmp(publish->feeders[i].config->name, source) == 0)
            return publish->feeders[i].config->kind == SOURCE_OUTBOX;
    return false;
}

static int publish_open(Publish *publish) {
    int r = publish_config_load(&publish->config, publish->config_path);
    if (r == 0)
        r = load_keys(publish);
    if (r == 0)
        r = arena_new(&publish->arena, ROW_ARENA_BYTES);
    SpoolOptions spool = {.clock = publish->clock};
    if (r == 0) {
        spool.path = publish->config->spool.path;
        spool.bytes_max = publish_config_bytes_max(publish->config);
        spool.keep_days = publish_config_keep_days(publish->config);
        r = spool_open(&publish->spool, &spool);
    }
    publish->verdicts.spool = publish->spool;
    for (unsigned i = 0; r == 0 && i < publish->config->sources_count; i++)
        r = open_source(publish, &publish->config->sources[i]);
    if (r == 0)
        r = summary_begin(&publish->summary, publish->spool, is_lasting, publish);
    publish->started_ms = now_ms(publish);
    return r;
}

static void publish_close(Publish *publish) {
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        push_destroy(&publish->pushes[kind]);
        sealer_destroy(&publish->sealers[kind]);
    }
    for (unsigned i = 0; i < publish->n_feeders; i++) {
        if (publish->feeders[i].source != NULL)
            publish->feeders[i].source->kind->destroy(&publish->feeders[i].source);
        map_destroy(&publish->feeders[i].map);
    }
    summary_free(&publish->summary);
    verdicts_free(&publish->verdicts);
    spool_close(&publish->spool);
    arena_destroy(&publish->arena);
    publish_config_free(&publish->config);
    keys_wipe(&publish->keys);
}

// ---- reading ----

// A database that went away is asked again later; everything else is passed up.
static int passing(Publish *publish, Feeder *feeder, int r) {
    if (r != ERROR_DATABASE && r != ERROR_DATA)
        return r;
    log_warn("source %s: %s; asked again in %lld ms", feeder->config->name, error_text(),
             (long long)feeder->retry_after_ms);
    feeder->retry_ms = now_ms(publish) + feeder->retry_after_ms;
    feeder->retry_after_ms = feeder->retry_after_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : feeder->retry_after_ms * 2;
    feeder->bytes = 0;
    return 0;
}

// Whether to read now, or to let rows gather at the source while batches are under way.
static int should_read(Publish *publish, Feeder *feeder, bool *ret) {
    int64_t waiting = 0;
    int r = 0;
    *ret = false;
    if (feeder->bytes == 0)
        return 0;
    if (spool_is_full(publish->spool)) {
        if (!publish->full_said)
            log_warn(
                "the spool %s is full (%llu bytes wait for the exchange); sources are not read until there is room",
                publish->config->spool.path, (unsigned long long)spool_bytes(publish->spool));
        publish->full_said = true;
        return 0;
    }
    if (publish->full_said)
        log_info("the spool has room again");
    publish->full_said = false;
    if (!publish->once && feeder->bytes < BATCH_BYTES_GOAL)
        r = push_waiting(publish->pushes[feeder->config->stream], &waiting);
    *ret = waiting == 0;
    return r;
}

// One transaction of the spool: rows, batches, and how far the source is read.
static int read_source(Publish *publish, Feeder *feeder) {
    Intake *intake = &feeder->intake;
    intake->rows = 0;
    sealer_mark(intake->sealer);
    int r = spool_begin(publish->spool);
    if (r < 0)
        return r;
    int read = feeder->source->kind->read(feeder->source, intake);
    r = read < 0 ? read : sealer_flush(intake->sealer);
    if (r == 0)
        r = spool_trim(publish->spool);
    if (r == 0)
        r = spool_commit(publish->spool);
    if (r < 0) {
        sealer_clear(intake->sealer);
        spool_rollback(publish->spool);
        // The sentence kept is the first failure's.
        int again = feeder->source->kind->settle(feeder->source, false);
        return again < 0 ? again : r;
    }
    publish->more = publish->more || read == 0 || intake->rows > 0;
    feeder->retry_after_ms = RETRY_MIN_MS;
    r = feeder->source->kind->settle(feeder->source, true);
    return r < 0 ? r : feeder->source->kind->receipts(feeder->source);
}

static int step_source(Publish *publish, Feeder *feeder) {
    if (now_ms(publish) < feeder->retry_ms)
        return 0;
    bool read = false;
    int r = feeder->source->kind->look(feeder->source, &feeder->bytes);
    if (r == 0)
        r = should_read(publish, feeder, &read);
    if (r == 0 && read)
        r = read_source(publish, feeder);
    return passing(publish, feeder, r);
}

// ---- handing back ----

static Feeder *feeder_of(Publish *publish, const char *source) {
    for (unsigned i = 0; i < publish->n_feeders; i++)
        if (strcmp(publish->feeders[i].config->name, source) == 0)
            return &publish->feeders[i];
    return NULL;
}

static int hand_back_origin(Publish *publish, int64_t id) {
    Origin origin;
    int n = 0, r = ledger_origin(publish->spool, id, &origin);
    if (r != 0)
        return r < 0 ? r : 0;
    Feeder *feeder = feeder_of(publish, origin.source);
    // A source that was taken out of the configuration keeps its results until it is back.
    if (feeder == NULL || now_ms(publish) < feeder->retry_ms)
        return 0;
    r = feeder->source->kind->hand_back(feeder->source, &origin, &n);
    if (n > 0)
        log_debug("source %s: %s: %d rows handed back", origin.source, origin.name, n);
    return passing(publish, feeder, r);
}

static int hand_back(Publish *publish) {
    int64_t origin = 0;
    int r = ledger_results_origin(publish->spool, 0, &origin);
    while (r == 0 && origin > 0) {
        r = hand_back_origin(publish, origin);
        if (r == 0)
            r = ledger_results_origin(publish->spool, origin, &origin);
    }
    publish->handed_back_ms = now_ms(publish);
    return r;
}

// ---- the loop ----

static int step_pushes(Publish *publish, bool *ret_took) {
    int r = 0;
    *ret_took = false;
    for (int kind = 0; kind < STREAM_KINDS && r == 0; kind++) {
        if (publish->pushes[kind] == NULL)
            continue;
        r = push_step(publish->pushes[kind]);
        *ret_took = push_took_receipts(publish->pushes[kind]) || *ret_took;
    }
    return r;
}

// *ret true while any batch has no receipt.
static int under_way(Publish *publish, bool *ret) {
    int r = 0;
    *ret = false;
    for (int kind = 0; kind < STREAM_KINDS && r == 0; kind++) {
        int64_t waiting = 0;
        if (publish->pushes[kind] != NULL)
            r = push_waiting(publish->pushes[kind], &waiting);
        *ret = *ret || waiting != 0;
    }
    return r;
}

static int step(Publish *publish) {
    bool took, waiting;
    publish->more = false;
    int r = step_pushes(publish, &took);
    for (unsigned i = 0; i < publish->n_feeders && r == 0; i++) {
        Feeder *feeder = &publish->feeders[i];
        if (took)
            r = passing(publish, feeder, feeder->source->kind->receipts(feeder->source));
        if (r == 0)
            r = step_source(publish, feeder);
    }
    if (r == 0)
        r = under_way(publish, &waiting);
    if (r == 0 && (!waiting || now_ms(publish) - publish->handed_back_ms >= HAND_BACK_MS))
        r = hand_back(publish);
    return r;
}

static int least(int a, int b) {
    return b < 0 || (a >= 0 && a < b) ? a : b;
}

// Waits for whatever comes first.
static void wait_for_news(Publish *publish) {
    zmq_pollitem_t items[STREAM_KINDS + PUBLISH_SOURCES_MAX];
    int n = 0, wait_ms = publish->more ? 0 : WAIT_MAX_MS;
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        Push *push = publish->pushes[kind];
        if (push == NULL)
            continue;
        wait_ms = least(wait_ms, push_wait_ms(push));
        if (push_socket(push) == NULL)
            continue;
        items[n++] = (zmq_pollitem_t){.socket = zsock_resolve(push_socket(push)),
                                      .events = (short)(ZMQ_POLLIN | (push_wants_write(push) ? ZMQ_POLLOUT : 0))};
    }
    for (unsigned i = 0; i < publish->n_feeders; i++) {
        Source *source = publish->feeders[i].source;
        wait_ms = least(wait_ms, source->kind->wait_ms(source));
        // While the spool is full, or rows gather, news of more would only keep the loop busy.
        if (source->kind->fd(source) >= 0 && publish->feeders[i].bytes == 0)
            items[n++] = (zmq_pollitem_t){.fd = source->kind->fd(source), .events = ZMQ_POLLIN};
    }
    (void)zmq_poll(items, n, wait_ms);
}

// Whether all there was is read, delivered, decided or deferred, and handed back.
static int is_drained(Publish *publish, bool *ret) {
    bool waiting;
    int64_t results;
    *ret = false;
    int r = under_way(publish, &waiting);
    if (r == 0)
        r = ledger_results_origin(publish->spool, 0, &results);
    if (r < 0 || waiting || results != 0 || publish->more)
        return r;
    for (unsigned i = 0; i < publish->n_feeders; i++)
        if (publish->feeders[i].bytes > 0 || now_ms(publish) < publish->feeders[i].retry_ms ||
            publish->feeders[i].source->kind->wait_ms(publish->feeders[i].source) >= 0)
            return 0;
    *ret = true;
    return 0;
}

// When drained, and every session has heard all that the exchange had to say to it.
static int is_done(Publish *publish, bool *ret) {
    int r = is_drained(publish, ret);
    for (int kind = 0; kind < STREAM_KINDS && r == 0; kind++)
        *ret = *ret && (publish->pushes[kind] == NULL || push_is_up_to_date(publish->pushes[kind]));
    return r;
}

// ERROR_PEER when the exchange has had nothing to say for --timeout.
static int check_timeout(Publish *publish) {
    if (publish->timeout_s <= 0)
        return 0;
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        Push *push = publish->pushes[kind];
        if (push == NULL)
            continue;
        int64_t since = push_heard_ms(push) > publish->started_ms ? push_heard_ms(push) : publish->started_ms;
        if (now_ms(publish) - since > publish->timeout_s * 1000)
            return error_fail(ERROR_PEER,
                              "the exchange (%s) gave no answer for %lld s; what was read is safe in %s and "
                              "is sent by the next run",
                              push_endpoint(push), publish->timeout_s, publish->config->spool.path);
    }
    return 0;
}

static int run(Publish *publish) {
    bool done = false;
    int r = 0;
    while (r == 0 && !done && !stopping) {
        r = step(publish);
        if (r == 0 && publish->once)
            r = is_done(publish, &done);
        if (r == 0 && !done)
            r = check_timeout(publish);
        if (r == 0 && !done && !stopping)
            wait_for_news(publish);
    }
    return r;
}

static int report(Publish *publish, int r) {
    if (r < 0) {
        log_error("%s", error_text());
        return error_exit_code(r);
    }
    if (!publish->once || stopping)
        return 0;
    int64_t refused;
    r = summary_print(&publish->summary, &publish->verdicts, publish->json, &refused);
    if (r < 0) {
        log_error("%s", error_text());
        return error_exit_code(r);
    }
    return refused > 0 ? 1 : 0;
}

int publish_main(int argc, char **argv) {
    Publish publish = {0};
    const Option options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "configuration (needed)", &publish.config_path},
        {"once", 0, OPTION_FLAG, NULL, "read what is there, deliver it, wait for all receipts, and end", &publish.once},
        {"timeout", 0, OPTION_INT, "SECONDS", "with --once: give up when the exchange is silent so long (60)",
         &publish.timeout_s},
        {"json", 0, OPTION_FLAG, NULL, "with --once: the summary as one JSON object", &publish.json},
        {"verbose", 'v', OPTION_FLAG, NULL, "say more", &publish.verbose},
        {0},
    };
    const Command command = {"publish", NULL, "deliver an agency's changes to the exchange", options, 0, 0};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 1)
        return 0;
    log_setup("dongbo-agent", publish.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (r == 0 && publish.config_path == NULL)
        r = error_fail(ERROR_CONFIG, "give the configuration with --config FILE");
    if (publish.once && publish.timeout_s == 0)
        publish.timeout_s = TIMEOUT_DEFAULT_S;
    publish.clock = clock_system();
    set_signals();
    if (r == 0)
        r = publish_open(&publish);
    if (r == 0)
        r = run(&publish);
    int code = report(&publish, r);
    publish_close(&publish);
    return code;
}
