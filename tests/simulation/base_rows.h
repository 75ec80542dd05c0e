// SPDX-License-Identifier: Apache-2.0
//
// The rows of the simulation's tables, named as the columns of schemas/.
#pragma once

#include "base.h"

typedef struct BaseSegment {
    int64_t first_position, last_position;
    int32_t epoch;
    int16_t format, kind;
    Value agency, stream;
    int64_t first_sequence, last_sequence;
    Value batch_root;
    int64_t stored_at_us, population_position, leaf_index;
    Value hash, frontier, summary, payload, batch, leaf, origin, entries_root;
} BaseSegment;
typedef struct BaseStream {
    Value stream;
    int32_t agency;
    const char *agent, *kind;
    int64_t last_sequence;
    int32_t session_epoch;
    Value replaces;
    int64_t opened_us;
} BaseStream;
typedef struct BaseVersion {
    int64_t person;
    int domain;
    const char *record_key;
    int64_t position;
    bool superseded;
    Value record;
} BaseVersion;
typedef struct BaseException {
    int64_t position, review_case, sequence, agency, person, decided_position, at_us, replaced_by;
    Value case_key, stream;
    int domain, first_verdict, verdict;
    bool open;
    const char *citizen_number;
    Value reasons, event, leaf;
    bool has_row_key;
    int64_t row_key;
} BaseException;
typedef struct BaseCitizen {
    int64_t person;
    const char *number, *name, *birth_date, *sex, *mother, *province, *province63, *died_on;
} BaseCitizen;
typedef struct BaseChange {
    int64_t position, person;
    const char *number, *died_on; // died_on: as it is then, for who looks on
} BaseChange;
typedef struct BaseState {
    int64_t position;
} BaseState;
typedef struct BaseResidence {
    int64_t place, person;
    const char *province[4]; // as below
} BaseResidence;
// Records that are to be told again, for a person moved.
typedef struct BaseRetelling {
    int64_t position, person, cause, event_time_us, told_position;
    const char *province[4]; // before, before in the old code, after, after in the old code
    int32_t agency, tries;
    Value event_id;
    bool told;
} BaseRetelling;
typedef struct BasePlace {
    int32_t subscription;
    int16_t share, shares;
    int64_t acked, released;
    int32_t session;
    bool fresh;
} BasePlace;

extern Table base_segments, base_streams, base_versions, base_exceptions, base_citizens, base_changes, base_places,
    base_population_state, base_retellings, base_residences;

// Who takes part. Set before the run; `base_policy_stamp` counts up with each change.
typedef struct BaseAgency {
    int32_t agency;
    const char *code;
    int16_t domains[8];
    size_t n_domains;
    uint8_t sign_public[32], curve_public[32];
} BaseAgency;
typedef struct BaseSubscription {
    int32_t subscription;
    const char *name;
    uint8_t secret[32], curve_public[32];
    int16_t domains[8];
    size_t n_domains;
    const char *const *fields;
    size_t n_fields;
    const char *provinces[4];
    size_t n_provinces; // 0: any
    bool followed_only;
} BaseSubscription;
extern const BaseAgency *base_agencies;
extern size_t base_n_agencies;
extern const BaseSubscription *base_subscriptions;
extern size_t base_n_subscriptions;
extern const uint8_t *base_head_key; // that signs heads; NULL: none was announced
int64_t base_policy_stamp(void);     // FEED_STORE_POLICY_STAMP

// Before the run: a citizen who is known from the start.
void base_add_citizen(const BaseCitizen *citizen);
// Of every segment that is committed, in the order of the commits. `locked_population`: the population store's position
// when the log's lock was taken.
typedef void BaseObserver(const BaseSegment *segment, int64_t locked_population);
void base_observe(BaseObserver *observer);
void base_observe_moves(void (*given)(void)); // whenever the population store has taken one
int64_t base_population_position(void);
bool base_epoch_holds(const Call *call);     // base_log.c: no other one is due
int base_apply_changes(Call *call);          // base_changes.c
int64_t base_released(int32_t subscription); // base_feed.c: up to where something may have left, as committed
int64_t base_trimmed(const Call *call);      // base_snapshot.c; NULL: as committed
void base_note_residence(Call *call, const BaseResidence *moved); // base_homes.c: gives it a place
// The person's records, each in its current version, by domain and key; as many as there is room for.
#define BASE_RECORDS_MAX 256
size_t base_records_of(const Call *call, int64_t person, const BaseVersion *ret[BASE_RECORDS_MAX]);
const BaseSegment *base_head(const Call *call); // as seen; NULL: an empty log
