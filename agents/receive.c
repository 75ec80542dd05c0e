// SPDX-License-Identifier: Apache-2.0
//
// Keeps a subscription going over a list of brokers: the next one at once when one is lost, and after a round without
// success with growing pauses. Ends by itself only when caught up (--until-head), refused, or out of patience.
#include "agents/receive.h"

#include "agents/receive_config.h"
#include "agents/round.h"
#include "agents/sink_command.h"
#include "agents/sink_jsonl.h"
#include "agents/sink_postgres.h"
#include "agents/subscription.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define PAUSE_STEP_MS 1000
#define PROGRESS_MS 500
#define REACH_MIN_MS 1000 // for an endpoint to take the connection, in the first round through several
#define REACH_MAX_MS 5000
#define COMPLAIN_MS 60000 // what lasts is said again so often
#define SETTLED_MS 10000  // a session that served us so long was a good one, though nothing new came

typedef struct Receive {
    const char *config_path;
    bool until_head, reconcile, dry, accept_rights;
    const char *from_text;
    SubscriptionFrom from;
    uint64_t from_position;
    int64_t from_time_us;
    int share, shares;
    long long timeout_s;
    ReceiveConfig *config;
    Keys keys, broker[2]; // the exchange's, and its next one
    Round round;
    Successor successor;
    OriginKey *agency_keys;
    char **argv; // of a command, ending with NULL; its words are the configuration's
    Sink *sink;
    Subscription *subscription;
    int64_t worked_ms;               // when a session last was worth anything; before the first, when we began
    int64_t shown_ms, shown_records; // progress
    const Health *health;            // NULL: nobody watches
} Receive;

static const char NOTES[] =
    "A sink knows its place and goes on there; --from is for one that is empty. Unless told otherwise it gets every\n"
    "record that the subscription may have. PLACE may be\n"
    "  start     every record; a PostgreSQL sink takes them also when it is not empty, each in its own row\n"
    "  head      what comes from now on\n"
    "  snapshot  with all that the subscription may see now, in chunks, and what comes behind it; what a sink holds\n"
    "            and no chunk brings is let go, so it need not be empty. Interrupted, it goes on by itself\n"
    "  acked     behind what the exchange knows to have been received, where that is kept elsewhere\n"
    "  POSITION  behind this position of the log\n"
    "  TIME      what the exchange stored from then on, as 2026-03-01, 2026-03-01T08:00 or 2026-03-01T08:00:00Z; without\n"
    "            an offset it is Vietnamese time. A PostgreSQL sink takes it also when it is not empty\n"
    "\n"
    "A PostgreSQL sink takes a snapshot by itself when what is granted has changed, or was granted after what is held.\n"
    "Files, commands and shares do not: they say in the log, at each start, that other rights hold, until a snapshot was\n"
    "taken or --accept-rights says that what is held is right (it came by a snapshot elsewhere, say, or less is granted\n"
    "now).\n"
    "\n"
    "--reconcile catches up, compares what a PostgreSQL sink holds with what the exchange would give it, by digests, and\n"
    "has sent again only what differs; what changes meanwhile may be counted, too. It prints how many records were\n"
    "missing, stale or extra, and ends.\n"
    "\n"
    "Exit codes:\n"
    "  0  done: caught up, or asked to stop\n"
    "  1  the exchange refuses to go on; the message says what to do\n"
    "  2  the configuration is wrong, or what is stored here is damaged\n"
    "  3  for --timeout no broker could be reached, or none brought anything new\n"
    "  4  something on this side failed: the sink's database or command for --timeout, its directory, the disk\n"
    "With any code, what was acknowledged is stored, and the next run goes on behind it.\n";

static int time_read(Receive *receive, const char *text) {
    bool assumed;
    if (clock_parse_said_us(text, &receive->from_time_us, &assumed) != 0)
        return error_fail(ERROR_CONFIG,
                          "receive: --from: \"%s\" is no time; say it as 2026-03-01, 2026-03-01T08:00 or "
                          "2026-03-01T08:00:00Z",
                          text);
    char utc[CLOCK_TEXT_BYTES];
    clock_format_us(receive->from_time_us, utc);
    if (assumed)
        log_info("--from %s is taken for Vietnamese time: %.19sZ", text, utc);
    receive->from = receive->from_time_us > 0 ? FROM_TIME : FROM_START;
    return 0;
}

static int from_read(Receive *receive) {
    static const struct {
        const char *word;
        SubscriptionFrom from;
    } WORDS[] = {{"start", FROM_START}, {"head", FROM_HEAD}, {"snapshot", FROM_SNAPSHOT}, {"acked", FROM_ACKED}};
    const char *text = receive->from_text;
    if (text == NULL)
        return 0;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strcmp(text, WORDS[i].word) == 0) {
            receive->from = WORDS[i].from;
            return 0;
        }
    if (strchr(text, '-') != NULL)
        return time_read(receive, text);
    char *end;
    errno = 0;
    receive->from_position = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || *text < '0' || *text > '9')
        return error_fail(ERROR_CONFIG,
                          "receive: --from is start, head, snapshot, acked, a position or a time, not \"%s\"", text);
    receive->from = receive->from_position == 0 ? FROM_START : FROM_POSITION;
    return 0;
}

static int options_read(Receive *receive, int argc, char **argv) {
    const Option options[] = {
        {"config", 0, OPTION_TEXT, "FILE", "the receiver's configuration (required)", &receive->config_path},
        {"until-head", 0, OPTION_FLAG, NULL, "exit when caught up with what there is now", &receive->until_head},
        {"from", 0, OPTION_TEXT, "PLACE",
         "where an empty sink begins: start, head, snapshot, acked, a position or a time (start)", &receive->from_text},
        {"reconcile", 0, OPTION_FLAG, NULL, "catch up, compare what the sink holds, repair what differs, and exit",
         &receive->reconcile},
        {"dry-run", 0, OPTION_FLAG, NULL, "with --reconcile: only say what differs", &receive->dry},
        {"accept-rights", 0, OPTION_FLAG, NULL, "what is held is right by what is granted now: warn of it no more",
         &receive->accept_rights},
        {"timeout", 0, OPTION_INT, "SECONDS", "exit with 3 when for so long no broker serves us, or brings us further",
         &receive->timeout_s},
        {0},
    };
    const Command command = {
        .name = "receive", .summary = "receive a subscription's records", .options = options, .notes = NOTES};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 0 && !receive->config_path)
        r = error_fail(ERROR_CONFIG, "receive: --config FILE is needed");
    if (r == 0 && receive->dry && !receive->reconcile)
        r = error_fail(ERROR_CONFIG, "receive: --dry-run is for --reconcile");
    if (r == 0 && (receive->timeout_s < 0 || receive->timeout_s > 1000000))
        r = error_fail(ERROR_CONFIG, "receive: --timeout is a number of seconds");
    return r == 0 ? from_read(receive) : r;
}

static void progress_show(void *self, const SubscriptionProgress *progress) {
    Receive *receive = self;
    int64_t now_ms = clock_monotonic_ms(clock_system()), passed_ms = now_ms - receive->shown_ms;
    if (passed_ms < PROGRESS_MS)
        return;
    int64_t rate = ((int64_t)progress->records - receive->shown_records) * 1000 / passed_ms;
    if (progress->persons)
        fprintf(stderr, "\rsnapshot: %" PRIu64 " of about %" PRIu64 " persons, %" PRIu64 " records, %" PRId64 "/s   ",
                progress->persons, progress->persons_total, progress->records, rate);
    else
        fprintf(stderr, "\rposition %" PRIu64 " of %" PRIu64 ", %" PRIu64 " records, %" PRId64 "/s   ",
                progress->position, progress->head, progress->records, rate);
    receive->shown_ms = now_ms;
    receive->shown_records = (int64_t)progress->records;
}

static void health_say(const Receive *receive, const char *text) {
    if (receive->health)
        receive->health->tell(receive->health->self, text);
}

static void health_show(void *self, const SubscriptionProgress *progress) {
    Receive *receive = self;
    char text[HEALTH_TEXT_BYTES];
    int64_t now_ms = clock_monotonic_ms(clock_system());
    // Of those under a load, some; never the last one.
    if (progress->position < progress->head && now_ms - receive->shown_ms < PROGRESS_MS)
        return;
    receive->shown_ms = now_ms;
    uint64_t head = progress->head > progress->position ? progress->head : progress->position; // heard of earlier
    snprintf(text, sizeof text, "position %" PRIu64 " of %" PRIu64 "%s", progress->position, head,
             progress->rights_changed ? "; what is granted has changed, see the log" : "");
    health_say(receive, text);
}

static int sink_open_command(Receive *receive) {
    const ReceiveSink *sink = &receive->config->sink;
    receive->argv = calloc(sink->command_count + 1, sizeof *receive->argv);
    if (!receive->argv)
        return error_fail(ERROR_MEMORY, "no memory for a command");
    memcpy(receive->argv, sink->command, sink->command_count * sizeof *receive->argv);
    int64_t answer_s = sink->answer_seconds ? *sink->answer_seconds : 0;
    return sink_command_new(&receive->sink, &(SinkCommandOptions){.argv = receive->argv,
                                                                  .state = sink->state,
                                                                  .format = sink->format,
                                                                  .answer_ms = answer_s * 1000,
                                                                  .clock = clock_system()});
}

static int sink_open(Receive *receive) {
    const ReceiveSink *sink = &receive->config->sink;
    if (sink->kind == SINK_POSTGRES) {
        int r = sink_postgres_new(&receive->sink, sink->conninfo, sink->schema);
        if (r == 0)
            sink_postgres_share(receive->sink, receive->share, receive->shares);
        if (r == 0)
            sink_postgres_subscription(receive->sink, receive->config->subscription);
        if (r == 0 && receive_config_origins(receive->config))
            sink_postgres_origins(receive->sink);
        return r;
    }
    if (sink->kind == SINK_COMMAND)
        return sink_open_command(receive);
    return sink_jsonl_new(&receive->sink,
                          &(SinkJsonlOptions){.directory = sink->directory,
                                              .file_bytes_max = sink->rotate_bytes ? *sink->rotate_bytes : 0,
                                              .file_seconds_max = sink->rotate_seconds ? *sink->rotate_seconds : 0,
                                              .format = sink->format});
}

static int agency_keys_load(Receive *receive) {
    const ReceiveConfig *config = receive->config;
    receive->agency_keys = calloc(config->agency_keys_count + 1, sizeof *receive->agency_keys);
    int r = receive->agency_keys ? 0 : error_fail(ERROR_MEMORY, "no memory for agencies' keys");
    for (unsigned i = 0; r == 0 && i < config->agency_keys_count; i++)
        r = origin_key_load(config->agency_keys[i], &receive->agency_keys[i]);
    return r < 0 ? error_context(r, "%s: agency_keys", receive->config_path) : 0;
}

static int prepare(Receive *receive) {
    int r = receive_config_load(&receive->config, receive->config_path);
    if (r == 0)
        receive_config_share(receive->config, &receive->share, &receive->shares);
    if (r == 0)
        r = keys_load(receive->config->keys, &receive->keys);
    if (r == 0 && !receive->keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s: this is a public half; name the key file itself", receive->config->keys);
    if (r == 0)
        r = keys_load_exchange(receive->config->broker.key, receive->broker);
    if (r == 0)
        r = agency_keys_load(receive);
    if (r == 0)
        r = sink_open(receive);
    if (r < 0)
        return r;
    round_begin(&receive->round, &receive->broker[0], &receive->broker[1]);
    receive->successor =
        (Successor){.broker = receive->broker, .path = receive->config->broker.key, .round = &receive->round};
    bool terminal = isatty(STDERR_FILENO) && !receive->health;
    receive->shown_ms = receive->worked_ms = clock_monotonic_ms(clock_system());
    return subscription_new(
        &receive->subscription,
        &(SubscriptionOptions){.name = receive->config->subscription,
                               .share = receive->share,
                               .shares = receive->shares,
                               .keys = &receive->keys,
                               .broker_key = receive->broker[0].curve_public,
                               .successor = &receive->successor,
                               .sign_keys = {receive->broker[0].sign_public, receive->broker[1].sign_public},
                               .agency_keys = receive->agency_keys,
                               .n_agency_keys = receive->config->agency_keys_count,
                               .sink = receive->sink,
                               .clock = clock_system(),
                               .from = receive->from,
                               .from_position = receive->from_position,
                               .from_time_us = receive->from_time_us,
                               .until_head = receive->until_head || receive->reconcile,
                               .reconcile = receive->reconcile,
                               .dry = receive->dry,
                               .accept_rights = receive->accept_rights,
                               .timeout_ms = receive->timeout_s * 1000,
                               .progress = terminal          ? progress_show
                                           : receive->health ? health_show
                                                             : NULL,
                               .progress_self = receive});
}

static bool out_of_patience(const Receive *receive) {
    int64_t since_ms = clock_monotonic_ms(clock_system()) - receive->worked_ms;
    return receive->timeout_s && since_ms >= receive->timeout_s * 1000;
}

// A pause that SIGTERM ends.
static void pause_ms(const Receive *receive, int64_t wait_ms) {
    int64_t left_ms = receive->worked_ms + receive->timeout_s * 1000 - clock_monotonic_ms(clock_system());
    if (receive->timeout_s && left_ms < wait_ms)
        wait_ms = left_ms > 0 ? left_ms : 0;
    // By steps: a signal that comes before the wait does not end it.
    for (; wait_ms > 0 && !zsys_interrupted; wait_ms -= PAUSE_STEP_MS)
        zmq_poll(NULL, 0, (long)(wait_ms < PAUSE_STEP_MS ? wait_ms : PAUSE_STEP_MS));
}

// What is tried again, and how.
typedef struct Trying {
    unsigned at, tried; // endpoints: the next one, and how many since one served us
    int64_t wait_ms, reach_ms;
    int64_t said_ms; // 0: not yet
} Trying;

static void trying_begin(Trying *trying, unsigned n_endpoints) {
    trying->tried = 0;
    trying->wait_ms = PAUSE_MIN_MS;
    trying->reach_ms = n_endpoints > 1 ? REACH_MIN_MS : REACH_MAX_MS;
    trying->said_ms = 0;
}

static int64_t twice(int64_t ms, int64_t most) {
    return ms * 2 < most ? ms * 2 : most;
}

// Goes to the next endpoint: at once, or after a while when all were tried.
static void trying_next(Trying *trying, Receive *receive, const char *why) {
    unsigned n = receive->config->broker.endpoints_count;
    int64_t now_ms = clock_monotonic_ms(clock_system());
    if (trying->said_ms == 0 || now_ms - trying->said_ms >= COMPLAIN_MS) {
        log_warn("%s; nothing is lost, it is tried again", why);
        health_say(receive, why);
        trying->said_ms = now_ms;
    }
    trying->at = (trying->at + 1) % n;
    if (subscription_was_secured(receive->subscription))
        round_secured(&receive->round);
    pause_ms(receive, subscription_doubt_ms(receive->subscription));
    if (++trying->tried % n != 0)
        return;
    round_over(&receive->round);
    subscription_set_broker(receive->subscription, round_keys(&receive->round)->curve_public);
    pause_ms(receive, trying->wait_ms);
    trying->wait_ms = twice(trying->wait_ms, PAUSE_MAX_MS);
    trying->reach_ms = twice(trying->reach_ms, REACH_MAX_MS);
}

static int run(Receive *receive) {
    const ReceiveBroker *broker = &receive->config->broker;
    Trying trying = {0};
    trying_begin(&trying, broker->endpoints_count);
    while (!zsys_interrupted) {
        uint64_t moves = subscription_moves(receive->subscription);
        int64_t began_ms = clock_monotonic_ms(clock_system());
        int r = subscription_run(receive->subscription, broker->endpoints[trying.at], trying.reach_ms);
        bool sink_away = r == ERROR_DATABASE;
        if (r == ERROR_STOPPED)
            return 0;
        if (r != 1 && !sink_away)
            return r;
        if (subscription_moves(receive->subscription) != moves ||
            subscription_served_ms(receive->subscription) - began_ms >= SETTLED_MS) {
            receive->worked_ms = clock_monotonic_ms(clock_system());
            trying_begin(&trying, broker->endpoints_count);
        }
        const char *why = sink_away ? error_text() : subscription_text(receive->subscription);
        if (!out_of_patience(receive))
            trying_next(&trying, receive, why);
        if (out_of_patience(receive)) // or it would be said of what was not given the time to answer
            return error_fail(sink_away ? ERROR_SYSTEM : ERROR_PEER, "given up after %lld seconds: %s%s",
                              receive->timeout_s, sink_away ? "the sink: " : "", why);
    }
    return 0;
}

static void tally_print(const Receive *receive) {
    SinkTally tally;
    subscription_tally(receive->subscription, &tally);
    printf("%s: %" PRIu64 " missing, %" PRIu64 " stale, %" PRIu64 " extra\n", receive->dry ? "differs" : "repaired",
           tally.missing, tally.stale, tally.extra);
}

static int finish(Receive *receive, int r) {
    if (r == 2)
        log_error("%s", subscription_text(receive->subscription));
    else if (r < 0)
        log_error("%s", error_text());
    subscription_destroy(&receive->subscription);
    sink_destroy(&receive->sink);
    free(receive->argv);
    free(receive->agency_keys);
    receive_config_free(&receive->config);
    keys_wipe(&receive->keys);
    return r == 2 ? 1 : error_exit_code(r);
}

int receive_run(const char *config_path, const Health *health) {
    Receive receive = {.config_path = config_path, .health = health};
    int r = prepare(&receive);
    if (r == 0) {
        health_say(&receive, "connecting");
        r = run(&receive);
    }
    return finish(&receive, r);
}

int receive_main(int argc, char **argv) {
    Receive receive = {0};
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    zsys_init();              // signals stop it from here on, with no socket made yet
    signal(SIGPIPE, SIG_IGN); // a closed pipe is told by its call
    int r = options_read(&receive, argc, argv);
    if (r == 1)
        return 0;
    if (r == 0)
        r = prepare(&receive);
    if (r == 0)
        r = run(&receive);
    if (r == 0 && receive.reconcile && !zsys_interrupted)
        tally_print(&receive);
    return finish(&receive, r);
}
