// SPDX-License-Identifier: Apache-2.0
//
// See feeder.h. Whatever fails at a source is rolled back in the spool first, so that trying again is all that is left
// to do.
#include "agents/feeder.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <string.h>

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
#define SAY_AGAIN_MS (10 * 60 * 1000) // a trouble that lasts is named again so often

int feeder_open(Feeder *feeder, const FeederOptions *options) {
    const SourceConfig *config = options->config;
    *feeder = (Feeder){.config = config};
    int r = map_load(&feeder->map, config->mapping);
    if (r < 0)
        return r;
    feeder->intake =
        (Intake){.spool = options->spool, .map = feeder->map, .sealer = options->sealer, .arena = options->arena};
    SourceOptions source = {config, options->spool, feeder->map, options->clock};
    return source_new(&feeder->source, &source);
}

void feeder_close(Feeder *feeder) {
    source_destroy(&feeder->source);
    map_destroy(&feeder->map);
}

// ---- troubles ----

static int64_t now_ms(const Feeder *feeder) {
    return clock_monotonic_ms(feeder->source->clock);
}

static bool is_waiting(const Feeder *feeder, const Trouble *trouble) {
    return trouble->since_ms != 0 && now_ms(feeder) < trouble->retry_ms;
}

static bool is_of_source(int r) {
    return r == ERROR_DATABASE || r == ERROR_DATA || r == ERROR_SYSTEM;
}

// Keeps what went wrong at the source; what is not the source's goes up.
static int trouble_note(const Feeder *feeder, Trouble *trouble, int r) {
    if (!is_of_source(r))
        return r;
    int64_t now = now_ms(feeder);
    bool fresh = trouble->since_ms == 0;
    if (fresh)
        *trouble = (Trouble){.since_ms = now, .after_ms = RETRY_MIN_MS};
    if (fresh || now - trouble->said_ms >= SAY_AGAIN_MS || strcmp(trouble->why, error_text()) != 0) {
        log_warn("source %s: %s; nothing is lost, it is asked again", feeder->config->name, error_text());
        trouble->said_ms = now;
    }
    snprintf(trouble->why, sizeof trouble->why, "%s", error_text());
    trouble->retry_ms = now + trouble->after_ms;
    trouble->after_ms = trouble->after_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : trouble->after_ms * 2;
    return 0;
}

static void trouble_end(const Feeder *feeder, Trouble *trouble) {
    if (trouble->since_ms != 0)
        log_info("source %s works again", feeder->config->name);
    trouble->since_ms = 0;
}

const Trouble *feeder_trouble(const Feeder *feeder) {
    const Trouble *a = &feeder->reading, *b = &feeder->handing;
    if (a->since_ms == 0 || (b->since_ms != 0 && b->since_ms < a->since_ms))
        a = b;
    return a->since_ms == 0 ? NULL : a;
}

// ---- reading ----

// What fails is told again with the next look.
static int tell_receipts(Feeder *feeder) {
    int r = feeder->receipts ? feeder->source->kind->receipts(feeder->source) : 0;
    if (r == 0)
        feeder->receipts = false;
    return r;
}

static int look(Feeder *feeder) {
    int r = tell_receipts(feeder);
    return r < 0 ? r : feeder->source->kind->look(feeder->source, &feeder->bytes);
}

int feeder_look(Feeder *feeder) {
    if (is_waiting(feeder, &feeder->reading))
        return 0;
    int r = look(feeder);
    if (r == 0 && feeder->bytes == 0)
        trouble_end(feeder, &feeder->reading);
    if (r < 0)
        feeder->bytes = 0;
    return trouble_note(feeder, &feeder->reading, r);
}

static int read_rows(Feeder *feeder, bool *ret_more) {
    Source *source = feeder->source;
    Intake *intake = &feeder->intake;
    intake->rows = 0;
    sealer_mark(intake->sealer);
    int r = spool_begin(intake->spool);
    if (r < 0)
        return r;
    int read = source->kind->read(source, intake);
    r = read < 0 ? read : sealer_flush(intake->sealer);
    if (r == 0)
        r = spool_trim(intake->spool);
    if (r == 0)
        r = spool_commit(intake->spool);
    if (r < 0) {
        char why[sizeof feeder->reading.why]; // what failed first, whatever fails behind it
        snprintf(why, sizeof why, "%s", error_text());
        sealer_clear(intake->sealer);
        spool_rollback(intake->spool);
        int again = source->kind->settle(source, false);
        return again < 0 ? again : error_fail(r, "%s", why);
    }
    *ret_more = read == 0 || intake->rows > 0;
    r = source->kind->settle(source, true);
    feeder->receipts = true;
    return r < 0 ? r : tell_receipts(feeder);
}

int feeder_read(Feeder *feeder, bool *ret_more) {
    *ret_more = false;
    if (is_waiting(feeder, &feeder->reading))
        return 0;
    int r = read_rows(feeder, ret_more);
    if (r == 0)
        trouble_end(feeder, &feeder->reading);
    else
        feeder->bytes = 0;
    return trouble_note(feeder, &feeder->reading, r);
}

void feeder_hands_begin(Feeder *feeder) {
    feeder->hands = !is_waiting(feeder, &feeder->handing);
    feeder->hands_badly = feeder->hands_more = false;
}

// What fails first is kept, and said.
int feeder_hand_back(Feeder *feeder, const Origin *origin) {
    int n = 0;
    if (!feeder->hands)
        return 0;
    int r = feeder->source->kind->hand_back(feeder->source, origin, &n);
    if (n > 0)
        log_debug("source %s: %s: %d rows handed back", origin->source, origin->name, n);
    feeder->hands_more = feeder->hands_more || r == 1;
    if (r >= 0 || (feeder->hands_badly && is_of_source(r)))
        return 0;
    feeder->hands_badly = true;
    return trouble_note(feeder, &feeder->handing, r);
}

void feeder_hands_end(Feeder *feeder) {
    if (feeder->hands && !feeder->hands_badly)
        trouble_end(feeder, &feeder->handing);
}

// ---- waiting ----

int feeder_fd(const Feeder *feeder) {
    // While the spool is full, or rows gather, news of more would only keep the loop busy.
    return feeder->bytes > 0 || is_waiting(feeder, &feeder->reading) ? -1 : feeder->source->kind->fd(feeder->source);
}

static int least(int64_t a, int64_t b) {
    return (int)(b < 0 || (a >= 0 && a < b) ? a : b);
}

int feeder_wait_ms(const Feeder *feeder) {
    const Trouble *troubles[] = {&feeder->reading, &feeder->handing};
    int wait_ms = is_waiting(feeder, troubles[0]) ? -1 : feeder->source->kind->wait_ms(feeder->source);
    for (int i = 0; i < 2; i++)
        if (is_waiting(feeder, troubles[i]))
            wait_ms = least(wait_ms, troubles[i]->retry_ms - now_ms(feeder));
    return wait_ms;
}

bool feeder_is_read(const Feeder *feeder) {
    return feeder->bytes == 0 && feeder->source->kind->wait_ms(feeder->source) < 0;
}
