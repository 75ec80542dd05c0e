// SPDX-License-Identifier: Apache-2.0
//
// The feed's side of the log (with-postgres): a subscription's session from its policies to its end. Whatever call
// fails, what was read until then is the log without a gap, nothing goes out that was not released durably before, what
// is acknowledged is as before or as after, and the next session reads the rest and ends as it would have.
#include "broker/feed_account.h"
#include "broker/prepare.h"
#include "broker/reader.h"
#include "broker/transaction.h"
#include "proto/base/error.h"
#include "tests/failing/report.h"
#include "tests/failing/store-case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 6
#define BEGIN 4 // acknowledged before each session

static StoreCase test;
static Stats stats;
static uint64_t head;

// ---- a log ----

static void log_make(void) {
    PrepareOptions options = {.exchange = "",
                              .population = "",
                              .name = "prepare",
                              .rules = test.rules,
                              .clock = clock_system(),
                              .stats = &stats};
    TransactionOptions writing = {.exchange = "",
                                  .population_reader = "",
                                  .population_writer = "",
                                  .rules = test.rules,
                                  .clock = clock_system(),
                                  .keys = &test.broker_keys,
                                  .stats = &stats};
    Prepare *prepare = NULL;
    Transaction *transaction = NULL;
    Work *work = NULL;
    Bytes sealed = {0};
    MUST(work_new(&work) == 0 && prepare_new(&prepare, &options) == 0, "a log");
    MUST(transaction_new(&transaction, &writing) == 0 && pg_connect(prepare_exchange(prepare)) == 0, "a log");
    MUST(pg_connect(prepare_population(prepare)) == 0, "a log");
    for (int i = 0; i < BATCHES; i++) {
        uint64_t first = test.next[0];
        store_case_seal(&test, 0, &sealed);
        store_case_work(&test, 0, first, &sealed, work);
        TransactionGroup group = {&work, 1, false, true};
        MUST(prepare_open(prepare, work) == 0 && prepare_decide(prepare, work) == 0, "a log");
        MUST(transaction_run(transaction, &group, &head) == 0 && work->outcome == OUTCOME_STORED, "a log");
    }
    transaction_destroy(&transaction);
    prepare_destroy(&prepare);
    work_destroy(&work);
    bytes_free(&sealed);
    MUST(pg_command(test.pg, "INSERT INTO exchange.subscription (subscription, name, subscriber, secret)"
                             " VALUES (1, 'sub-1', 'a committee', sha256('1'));"
                             "INSERT INTO exchange.subscription_policy (subscription, version, position, legal_basis,"
                             " valid_from, valid_to, domains, provinces, fields)"
                             " VALUES (1, 1, 0, 'a decree', '2020-01-01', '2090-01-01', '{2}', '{}',"
                             " '{health.lot_number}')") == 0,
         "a log");
}

// ---- a session ----

typedef struct Session {
    FeedStore *store;
    Reader *reader;
    PolicySet *policies;
    Subscriber subscriber;
    uint64_t read; // without a gap from what was acknowledged
} Session;

static int read_all(Session *session) {
    const ReaderSegment *segment;
    int r = 0;
    while (r == 0 && session->read < head) {
        r = reader_get(session->reader, session->read + 1, &segment);
        if (r != 0)
            break;
        MUST(segment->readable && segment->entries != NULL, "reading");
        MUST(segment->first <= session->read + 1 && segment->last > session->read, "reading");
        session->read = segment->last;
    }
    return r;
}

static int keep(Session *session) {
    bool over = false;
    Subscriber *subscriber = &session->subscriber;
    subscriber->acked = session->read;
    int r = feed_store_keep(session->store, &subscriber, 1, &over);
    MUST(r < 0 || !over, "keeping");
    return r;
}

static int run(Session *session) {
    FeedStamp stamp;
    StoredPosition stored;
    FeedPlace place;
    session->subscriber = (Subscriber){.session = 1, .subscription = 1};
    int r = feed_store_new(&session->store, "");
    if (r == 0)
        r = reader_new(&session->reader, session->store);
    if (r == 0)
        r = policy_set_new(&session->policies);
    if (r == 0)
        r = feed_store_connect(session->store);
    if (r == 0)
        r = feed_store_policies(session->store, session->policies, &stamp);
    MUST(r < 0 || policy_set_find(session->policies, 1) != NULL, "policies");
    if (r == 0)
        r = feed_store_head(session->store, &place);
    if (r == 0)
        r = feed_store_position(session->store, 1, session->subscriber.share, &stored);
    if (r == 0)
        r = feed_store_open(session->store, &session->subscriber);
    if (r < 0)
        return r;
    MUST(place.position == head, "the head");
    session->read = session->subscriber.acked_stored = stored.acked;
    r = feed_account_release(session->store, &session->subscriber, head);
    if (r == 0)
        r = read_all(session);
    if (r == 0)
        r = keep(session);
    return r == 0 ? feed_store_close(session->store, &session->subscriber) : r;
}

static void end(Session *session) {
    policy_set_destroy(&session->policies);
    reader_destroy(&session->reader);
    feed_store_destroy(&session->store);
}

// ---- the Nth call fails ----

static uint64_t stored(const char *column) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT %s FROM exchange.subscription_position WHERE subscription = 1", column);
    return (uint64_t)store_case_number(&test, sql);
}

static void set_back(void) {
    char sql[256];
    snprintf(sql, sizeof sql,
             "SET session_replication_role = replica; UPDATE exchange.subscription_position SET acked = %d, "
             "released = %d; SET session_replication_role = origin",
             BEGIN, BEGIN);
    MUST(pg_command(test.pg, sql) == 0, "setting back");
}

static bool fail_one(FailKind kind, unsigned long n) {
    char at[64];
    Session session = {0}, next = {0};
    snprintf(at, sizeof at, "feed, %s %lu", fail_name(kind), n);
    set_back();
    fail_arm(kind, n, false);
    int r = run(&session);
    bool fired = fail_disarm();
    uint64_t acked = stored("acked"), released = stored("released");
    MUST(fired || r == 0, at);
    MUST(r <= 0 && (acked == BEGIN || acked == head), at);
    MUST(r < 0 || acked == head, at);
    MUST(released >= acked && released >= session.read, at);
    end(&session);
    MUST(run(&next) == 0 && next.read == head, at);
    MUST(stored("acked") == head && stored("released") >= head, at);
    end(&next);
    report.injected[kind] += fired;
    return fired;
}

int main(int argc, char **argv) {
    static const FailKind KINDS[] = {FAIL_MEMORY, FAIL_PG_REFUSED, FAIL_PG_LOST, FAIL_PG_LOST_AFTER};
    Session first = {0};
    report_begin("feed", argc, argv);
    store_case_begin(&test);
    log_make();
    MUST(run(&first) == 0 && first.read == head, "without a failure");
    end(&first);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        for (unsigned long n = report_next(KINDS[i], 0); fail_one(KINDS[i], n); n = report_next(KINDS[i], n))
            continue;
    store_case_end(&test);
    return report_end();
}
