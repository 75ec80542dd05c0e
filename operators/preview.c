// SPDX-License-Identifier: Apache-2.0
//
// `dongbo subscription preview`: the log's last entries as a subscription would receive them by its newest policy, or
// by one in a file that nobody has applied yet, from the broker's own code (broker/project.h), before it is switched on
// and whatever its days are. Sends nothing, and moves no position. Personal values are masked unless asked for, and
// that is noted for every person.
#include "broker/policy_row.h"
#include "broker/origin_right.h"
#include "broker/project.h"
#include "broker/segment.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "operators/names.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/rights_file.h"
#include "operators/trimmed.h"
#include "operators/why.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "wire.pb-c.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define RECORDS 1000
#define RECORDS_MAX 100000

static const char NOTES[] =
    "The oldest first. Rights that are granted today, and today's list of followed persons, decide for all of them:\n"
    "days, and policies that held before, do not count, nor does whether the subscription is switched on. With --policy\n"
    "the file decides, as `subscription apply` would take it, and nothing is added or changed.\n"
    "`record` and `person` are not what its holder will see: those are made with its own secret. --json prints a record\n"
    "a line. `origin` is what goes along where the receiver asks for proofs of origin: a leaf tells nothing, an event is\n"
    "all that its agency said.\n";

static const PgStatement POLICY = {"preview_policy",
                                   "SELECT s.state, s.subscription, " POLICY_ROW
                                   " FROM exchange.subscription s JOIN exchange.subscription_policy p "
                                   "USING (subscription) WHERE s.name = $1 ORDER BY p.version DESC LIMIT 1",
                                   1, NULL};
static const PgStatement PAGE = {
    "preview_page",
    "SELECT first_position, format, stored_at_us, payload FROM exchange.segment WHERE first_position < $1 "
    "AND payload IS NOT NULL ORDER BY first_position DESC LIMIT 8",
    1, NULL};
enum { FIRST, FORMAT, STORED_AT, PAYLOAD };
static const PgStatement AGENCY = {"preview_agency", "SELECT agency FROM exchange.agency WHERE code = $1", 1, NULL};
static const PgStatement FOLLOWED = {
    "preview_followed", "SELECT FROM exchange.followed WHERE person = $1 AND subscription = $2 AND to_position IS NULL",
    2, NULL};

typedef struct Preview {
    const Desk *desk;
    Pg *exchange;
    const Rules *rules;
    Names *names;
    Projector *projector;
    Arena *arena; // of a segment
    Bytes packed;
    int32_t subscription;
    PolicyVersion version;
    char by[128]; // in words: which policy
    bool unmask, json;
    const char *policy; // a file that decides instead; NULL: what is stored
    long long wanted;
    uint64_t looked;  // at entries
    json_t *records;  // the newest first
    json_t *citizens; // whose they are: numbers as keys
    Progress progress;
} Preview;

static void preview_free(Preview *preview) {
    names_destroy(&preview->names);
    projector_destroy(&preview->projector);
    arena_destroy(&preview->arena);
    bytes_free(&preview->packed);
    json_decref(preview->records);
    json_decref(preview->citizens);
}

// ---- a record -------------------------------------------------------------------------------------------------------

static json_t *fields_json(const Preview *preview, int domain, const ProtobufCMessage *body) {
    const DomainRules *rules = rules_domain(preview->rules, domain);
    json_t *object = json_object();
    for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
        char number[12], masked[MASK_BYTES];
        const char *said = field_text(body, field->id, number);
        if (!field_is_said(body, field->id))
            continue;
        const char *shown = preview->unmask ? said : mask_value(rules_field(rules, field->id), said, masked);
        bool is_number = shown == said && field->type == PROTOBUF_C_TYPE_UINT32;
        json_object_set_new(object, field->name,
                            is_number ? json_integer((json_int_t)strtoull(said, NULL, 10)) : json_string(shown));
    }
    return object;
}

static json_t *changed_json(const ProtobufCMessageDescriptor *descriptor, const Dongbo__FeedRecord *record) {
    json_t *array = json_array();
    for (size_t i = 0; i < record->n_changed_fields; i++) {
        const char *name = field_name(descriptor, record->changed_fields[i]);
        json_array_append_new(array, json_string(name ? name : "?"));
    }
    return array;
}

// Names as those of what an agent writes of a record (agents/record_json.h).
static json_t *record_json(const Preview *preview, const Dongbo__FeedRecord *record, const ProtobufCMessage *body) {
    char time[CLOCK_TEXT_BYTES], id[2 * RECORD_ID_BYTES + 1] = "", masked[TEXT_MASK_BYTES];
    clock_format_us(record->event_time_us, time);
    if (record->record_id.len <= RECORD_ID_BYTES)
        hex_encode(record->record_id.data, record->record_id.len, id);
    json_t *object = json_pack("{s:I, s:s, s:s, s:s}", "position", (json_int_t)record->position, "domain",
                               names_domain((int)record->domain), "change", change_name(record->change), "record", id);
    text_mask_number(record->citizen_number, masked);
    if (*record->citizen_number)
        json_object_set_new(object, "citizen_number", json_string(preview->unmask ? record->citizen_number : masked));
    if (record->person_id.len == PERSON_ID_BYTES) {
        char person[2 * PERSON_ID_BYTES + 1];
        hex_encode(record->person_id.data, PERSON_ID_BYTES, person);
        json_object_set_new(object, "person", json_string(person));
    }
    json_object_set_new(object, "agency", json_string(record->agency));
    json_object_set_new(object, "event_time", json_string(time));
    json_object_set_new(object, "fields", fields_json(preview, (int)record->domain, body));
    json_object_set_new(object, "changed", changed_json(body->descriptor, record));
    return object;
}

static int add_record(Preview *preview, const Dongbo__Entry *entry, PolicyPassage passage) {
    ProtobufCAllocator *allocator = arena_protobuf(preview->arena);
    const Dongbo__FeedRecord *record = dongbo__feed_record__unpack(allocator, preview->packed.n, preview->packed.data);
    const ProtobufCMessageDescriptor *descriptor = record ? domain_descriptor((int)record->domain) : NULL;
    const ProtobufCMessage *body =
        descriptor ? protobuf_c_message_unpack(descriptor, allocator, record->body.len, record->body.data) : NULL;
    if (!body)
        return error_fail(ERROR_DATABASE, "a record of the log cannot be read");
    json_t *object = record_json(preview, record, body);
    const char *origin = origin_right_word(origin_right(&preview->version, entry, passage));
    if (object && origin)
        json_object_set_new(object, "origin", json_string(origin));
    if (!object || json_array_append_new(preview->records, object) != 0)
        return error_fail(ERROR_MEMORY, "no memory for the records");
    if (*entry->citizen_number)
        json_object_set_new(preview->citizens, entry->citizen_number, json_true());
    return 0;
}

// ---- the log, backwards ---------------------------------------------------------------------------------------------

static bool is_enough(const Preview *preview) {
    return json_array_size(preview->records) >= (size_t)preview->wanted;
}

// On the list as it is now: as rights are, too.
static int find_followed(const Preview *preview, int64_t person, bool *ret) {
    PgParams params = {0};
    RESULT found = NULL;
    pg_param_i64(&params, person);
    pg_param_i32(&params, preview->subscription);
    int r = pg_run(preview->exchange, &FOLLOWED, &params, &found);
    pg_params_free(&params);
    *ret = r == 0 && PQntuples(found) > 0;
    return r;
}

static int look_at(Preview *preview, const Dongbo__Entry *entry, uint64_t position, int32_t stored_day) {
    bool followed = false;
    preview->looked++;
    PolicyPassage passage = policy_admits(&preview->version, entry, stored_day);
    if (passage == POLICY_NOT)
        return 0;
    int r = preview->version.followed_only ? find_followed(preview, entry->person, &followed) : 0;
    if (r < 0 || !policy_concerns(&preview->version, preview->subscription, entry, followed))
        return r;
    r = names_refresh(preview->names, preview->exchange, entry->agency);
    if (r < 0)
        return r;
    const Projection projection = {.version = &preview->version,
                                   .entry = entry,
                                   .passage = passage,
                                   .position = position,
                                   .agency = names_agency(preview->names, entry->agency)};
    bytes_clear(&preview->packed);
    r = projector_append(preview->projector, &projection, &preview->packed);
    if (r == 2)
        return error_fail(ERROR_DATABASE, "the log cannot be read at position %" PRIu64, position);
    return r == 0 ? add_record(preview, entry, passage) : r < 0 ? r : 0;
}

static int look_at_segment(Preview *preview, const PGresult *rows, int row) {
    size_t n = 0;
    uint64_t first = (uint64_t)pg_i64(rows, row, FIRST);
    const uint8_t *bytes = pg_bytes(rows, row, PAYLOAD, &n);
    Dongbo__SegmentPayload *payload = NULL;
    arena_reset(preview->arena);
    if (segment_decode_payload(bytes, n, pg_i16(rows, row, FORMAT), preview->arena, &payload) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRIu64 " cannot be read", first);
    int r = 0;
    for (size_t i = payload->n_entries; r == 0 && i-- > 0 && !is_enough(preview);)
        r = look_at(preview, payload->entries[i], first + i, policy_day(pg_i64(rows, row, STORED_AT)));
    return r;
}

static int look_back(Preview *preview) {
    int64_t before = INT64_MAX;
    int r = 0;
    progress_begin(&preview->progress);
    for (int n = 1; r == 0 && n > 0 && !is_enough(preview);) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i64(&params, before);
        r = pg_run(preview->exchange, &PAGE, &params, &rows);
        pg_params_free(&params);
        n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n && !is_enough(preview); row++) {
            before = pg_i64(rows, row, FIRST);
            r = look_at_segment(preview, rows, row);
        }
        progress_show(&preview->progress, "looked at", preview->looked, "entries");
    }
    progress_end();
    return r == 0 && !is_enough(preview) ? trimmed_note(preview->exchange, 0) : r;
}

// ---- showing it -----------------------------------------------------------------------------------------------------

static int note_unmasking(const Preview *preview) {
    const char *number;
    json_t *unused;
    int r = 0;
    json_object_foreach(preview->citizens, number, unused) if (r == 0) r =
        identity_note_unmasking(preview->desk, "subscription preview", number);
    return r;
}

static const char *text_of(const json_t *record, const char *key) {
    const char *text = json_string_value(json_object_get(record, key));
    return text ? text : "";
}

static void print_fields(const json_t *record) {
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(record, "fields"), name, value) {
        printf("  %s=", name);
        if (json_is_string(value))
            columns_show(json_string_value(value));
        else
            printf("%lld", (long long)json_integer_value(value));
    }
}

static void print_text(const Preview *preview) {
    size_t n = json_array_size(preview->records);
    for (size_t i = n; i-- > 0;) {
        const json_t *record = json_array_get(preview->records, i);
        printf("%lld  %s  %s  %s", (long long)json_integer_value(json_object_get(record, "position")),
               text_of(record, "domain"), text_of(record, "change"), text_of(record, "agency"));
        if (json_object_get(record, "citizen_number"))
            printf("  %s", text_of(record, "citizen_number"));
        print_fields(record);
        printf("\n");
    }
    printf("%zu records of the last %" PRIu64 " entries, by %s\n", n, preview->looked, preview->by);
}

static int print(const Preview *preview) {
    if (!preview->json) {
        print_text(preview);
        return 0;
    }
    for (size_t i = json_array_size(preview->records); i-- > 0;) {
        json_dumpf(json_array_get(preview->records, i), stdout, JSON_COMPACT);
        printf("\n");
    }
    return 0;
}

// ---- the command ----------------------------------------------------------------------------------------------------

// 1 when there is no such subscription.
static int find_policy(Preview *preview, const char *name) {
    RESULT policy = NULL;
    PgParams params = {0};
    pg_param_text(&params, name);
    int r = pg_run(preview->exchange, &POLICY, &params, &policy);
    pg_params_free(&params);
    if (r < 0 || PQntuples(policy) == 0)
        return r < 0 ? r : 1;
    r = policy_row_read(policy, 0, 2, &preview->version);
    preview->subscription = pg_i32(policy, 0, 1);
    snprintf(preview->by, sizeof preview->by, "version %d of the policy; the subscription is %s",
             preview->version.version, pg_text(policy, 0, 0));
    return r;
}

static int stored_policy(Preview *preview, const char *name) {
    int r = find_policy(preview, name);
    return r == 1
               ? error_fail(ERROR_CONFIG, "there is no subscription \"%s\": dongbo subscription list shows them", name)
               : r;
}

static int find_agency(Preview *preview, const RightsFile *file) {
    const Rights *rights = &file->rights;
    RESULT found = NULL;
    PgParams params = {0};
    int r = rights_file_fail(file, "agency", rights_check_agency(preview->exchange, rights, "agency"));
    preview->version.own_agency = 0;
    if (r < 0 || !rights->agency[0] || rights->echo)
        return r;
    pg_param_text(&params, rights->agency);
    r = pg_run(preview->exchange, &AGENCY, &params, &found);
    pg_params_free(&params);
    if (r == 0 && PQntuples(found) > 0)
        preview->version.own_agency = (uint32_t)pg_i32(found, 0, 0);
    return r;
}

// Of a subscription that is there already, its own list says whom it follows; a new one follows nobody yet.
static int filed_policy(Preview *preview, const char *path, const char *name) {
    CLEANUP(rights_file_free) RightsFile file = {0};
    int r = rights_file_load(&file, path, preview->rules);
    if (r < 0)
        return r;
    if (name && strcmp(name, file.name) != 0)
        return error_fail(ERROR_CONFIG, "%s is the policy of %s, not of %s", path, file.name, name);
    r = find_policy(preview, file.name);
    if (r < 0)
        return r;
    preview->version = file.rights.policy;
    snprintf(preview->by, sizeof preview->by, "the policy in the file; the subscription is %s",
             r == 1 ? "not added yet" : "there, and has not changed");
    return find_agency(preview, &file);
}

static int prepare(Desk *desk, Preview *preview, const char *name) {
    uint8_t secret[32];
    preview->desk = desk;
    int r = desk_exchange(desk, &preview->exchange);
    if (r == 0)
        r = desk_rules(desk, &preview->rules);
    if (r == 0)
        r = preview->policy ? filed_policy(preview, preview->policy, name) : stored_policy(preview, name);
    preview->version.valid_from = INT32_MIN;
    preview->version.valid_to = INT32_MAX;
    if (r == 0)
        r = names_read(&preview->names, preview->exchange);
    if (r == 0)
        r = arena_new(&preview->arena, ARENA_BYTES);
    if (r == 0)
        r = clock_random(clock_system(), secret, sizeof secret);
    if (r == 0)
        r = projector_new(&preview->projector, secret);
    preview->records = json_array();
    preview->citizens = json_object();
    return r;
}

int preview_run(Desk *desk, int argc, char **argv) {
    CLEANUP(preview_free) Preview preview = {.wanted = RECORDS};
    int operand = 0;
    const Option options[] = {
        {"records", 'n', OPTION_INT, "N", "how many records, at most (1000)", &preview.wanted},
        {"policy", 'p', OPTION_TEXT, "FILE", "by the rights in this file, not applied yet", &preview.policy},
        {"unmask", 0, OPTION_FLAG, NULL, "show numbers and personal values; this is noted", &preview.unmask},
        DESK_WHY(desk),
        {"json", 0, OPTION_FLAG, NULL, "one JSON object a line", &preview.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (preview.wanted < 1 || preview.wanted > RECORDS_MAX)
        return error_fail(ERROR_CONFIG, "--records: from 1 to %d", RECORDS_MAX);
    if (operand == argc && !preview.policy)
        return error_fail(ERROR_CONFIG, "say of which subscription, or by which file (--policy)");
    r = preview.unmask ? why_find(desk) : 0;
    if (r == 0)
        r = prepare(desk, &preview, operand < argc ? argv[operand] : NULL);
    if (r == 0)
        r = look_back(&preview);
    if (r == 0 && preview.unmask)
        r = note_unmasking(&preview);
    return r < 0 ? r : print(&preview);
}
