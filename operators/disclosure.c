// SPDX-License-Identifier: Apache-2.0
//
// The person's entries are gone through twice: for where they lived when, which decides what a snapshot held, and for
// what of each went to whom.
#include "operators/disclosure.h"

#include "broker/origin_right.h"
#include "broker/project.h"
#include "operators/answer.h"
#include "operators/disclosure_trace.h"
#include "operators/mask.h"
#include "operators/result.h"
#include "operators/rights.h"
#include "proto/base/clock.h"
#include "proto/domain.h"
#include "wire.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define PROVINCE_BYTES 8

static const PgStatement HOLDERS = {
    "disclosure_holders",
    "SELECT s.subscription, s.name, s.subscriber, s.state, coalesce(p.acked, 0), coalesce(p.released, 0) "
    "FROM exchange.subscription s LEFT JOIN exchange.subscription_place p USING (subscription) ORDER BY s.subscription",
    0, NULL};
enum { SUBSCRIPTION, NAME, SUBSCRIBER, STATE, ACKED, RELEASED };
static const PgStatement RIGHTS = {"disclosure_rights",
                                   "SELECT p.subscription, " RIGHTS_ROW
                                   " FROM exchange.subscription_policy p ORDER BY p.subscription, p.version",
                                   0, NULL};
static const PgStatement SKIPS = {
    "disclosure_skips", "SELECT subscription, first_position, last_position FROM exchange.subscription_skip", 0, NULL};
static const PgStatement FOLLOWED = {"disclosure_followed",
                                     "SELECT subscription, person, from_position, coalesce(to_position, "
                                     "9223372036854775807) FROM exchange.followed WHERE person = ANY ($1)",
                                     1, NULL};
static const PgStatement SNAPSHOTS = {
    "disclosure_snapshots",
    "SELECT subscription, first_position, head_position, started_at, finished_at, digests, snapshot "
    "FROM exchange.snapshot_release "
    "ORDER BY subscription, snapshot",
    0, NULL};
enum { SNAPSHOT_FIRST = 1, SNAPSHOT_HEAD, STARTED, FINISHED, DIGESTS, SNAPSHOT };
static const PgStatement PERSON = {
    "disclosure_person",
    "SELECT min(person) FROM (SELECT person FROM exchange.seen_link WHERE number = $1 UNION "
    "SELECT person FROM exchange.seen_alias WHERE number = $1 AND kind = 'insurance') a "
    "HAVING count(DISTINCT person) = 1",
    1, NULL};

static const PgStatement HOME = {
    "disclosure_home", "SELECT residence_province, residence_province63 FROM population.citizen WHERE person = $1", 1,
    NULL};
static const PgStatement ERASED = {
    "disclosure_erased",
    "SELECT subscription, version, snapshot, record::text FROM exchange.erased_disclosure "
    "WHERE person = ANY ($1) ORDER BY position, subscription, version",
    1, NULL};

typedef struct DisclosureQuestion {
    const Identity *identity; // of a person who was found
    const char *province, *province63;
    Pg *exchange;
    const Rules *rules;
    bool unmask; // keys of records
} DisclosureQuestion;

// Where somebody lived from a position on, and up to there.
typedef struct Move {
    int64_t person, position;
    char before[2][PROVINCE_BYTES], after[2][PROVINCE_BYTES]; // by the 34 codes, by the 63
} Move;

typedef struct Holder {
    int32_t subscription;
    int64_t acked, released;
    json_t *policies, *snapshots; // in `json`
    json_t *json;
} Holder;

typedef struct Disclosure {
    const DisclosureQuestion *question;
    DisclosureTrace *trace;
    PolicySet *policies;
    Projector *projector;
    PGresult *holder_rows, *rights, *skips, *followed, *snapshots;
    Holder *holders;
    int n_holders;
    Move *moves;
    size_t n_moves, moves_size;
    bool homes_unknown; // some of it was let go
    Bytes packed;
} Disclosure;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what was sent");
}

static void disclosure_free(Disclosure *disclosure) {
    for (int i = 0; i < disclosure->n_holders; i++)
        json_decref(disclosure->holders[i].json);
    free(disclosure->holders);
    free(disclosure->moves);
    disclosure_trace_destroy(&disclosure->trace);
    policy_set_destroy(&disclosure->policies);
    projector_destroy(&disclosure->projector);
    PQclear(disclosure->holder_rows);
    PQclear(disclosure->rights);
    PQclear(disclosure->skips);
    PQclear(disclosure->followed);
    PQclear(disclosure->snapshots);
    bytes_free(&disclosure->packed);
}

// ---- who may have been sent something -------------------------------------------------------------------------------

static int read_holders(Disclosure *disclosure) {
    int r = pg_run(disclosure->question->exchange, &HOLDERS, NULL, &disclosure->holder_rows);
    int n = r == 0 ? PQntuples(disclosure->holder_rows) : 0;
    disclosure->holders = calloc((size_t)n + 1, sizeof *disclosure->holders);
    if (r == 0 && !disclosure->holders)
        r = no_memory();
    for (int row = 0; row < n && r == 0; row++) {
        const PGresult *rows = disclosure->holder_rows;
        Holder *holder = &disclosure->holders[disclosure->n_holders++];
        *holder = (Holder){.subscription = pg_i32(rows, row, SUBSCRIPTION),
                           .acked = pg_i64(rows, row, ACKED),
                           .released = pg_i64(rows, row, RELEASED),
                           .policies = json_array(),
                           .snapshots = json_array()};
        holder->json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "subscription", pg_text(rows, row, NAME),
                                 "subscriber", pg_text(rows, row, SUBSCRIBER), "state", pg_text(rows, row, STATE),
                                 "acked", (json_int_t)holder->acked, "released", (json_int_t)holder->released,
                                 "policies", holder->policies, "snapshots", holder->snapshots);
        r = holder->json ? policy_set_add(disclosure->policies, &(Policy){.subscription = holder->subscription})
                         : no_memory();
    }
    return r;
}

static int read_rights(Disclosure *disclosure) {
    int r = pg_run(disclosure->question->exchange, &RIGHTS, NULL, &disclosure->rights);
    for (int row = 0; r == 0 && row < PQntuples(disclosure->rights); row++) {
        PolicyVersion version;
        r = policy_row_read(disclosure->rights, row, 1, &version);
        if (r == 0)
            r = policy_set_add_version(disclosure->policies, pg_i32(disclosure->rights, row, 0), &version);
    }
    return r;
}

static int read_followed(Disclosure *disclosure) {
    PgParams params = {0};
    disclosure_trace_param(disclosure->trace, &params);
    int r = pg_run(disclosure->question->exchange, &FOLLOWED, &params, &disclosure->followed);
    pg_params_free(&params);
    return r;
}

// In any position from `first` to `last`.
static bool is_followed(const Disclosure *disclosure, int32_t subscription, int64_t person, int64_t first,
                        int64_t last) {
    const PGresult *rows = disclosure->followed;
    for (int row = 0; row < PQntuples(rows); row++)
        if (pg_i32(rows, row, 0) == subscription && pg_i64(rows, row, 1) == person && pg_i64(rows, row, 2) <= last &&
            first < pg_i64(rows, row, 3))
            return true;
    return false;
}

static bool is_skipped(const Disclosure *disclosure, int32_t subscription, int64_t position) {
    const PGresult *rows = disclosure->skips;
    for (int row = 0; row < PQntuples(rows); row++)
        if (pg_i32(rows, row, 0) == subscription && pg_i64(rows, row, 1) <= position &&
            position <= pg_i64(rows, row, 2))
            return true;
    return false;
}

// ---- what of a record -----------------------------------------------------------------------------------------------

static int read_fields(Disclosure *disclosure, json_t **ret_fields, Dongbo__ChangeKind *ret_change) {
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, disclosure->packed.n, disclosure->packed.data);
    const ProtobufCMessageDescriptor *descriptor = record ? domain_descriptor((int)record->domain) : NULL;
    ProtobufCMessage *body =
        descriptor ? protobuf_c_message_unpack(descriptor, NULL, record->body.len, record->body.data) : NULL;
    json_t *fields = json_array();
    if (body && *record->citizen_number)
        json_array_append_new(fields, json_string("citizen_number"));
    if (body && record->person_id.len)
        json_array_append_new(fields, json_string("person_id"));
    for (unsigned i = 0; body && i < descriptor->n_fields; i++)
        if (field_is_said(body, descriptor->fields[i].id))
            json_array_append_new(fields, json_string(descriptor->fields[i].name));
    int r = body ? 0 : error_fail(ERROR_DATABASE, "a record of the log cannot be read");
    if (record)
        *ret_change = record->change;
    if (body)
        protobuf_c_message_free_unpacked(body, NULL);
    if (record)
        dongbo__feed_record__free_unpacked(record, NULL);
    *ret_fields = fields;
    return r;
}

static json_t *key_json(const DisclosureQuestion *question, const Dongbo__Entry *entry) {
    CLEANUP(bytes_free) Bytes key = {0};
    mask_key(rules_domain(question->rules, (int)entry->domain), entry->record_key, question->unmask, &key);
    return key.failed ? NULL : json_string((const char *)key.data);
}

// {"position", "domain", "record", "fields"} of what goes out; 1 when nothing does.
static int project(Disclosure *disclosure, const Projection *projection, json_t **ret, Dongbo__ChangeKind *ret_change) {
    const Dongbo__Entry *entry = projection->entry;
    json_t *fields = NULL;
    bytes_clear(&disclosure->packed);
    int r = projector_append(disclosure->projector, projection, &disclosure->packed);
    if (r == 2)
        return error_fail(ERROR_DATABASE, "the log cannot be read at position %llu",
                          (unsigned long long)projection->position);
    if (r == 0)
        r = read_fields(disclosure, &fields, ret_change);
    if (r != 0) {
        json_decref(fields);
        return r;
    }
    *ret =
        json_pack("{s:I, s:s, s:o, s:o}", "position", (json_int_t)projection->position, "domain",
                  names_domain((int)entry->domain), "record", key_json(disclosure->question, entry), "fields", fields);
    return *ret ? 0 : no_memory();
}

// ---- the feed -------------------------------------------------------------------------------------------------------

static int find_rights(const Disclosure *disclosure, int32_t subscription, int32_t version) {
    for (int row = 0; row < PQntuples(disclosure->rights); row++)
        if (pg_i32(disclosure->rights, row, 0) == subscription && pg_i32(disclosure->rights, row, 1) == version)
            return row;
    return -1; // does not happen: the versions were made of these rows
}

static json_t *version_json(const Disclosure *disclosure, int32_t subscription, const PolicyVersion *version) {
    Rights rights;
    int row = find_rights(disclosure, subscription, version->version);
    if (row < 0 || rights_read(disclosure->rights, row, 1, &rights) < 0)
        return NULL;
    return json_pack("{s:i, s:s, s:s, s:s, s:I, s:[]}", "version", (int)version->version, "legal_basis",
                     rights.legal_basis, "valid_from", rights.valid_from, "valid_to", rights.valid_to, "position",
                     (json_int_t)version->position, "records");
}

// The list for records that went out by this version. Entries come in rising position, and so do versions.
static json_t *records_of(const Disclosure *disclosure, const Holder *holder, const PolicyVersion *version) {
    size_t n = json_array_size(holder->policies);
    json_t *last = n ? json_array_get(holder->policies, n - 1) : NULL;
    if (!last || json_integer_value(json_object_get(last, "version")) != version->version) {
        last = version_json(disclosure, holder->subscription, version);
        if (!last || json_array_append_new(holder->policies, last) != 0)
            return NULL;
    }
    return json_object_get(last, "records");
}

static const char *delivery_of(const Holder *holder, const DisclosureEntry *at) {
    return at->position <= holder->acked && !at->is_trimmed ? "delivered" : "possibly";
}

static int add_delivery(Disclosure *disclosure, const Holder *holder, const DisclosureEntry *at,
                        const Projection *projection) {
    Dongbo__ChangeKind change = DONGBO__CHANGE_KIND__CHANGE_UNSPECIFIED;
    json_t *record = NULL;
    int r = project(disclosure, projection, &record, &change);
    if (r != 0)
        return r < 0 ? r : 0;
    json_object_set_new(record, "stored", answer_instant(at->stored_us));
    change = at->is_trimmed && !at->entry->deleted ? DONGBO__CHANGE_KIND__CHANGE_UPSERT : change;
    json_object_set_new(record, "change", json_string(change_name((int)change)));
    json_object_set_new(record, "delivery", json_string(delivery_of(holder, at)));
    if (at->is_trimmed)
        json_object_set_new(record, "trimmed", json_true());
    const char *origin = origin_right_word(origin_right(projection->version, at->entry, projection->passage));
    if (origin)
        json_object_set_new(record, "origin", json_string(origin));
    json_t *records = records_of(disclosure, holder, projection->version);
    return records && json_array_append_new(records, record) == 0 ? 0 : no_memory();
}

// Where somebody lived and whose change it was says no more than what is not known.
static void widen(PolicyVersion *version) {
    version->any_province = true;
    version->own_agency = 0;
    version->changes = POLICY_CHANGES_ALL;
}

static int visit_feed(Disclosure *disclosure, const Holder *holder, const DisclosureEntry *at) {
    const Policy *policy = policy_set_find(disclosure->policies, holder->subscription);
    const PolicyVersion *version = policy_at(policy, (uint64_t)at->position);
    if (!version || at->position > holder->released || is_skipped(disclosure, holder->subscription, at->position))
        return 0;
    bool followed = is_followed(disclosure, holder->subscription, at->entry->person, at->position, at->position);
    PolicyVersion wide = *version;
    if (at->is_trimmed)
        widen(&wide);
    PolicyPassage passage = policy_concerns(&wide, holder->subscription, at->entry, followed)
                                ? policy_admits(&wide, at->entry, policy_day(at->stored_us))
                                : POLICY_NOT;
    if (passage == POLICY_NOT)
        return 0;
    const Projection projection = {.version = &wide,
                                   .entry = at->entry,
                                   .passage = at->is_trimmed ? POLICY_ENTERS : passage, // whole
                                   .position = (uint64_t)at->position,
                                   .agency = ""};
    return add_delivery(disclosure, holder, at, &projection);
}

// ---- snapshots ------------------------------------------------------------------------------------------------------

static void set_provinces(char into[2][PROVINCE_BYTES], const char *province, const char *province63) {
    snprintf(into[0], PROVINCE_BYTES, "%s", province);
    snprintf(into[1], PROVINCE_BYTES, "%s", province63);
}

static int visit_move(void *self, const DisclosureEntry *at) {
    Disclosure *disclosure = self;
    const Dongbo__Entry *entry = at->entry;
    if (at->is_trimmed) {
        disclosure->homes_unknown = true;
        return 0;
    }
    if (disclosure->n_moves == disclosure->moves_size) {
        size_t larger = disclosure->moves_size ? 2 * disclosure->moves_size : 64;
        Move *moved = realloc(disclosure->moves, larger * sizeof *moved);
        if (!moved)
            return no_memory();
        disclosure->moves = moved;
        disclosure->moves_size = larger;
    }
    Move *move = &disclosure->moves[disclosure->n_moves++];
    *move = (Move){.person = entry->person, .position = at->position};
    // What is told again is of a move that was before.
    bool moves = entry->kind != DONGBO__ENTRY_KIND__ENTRY_RETOLD;
    set_provinces(move->before, moves ? entry->province_before : entry->province_after,
                  moves ? entry->province63_before : entry->province63_after);
    set_provinces(move->after, entry->province_after, entry->province63_after);
    return 0;
}

static bool sees(const PolicyVersion *version, const char provinces[2][PROVINCE_BYTES]) {
    return policy_sees_home(version, provinces[0], provinces[1]);
}

// Whether the person lived where the version sees at any time from first to head. The population store is somebody
// else's, and read when the snapshot was: what it has now counts where the log says of no move since.
static bool saw_home(const Disclosure *disclosure, const PolicyVersion *version, int64_t person, int64_t first,
                     int64_t head) {
    const Move *before = NULL, *behind = NULL;
    bool seen = version->any_province || disclosure->homes_unknown;
    for (size_t i = 0; i < disclosure->n_moves && !seen; i++) {
        const Move *move = &disclosure->moves[i];
        if (move->person != person)
            continue;
        if (move->position <= first)
            before = move;
        else if (move->position > head && !behind)
            behind = move;
        else if (move->position <= head)
            seen = sees(version, move->before) || sees(version, move->after);
    }
    const DisclosureQuestion *question = disclosure->question;
    return seen || (before && sees(version, before->after)) || (behind && sees(version, behind->before)) ||
           (!behind && policy_sees_home(version, question->province, question->province63));
}

typedef struct Snapshot {
    int64_t first, head;
    bool digests;
    json_t *records;
} Snapshot;

static int add_of_version(Disclosure *disclosure, const Holder *holder, const Snapshot *snapshot,
                          const PolicyVersion *version, const DisclosureEntry *at) {
    Dongbo__Entry entry = *at->version;
    PolicyVersion wide = *version;
    Dongbo__ChangeKind change;
    json_t *record = NULL;
    if (!saw_home(disclosure, version, entry.person, snapshot->first, snapshot->head) ||
        (version->followed_only &&
         !is_followed(disclosure, holder->subscription, entry.person, snapshot->first, snapshot->head + 1)))
        return 0;
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT; // where they live was looked at, and whose change it was is nothing
    entry.verdict = DONGBO__VERDICT__ACCEPTED;
    wide.any_province = true; // so it is an upsert, which the version's kinds of change allow or not
    wide.own_agency = 0;
    wide.person_id = wide.person_id && !snapshot->digests;
    if (policy_admits(&wide, &entry, 0) == POLICY_NOT)
        return 0;
    const Projection projection = {.version = &wide,
                                   .entry = &entry,
                                   .passage = POLICY_ENTERS, // whole
                                   .position = (uint64_t)at->position,
                                   .agency = ""};
    int r = project(disclosure, &projection, &record, &change);
    if (r != 0)
        return r < 0 ? r : 0;
    json_object_set_new(record, "policy_version", json_integer(version->version));
    return json_array_append_new(snapshot->records, record) == 0 ? 0 : no_memory();
}

// By every version that held at one of the heads, or was the newest when they were read.
static int visit_snapshot(Disclosure *disclosure, const Holder *holder, const Snapshot *snapshot,
                          const DisclosureEntry *at) {
    const Policy *policy = policy_set_find(disclosure->policies, holder->subscription);
    if (at->until == 0 || at->version->deleted || at->position > snapshot->head || at->until <= snapshot->first)
        return 0;
    int r = 0;
    for (size_t i = 0; i < policy->n_versions && r == 0; i++) {
        bool later = i + 1 < policy->n_versions && policy->versions[i + 1].position <= (uint64_t)snapshot->first;
        if (policy->versions[i].position <= (uint64_t)snapshot->head + 1 && !later)
            r = add_of_version(disclosure, holder, snapshot, &policy->versions[i], at);
    }
    return r;
}

static int begin_snapshots(Disclosure *disclosure) {
    const PGresult *rows = disclosure->snapshots;
    for (int row = 0; row < PQntuples(rows); row++)
        for (int i = 0; i < disclosure->n_holders; i++) {
            Holder *holder = &disclosure->holders[i];
            if (holder->subscription != pg_i32(rows, row, 0))
                continue;
            json_t *finished =
                pg_is_null(rows, row, FINISHED) ? json_null() : answer_instant(pg_us(rows, row, FINISHED));
            json_t *one =
                json_pack("{s:I, s:b, s:o, s:o, s:I, s:I, s:[]}", "snapshot", (json_int_t)pg_i64(rows, row, SNAPSHOT),
                          "digests", pg_bool(rows, row, DIGESTS), "started", answer_instant(pg_us(rows, row, STARTED)),
                          "finished", finished, "first_position", (json_int_t)pg_i64(rows, row, SNAPSHOT_FIRST),
                          "head_position", (json_int_t)pg_i64(rows, row, SNAPSHOT_HEAD), "records");
            if (!one || json_array_append_new(holder->snapshots, one) != 0)
                return no_memory();
        }
    return 0;
}

static int visit_snapshots(Disclosure *disclosure, const Holder *holder, const DisclosureEntry *at) {
    size_t i;
    json_t *one;
    int r = 0;
    json_array_foreach(holder->snapshots, i, one) {
        const Snapshot snapshot = {.first = json_integer_value(json_object_get(one, "first_position")),
                                   .head = json_integer_value(json_object_get(one, "head_position")),
                                   .digests = json_is_true(json_object_get(one, "digests")),
                                   .records = json_object_get(one, "records")};
        if (r == 0)
            r = visit_snapshot(disclosure, holder, &snapshot, at);
    }
    return r;
}

// ---- erased since ---------------------------------------------------------------------------------------------------

static void insert_by(json_t *list, const char *order, json_t *one) {
    json_int_t at = json_integer_value(json_object_get(one, order));
    size_t i = 0;
    while (i < json_array_size(list) && json_integer_value(json_object_get(json_array_get(list, i), order)) <= at)
        i++;
    json_array_insert_new(list, i, one);
}

static json_t *find_by(const json_t *list, const char *name, json_int_t value) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) if (json_integer_value(json_object_get(one, name)) == value) return one;
    return NULL;
}

// The list of records that an erased one stood in; NULL when there can be none.
static json_t *list_of(Disclosure *disclosure, const Holder *holder, int32_t version, int64_t snapshot) {
    if (snapshot != 0)
        return json_object_get(find_by(holder->snapshots, "snapshot", snapshot), "records");
    const Policy *policy = policy_set_find(disclosure->policies, holder->subscription);
    json_t *found = find_by(holder->policies, "version", version);
    for (size_t i = 0; policy && !found && i < policy->n_versions; i++) {
        if (policy->versions[i].version != version)
            continue;
        found = version_json(disclosure, holder->subscription, &policy->versions[i]);
        if (found)
            insert_by(holder->policies, "version", found);
    }
    return json_object_get(found, "records");
}

static int add_erased(Disclosure *disclosure, const PGresult *rows, int row) {
    json_t *record = json_loads(pg_text(rows, row, 3), 0, NULL);
    json_t *list = NULL;
    for (int i = 0; i < disclosure->n_holders && !list; i++)
        if (disclosure->holders[i].subscription == pg_i32(rows, row, 0))
            list = list_of(disclosure, &disclosure->holders[i], pg_i32(rows, row, 1), pg_i64(rows, row, 2));
    if (!record || !list) {
        json_decref(record);
        return error_fail(ERROR_DATABASE, "what is kept of erased disclosures cannot be read");
    }
    json_object_set_new(record, "record", json_string(""));
    json_object_set_new(record, "erased", json_true());
    insert_by(list, "position", record);
    return 0;
}

static int read_erased(Disclosure *disclosure) {
    PgParams params = {0};
    RESULT rows = NULL;
    disclosure_trace_param(disclosure->trace, &params);
    int r = pg_run(disclosure->question->exchange, &ERASED, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        r = add_erased(disclosure, rows, row);
    return r;
}

// ---- the whole ------------------------------------------------------------------------------------------------------

static int visit(void *self, const DisclosureEntry *at) {
    Disclosure *disclosure = self;
    int r = 0;
    for (int i = 0; i < disclosure->n_holders && r == 0; i++) {
        r = visit_feed(disclosure, &disclosure->holders[i], at);
        if (r == 0)
            r = visit_snapshots(disclosure, &disclosure->holders[i], at);
    }
    return r;
}

static int prepare(Disclosure *disclosure) {
    Pg *exchange = disclosure->question->exchange;
    uint8_t secret[32];
    int r = policy_set_new(&disclosure->policies);
    if (r == 0)
        r = disclosure_trace_new(&disclosure->trace, exchange, disclosure->question->identity->person);
    if (r == 0)
        r = read_holders(disclosure);
    if (r == 0)
        r = read_rights(disclosure);
    if (r == 0)
        r = pg_run(exchange, &SKIPS, NULL, &disclosure->skips);
    if (r == 0)
        r = read_followed(disclosure);
    if (r == 0)
        r = pg_run(exchange, &SNAPSHOTS, NULL, &disclosure->snapshots);
    if (r == 0)
        r = begin_snapshots(disclosure);
    if (r == 0)
        r = clock_random(clock_system(), secret, sizeof secret);
    return r < 0 ? r : projector_new(&disclosure->projector, secret);
}

static bool holds_records(const json_t *lists) {
    size_t i;
    json_t *one;
    json_array_foreach(lists, i, one) if (json_array_size(json_object_get(one, "records")) > 0) return true;
    return false;
}

// What remains of it, but for lists that hold nothing.
static json_t *conclude(const Disclosure *disclosure) {
    json_t *subscriptions = json_array(), *unknown = json_array();
    for (int i = 0; i < disclosure->n_holders; i++) {
        Holder *holder = &disclosure->holders[i];
        for (size_t j = json_array_size(holder->snapshots); j-- > 0;)
            if (json_array_size(json_object_get(json_array_get(holder->snapshots, j), "records")) == 0)
                json_array_remove(holder->snapshots, j);
        if (holds_records(holder->policies) || holds_records(holder->snapshots))
            json_array_append(subscriptions, holder->json);
    }
    size_t n;
    const int64_t *positions = disclosure_trace_unknown(disclosure->trace, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(unknown, json_integer(positions[i]));
    return json_pack("{s:o, s:o}", "subscriptions", subscriptions, "unknown_positions", unknown);
}

static int read_all(const DisclosureQuestion *question, json_t **ret) {
    CLEANUP(disclosure_free) Disclosure disclosure = {.question = question};
    int r = prepare(&disclosure);
    if (r == 0 && PQntuples(disclosure.snapshots) > 0)
        r = disclosure_trace_read(disclosure.trace, visit_move, &disclosure);
    if (r == 0)
        r = disclosure_trace_read(disclosure.trace, visit, &disclosure);
    if (r == 0)
        r = read_erased(&disclosure);
    if (r < 0)
        return r;
    *ret = conclude(&disclosure);
    return *ret ? 0 : no_memory();
}

// Where they live now, by both code sets; no row for who is not in the store.
static int find_home(Desk *desk, const Identity *identity, PGresult **ret) {
    Pg *population = NULL;
    PgParams params = {0};
    pg_param_i64(&params, identity->person);
    int r = desk_population(desk, &population);
    if (r == 0)
        r = pg_run(population, &HOME, &params, ret);
    pg_params_free(&params);
    return r;
}

int disclosure_read(Desk *desk, const Identity *identity, bool unmask, json_t **ret) {
    DisclosureQuestion question = {.identity = identity, .unmask = unmask};
    RESULT home = NULL;
    int r = desk_exchange(desk, &question.exchange);
    if (r == 0)
        r = desk_rules(desk, &question.rules);
    if (r == 0)
        r = find_home(desk, identity, &home);
    if (r < 0)
        return r;
    question.province = PQntuples(home) ? pg_text(home, 0, 0) : "";
    question.province63 = PQntuples(home) ? pg_text(home, 0, 1) : "";
    return read_all(&question, ret);
}

int disclosure_find_person(Pg *exchange, const char *number, int64_t *ret) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_text(&params, number);
    int r = pg_run(exchange, &PERSON, &params, &result);
    pg_params_free(&params);
    *ret = r == 0 && PQntuples(result) == 1 ? pg_i64(result, 0, 0) : 0;
    return r;
}
