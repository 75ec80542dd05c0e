// SPDX-License-Identifier: Apache-2.0
//
// The stage before the writer. Refuses what cannot be stored at all; everything else gets its verdicts.
#include "broker/prepare.h"

#include "broker/decide_standing.h"
#include "broker/entries.h"
#include "broker/guesses.h"
#include "broker/lookup.h"
#include "broker/lookup_bearers.h"
#include "broker/lookup_guesses.h"
#include "broker/lookup_resent.h"
#include "broker/lookup_standing.h"
#include "broker/merger.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VERIFIERS_MAX 64
#define BATCH_SEALED_LATE 100 // beside BatchFault: its key had been retired by then

typedef struct CachedVerifier {
    uint8_t key[KEY_BYTES];
    Verifier *verifier;
} CachedVerifier;

struct Prepare {
    Pg *exchange, *population;
    bool owns_exchange, passing;
    const Rules *rules;
    const Clock *clock;
    Stats *stats;
    Merkle *merkle;
    CachedVerifier verifiers[VERIFIERS_MAX];
    unsigned next_verifier;
};

int prepare_new(Prepare **ret, const PrepareOptions *options) {
    Prepare *prepare = calloc(1, sizeof *prepare);
    if (prepare == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a worker");
    prepare->rules = options->rules;
    prepare->clock = options->clock;
    prepare->stats = options->stats;
    prepare->exchange = options->exchange_session;
    prepare->owns_exchange = options->exchange_session == NULL;
    int result = merkle_new(&prepare->merkle);
    if (result == 0 && prepare->owns_exchange)
        result = pg_new(&prepare->exchange, options->exchange, options->name);
    if (result == 0)
        result = pg_new(&prepare->population, options->population, options->name);
    if (result < 0) {
        prepare_destroy(&prepare);
        return result;
    }
    *ret = prepare;
    return 0;
}

void prepare_destroy(Prepare **pointer) {
    Prepare *prepare = *pointer;
    if (prepare == NULL)
        return;
    for (int i = 0; i < VERIFIERS_MAX; i++)
        verifier_destroy(&prepare->verifiers[i].verifier);
    if (prepare->owns_exchange)
        pg_destroy(&prepare->exchange);
    pg_destroy(&prepare->population);
    merkle_destroy(&prepare->merkle);
    free(prepare);
    *pointer = NULL;
}

Pg *prepare_exchange(Prepare *prepare) {
    return prepare->exchange;
}

const Rules *prepare_rules(const Prepare *prepare) {
    return prepare->rules;
}

Pg *prepare_population(Prepare *prepare) {
    return prepare->population;
}

bool prepare_is_passing(const Prepare *prepare) {
    return prepare->passing || pg_is_passing(prepare->exchange) || pg_is_passing(prepare->population);
}

void prepare_note_passing(Prepare *prepare) {
    prepare->passing = true;
}

void prepare_forget_failure(Prepare *prepare) {
    prepare->passing = false;
    pg_forget_failure(prepare->exchange);
    pg_forget_failure(prepare->population);
}

static int verifier_for(Prepare *prepare, const uint8_t key[KEY_BYTES], Verifier **ret) {
    for (int i = 0; i < VERIFIERS_MAX; i++) {
        if (prepare->verifiers[i].verifier != NULL && memcmp(prepare->verifiers[i].key, key, KEY_BYTES) == 0) {
            *ret = prepare->verifiers[i].verifier;
            return 0;
        }
    }
    CachedVerifier *cached = &prepare->verifiers[prepare->next_verifier++ % VERIFIERS_MAX];
    verifier_destroy(&cached->verifier);
    int result = verifier_new(&cached->verifier, key);
    if (result < 0)
        return result;
    memcpy(cached->key, key, KEY_BYTES);
    *ret = cached->verifier;
    return 0;
}

// Checked against the key that the header names, if it is one of this agency's.
static int open_batch(Prepare *prepare, Work *work) {
    const Dongbo__BatchHeader *header = NULL;
    int result = batch_read_header(work->batch_bytes, work->batch_n, work->arena, &header);
    if (result != 0)
        return result < 0 ? result : BATCH_UNREADABLE;
    const AgencyKey *key = agency_key(work->agency, header->key_id);
    Verifier *verifier = NULL;
    if (key != NULL)
        result = verifier_for(prepare, key->key, &verifier);
    if (result == 0)
        result = batch_open(work->batch_bytes, work->batch_n, verifier, prepare->merkle, work->arena, &work->batch);
    work->signer = key;
    bool is_late = result != BATCH_UNSIGNED && key != NULL && header->sealed_at_us > key->until_us;
    return result >= 0 && is_late ? BATCH_SEALED_LATE : result;
}

static void check_header(Work *work) {
    const Dongbo__BatchHeader *header = work->batch.header;
    if (header->stream.len != STREAM_BYTES || memcmp(header->stream.data, work->stream, STREAM_BYTES) != 0)
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__BAD_FRAME,
                    "The batch is of another stream than the session: say Hello for each stream and send its batches "
                    "in that session.");
    else if (header->first_sequence != work->first_sequence || header->first_sequence == 0 ||
             header->first_sequence > INT64_MAX - BATCH_EVENTS_MAX)
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__BAD_FRAME,
                    "The frame's sequence must be the batch's first sequence, from 1: it is %" PRIu64
                    " and the batch says %" PRIu64 ".",
                    work->first_sequence, header->first_sequence);
    else if (header->count == 0 || header->root.len != HASH_BYTES)
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__BAD_FRAME,
                    "A batch has at least one event and a root of %d bytes.", HASH_BYTES);
    else if (header->count > BATCH_EVENTS_MAX || work->batch_n > BATCH_BYTES_MAX)
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__TOO_BIG,
                    "A batch has at most %d events and %d bytes: seal smaller ones.", BATCH_EVENTS_MAX,
                    BATCH_BYTES_MAX);
    else if (header->schema_version > SCHEMA_VERSION)
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__SCHEMA_NEWER,
                    "The batch has schema version %" PRIu32 " and the exchange knows %d: keep it and try again after "
                    "the exchange's upgrade.",
                    header->schema_version, SCHEMA_VERSION);
}

int prepare_open(Prepare *prepare, Work *work) {
    uint64_t since = stats_now();
    int fault = open_batch(prepare, work);
    stats_add(prepare->stats, STATS_OPEN, &since);
    if (fault < 0)
        return fault;
    if (fault == BATCH_UNSIGNED) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__BAD_SIGNATURE,
                    "The batch is not signed by a key of agency %s: nothing was stored. Register the agent's signing "
                    "key, or correct its `keys`.",
                    work->agency->grants.code);
        return 0;
    }
    if (fault == BATCH_SEALED_LATE) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__BAD_SIGNATURE,
                    "The batch was sealed after its key was retired: nothing was stored. Seal with the agent's new "
                    "key.");
        return 0;
    }
    if (fault == BATCH_ROOT_WRONG) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__BAD_SIGNATURE,
                    "The events are not those that were signed (the Merkle root differs): nothing was stored. Seal the "
                    "batch again.");
        return 0;
    }
    if (work->batch.header == NULL) {
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__BAD_FRAME,
                    "The batch's header does not decode: send a SealedBatch as PROTOCOL.md says.");
        return 0;
    }
    work->unreadable = fault == BATCH_UNREADABLE;
    check_header(work);
    if (work->outcome == OUTCOME_OPEN)
        work->last_sequence = work->first_sequence + work->batch.header->count - 1;
    return 0;
}

bool prepare_keys_hold(Work *work, bool transport, bool signer) {
    if (!transport)
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__NOT_ALLOWED,
                    "The key by which this batch came was revoked meanwhile: nothing of it was stored. Ask the "
                    "exchange's operator.");
    else if (!signer)
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__BAD_SIGNATURE,
                    "The key that signed this batch was revoked meanwhile: nothing of it was stored. Seal with the "
                    "agent's new key.");
    return transport && signer;
}

bool prepare_changes_population(const Work *work) {
    if (work->review != NULL || work_is_of_records(work))
        return false;
    for (size_t i = 0; i < work->n_items; i++) {
        if (work->items[i].domain == DONGBO__DOMAIN__POPULATION &&
            work->items[i].form.verdict == DONGBO__VERDICT__ACCEPTED)
            return true;
    }
    return false;
}

static DecideContext context_of(const Prepare *prepare) {
    return (DecideContext){.rules = prepare->rules, .now_us = clock_now_us(prepare->clock)};
}

// Costs nothing where every number led to its person.
static int search(Prepare *prepare, const DecideContext *context, Work *work) {
    bool any = false;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        item->wanted = item->stale_person && decide_wants_search(work, item);
        any = any || item->wanted;
    }
    Pg *waiting = prepare->owns_exchange ? NULL : prepare->exchange; // in the writer's transaction
    int result = any ? lookup_candidates(prepare->population, prepare->rules, waiting, work) : 0;
    return result < 0 ? result : decide_found(context, work);
}

// Costs nothing where every event has something that holds.
int prepare_repeats(Prepare *prepare, Work *work) {
    if (!decide_wants_repeats(work))
        return 0;
    int result = lookup_repeats(prepare->exchange, work);
    if (result == 0)
        decide_repeats(work);
    return result;
}

int prepare_again(Prepare *prepare, Work *work) {
    DecideContext context = context_of(prepare);
    uint64_t since = stats_now();
    for (size_t i = 0; i < work->n_items; i++)
        work->items[i].wanted =
            work->items[i].stale_person && !work->items[i].fixed && decide_wants_person(&work->items[i]);
    int result = lookup_standing(prepare->population, work);
    if (result == 0)
        decide_put_off(work);
    if (result == 0)
        result = lookup_persons(prepare->population, work);
    if (result == 0)
        result = lookup_bearers(prepare->exchange, prepare->population, work);
    if (result == 0)
        result = merger_look_up(prepare->population, prepare->exchange, work);
    stats_add(prepare->stats, STATS_PERSONS, &since);
    if (result == 0)
        result = decide_persons(&context, work);
    stats_add(prepare->stats, STATS_DECIDE, &since);
    if (result == 0)
        result = search(prepare, &context, work);
    if (result == 0)
        result = lookup_guesses(prepare->exchange, work);
    stats_add(prepare->stats, STATS_PERSONS, &since);
    if (result == 0)
        result = guesses_judge(work);
    if (result < 0)
        return result;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        item->wanted = (item->stale_person || item->stale_record) && decide_wants_record(item);
    }
    result = decide_hoods(&context, work);
    if (result == 0)
        result = lookup_neighbours(prepare->exchange, work, INT64_MAX);
    if (result == 0)
        result = lookup_records(prepare->exchange, work);
    if (result == 0)
        result = lookup_versions(prepare->exchange, work);
    stats_add(prepare->stats, STATS_RECORDS, &since);
    if (result == 0)
        result = decide_records(&context, work);
    stats_add(prepare->stats, STATS_DECIDE, &since);
    if (result == 0)
        result = prepare_repeats(prepare, work);
    if (result == 0)
        result = lookup_resent(prepare->exchange, prepare->rules, work);
    stats_add(prepare->stats, STATS_RECORDS, &since);
    if (result < 0)
        return result;
    for (size_t i = 0; i < work->n_items; i++)
        work->items[i].stale_person = work->items[i].stale_record = false;
    work->rewound = false;
    return 0;
}

int prepare_merge(Prepare *prepare, Work *work) {
    DecideContext context = context_of(prepare);
    int result = decide_persons(&context, work);
    if (result == 0)
        result = decide_found(&context, work);
    if (result == 0)
        result = guesses_judge(work);
    return result < 0 ? result : decide_records(&context, work);
}

int prepare_decide(Prepare *prepare, Work *work) {
    int result = 0;
    uint64_t since = stats_now();
    if (work->items == NULL)
        result = decide_items(work);
    if (result == 0 && !work->decoded) {
        DecideContext context = context_of(prepare);
        result = decide_forms(&context, work);
        work->decoded = result == 0;
        work->mark = arena_mark(work->arena);
    } else if (result == 0) {
        work_rewind(work);
    }
    stats_add(prepare->stats, STATS_FORM, &since);
    // Positions first: whatever moves from here on is found to have moved.
    if (result == 0)
        result = lookup_head_position(prepare->exchange, &work->read);
    if (result == 0)
        result = lookup_population_position(prepare->population, &work->population);
    if (result < 0)
        return result;
    for (size_t i = 0; i < work->n_items; i++)
        work->items[i].stale_person = true;
    result = prepare_again(prepare, work);
    since = stats_now();
    if (result == 0 && !prepare_changes_population(work))
        result = entries_build(work);
    stats_add(prepare->stats, STATS_PACK, &since);
    return result;
}
