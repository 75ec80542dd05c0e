// SPDX-License-Identifier: Apache-2.0
//
// `dongbo citizen`: everything the exchange holds on one person. Each field with who told it and when, each record with
// the positions of its history, each event in question with its reasons. Masked unless asked for, and then noted.
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/identity.h"
#include "operators/likely.h"
#include "operators/mask.h"
#include "operators/names.h"
#include "operators/result.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"
#include "store.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CITIZEN_POSITIONS 10 // of one record
#define CITIZEN_ARENA_BYTES ((size_t)8 * 1024 * 1024)

static const PgStatement VERSIONS = {
    "citizen_versions",
    "SELECT domain, record_key, position, superseded, record FROM exchange.record_version WHERE person = $1 "
    "ORDER BY domain, record_key, position",
    1, NULL};
static const PgStatement EXCEPTIONS = {
    "citizen_exceptions",
    "SELECT position, agency, domain, first_verdict, verdict, open, reasons, at, coalesce(decided_position, 0), "
    "sequence, candidates::text FROM exchange.exception WHERE citizen_number = ANY($1) "
    "OR (person = $2 AND $2 <> 0) OR (likely_person = $2 AND open) ORDER BY position",
    2, NULL};

typedef struct View {
    const Identity *identity;
    const Rules *rules;
    const Names *names;
    Arena *arena;
    bool unmask;
} View;

static void print_number(const View *view, const char *number) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(number, masked);
    printf("%s", view->unmask ? number : masked);
}

static void print_person(const View *view) {
    char name[256];
    const Identity *identity = view->identity;
    printf("citizen ");
    print_number(view, identity->person ? identity_text(identity, IDENTITY_NUMBER) : identity->number);
    if (!identity->person) {
        printf("  not in the population store\n");
        return;
    }
    text_mask_name(identity_text(identity, IDENTITY_NAME), name, sizeof name);
    const char *birth_date = identity_text(identity, IDENTITY_BIRTH_DATE);
    const char *died_on = identity_text(identity, IDENTITY_DIED_ON);
    printf("  %s, born %.*s, %s, residence %s%s%s\n", view->unmask ? identity_text(identity, IDENTITY_NAME) : name,
           view->unmask ? 10 : 4, birth_date, identity_text(identity, IDENTITY_SEX),
           identity_text(identity, IDENTITY_PROVINCE), *died_on ? ", died " : "", died_on);
    for (int row = 1; row < PQntuples(identity->numbers); row++) {
        printf("  formerly ");
        print_number(view, pg_text(identity->numbers, row, 0));
        printf(" (%s)\n", pg_text(identity->numbers, row, 1));
    }
}

static const Dongbo__Origin *origin_of(const Dongbo__Record *record, unsigned field, bool *ret_cleared) {
    for (size_t i = 0; i < record->n_origins; i++) {
        const Dongbo__Origin *origin = record->origins[i];
        for (size_t f = 0; f < origin->n_fields; f++)
            if (origin->fields[f] == field)
                return origin;
        for (size_t f = 0; f < origin->n_cleared; f++)
            if (origin->cleared[f] == field) {
                *ret_cleared = true;
                return origin;
            }
    }
    return NULL;
}

// As wide as it is on a terminal; a longer text pushes the rest.
static void print_column(const char *text, int width) {
    CLEANUP(bytes_free) Bytes shown = {0};
    columns_append(&shown, text);
    bytes_append_u8(&shown, 0);
    int rest = width - columns_width(text);
    printf("%s%*s", shown.failed ? "?" : (const char *)shown.data, rest > 0 ? rest + 1 : 1, "");
}

static void print_field(const View *view, const Dongbo__Record *record, const ProtobufCMessage *body,
                        const RuleField *field) {
    bool cleared = false;
    char number[12], masked[MASK_BYTES], at[CLOCK_TEXT_BYTES] = "";
    const Dongbo__Origin *origin = origin_of(record, field->number, &cleared);
    const char *value = field_text(body, field->number, number);
    if (!origin && !*value)
        return;
    if (!view->unmask)
        value = mask_value(field, value, masked);
    if (origin)
        clock_format_us(origin->event_time_us, at);
    printf("    %-20s ", field->name);
    print_column(cleared ? "(withdrawn)" : value, 32);
    print_column(origin ? names_agency(view->names, origin->agency) : "", 8);
    printf("%.19s%s\n", at, origin ? "Z" : "");
}

static int print_record(const View *view, const PGresult *versions, int row) {
    size_t n = 0;
    int domain = pg_i16(versions, row, 0);
    const uint8_t *bytes = pg_bytes(versions, row, 4, &n);
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    const DomainRules *rules = rules_domain(view->rules, domain);
    arena_reset(view->arena);
    ProtobufCAllocator *allocator = arena_protobuf(view->arena);
    Dongbo__Record *record = dongbo__record__unpack(allocator, n, bytes);
    ProtobufCMessage *body = record && descriptor
                                 ? protobuf_c_message_unpack(descriptor, allocator, record->body.len, record->body.data)
                                 : NULL;
    if (!body)
        return error_fail(ERROR_DATABASE, "the record at position %" PRId64 " cannot be read",
                          pg_i64(versions, row, 2));
    if (record->retracted)
        printf("    (withdrawn as a whole)\n");
    for (size_t i = 0; i < rules->n_fields; i++)
        print_field(view, record, body, &rules->fields[i]);
    return 0;
}

// The last ones, and the current one wherever it stands.
static void print_positions(const PGresult *versions, int first, int last, int current) {
    int shown = last - CITIZEN_POSITIONS + 1 > first ? last - CITIZEN_POSITIONS + 1 : first;
    printf("    positions           ");
    if (shown > first)
        printf(" (%d before these)", shown - first);
    if (current < shown)
        printf(" %" PRId64 " (current)", pg_i64(versions, current, 2));
    for (int row = shown; row <= last; row++)
        printf(" %" PRId64 "%s", pg_i64(versions, row, 2),
               row == current              ? " (current)"
               : pg_bool(versions, row, 3) ? " (older than what was held)"
                                           : "");
    printf("\n");
}

// Rows first to last are one record's versions, oldest first; the current one is the last that is not superseded.
static int print_versions(const View *view, const PGresult *versions, int first, int last) {
    int current = last;
    while (current > first && pg_bool(versions, current, 3))
        current--;
    CLEANUP(bytes_free) Bytes key = {0};
    const char *domain = domain_name(pg_i16(versions, first, 0));
    mask_key(rules_domain(view->rules, pg_i16(versions, first, 0)), pg_text(versions, first, 1), view->unmask, &key);
    if (key.failed)
        return error_fail(ERROR_MEMORY, "no memory for a record's key");
    printf("\n  %s  %s\n", domain ? domain : "?", (const char *)key.data);
    int r = print_record(view, versions, current);
    print_positions(versions, first, last, current);
    return r;
}

static int print_records(const View *view, const PGresult *versions) {
    int n = PQntuples(versions), r = 0;
    for (int first = 0, last; first < n && r == 0; first = last + 1) {
        last = first;
        while (last + 1 < n && pg_i16(versions, last + 1, 0) == pg_i16(versions, first, 0) &&
               strcmp(pg_text(versions, last + 1, 1), pg_text(versions, first, 1)) == 0)
            last++;
        r = print_versions(view, versions, first, last);
    }
    if (n == 0)
        printf("\n  no records\n");
    return r;
}

static void print_reasons(const View *view, const PGresult *exceptions, int row) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(exceptions, row, 6, &n);
    arena_reset(view->arena);
    Dongbo__EventVerdict *verdict = dongbo__event_verdict__unpack(arena_protobuf(view->arena), n, bytes);
    for (size_t i = 0; verdict && i < verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = verdict->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        printf("      %s%s%s: %s\n", text->name, *reason->field ? " " : "", reason->field, text->en);
    }
}

static void print_exceptions(const View *view, const PGresult *exceptions) {
    if (PQntuples(exceptions))
        printf("\n  in question\n");
    for (int row = 0; row < PQntuples(exceptions); row++) {
        char at[CLOCK_TEXT_BYTES];
        clock_format_us(pg_us(exceptions, row, 7), at);
        int first = pg_i16(exceptions, row, 3), now = pg_i16(exceptions, row, 4);
        const char *domain = domain_name(pg_i16(exceptions, row, 2));
        printf("    position %" PRId64 "  %.19sZ  %s  sequence %" PRId64 "  %s  %s", pg_i64(exceptions, row, 0), at,
               names_agency(view->names, (uint32_t)pg_i32(exceptions, row, 1)), pg_i64(exceptions, row, 9),
               domain ? domain : "?", verdict_name(first));
        if (pg_i64(exceptions, row, 8))
            printf(", then %s at position %" PRId64, verdict_name(now), pg_i64(exceptions, row, 8));
        printf("%s\n", pg_bool(exceptions, row, 5) ? "  (open)" : "");
        print_reasons(view, exceptions, row);
        if (pg_bool(exceptions, row, 5))
            likely_print(pg_text(exceptions, row, 10), view->identity->person, view->unmask);
    }
}

static int read_exceptions(Pg *exchange, const Identity *identity, PGresult **ret) {
    PgParams params = {0};
    int n = PQntuples(identity->numbers);
    pg_param_array_begin(&params, OID_TEXT, n + 1);
    pg_array_text(&params, identity->number, strlen(identity->number));
    for (int row = 0; row < n; row++) {
        const char *number = pg_text(identity->numbers, row, 0);
        pg_array_text(&params, number, strlen(number));
    }
    pg_param_i64(&params, identity->person);
    int r = pg_run(exchange, &EXCEPTIONS, &params, ret);
    pg_params_free(&params);
    return r;
}

static int show(Pg *exchange, const View *view) {
    RESULT versions = NULL;
    RESULT exceptions = NULL;
    PgParams params = {0};
    pg_param_i64(&params, view->identity->person);
    int r = pg_run(exchange, &VERSIONS, &params, &versions);
    pg_params_free(&params);
    if (r == 0)
        r = read_exceptions(exchange, view->identity, &exceptions);
    if (r < 0)
        return r;
    if (!view->identity->person && PQntuples(exceptions) == 0) {
        log_error("nothing is held under this number");
        return 1;
    }
    print_person(view);
    r = print_records(view, versions);
    print_exceptions(view, exceptions);
    return r;
}

int citizen_show(Desk *desk, int argc, char **argv) {
    CLEANUP(identity_free) Identity identity = {0};
    CLEANUP(names_destroy) Names *names = NULL;
    CLEANUP(arena_destroy) Arena *arena = NULL;
    Pg *exchange = NULL;
    const Rules *rules = NULL;
    bool unmask = false;
    int operand = 0;
    const Option options[] = {{"unmask", 0, OPTION_FLAG, NULL, "show numbers, names and dates; this is noted", &unmask},
                              {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = identity_read_number(argv[operand], identity.number);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = desk_rules(desk, &rules);
    if (r == 0)
        r = identity_find(desk, &identity);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0)
        r = arena_new(&arena, CITIZEN_ARENA_BYTES);
    if (r == 0 && unmask)
        r = identity_note_unmasking(exchange, "citizen", identity.number);
    const View view = {&identity, rules, names, arena, unmask};
    return r < 0 ? r : show(exchange, &view);
}
