// SPDX-License-Identifier: Apache-2.0
//
// See erase_trimmed.h. The versions of a record are read in their order: what is by an event that none before was by is
// what that event said, and its entry stands where the version does.
#include "operators/erase_trimmed.h"

#include "operators/erase_decided.h"
#include "operators/result.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_OF                                                                                                     \
    "CROSS JOIN LATERAL (SELECT s.first_position, s.format, s.kind, s.agency, s.stream, s.first_sequence, s.summary, " \
    "s.payload IS NULL AS gone FROM exchange.segment s WHERE s.first_position <= "
#define PLACE                                                                                                          \
    "g.gone, g.format, g.kind, coalesce(g.agency, 0), CASE WHEN g.gone THEN g.stream END, g.first_position, "          \
    "g.first_sequence, CASE WHEN g.gone THEN g.summary END"

static const PgStatement VERSIONS = {
    "trimmed_versions",
    "SELECT v.position, " PLACE ", v.person, v.domain, v.record_key, v.record FROM exchange.seen_version v " SEGMENT_OF
    "v.position ORDER BY s.first_position DESC LIMIT 1) g WHERE v.person = ANY ($1) "
    "ORDER BY v.domain, v.record_key, v.position",
    1, NULL};
static const PgStatement EXCEPTIONS = {
    "trimmed_exceptions",
    "SELECT x.position, " PLACE ", coalesce(x.person, 0), x.domain FROM " ERASE_DECIDED SEGMENT_OF
    "x.position ORDER BY s.first_position DESC LIMIT 1) g WHERE x.event <> '' AND g.gone "
    "AND (x.owner IS NULL OR x.owner = ANY ($1)) ORDER BY x.position",
    2, NULL};
// Where an event that an officer took from somebody may stand in that one's record: where it came, and where it was
// decided before.
static const PgStatement TAKEN = {
    "trimmed_taken",
    "SELECT DISTINCT p.position FROM " ERASE_DECIDED
    "CROSS JOIN LATERAL (SELECT s.first_position + x.sequence - s.first_sequence AS position FROM exchange.segment s "
    "WHERE s.stream = x.stream AND s.batch_root IS NOT NULL AND s.first_sequence <= x.sequence "
    "ORDER BY s.first_sequence DESC LIMIT 1) o CROSS JOIN LATERAL (SELECT o.position WHERE o.position <> x.position "
    "UNION ALL SELECT x.decided_position WHERE x.person <> ALL ($1)) p " SEGMENT_OF
    "p.position ORDER BY s.first_position DESC LIMIT 1) g WHERE g.gone AND x.owner = ANY ($1) AND x.event <> ''",
    2, NULL};
// Goes over all versions: no index leads there. Few ask.
static const PgStatement OTHERS_VERSIONS = {
    "trimmed_others_versions",
    "SELECT v.position, " PLACE ", v.person, v.domain, v.record_key, v.record FROM exchange.seen_version v " SEGMENT_OF
    "v.position ORDER BY s.first_position DESC LIMIT 1) g WHERE v.position = ANY ($2) AND v.person <> ALL ($1) "
    "ORDER BY v.position",
    2, NULL};
enum {
    POSITION,
    GONE,
    FORMAT,
    KIND,
    AGENCY,
    STREAM,
    FIRST,
    FIRST_SEQUENCE,
    SUMMARY,
    PERSON,
    DOMAIN,
    RECORD_KEY,
    RECORD
};

typedef struct Seen { // event ids of the versions of a record so far
    uint8_t (*ids)[EVENT_ID_BYTES];
    size_t n, size;
} Seen;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what is found");
}

// 1 when it was seen before.
static int see(Seen *seen, const ProtobufCBinaryData *id) {
    for (size_t i = 0; i < seen->n; i++)
        if (id->len != EVENT_ID_BYTES || memcmp(seen->ids[i], id->data, EVENT_ID_BYTES) == 0)
            return 1;
    if (id->len != EVENT_ID_BYTES)
        return 1;
    if (seen->n == seen->size) {
        size_t size = seen->size ? 2 * seen->size : 64;
        void *grown = realloc(seen->ids, size * sizeof *seen->ids);
        if (!grown)
            return no_memory();
        seen->ids = grown;
        seen->size = size;
    }
    memcpy(seen->ids[seen->n++], id->data, EVENT_ID_BYTES);
    return 0;
}

// Those by whom the version is; the first that is new, if any, made it.
static int see_all(Seen *seen, Dongbo__Origin *const *origins, size_t n, const Dongbo__Origin **ret) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = see(seen, &origins[i]->event_id);
        if (r == 0 && !*ret)
            *ret = origins[i];
    }
    return r < 0 ? r : 0;
}

static int place(EraseFind *find, const PGresult *rows, int row, EraseTarget *ret) {
    Dongbo__SegmentSummary *summary = NULL;
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, SUMMARY, &n);
    int64_t at = pg_i64(rows, row, POSITION) - pg_i64(rows, row, FIRST);
    *ret = (EraseTarget){.position = pg_i64(rows, row, POSITION),
                         .kind = pg_i16(rows, row, KIND),
                         .agency = (uint32_t)pg_i32(rows, row, AGENCY),
                         .person = pg_i64(rows, row, PERSON),
                         .domain = pg_i16(rows, row, DOMAIN),
                         .record_key = (char *)""};
    ret->is_event = ret->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && !pg_is_null(rows, row, STREAM);
    ret->sequence = (uint64_t)(pg_i64(rows, row, FIRST_SEQUENCE) + at);
    if (segment_decode_summary(bytes, n, pg_i16(rows, row, FORMAT), find->arena, &summary) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read", ret->position - at);
    erase_find_leaf(summary, (size_t)at, ret);
    if (ret->is_event)
        memcpy(ret->stream, pg_bytes(rows, row, STREAM, &n), STREAM_BYTES); // the column holds that it is as long
    return 0;
}

static int take(EraseFind *find, const PGresult *rows, int row, const Dongbo__Origin *by) {
    EraseTarget target;
    int r = place(find, rows, row, &target);
    if (r < 0)
        return r;
    target.record_key = (char *)pg_text(rows, row, RECORD_KEY);
    target.event_time_us = by->event_time_us;
    target.is_said = target.tells = true;
    memcpy(target.event_id, by->event_id.data, EVENT_ID_BYTES);
    return erase_find_add(find, &target);
}

static int read_record(const EraseFind *find, const PGresult *rows, int row, const Dongbo__Record **ret) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, RECORD, &n);
    arena_reset(find->arena);
    *ret = dongbo__record__unpack(arena_protobuf(find->arena), n, bytes);
    return *ret ? 0
                : error_fail(ERROR_DATABASE, "the record at position %" PRId64 " cannot be read",
                             pg_i64(rows, row, POSITION));
}

static int look_at(EraseFind *find, Seen *seen, const PGresult *rows, int row) {
    const Dongbo__Record *record = NULL;
    const Dongbo__Origin *by = NULL;
    bool is_next = row > 0 && pg_i16(rows, row, DOMAIN) == pg_i16(rows, row - 1, DOMAIN) &&
                   strcmp(pg_text(rows, row, RECORD_KEY), pg_text(rows, row - 1, RECORD_KEY)) == 0;
    int r = read_record(find, rows, row, &record);
    if (r < 0)
        return r;
    seen->n = is_next ? seen->n : 0;
    r = see_all(seen, record->origins, record->n_origins, &by);
    if (r == 0 && record->lost)
        r = see_all(seen, record->lost->origins, record->lost->n_origins, &by);
    return r == 0 && by && pg_bool(rows, row, GONE) ? take(find, rows, row, by) : r;
}

static int find_versions(EraseFind *find) {
    PgParams params = {0};
    RESULT rows = NULL;
    Seen seen = {0};
    erase_find_param_family(find, &params);
    int r = pg_run(find->exchange, &VERSIONS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        r = look_at(find, &seen, rows, row);
    free(seen.ids);
    return r;
}

static bool is_found(const EraseFind *find, size_t n, int64_t position) {
    for (size_t i = 0; i < n; i++)
        if (find->targets[i].position == position)
            return true;
    return false;
}

static int find_exceptions(EraseFind *find) {
    size_t n = find->n;
    PgParams params = {0};
    RESULT rows = NULL;
    erase_decided_param(find, &params);
    int r = pg_run(find->exchange, &EXCEPTIONS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        EraseTarget target;
        if (is_found(find, n, pg_i64(rows, row, POSITION)))
            continue;
        arena_reset(find->arena);
        r = place(find, rows, row, &target);
        if (r == 0)
            r = erase_find_add(find, &target);
    }
    return r;
}

static const Dongbo__Origin *find_theirs(const EraseFind *find, Dongbo__Origin *const *origins, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const EraseDecided *decided = erase_decided_on(find, &origins[i]->event_id);
        if (decided && decided->theirs)
            return origins[i];
    }
    return NULL;
}

static int look_at_others(EraseFind *find, const PGresult *rows, int row) {
    const Dongbo__Record *record = NULL;
    int r = read_record(find, rows, row, &record);
    if (r < 0)
        return r;
    const Dongbo__Origin *by = find_theirs(find, record->origins, record->n_origins);
    if (!by && record->lost)
        by = find_theirs(find, record->lost->origins, record->lost->n_origins);
    return by ? take(find, rows, row, by) : 0;
}

static int find_others_versions(EraseFind *find, const PGresult *positions) {
    PgParams params = {0};
    RESULT rows = NULL;
    erase_find_param_family(find, &params);
    pg_param_array_begin(&params, OID_INT8, PQntuples(positions));
    for (int row = 0; row < PQntuples(positions); row++)
        pg_array_i64(&params, pg_i64(positions, row, 0));
    int r = pg_run(find->exchange, &OTHERS_VERSIONS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        r = look_at_others(find, rows, row);
    return r;
}

static int find_taken(EraseFind *find) {
    PgParams params = {0};
    RESULT positions = NULL;
    erase_decided_param(find, &params);
    int r = pg_run(find->exchange, &TAKEN, &params, &positions);
    pg_params_free(&params);
    return r < 0 || PQntuples(positions) == 0 ? r : find_others_versions(find, positions);
}

int erase_trimmed(EraseFind *find) {
    int r = find_versions(find);
    if (r == 0)
        r = find_taken(find);
    return r < 0 ? r : find_exceptions(find);
}
