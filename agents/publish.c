// SPDX-License-Identifier: Apache-2.0
//
// See publish.h. The loop: let the sessions speak, read what the sources have as long as the spool has room, hand back
// what was decided, wait. A batch is sealed at once while nothing is under way; else rows stay where they are, at the
// source, until a full batch of them is there or the last receipt is.
#include "agents/publish.h"

#include "agents/feeder.h"
#include "agents/proof_store.h"
#include "agents/push.h"
#include "agents/summary.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <czmq.h>
#include <signal.h>
#include <string.h>

#define ROW_ARENA_BYTES (1024 * 1024)
#define HAND_BACK_MS 2000 // at most so long do results wait while batches are under way
#define STRAY_SAY_MS (60 * 60 * 1000)
#define TIMEOUT_DEFAULT_S 60
#define TIMEOUT_MAX_S 1000000
#define PROOF_TIMEOUT_DEFAULT_S 10 // an exchange signs heads every second, as a rule
#define WAIT_MAX_MS 1000
#define HEALTH_MS 500

static volatile sig_atomic_t stopping;

typedef struct Publish {
    const char *config_path;
    const char *forget; // a source's name
    bool once, json, verbose;
    long long timeout_s, proof_timeout_s;
    PublishConfig *config;
    Keys keys, broker[2]; // the exchange's, and its next one
    Spool *spool;
    Arena *arena;
    Verdicts verdicts;
    Sealer *sealers[STREAM_KINDS];
    Push *pushes[STREAM_KINDS]; // NULL for a kind that no source has
    Feeder feeders[PUBLISH_SOURCES_MAX];
    unsigned n_feeders;
    const Clock *clock;
    Summary summary;
    int64_t owing_ms[STREAM_KINDS]; // since when the exchange owes an answer; 0: it does not
    int64_t handed_back_ms;
    int64_t stray_said_ms; // 0: never
    int64_t began_us;
    bool full_said;
    bool more;            // something can be done at once
    bool done;            // --once: all that there was is delivered and handed back
    const Health *health; // NULL: nobody watches
    char told[HEALTH_TEXT_BYTES];
    int64_t told_ms;
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
                        .broker = &publish->broker[0],
                        .broker_next = &publish->broker[1],
                        .broker_path = publish->config->broker.key,
                        .endpoints = publish->config->broker.endpoints,
                        .n_endpoints = publish->config->broker.endpoints_count,
                        .patient = !publish->once,
                        .clock = publish->clock};
    return push_new(&publish->pushes[kind], &push);
}

static int open_source(Publish *publish, const SourceConfig *config) {
    int r = open_stream(publish, config->stream);
    if (r < 0)
        return r;
    FeederOptions options = {.config = config,
                             .spool = publish->spool,
                             .sealer = publish->sealers[config->stream],
                             .arena = publish->arena,
                             .clock = publish->clock};
    return feeder_open(&publish->feeders[publish->n_feeders++], &options);
}

static int load_keys(Publish *publish) {
    int r = keys_load(publish->config->keys, &publish->keys);
    if (r == 0 && !publish->keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s is a public key file; give the secret one", publish->config->keys);
    if (r == 0)
        r = keys_load_exchange(publish->config->broker.key, publish->broker);
    return r;
}

static Feeder *feeder_of(Publish *publish, const char *source) {
    for (unsigned i = 0; i < publish->n_feeders; i++)
        if (strcmp(publish->feeders[i].config->name, source) == 0)
            return &publish->feeders[i];
    return NULL;
}

// Of a source that is not configured any more nothing but what happens in this run is this run's.
static bool is_lasting(void *self, const char *source) {
    const Feeder *feeder = feeder_of(self, source);
    return feeder == NULL || feeder->config->kind == SOURCE_OUTBOX;
}

static bool is_configured(void *self, const char *source) {
    return feeder_of(self, source) != NULL;
}

static int open_spool(Publish *publish) {
    SpoolOptions spool = {.path = publish->config->spool.path,
                          .bytes_max = publish_config_bytes_max(publish->config),
                          .keep_days = publish_config_keep_days(publish->config),
                          .clock = publish->clock};
    return spool_open(&publish->spool, &spool);
}

static int publish_open(Publish *publish) {
    publish->began_us = clock_now_us(publish->clock);
    int r = publish_config_load(&publish->config, publish->config_path);
    if (r == 0)
        r = load_keys(publish);
    if (r == 0)
        r = arena_new(&publish->arena, ROW_ARENA_BYTES);
    if (r == 0)
        r = open_spool(publish);
    if (r == 0) // also of sources that are not configured any more: what those are owed is said
        r = ledger_results_again(publish->spool, NULL);
    publish->verdicts.spool = publish->spool;
    for (unsigned i = 0; r == 0 && i < publish->config->sources_count; i++)
        r = open_source(publish, &publish->config->sources[i]);
    if (r == 0)
        r = summary_begin(&publish->summary, publish->spool, is_lasting, publish);
    return r;
}

static void publish_close(Publish *publish) {
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        push_destroy(&publish->pushes[kind]);
        sealer_destroy(&publish->sealers[kind]);
    }
    for (unsigned i = 0; i < publish->n_feeders; i++)
        feeder_close(&publish->feeders[i]);
    summary_free(&publish->summary);
    verdicts_free(&publish->verdicts);
    spool_close(&publish->spool);
    arena_destroy(&publish->arena);
    publish_config_free(&publish->config);
    keys_wipe(&publish->keys);
}

// ---- reading ----

// Whether to read now, or to let rows gather at the source while batches are under way.
static int should_read(Publish *publish, Feeder *feeder, bool *ret) {
    int64_t waiting = 0;
    int r = 0;
    *ret = false;
    if (feeder->bytes == 0)
        return 0;
    if (spool_is_full(publish->spool)) {
        if (!publish->full_said)
            log_warn("the spool %s is full (bytes_max %llu wait for the exchange); sources are not read until there is "
                     "room",
                     publish->config->spool.path, (unsigned long long)publish_config_bytes_max(publish->config));
        publish->full_said = true;
        return 0;
    }
    // Under a long backlog it is full time and again: that is one thing, and said once.
    if (publish->full_said && spool_waiting_bytes(publish->spool) < publish_config_bytes_max(publish->config) / 2) {
        log_info("the spool has room again");
        publish->full_said = false;
    }
    if (!publish->once && feeder->bytes < BATCH_BYTES_GOAL)
        r = push_waiting(publish->pushes[feeder->config->stream], &waiting);
    *ret = waiting == 0;
    return r;
}

static int step_source(Publish *publish, Feeder *feeder) {
    bool read = false, more = false;
    int r = feeder_look(feeder);
    if (r == 0)
        r = should_read(publish, feeder, &read);
    if (r == 0 && read)
        r = feeder_read(feeder, &more);
    publish->more = publish->more || more;
    return r;
}

// ---- handing back ----

static int forget_origin(Publish *publish, int64_t origin) {
    int r = spool_begin(publish->spool);
    for (int kind = 0; r == 0 && kind < RESULT_KINDS; kind++)
        r = ledger_results_delete(publish->spool, origin, (ResultKind)kind, INT64_MAX);
    return spool_end(publish->spool, r);
}

static int hand_back_origin(Publish *publish, int64_t id, bool *ret_stray) {
    Origin origin;
    int r = ledger_origin(publish->spool, id, &origin);
    if (r != 0)
        return r < 0 ? r : 0;
    if (origin.source[0] == 0)
        return forget_origin(publish, id);
    Feeder *feeder = feeder_of(publish, origin.source);
    // A source that was taken out of the configuration keeps its results until it is back.
    if (feeder == NULL)
        *ret_stray = true;
    return feeder == NULL ? 0 : feeder_hand_back(feeder, &origin);
}

static int say_stray(void *self, const LedgerOwed *owed) {
    Publish *publish = self;
    if (feeder_of(publish, owed->source) == NULL)
        log_warn("%lld rows are owed to the source %s, which is not in %s any more (%lld of them were refused). They "
                 "are kept: configure a source of that name again to have them, or drop them with --forget %s",
                 (long long)(owed->n[RESULT_REFUSED] + owed->n[RESULT_DECIDED]), owed->source, publish->config_path,
                 (long long)owed->n[RESULT_REFUSED], owed->source);
    return 0;
}

static int say_strays(Publish *publish) {
    int64_t now = now_ms(publish);
    if (publish->stray_said_ms != 0 && now - publish->stray_said_ms < STRAY_SAY_MS)
        return 0;
    publish->stray_said_ms = now;
    return ledger_owed(publish->spool, say_stray, publish);
}

static int hand_back(Publish *publish) {
    int64_t origin = 0;
    bool stray = false;
    for (unsigned i = 0; i < publish->n_feeders; i++)
        feeder_hands_begin(&publish->feeders[i]);
    int r = ledger_results_origin(publish->spool, 0, &origin);
    while (r == 0 && origin > 0) {
        r = hand_back_origin(publish, origin, &stray);
        if (r == 0)
            r = ledger_results_origin(publish->spool, origin, &origin);
    }
    for (unsigned i = 0; r == 0 && i < publish->n_feeders; i++) {
        feeder_hands_end(&publish->feeders[i]);
        publish->more = publish->more || publish->feeders[i].hands_more;
    }
    publish->handed_back_ms = now_ms(publish);
    return r == 0 && stray ? say_strays(publish) : r;
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
        publish->feeders[i].receipts = publish->feeders[i].receipts || took;
        r = step_source(publish, &publish->feeders[i]);
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

// How many items there are to wait on for the sessions.
static int poll_pushes(const Publish *publish, zmq_pollitem_t *items, int *wait_ms) {
    int n = 0;
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        Push *push = publish->pushes[kind];
        if (push == NULL)
            continue;
        *wait_ms = least(*wait_ms, push_wait_ms(push));
        n += push_poll(push, items + n);
    }
    return n;
}

// Waits for whatever comes first.
static void wait_for_news(Publish *publish) {
    zmq_pollitem_t items[STREAM_KINDS * PUSH_POLL_ITEMS + PUBLISH_SOURCES_MAX];
    int wait_ms = publish->more ? 0 : WAIT_MAX_MS, n = poll_pushes(publish, items, &wait_ms);
    for (unsigned i = 0; i < publish->n_feeders; i++) {
        const Feeder *feeder = &publish->feeders[i];
        wait_ms = least(wait_ms, feeder_wait_ms(feeder));
        if (feeder_fd(feeder) >= 0)
            items[n++] = (zmq_pollitem_t){.fd = feeder_fd(feeder), .events = ZMQ_POLLIN};
    }
    (void)zmq_poll(items, n, wait_ms);
}

// ---- the end of --once ----

typedef enum End {
    END_NOT_YET,
    END_DONE,  // all there was is read, delivered, decided or deferred, and handed back
    END_STUCK, // all but what a source in trouble has or gets
} End;

static int is_heard_out(Publish *publish, bool *ret) {
    bool waiting;
    int r = under_way(publish, &waiting);
    *ret = !waiting;
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        *ret = *ret && (publish->pushes[kind] == NULL || push_is_up_to_date(publish->pushes[kind]));
    return r;
}

// *ret_feeder is the source in trouble.
static int find_end(Publish *publish, End *ret, const Feeder **ret_feeder) {
    bool heard_out;
    int r = is_heard_out(publish, &heard_out);
    *ret = END_NOT_YET;
    if (r < 0 || !heard_out || publish->more)
        return r;
    End end = END_DONE;
    for (unsigned i = 0; i < publish->n_feeders; i++) {
        const Feeder *feeder = &publish->feeders[i];
        if (feeder_trouble(feeder) != NULL) {
            end = END_STUCK;
            *ret_feeder = feeder;
        } else if (!feeder_is_read(feeder)) {
            return 0;
        }
    }
    *ret = end;
    return 0;
}

// ERROR_PEER when the exchange owed us something for --timeout and had nothing to say.
static int check_exchange(Publish *publish, int kind) {
    Push *push = publish->pushes[kind];
    int64_t waiting, now = now_ms(publish), *owing_ms = &publish->owing_ms[kind];
    int r = push_waiting(push, &waiting);
    if (r < 0)
        return r;
    if (waiting == 0 && push_is_up_to_date(push))
        *owing_ms = 0;
    else if (*owing_ms == 0)
        *owing_ms = now;
    int64_t since = push_heard_ms(push) > *owing_ms ? push_heard_ms(push) : *owing_ms;
    if (*owing_ms == 0 || now - since <= publish->timeout_s * 1000)
        return 0;
    return error_fail(
        ERROR_PEER,
        "the exchange gave no answer for %lld s (%s); what was read is safe in %s and is sent by the next run",
        publish->timeout_s, push_why(push)[0] != 0 ? push_why(push) : push_endpoint(push), publish->config->spool.path);
}

// The sentence names who kept us waiting: the exchange, or a source.
static int check_timeout(Publish *publish, End end, const Feeder *stuck) {
    int r = 0;
    for (int kind = 0; kind < STREAM_KINDS && r == 0; kind++)
        if (publish->pushes[kind] != NULL)
            r = check_exchange(publish, kind);
    if (r < 0 || end != END_STUCK)
        return r;
    const Trouble *trouble = feeder_trouble(stuck);
    if (now_ms(publish) - trouble->since_ms <= publish->timeout_s * 1000)
        return 0;
    return error_fail(ERROR_SYSTEM, "source %s: %s; given up after %lld s, the next run goes on there",
                      stuck->config->name, trouble->why, publish->timeout_s);
}

// What cannot be read: everything else is done, and that is what the end says.
static int find_left(Publish *publish) {
    for (unsigned i = 0; i < publish->n_feeders; i++) {
        const Feeder *feeder = &publish->feeders[i];
        const char *left = feeder->source->kind->left(feeder->source);
        if (left != NULL)
            return error_fail(ERROR_SYSTEM, "source %s: %s; all else is done", feeder->config->name, left);
    }
    return 0;
}

// Which streams have a session, and what waits in the spool; under a load not every change of that.
static void health_tell(Publish *publish) {
    if (spool_waiting_bytes(publish->spool) > 0 && now_ms(publish) - publish->told_ms < HEALTH_MS)
        return;
    char text[HEALTH_TEXT_BYTES];
    int open = 0, n = 0;
    const char *why = "";
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const Push *push = publish->pushes[kind];
        n += push != NULL;
        open += push != NULL && push_is_open(push);
        if (push != NULL && !push_is_open(push))
            why = push_why(push);
    }
    snprintf(text, sizeof text, "%d of %d streams open, %llu bytes wait%s%s", open, n,
             (unsigned long long)spool_waiting_bytes(publish->spool), *why ? ": " : "", why);
    if (strcmp(text, publish->told) == 0)
        return;
    memcpy(publish->told, text, sizeof text);
    publish->told_ms = now_ms(publish);
    publish->health->tell(publish->health->self, text);
}

// That what was delivered is in the log, the exchange proves once it has signed its next head. It may do without: one
// that let a run wait in vain, and has never proved anything, is not waited for again.
static int await_proofs(Publish *publish) {
    int64_t unproved = 0, hopes = 0, until_ms = now_ms(publish) + publish->proof_timeout_s * 1000;
    int r = proof_store_hopes(publish->spool, publish->began_us, &hopes);
    if (r < 0 || hopes == 0)
        return r;
    r = proof_store_unproved(publish->spool, &unproved);
    while (r == 0 && unproved != 0 && !stopping && now_ms(publish) < until_ms) {
        zmq_pollitem_t items[STREAM_KINDS * PUSH_POLL_ITEMS];
        int64_t left_ms = until_ms - now_ms(publish);
        int wait_ms = left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS, n = poll_pushes(publish, items, &wait_ms);
        bool took;
        (void)zmq_poll(items, n, wait_ms);
        r = step_pushes(publish, &took);
        if (r == 0)
            r = proof_store_unproved(publish->spool, &unproved);
    }
    if (r == 0 && unproved != 0 && publish->proof_timeout_s > 0)
        log_warn(
            "all is delivered and answered, but not all of it is proved to be in the exchange's log (waited %lld s); "
            "the next run takes the proof, and dongbo-agent status says how far it goes",
            publish->proof_timeout_s);
    return r;
}

static int run(Publish *publish) {
    int r = 0;
    while (r == 0 && !stopping) {
        End end = END_NOT_YET;
        const Feeder *stuck = NULL;
        r = step(publish);
        if (r == 0 && publish->health != NULL)
            health_tell(publish);
        if (r == 0 && publish->once)
            r = find_end(publish, &end, &stuck);
        publish->done = end == END_DONE;
        if (publish->done)
            r = find_left(publish);
        if (r == 0 && publish->done)
            r = await_proofs(publish);
        if (r < 0 || publish->done)
            break;
        if (publish->timeout_s > 0)
            r = check_timeout(publish, end, stuck);
        if (r == 0 && !stopping)
            wait_for_news(publish);
    }
    return r;
}

// A run that ended early lists what was refused all the same: no later run counts it again.
static int report(Publish *publish, int r) {
    int64_t refused = 0;
    bool complete = r == 0 && publish->done;
    if (r == 0 && publish->once && !publish->done)
        r = error_fail(ERROR_STOPPED, "stopped before all was delivered; the next run goes on there");
    int code = error_exit_code(r);
    if (r < 0)
        log_error("%s", error_text());
    if (!publish->once || publish->summary.spool == NULL)
        return code;
    SummaryOptions options = {
        .verdicts = &publish->verdicts, .is_configured = is_configured, .self = publish, .json = publish->json};
    options.complete = complete;
    r = summary_print(&publish->summary, &options, &refused);
    if (r < 0)
        log_error("%s", error_text());
    if (code == 0)
        code = error_exit_code(r);
    return code == 0 && refused > 0 ? 1 : code;
}

// --forget: what is owed to a source that will not come back.
static int forget(Publish *publish) {
    int64_t n;
    int r = publish_config_load(&publish->config, publish->config_path);
    for (unsigned i = 0; r == 0 && i < publish->config->sources_count; i++)
        if (strcmp(publish->config->sources[i].name, publish->forget) == 0)
            r = error_fail(ERROR_CONFIG,
                           "the source %s is in %s: only what is owed to a source that was taken out can "
                           "be forgotten",
                           publish->forget, publish->config_path);
    if (r == 0)
        r = open_spool(publish);
    if (r == 0)
        r = ledger_forget(publish->spool, publish->forget, &n);
    if (r == 0 && n == 0)
        r = error_fail(ERROR_CONFIG, "nothing is known of a source %s", publish->forget);
    if (r == 0)
        printf("%s is forgotten: what was owed to it is dropped\n", publish->forget);
    return r;
}

static const char NOTES[] =
    "A row that cannot be an event (a date that is none, a column in another encoding) is refused here and never sent:\n"
    "the exchange's `dongbo report --quality` does not know of it. --once counts such rows (unsent in --json), and\n"
    "NAME.refused.csv in done/ has them among the others.\n\n"
    "--once waits for the proof that all is in the exchange's log, too, which comes with the log's next signed head; that\n"
    "none has come within --proof-timeout is said, and changes no exit code. An exchange that has never proved anything\n"
    "is waited for in the first run alone.\n\n"
    "Exit codes of --once:\n"
    "  0  done: all that there was is delivered and answered\n"
    "  1  done, and something was refused or still waits to be handed back (listed)\n"
    "  2  the configuration is wrong, or does not fit the exchange's\n"
    "  3  the exchange could not be reached within --timeout, does not go on with this agent, or proves something false\n"
    "  4  something on this side failed: a source's database or folder for --timeout, the spool, the disk; or it was\n"
    "     stopped. The message names which. Nothing is lost with any code: the next run goes on where this one ended.\n";

void publish_stop(void) {
    stopping = SIGTERM;
}

static int check_seconds(const char *option, long long seconds) {
    return seconds >= 0 && seconds <= TIMEOUT_MAX_S
               ? 0
               : error_fail(ERROR_CONFIG, "publish: --%s is a number of seconds", option);
}

int publish_run(const char *config_path, const Health *health) {
    Publish publish = {.config_path = config_path, .health = health, .clock = clock_system()};
    int r = publish_open(&publish);
    if (r == 0)
        r = run(&publish);
    int code = report(&publish, r);
    publish_close(&publish);
    return code;
}

int publish_main(int argc, char **argv) {
    Publish publish = {.proof_timeout_s = PROOF_TIMEOUT_DEFAULT_S};
    const Option options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "configuration (needed)", &publish.config_path},
        {"once", 0, OPTION_FLAG, NULL, "read what is there, deliver it, wait for all receipts, and end", &publish.once},
        {"timeout", 0, OPTION_INT, "SECONDS", "with --once: give up when the exchange, or a source, fails so long (60)",
         &publish.timeout_s},
        {"proof-timeout", 0, OPTION_INT, "SECONDS",
         "with --once: wait so long for the proof that all is in the exchange's log (10)", &publish.proof_timeout_s},
        {"json", 0, OPTION_FLAG, NULL, "with --once: the summary as one JSON object", &publish.json},
        {"forget", 0, OPTION_TEXT, "SOURCE", "drop what is owed to a source that was taken out of FILE, and end",
         &publish.forget},
        {"verbose", 'v', OPTION_FLAG, NULL, "say more", &publish.verbose},
        {0},
    };
    const Command command = {.name = "publish",
                             .summary = "deliver an agency's changes to the exchange",
                             .options = options,
                             .notes = NOTES};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 1)
        return 0;
    log_setup("dongbo-agent", publish.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (r == 0 && publish.config_path == NULL)
        r = error_fail(ERROR_CONFIG, "give the configuration with --config FILE");
    if (r == 0)
        r = check_seconds("timeout", publish.timeout_s);
    if (r == 0)
        r = check_seconds("proof-timeout", publish.proof_timeout_s);
    if (publish.once && publish.timeout_s == 0)
        publish.timeout_s = TIMEOUT_DEFAULT_S;
    publish.clock = clock_system();
    set_signals();
    if (r == 0 && publish.forget != NULL) {
        publish.once = false;
        r = forget(&publish);
    } else if (r == 0) {
        r = publish_open(&publish);
        if (r == 0)
            r = run(&publish);
    }
    int code = report(&publish, r);
    publish_close(&publish);
    return code;
}
