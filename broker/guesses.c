// SPDX-License-Identifier: Apache-2.0
//
// Counts what differs, by person. Looks nothing up.
#include "broker/guesses.h"

#include "proto/base/error.h"

#include <openssl/sha.h>
#include <string.h>

// Of the batch's events so far that are told of as wrong.
typedef struct Told {
    const Item **items;
    size_t n;
} Told;

// Not what says by itself that it is wrong, and not what an officer decides. What is decided again was told of before,
// unless it had no person yet.
bool guesses_concern(const Work *work, const Item *item) {
    return work->review == NULL && item->event != NULL && !item->dropped && item->person != NULL &&
           item->domain != DONGBO__DOMAIN__POPULATION && item->form.verdict == DONGBO__VERDICT__ACCEPTED &&
           !item_is_adopted(item) && (work->kind == WORK_BATCH || item->was == DONGBO__VERDICT__DEFERRED);
}

// What is compared, byte for byte: every text behind its length. SHA-256, as of cases (broker/cases.c).
static void say(const Dongbo__Subject *subject, uint8_t out[GUESS_BYTES]) {
    static const Dongbo__Subject NOBODY = DONGBO__SUBJECT__INIT;
    const Dongbo__Subject *said = subject == NULL ? &NOBODY : subject;
    const char *texts[] = {said->full_name, said->birth_date, said->sex, said->mother_name};
    uint8_t bytes[sizeof texts / sizeof *texts * (2 + TEXT_BYTES_MAX)], hash[SHA256_DIGEST_LENGTH];
    size_t n = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strnlen(texts[i], TEXT_BYTES_MAX);
        bytes_put_number(bytes + n, 2, length);
        memcpy(bytes + n + 2, texts[i], length);
        n += 2 + length;
    }
    SHA256(bytes, n, hash);
    memcpy(out, hash, GUESS_BYTES);
}

// How many different things the agency was told of about the item's person, and whether what it says is one of them.
static size_t count(const Told *told, const Item *item, bool *ret_among) {
    const Item *known = item;
    size_t n = 0;
    *ret_among = false;
    for (size_t i = 0; i < told->n; i++) {
        const Item *other = told->items[i];
        if (other->person->key != item->person->key)
            continue;
        known = other;
        n += other->is_guess;
        *ret_among = *ret_among || memcmp(other->guess, item->guess, GUESS_BYTES) == 0;
    }
    for (size_t i = 0; i < known->n_guesses; i++)
        *ret_among = *ret_among || memcmp(known->guesses + i * GUESS_BYTES, item->guess, GUESS_BYTES) == 0;
    return n + known->n_guesses;
}

static void hold(Item *item) {
    item->held = true;
    item->decision.n_reasons = 0;
    item->decision.verdict = DONGBO__VERDICT__ACCEPTED;
    decision_add(&item->decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__GUESSES_TOO_MANY,
                 "subject.citizen_number", NULL);
    item->record_key = "";
    item->record_hash = 0;
}

static void judge(Told *told, Item *item) {
    bool differs = item->decision.verdict == DONGBO__VERDICT__MISMATCH, among;
    say(item->event->subject, item->guess);
    size_t n = count(told, item, &among);
    if (!among && n >= GUESSES_MAX) {
        hold(item);
    } else if (differs) {
        item->is_guess = !among;
        item->is_last_guess = !among && n + 1 == GUESSES_MAX;
        told->items[told->n++] = item;
    }
}

int guesses_judge(Work *work) {
    if (work->review != NULL)
        return 0;
    Told told = {.items = arena_alloc(work->arena, work->n_items * sizeof *told.items)};
    if (told.items == NULL)
        return error_fail(ERROR_MEMORY, "the batch's guesses do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        item->is_guess = item->is_last_guess = item->held = false;
        // Nothing differs, and nothing did before.
        bool quiet = item->decision.verdict != DONGBO__VERDICT__MISMATCH && item->n_guesses == 0 && told.n == 0;
        if (!quiet && guesses_concern(work, item))
            judge(&told, item);
    }
    return 0;
}
