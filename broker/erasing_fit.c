// SPDX-License-Identifier: Apache-2.0
//
// See erasing_fit.h. An entry whose content is gone is held against the versions of the record, which keep what it
// said.
#include "broker/erasing_fit.h"

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/bounds.h"

#include <inttypes.h>
#include <string.h>

#define OID_INT8 20
#define OID_INT2 21
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016
#define AT_ONCE 32 // segments
#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

static const Oid SEGMENTS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement SEGMENTS = {
    "erasing-segments",
    "SELECT g.first_position, g.last_position, g.format, coalesce(g.agency, 0), g.stream, g.first_sequence, g.summary, "
    "g.payload FROM exchange.segment g WHERE g.first_position = ANY (ARRAY(SELECT (SELECT max(s.first_position) "
    "FROM exchange.segment s WHERE s.first_position <= n.position) FROM unnest($1::bigint[]) AS n(position))) "
    "ORDER BY g.first_position",
    1, SEGMENTS_TYPES};
enum { FIRST, LAST, FORMAT, AGENCY, STREAM, FIRST_SEQUENCE, SUMMARY, PAYLOAD };
static const Oid VERSIONS_TYPES[] = {OID_INT8, OID_INT2, OID_TEXT};
static const PgStatement VERSIONS = {
    "erasing-said",
    "WITH RECURSIVE part(person) AS (SELECT $1::bigint UNION SELECT l.person FROM part p "
    "JOIN exchange.person_link l ON l.merged_into = p.person) SELECT v.position, v.record FROM part p "
    "JOIN exchange.record_version v ON v.person = p.person AND v.domain = $2 AND v.record_key = $3 ORDER BY v.position",
    3, VERSIONS_TYPES};
static const Oid SAID_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement SAID = {
    "erasing-noted",
    "SELECT position, person, domain, record_key, event_id, event_time_us, stream, coalesce(sequence, 0) "
    "FROM exchange.erased_entry WHERE position = ANY ($1) ORDER BY position",
    1, SAID_TYPES};
enum {
    SAID_POSITION,
    SAID_PERSON,
    SAID_DOMAIN,
    SAID_RECORD_KEY,
    SAID_EVENT_ID,
    SAID_EVENT_TIME,
    SAID_STREAM,
    SAID_SEQUENCE
};
static const Oid REFUSE_TYPES[] = {OID_INT8_ARRAY, OID_TEXT_ARRAY};
static const PgStatement REFUSE = {"erasing-refuse", "SELECT exchange.refuse_erasures($1, $2)", 2, REFUSE_TYPES};

static const char ANOTHER_EVENT[] = "the entry there is of another event than the order says";

typedef struct Place { // of an entry in the log
    const PGresult *segments;
    int segment;
    size_t at;
    int64_t position;
    const Dongbo__SummaryLine *line;
    const Dongbo__Entry *entry; // NULL: its content is gone
} Place;

typedef struct Fitting {
    Pg *exchange;
    const PGresult *rows;
    PGresult *said; // what was noted of entries that go without their word
    const char **reasons;
    Arena *arena; // of a segment, or a record's versions
    int decoded;  // of the segments at hand; -1: none
    Dongbo__SegmentPayload *payload;
    Dongbo__SegmentSummary *summary;
    bool *gone; // a row: held against the versions, too
} Fitting;

// ---- an entry -------------------------------------------------------------------------------------------------------

static bool same_bytes(const PGresult *rows, int row, int column, const uint8_t *data, size_t n) {
    size_t bytes = 0;
    const uint8_t *said = pg_bytes(rows, row, column, &bytes);
    return bytes == n && (n == 0 || memcmp(said, data, n) == 0);
}

static bool is_said(int kind) {
    return kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || kind == DONGBO__ENTRY_KIND__ENTRY_DECISION;
}

// What was said of persons, and what repeats it. A tombstone goes only where it tells a record as it was left.
static bool may_go(const Place *place, int kind) {
    if (kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE)
        return place->entry != NULL && place->entry->body.len > 0 && !place->entry->deleted;
    return is_said(kind) || kind == DONGBO__ENTRY_KIND__ENTRY_MERGER || kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD ||
           kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
}

typedef struct Sent { // a row that says where an event stands in its stream
    const PGresult *rows;
    int row, stream, sequence; // ... its columns
} Sent;

// By these an event leaves its batch, and what was kept to decide it goes.
static bool is_of_batch(Sent sent, const Place *place, int kind) {
    size_t n = 0;
    bool has = !pg_is_null(place->segments, place->segment, STREAM);
    const uint8_t *stream = has ? pg_bytes(place->segments, place->segment, STREAM, &n) : NULL;
    int64_t sequence = pg_i64(sent.rows, sent.row, sent.sequence);
    return kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && has && same_bytes(sent.rows, sent.row, sent.stream, stream, n) &&
           (sequence == pg_i64(place->segments, place->segment, FIRST_SEQUENCE) + (int64_t)place->at ||
            (place->entry != NULL && sequence == (int64_t)place->entry->sequence));
}

static bool is_of_agency(const PGresult *rows, int row, const Place *place) {
    int32_t said = pg_i32(rows, row, ERASING_AGENCY), of = pg_i32(place->segments, place->segment, AGENCY);
    if (place->entry != NULL && place->entry->agency != 0)
        return said == (int32_t)place->entry->agency;
    return said == of || (place->entry == NULL && of == 0);
}

// By this is kept who had been told, before the content goes.
static bool is_about(const PGresult *rows, int row, const Place *place) {
    int64_t said = pg_is_null(rows, row, ERASING_ABOUT) ? 0 : pg_i64(rows, row, ERASING_ABOUT);
    if (place->entry)
        return said == place->entry->person;
    return pg_is_null(rows, row, ERASING_PERSON) || said == pg_i64(rows, row, ERASING_PERSON);
}

static const char *hold_word(const PGresult *rows, int row, const Dongbo__Entry *entry) {
    if (!same_bytes(rows, row, ERASING_EVENT_ID, entry->event_id.data, entry->event_id.len))
        return ANOTHER_EVENT;
    if (pg_i64(rows, row, ERASING_EVENT_TIME) != entry->event_time_us)
        return "the event there is of another time than the order says";
    if (pg_i64(rows, row, ERASING_PERSON) != entry->person)
        return "the entry there is of another person than the order says";
    if (pg_i16(rows, row, ERASING_DOMAIN) != (int16_t)entry->domain ||
        strcmp(pg_text(rows, row, ERASING_RECORD_KEY), entry->record_key) != 0)
        return "the entry there is of another record than the order says";
    return NULL;
}

static bool took(int verdict) {
    return verdict == DONGBO__VERDICT__ACCEPTED || verdict == DONGBO__VERDICT__SUPERSEDED;
}

// An event whose word may stand in a record.
static bool has_word(const Dongbo__Entry *entry) {
    return is_said((int)entry->kind) && entry->event_id.len == EVENT_ID_BYTES && entry->person != 0 &&
           (entry->record_key[0] != '\0' || entry->domain == DONGBO__DOMAIN__POPULATION) &&
           (took((int)entry->verdict) || entry->verdict == DONGBO__VERDICT__UNCHANGED);
}

static int find_said(const PGresult *said, int64_t position) {
    int from = 0, to = PQntuples(said);
    while (from < to) {
        int middle = from + (to - from) / 2;
        if (pg_i64(said, middle, SAID_POSITION) < position)
            from = middle + 1;
        else
            to = middle;
    }
    return from < PQntuples(said) && pg_i64(said, from, SAID_POSITION) == position ? from : -1;
}

// Its entry goes, for that repeats what another event said. Its word stays, and is found by what was noted of it.
static const char *hold_entry(const Fitting *fitting, int row, const Place *place) {
    const PGresult *said = fitting->said;
    const Dongbo__Entry *entry = place->entry;
    int at = find_said(said, place->position);
    bool noted = at >= 0 && pg_is_null(fitting->rows, row, ERASING_STREAM) &&
                 same_bytes(said, at, SAID_EVENT_ID, entry->event_id.data, entry->event_id.len) &&
                 pg_i64(said, at, SAID_PERSON) == entry->person &&
                 pg_i16(said, at, SAID_DOMAIN) == (int16_t)entry->domain &&
                 strcmp(pg_text(said, at, SAID_RECORD_KEY), entry->record_key) == 0 &&
                 pg_i64(said, at, SAID_EVENT_TIME) == entry->event_time_us &&
                 (entry->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT ||
                  is_of_batch((Sent){said, at, SAID_STREAM, SAID_SEQUENCE}, place, (int)entry->kind));
    return noted ? NULL : "the entry there is of an event whose word would stay where nobody finds it";
}

// But for those that go without their word.
static bool stays_in_batch(const PGresult *rows, int row, const Place *place, int kind) {
    bool silent = pg_is_null(rows, row, ERASING_PERSON) && place->entry != NULL && has_word(place->entry);
    return kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && !silent && pg_is_null(rows, row, ERASING_STREAM) &&
           !pg_is_null(place->segments, place->segment, STREAM);
}

static const char *hold(const Fitting *fitting, int row, const Place *place) {
    const PGresult *rows = fitting->rows;
    bool tells = !pg_is_null(rows, row, ERASING_PERSON);
    int kind = (int)(place->entry ? place->entry->kind : place->line->kind);
    if (!may_go(place, kind))
        return "the entry there is none that is erased";
    if (tells && (!is_said(kind) || pg_i64(rows, row, ERASING_PERSON) == 0 || pg_is_null(rows, row, ERASING_EVENT_ID)))
        return "the entry there is no event's, or the order does not say which";
    if (!pg_is_null(rows, row, ERASING_STREAM) &&
        !is_of_batch((Sent){rows, row, ERASING_STREAM, ERASING_SEQUENCE}, place, kind))
        return "the entry there is of another place in its stream than the order says";
    if (!tells && !place->entry && is_said(kind) && took(place->line->verdict))
        return "the content there is gone, and the order does not say in which record its word may stand";
    if (stays_in_batch(rows, row, place, kind))
        return "the event there would stay in its batch: the order does not say its place in its stream";
    // The tombstone repeats it, also that there is none, and is held to that.
    if (!same_bytes(rows, row, ERASING_LEAF, place->line->leaf.data, place->line->leaf.len))
        return "the entry there has another leaf than the order says";
    if (!is_of_agency(rows, row, place))
        return "the entry there is of another agency than the order says";
    if (!is_about(rows, row, place))
        return "the entry there is about another person than the order says";
    if (!tells && place->entry && has_word(place->entry))
        return hold_entry(fitting, row, place);
    return tells && place->entry ? hold_word(rows, row, place->entry) : NULL;
}

// ---- segments -------------------------------------------------------------------------------------------------------

static int read_segments(const Fitting *fitting, int from, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, n);
    for (int row = from; row < from + n; row++)
        pg_array_i64(&params, pg_i64(fitting->rows, row, ERASING_POSITION));
    int result = pg_run(fitting->exchange, &SEGMENTS, &params, ret);
    pg_params_free(&params);
    return result;
}

// 1 when it cannot be read.
static int decode(Fitting *fitting, const PGresult *segments, int segment) {
    size_t n = 0;
    int format = pg_i16(segments, segment, FORMAT);
    if (fitting->decoded == segment)
        return fitting->summary == NULL;
    arena_reset(fitting->arena);
    fitting->decoded = segment;
    fitting->payload = NULL;
    fitting->summary = NULL;
    const uint8_t *bytes = pg_bytes(segments, segment, PAYLOAD, &n);
    int result = pg_is_null(segments, segment, PAYLOAD)
                     ? 0
                     : segment_decode_payload(bytes, n, format, fitting->arena, &fitting->payload);
    bytes = pg_bytes(segments, segment, SUMMARY, &n);
    if (result == 0)
        result = segment_decode_summary(bytes, n, format, fitting->arena, &fitting->summary);
    if (result != 0)
        fitting->summary = NULL;
    return result;
}

static int hold_row(Fitting *fitting, const PGresult *segments, int segment, int row) {
    int64_t position = pg_i64(fitting->rows, row, ERASING_POSITION);
    if (segment < 0 || position > pg_i64(segments, segment, LAST)) {
        fitting->reasons[row] = "the log has no entry there";
        return 0;
    }
    int result = decode(fitting, segments, segment);
    if (result < 0)
        return result;
    Place place = {.segments = segments, .segment = segment, .position = position};
    place.at = (size_t)(position - pg_i64(segments, segment, FIRST));
    if (result > 0 || place.at >= fitting->summary->n_lines) {
        fitting->reasons[row] = "what is stored there cannot be read";
        return 0;
    }
    place.line = fitting->summary->lines[place.at];
    const Dongbo__SegmentPayload *payload = fitting->payload;
    if (payload != NULL && place.at < payload->n_entries &&
        payload->entries[place.at]->kind != DONGBO__ENTRY_KIND__ENTRY_UNSPECIFIED)
        place.entry = payload->entries[place.at];
    fitting->reasons[row] = hold(fitting, row, &place);
    fitting->gone[row] = place.entry == NULL;
    return 0;
}

static int hold_some(Fitting *fitting, int from, int n) {
    PGresult *segments = NULL;
    int result = read_segments(fitting, from, n, &segments), segment = -1;
    fitting->decoded = -1;
    for (int row = from; result == 0 && row < from + n; row++) {
        while (segment + 1 < PQntuples(segments) &&
               pg_i64(segments, segment + 1, FIRST) <= pg_i64(fitting->rows, row, ERASING_POSITION))
            segment++;
        result = hold_row(fitting, segments, segment, row);
    }
    PQclear(segments);
    return result;
}

// ---- versions -------------------------------------------------------------------------------------------------------

static const Dongbo__Origin *find_origin(const PGresult *rows, int row, Dongbo__Origin *const *origins, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (same_bytes(rows, row, ERASING_EVENT_ID, origins[i]->event_id.data, origins[i]->event_id.len))
            return origins[i];
    return NULL;
}

// The first version that is by the event was made where it stands in the log.
static void hold_version(Fitting *fitting, bool *seen, int n, int64_t position, const Dongbo__Record *record) {
    for (int row = 0; row < n; row++) {
        if (!fitting->gone[row] || seen[row] || fitting->reasons[row] != NULL)
            continue;
        const Dongbo__Origin *by = find_origin(fitting->rows, row, record->origins, record->n_origins);
        if (by == NULL && record->lost != NULL)
            by = find_origin(fitting->rows, row, record->lost->origins, record->lost->n_origins);
        seen[row] = by != NULL;
        if (by != NULL && (position != pg_i64(fitting->rows, row, ERASING_POSITION) ||
                           by->event_time_us != pg_i64(fitting->rows, row, ERASING_EVENT_TIME)))
            fitting->reasons[row] = ANOTHER_EVENT;
    }
}

static int hold_versions(Fitting *fitting, bool *seen, int n) {
    PgParams params = {0};
    PGresult *versions = NULL;
    pg_param_i64(&params, pg_i64(fitting->rows, 0, ERASING_STANDS));
    pg_param_i16(&params, pg_i16(fitting->rows, 0, ERASING_DOMAIN));
    pg_param_text(&params, pg_text(fitting->rows, 0, ERASING_RECORD_KEY));
    int result = pg_run(fitting->exchange, &VERSIONS, &params, &versions);
    pg_params_free(&params);
    for (int version = 0; result == 0 && version < PQntuples(versions); version++) {
        size_t bytes = 0;
        const uint8_t *data = pg_bytes(versions, version, 1, &bytes);
        arena_reset(fitting->arena);
        const Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(fitting->arena), bytes, data);
        if (record != NULL)
            hold_version(fitting, seen, n, pg_i64(versions, version, 0), record);
        else if (arena_failed(fitting->arena))
            result = error_fail(ERROR_MEMORY, "a record that an erased event is in does not fit");
    }
    PQclear(versions);
    return result;
}

static bool any_gone(const Fitting *fitting, int n) {
    for (int row = 0; row < n; row++)
        if (fitting->gone[row] && fitting->reasons[row] == NULL && !pg_is_null(fitting->rows, row, ERASING_PERSON))
            return true;
    return false;
}

static int read_said(Fitting *fitting, int n) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, n);
    for (int row = 0; row < n; row++)
        pg_array_i64(&params, pg_i64(fitting->rows, row, ERASING_POSITION));
    int result = pg_run(fitting->exchange, &SAID, &params, &fitting->said);
    pg_params_free(&params);
    return result;
}

// ---- all of them ----------------------------------------------------------------------------------------------------

int erasing_fit(Pg *exchange, Arena *arena, const PGresult *rows, int n, const char ***ret) {
    Fitting fitting = {.exchange = exchange, .rows = rows};
    size_t room = (size_t)n + 1;
    fitting.reasons = arena_zalloc(arena, room * sizeof *fitting.reasons);
    fitting.gone = arena_zalloc(arena, room * sizeof *fitting.gone);
    bool *seen = arena_zalloc(arena, room * sizeof *seen);
    if (fitting.reasons == NULL || fitting.gone == NULL || seen == NULL)
        return error_fail(ERROR_MEMORY, "what is to be erased does not fit");
    int result = arena_new(&fitting.arena, ARENA_BYTES);
    if (result == 0)
        result = read_said(&fitting, n);
    for (int from = 0; result == 0 && from < n; from += AT_ONCE)
        result = hold_some(&fitting, from, n - from < AT_ONCE ? n - from : AT_ONCE);
    if (result == 0 && any_gone(&fitting, n))
        result = hold_versions(&fitting, seen, n);
    arena_destroy(&fitting.arena);
    PQclear(fitting.said);
    *ret = fitting.reasons;
    return result;
}

int erasing_refuse(Pg *exchange, const PGresult *rows, int n, const char *const *reasons) {
    PgParams params = {0};
    int refused = 0;
    for (int row = 0; row < n; row++)
        refused += reasons[row] != NULL;
    if (refused == 0)
        return 0;
    pg_param_array_begin(&params, OID_INT8, refused);
    for (int row = 0; row < n; row++)
        if (reasons[row] != NULL)
            pg_array_i64(&params, pg_i64(rows, row, ERASING_POSITION));
    pg_param_array_begin(&params, OID_TEXT, refused);
    for (int row = 0; row < n; row++) {
        if (reasons[row] == NULL)
            continue;
        pg_array_text(&params, reasons[row], strlen(reasons[row]));
        log_warn("an erasure of position %" PRId64 " is refused: %s", pg_i64(rows, row, ERASING_POSITION),
                 reasons[row]);
    }
    int result = pg_run(exchange, &REFUSE, &params, NULL);
    pg_params_free(&params);
    return result;
}
