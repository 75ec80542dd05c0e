// SPDX-License-Identifier: Apache-2.0
//
// See map.h. All names are looked up when the mapping is loaded; a row then costs no search by name and no allocation
// but the arena's.
#include "agents/map.h"

#include "agents/place.h"
#include "proto/base/config.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/base/unsaid.h"
#include "proto/bounds.h"
#include "proto/domain.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64
#define KEY_COLUMNS_MAX 8

// ---- the file as libcyaml reads it ----

typedef struct CodeYaml {
    char *from, *to;
} CodeYaml;

typedef struct FieldYaml {
    char *to, *column, *date, *value;
    CodeYaml *codes;
    unsigned codes_count;
    char **clears_when;
    unsigned clears_when_count;
    bool optional;
} FieldYaml;

typedef struct OperationYaml {
    char *column;
    char **retract;
    unsigned retract_count;
    char **correct;
    unsigned correct_count;
} OperationYaml;

typedef struct MapYaml {
    char *domain;
    char **source_key;
    unsigned source_key_count;
    char *event_time, *event_time_date;
    OperationYaml *operation;
    FieldYaml *fields;
    unsigned fields_count;
} MapYaml;

static const cyaml_schema_value_t TEXT_SCHEMA = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 256)};

static const cyaml_schema_field_t CODE_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("from", CYAML_FLAG_POINTER, CodeYaml, from, 0, 256),
    CYAML_FIELD_STRING_PTR("to", CYAML_FLAG_POINTER, CodeYaml, to, 0, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t CODE_SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, CodeYaml, CODE_FIELDS)};

#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t FIELD_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("to", CYAML_FLAG_POINTER, FieldYaml, to, 1, 128),
    CYAML_FIELD_STRING_PTR("column", OPTIONAL_TEXT, FieldYaml, column, 1, 256),
    CYAML_FIELD_STRING_PTR("date", OPTIONAL_TEXT, FieldYaml, date, 1, 32),
    CYAML_FIELD_STRING_PTR("value", OPTIONAL_TEXT, FieldYaml, value, 1, 256),
    CYAML_FIELD_SEQUENCE("codes", OPTIONAL_TEXT, FieldYaml, codes, &CODE_SCHEMA, 1, 1000),
    CYAML_FIELD_SEQUENCE("clears_when", OPTIONAL_TEXT, FieldYaml, clears_when, &TEXT_SCHEMA, 1, 16),
    CONFIG_FIELD_BOOL("optional", CYAML_FLAG_OPTIONAL, FieldYaml, optional),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t FIELD_SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, FieldYaml, FIELD_FIELDS)};

static const cyaml_schema_field_t OPERATION_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("column", CYAML_FLAG_POINTER, OperationYaml, column, 1, 256),
    CYAML_FIELD_SEQUENCE("retract", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, OperationYaml, retract, &TEXT_SCHEMA, 1,
                         16),
    CYAML_FIELD_SEQUENCE("correct", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, OperationYaml, correct, &TEXT_SCHEMA, 1,
                         16),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t MAP_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("domain", CYAML_FLAG_POINTER, MapYaml, domain, 1, 64),
    CYAML_FIELD_SEQUENCE("source_key", CYAML_FLAG_POINTER, MapYaml, source_key, &TEXT_SCHEMA, 1, KEY_COLUMNS_MAX),
    CYAML_FIELD_STRING_PTR("event_time", OPTIONAL_TEXT, MapYaml, event_time, 1, 256),
    CYAML_FIELD_STRING_PTR("event_time_date", OPTIONAL_TEXT, MapYaml, event_time_date, 1, 32),
    CYAML_FIELD_MAPPING_PTR("operation", OPTIONAL_TEXT, MapYaml, operation, OPERATION_FIELDS),
    CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER, MapYaml, fields, &FIELD_SCHEMA, 1, FIELDS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t MAP_SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, MapYaml, MAP_FIELDS)};

// ---- the mapping as rows are mapped by it ----

typedef struct Target {
    bool subject; // a field of the subject, else of the body
    unsigned number;
    int column;       // -1: a constant
    const char *name; // "subject.full_name", as in the file
    bool is_date;
    const char *date; // the source's format, or NULL
    const char *value;
    const CodeYaml *codes;
    unsigned n_codes;
    char *const *clears; // words by which the field holds nothing any more
    unsigned n_clears;
    bool optional; // a row without the column says nothing of it
} Target;

typedef struct Column {
    const char *name;
    int line;
    bool optional; // to all that is read from it
} Column;

struct Map {
    MapYaml *yaml; // owns all text below
    char *path;
    int domain;
    const ProtobufCMessageDescriptor *body;
    Column columns[MAP_COLUMNS_MAX];
    int n_columns;
    int key[KEY_COLUMNS_MAX];
    int n_key;
    int event_time; // column, or -1
    int operation;  // column, or -1
    Target targets[FIELDS_MAX];
    int n_targets;
};

int map_domain(const Map *map) {
    return map->domain;
}

const char *map_path(const Map *map) {
    return map->path;
}

int map_n_columns(const Map *map) {
    return map->n_columns;
}

const char *map_column(const Map *map, int column) {
    return map->columns[column].name;
}

bool map_column_optional(const Map *map, int column) {
    return map->columns[column].optional;
}

int map_column_line(const Map *map, int column) {
    return map->columns[column].line;
}

// The column's index; added when it is new. -1 when there are too many.
static int map_use_column(Map *map, const char *name, int line) {
    for (int i = 0; i < map->n_columns; i++)
        if (strcmp(map->columns[i].name, name) == 0)
            return i;
    if (map->n_columns == MAP_COLUMNS_MAX)
        return -1;
    map->columns[map->n_columns] = (Column){name, line, true};
    return map->n_columns++;
}

// The same, of one that must be there.
static int map_need_column(Map *map, const char *name, int line) {
    int column = map_use_column(map, name, line);
    if (column >= 0)
        map->columns[column].optional = false;
    return column;
}

static int fail_at(const Map *map, int index, const char *key, const char *what, const char *value) {
    return error_fail(ERROR_CONFIG, "%s, line %d: %s: %s", map->path, place_line(map->path, "fields", index, key), what,
                      value);
}

// A format has exactly one run each of D, M and Y, years with four digits; all else stands for itself.
static bool date_format_good(const char *format) {
    int runs[3] = {0}, years = 0;
    char last = 0;
    for (const char *at = format; *at != 0; last = *at++) {
        const char *kind = strchr("DMY", *at);
        if (kind != NULL && *at != last)
            runs[kind - "DMY"]++;
        years += *at == 'Y';
    }
    return runs[2] == 1 && years == 4 && runs[0] <= 1 && runs[1] <= 1 && runs[0] <= runs[1];
}

static bool is_among(char *const *words, unsigned n, const char *text) {
    for (unsigned i = 0; i < n; i++)
        if (text_is_same(words[i], text))
            return true;
    return false;
}

static int target_name(Map *map, int index, const FieldYaml *yaml, Target *target) {
    target->subject = strncmp(yaml->to, "subject.", 8) == 0;
    const ProtobufCMessageDescriptor *of = target->subject ? &dongbo__subject__descriptor : map->body;
    target->number = field_by_name(of, target->subject ? yaml->to + 8 : yaml->to);
    if (target->number == 0)
        return error_fail(ERROR_CONFIG, "%s, line %d: the domain %s has no field \"%s\"", map->path,
                          place_line(map->path, "fields", index, "to"), domain_name(map->domain), yaml->to);
    for (int i = 0; i < map->n_targets; i++)
        if (map->targets[i].subject == target->subject && map->targets[i].number == target->number)
            return fail_at(map, index, "to", "this field is filled twice", yaml->to);
    return 0;
}

static int map_target(Map *map, int index) {
    const FieldYaml *yaml = &map->yaml->fields[index];
    Target *target = &map->targets[map->n_targets];
    *target = (Target){.column = -1,
                       .name = yaml->to,
                       .date = yaml->date,
                       .value = yaml->value,
                       .codes = yaml->codes,
                       .n_codes = yaml->codes_count,
                       .clears = yaml->clears_when,
                       .n_clears = yaml->clears_when_count,
                       .optional = yaml->optional};
    target->is_date = field_is_date(yaml->to);
    int r = target_name(map, index, yaml, target);
    if (r < 0)
        return r;
    if ((yaml->column == NULL) == (yaml->value == NULL))
        return fail_at(map, index, "to", "give either a column or a value for", yaml->to);
    if (yaml->value != NULL && (yaml->date != NULL || yaml->codes != NULL || yaml->optional))
        return fail_at(map, index, "value", "a constant takes neither date nor codes, and is not optional", yaml->to);
    if (yaml->clears_when != NULL && (yaml->value != NULL || target->subject))
        return fail_at(map, index, "clears_when", "only a field of the record that comes from a column is cleared",
                       yaml->to);
    if (yaml->date != NULL && yaml->codes != NULL)
        return fail_at(map, index, "date", "give either date or codes for", yaml->to);
    if (yaml->date != NULL && !date_format_good(yaml->date))
        return fail_at(map, index, "date", "a date format has YYYY, and MM, DD at most once each", yaml->date);
    if (yaml->column != NULL) {
        int line = place_line(map->path, "fields", index, "column");
        target->column =
            yaml->optional ? map_use_column(map, yaml->column, line) : map_need_column(map, yaml->column, line);
        if (target->column < 0)
            return fail_at(map, index, "column", "more than 64 columns", yaml->column);
    }
    map->n_targets++;
    return 0;
}

static int check_event_time_date(const Map *map) {
    const char *format = map->yaml->event_time_date;
    if (format == NULL || (map->yaml->event_time != NULL && date_format_good(format) && strstr(format, "DD") != NULL &&
                           strstr(format, "MM") != NULL))
        return 0;
    return error_fail(ERROR_CONFIG,
                      "%s, line %d: event_time_date says how event_time's column writes its day, with YYYY, MM and DD",
                      map->path, place_line(map->path, "event_time_date", -1, NULL));
}

static int map_bind(Map *map) {
    const MapYaml *yaml = map->yaml;
    map->domain = domain_by_name(yaml->domain);
    if (map->domain == 0)
        return error_fail(ERROR_CONFIG, "%s, line %d: there is no domain \"%s\"", map->path,
                          place_line(map->path, "domain", -1, NULL), yaml->domain);
    map->body = domain_descriptor(map->domain);
    for (unsigned i = 0; i < yaml->source_key_count; i++)
        map->key[map->n_key++] =
            map_need_column(map, yaml->source_key[i], place_line(map->path, "source_key", (int)i, NULL));
    map->event_time = map->operation = -1;
    if (yaml->event_time != NULL)
        map->event_time = map_need_column(map, yaml->event_time, place_line(map->path, "event_time", -1, NULL));
    if (yaml->operation != NULL && yaml->operation->retract_count + yaml->operation->correct_count == 0)
        return error_fail(ERROR_CONFIG, "%s, line %d: operation needs the words of retract, of correct, or of both",
                          map->path, place_line(map->path, "operation", -1, NULL));
    if (yaml->operation != NULL && map->domain == DONGBO__DOMAIN__POPULATION)
        return error_fail(
            ERROR_CONFIG,
            "%s, line %d: population events are not withdrawn or corrected by an operation: a row of kind "
            "correction says what holds, and clears_when what holds no longer",
            map->path, place_line(map->path, "operation", -1, NULL));
    if (yaml->operation != NULL)
        map->operation = map_need_column(map, yaml->operation->column, place_line(map->path, "operation", -1, NULL));
    int r = check_event_time_date(map);
    for (unsigned i = 0; i < yaml->fields_count && r == 0; i++)
        r = map_target(map, (int)i);
    return r;
}

int map_load(Map **ret, const char *path) {
    Map *map = calloc(1, sizeof *map);
    if (map == NULL || (map->path = strdup(path)) == NULL) {
        free(map);
        return error_fail(ERROR_MEMORY, "no memory for a mapping");
    }
    int r = config_load((void **)&map->yaml, path, &MAP_SCHEMA);
    if (r == 0)
        r = map_bind(map);
    if (r < 0) {
        map_destroy(&map);
        return r;
    }
    *ret = map;
    return 0;
}

void map_destroy(Map **map) {
    if (*map == NULL)
        return;
    config_free((*map)->yaml, &MAP_SCHEMA);
    free((*map)->path);
    free(*map);
    *map = NULL;
}

// ---- a row ----

static int fault(MapFault *ret, int code, const char *field, const char *column) {
    ret->code = code;
    ret->column = column;
    snprintf(ret->field, sizeof ret->field, "%s", field);
    return 1;
}

static int column_fault(const Map *map, MapFault *ret, int code, const char *field, int column) {
    return fault(ret, code, field, map->columns[column].name);
}

// Digits of a run in a date format: as many as the format has, or fewer where something else ends them.
static int date_digits(const char **text, int most) {
    int value = 0, n = 0;
    for (; n < most && **text >= '0' && **text <= '9'; n++)
        value = value * 10 + *(*text)++ - '0';
    return n == 0 ? -1 : value;
}

// "03/01/2021" by "DD/MM/YYYY" to "2021-01-03". 1 when it does not fit and is no FHIR date as it stands either.
static int date_convert(const char *format, const char *text, char out[16]) {
    int parts[3] = {0};
    const char *at = text, *f = format;
    while (*f != 0) {
        const char *kind = strchr("DMY", *f);
        if (kind == NULL) {
            if (*at++ != *f++)
                break;
            continue;
        }
        int run = (int)strspn(f, (char[]){*f, 0});
        int value = date_digits(&at, run);
        if (value <= 0)
            break;
        parts[kind - "DMY"] = value;
        f += run;
    }
    bool fits = *f == 0 && *at == 0 && parts[2] >= 1000;
    Date ignored;
    if (!fits)
        return date_parse(text, &ignored) == 0 && snprintf(out, 16, "%s", text) > 0 ? 0 : 1;
    unsigned year = (unsigned)parts[2] % 10000, month = (unsigned)parts[1] % 100, day = (unsigned)parts[0] % 100;
    if (month == 0)
        snprintf(out, 16, "%04u", year);
    else if (day == 0)
        snprintf(out, 16, "%04u-%02u", year, month);
    else
        snprintf(out, 16, "%04u-%02u-%02u", year, month, day);
    return date_parse(out, &ignored);
}

// What a field that holds a date gets. One that is not known is not said; of what came without a format, the exchange
// judges the rest.
static int date_text(const Target *target, const MapText *text, Arena *arena, const char **ret) {
    Date ignored;
    char *date = arena_alloc(arena, 16);
    if (date == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    if (target->date != NULL && date_convert(target->date, text->text, date) == 0) {
        *ret = date;
        return 0;
    }
    if (target->date == NULL && date_parse(text->text, &ignored) == 0)
        return 0;
    if (unsaid_is_date(text->text)) {
        *ret = "";
        return 0;
    }
    return target->date != NULL ? DONGBO__REASON_CODE__DATE_INVALID : 0;
}

// What the target gets for this text: *ret, which may be the text itself. 0, a reason's code, or ERROR_MEMORY.
static int target_text(const Target *target, const MapText *text, Arena *arena, const char **ret) {
    *ret = text->text;
    if (target->codes != NULL) {
        for (unsigned i = 0; i < target->n_codes; i++) {
            if (text_is_same(target->codes[i].from, text->text)) {
                *ret = target->codes[i].to;
                return 0;
            }
        }
        return text->n == 0 ? 0 : DONGBO__REASON_CODE__CODE_UNKNOWN;
    }
    bool is_date = target->date != NULL || target->is_date;
    return is_date && text->n > 0 ? date_text(target, text, arena, ret) : 0;
}

// Checks what a row holds in this column. 0, or a reason's code.
static int text_check(const MapText *text) {
    if (text->text == NULL)
        return DONGBO__REASON_CODE__FIELD_MISSING;
    if (text->n > TEXT_BYTES_MAX)
        return DONGBO__REASON_CODE__EVENT_LIMITS;
    return text_is_clean(text->text, text->n) ? 0 : DONGBO__REASON_CODE__TEXT_INVALID;
}

// The same without the white space around it, which is never part of a value; *ret is in the arena where it ended in
// some. 0, a reason's code, or ERROR_MEMORY.
static int text_read(const MapText *said, Arena *arena, MapText *ret) {
    *ret = *said;
    if (said->text != NULL)
        text_trim(&ret->text, &ret->n);
    int code = text_check(ret);
    if (code != 0 || ret->text[ret->n] == 0)
        return code;
    char *text = arena_alloc(arena, ret->n + 1);
    if (text == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    memcpy(text, ret->text, ret->n);
    text[ret->n] = 0;
    ret->text = text;
    return 0;
}

// A row that withdraws its record says nothing else of it.
static void clear_field(const Target *target, Dongbo__ChangeEvent *event) {
    if (event->operation != DONGBO__OPERATION__RETRACT)
        event->cleared_fields[event->n_cleared_fields++] = target->number;
}

static int apply_target(const Map *map, const Target *target, const MapRow *row, Arena *arena,
                        Dongbo__ChangeEvent *event, MapFault *ret_fault) {
    ProtobufCMessage *message = target->subject ? &event->subject->base : event_body(event);
    const char *text = target->value;
    if (target->optional && row->values[target->column].text == NULL)
        return 0;
    if (target->column >= 0) {
        MapText said;
        int code = text_read(&row->values[target->column], arena, &said);
        if (code == 0 && is_among(target->clears, target->n_clears, said.text)) {
            clear_field(target, event);
            return 0;
        }
        if (code == 0)
            code = target_text(target, &said, arena, &text);
        if (code < 0)
            return code;
        if (code > 0)
            return column_fault(map, ret_fault, code, target->name, target->column);
    }
    if (text[0] == 0)
        return 0;
    if (field_set_text(message, target->number, text) != 0)
        return fault(ret_fault, DONGBO__REASON_CODE__FIELD_FORMAT, target->name,
                     target->column < 0 ? NULL : map->columns[target->column].name);
    return 0;
}

static int apply_key(const Map *map, const MapRow *row, Arena *arena, Dongbo__ChangeEvent *event, MapFault *ret_fault) {
    size_t n = 0;
    for (int i = 0; i < map->n_key; i++) {
        const MapText *part = &row->values[map->key[i]];
        int code = text_check(part);
        if (code == 0 && part->n == 0)
            code = DONGBO__REASON_CODE__FIELD_MISSING;
        if (code != 0)
            return column_fault(map, ret_fault, code, "source_key", map->key[i]);
        n += part->n + 1;
    }
    if (n > TEXT_BYTES_MAX)
        return column_fault(map, ret_fault, DONGBO__REASON_CODE__EVENT_LIMITS, "source_key", map->key[0]);
    char *key = arena_alloc(arena, n);
    if (key == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    event->source_key = key;
    for (int i = 0; i < map->n_key; i++) {
        const MapText *part = &row->values[map->key[i]];
        memcpy(key, part->text, part->n);
        key += part->n;
        *key++ = i + 1 < map->n_key ? '/' : 0;
    }
    return 0;
}

// "01/03/2022 8:05" by "DD/MM/YYYY", or as clock_parse_said_us() reads it. 1 when it is neither.
static int time_convert(const char *format, const char *text, int64_t *ret_us) {
    char day[32], converted[16], whole[64];
    bool assumed;
    size_t n = strcspn(text, " T");
    if (format == NULL || n >= sizeof day || strlen(text + n) > 32)
        return clock_parse_said_us(text, ret_us, &assumed);
    snprintf(day, sizeof day, "%.*s", (int)n, text);
    if (date_convert(format, day, converted) != 0)
        return 1;
    const char *time = text[n] == 0 ? "" : text + n + 1;
    bool short_hour = strspn(time, "0123456789") == 1; // as spreadsheets write it
    snprintf(whole, sizeof whole, "%s%s%s%s", converted, *time == 0 ? "" : "T", short_hour ? "0" : "", time);
    return clock_parse_said_us(whole, ret_us, &assumed);
}

static int apply_time(const Map *map, const MapRow *row, Arena *arena, Dongbo__ChangeEvent *event,
                      MapFault *ret_fault) {
    event->event_time_us = row->time_us;
    if (map->event_time < 0)
        return 0;
    MapText text;
    int code = text_read(&row->values[map->event_time], arena, &text);
    if (code == 0 && text.n == 0)
        code = DONGBO__REASON_CODE__FIELD_MISSING;
    if (code == 0 && time_convert(map->yaml->event_time_date, text.text, &event->event_time_us) != 0)
        code = DONGBO__REASON_CODE__DATE_INVALID;
    return code <= 0 ? code : column_fault(map, ret_fault, code, "event_time", map->event_time);
}

static int apply_operation(const Map *map, const MapRow *row, Arena *arena, Dongbo__ChangeEvent *event,
                           MapFault *ret_fault) {
    event->operation = DONGBO__OPERATION__UPSERT;
    if (map->operation < 0)
        return 0;
    MapText text;
    int code = text_read(&row->values[map->operation], arena, &text);
    if (code != 0)
        return code < 0 ? code : column_fault(map, ret_fault, code, "operation", map->operation);
    const OperationYaml *words = map->yaml->operation;
    if (is_among(words->correct, words->correct_count, text.text))
        event->operation = DONGBO__OPERATION__CORRECT;
    if (is_among(words->retract, words->retract_count, text.text))
        event->operation = DONGBO__OPERATION__RETRACT;
    return 0;
}

int map_apply(const Map *map, const MapRow *row, Arena *arena, Dongbo__ChangeEvent **ret, MapFault *ret_fault) {
    Dongbo__ChangeEvent *event = arena_alloc(arena, sizeof *event);
    Dongbo__Subject *subject = arena_alloc(arena, sizeof *subject);
    ProtobufCMessage *body = arena_alloc(arena, map->body->sizeof_message);
    uint32_t *cleared = arena_alloc(arena, sizeof *cleared * DOMAIN_FIELDS_MAX);
    if (event == NULL || subject == NULL || body == NULL || cleared == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    dongbo__change_event__init(event);
    dongbo__subject__init(subject);
    protobuf_c_message_init(map->body, body);
    event->schema_version = SCHEMA_VERSION;
    event->subject = subject;
    event->cleared_fields = cleared;
    event_set_body(event, map->domain, body);
    int r = apply_key(map, row, arena, event, ret_fault);
    if (r == 0)
        r = apply_time(map, row, arena, event, ret_fault);
    if (r == 0)
        r = apply_operation(map, row, arena, event, ret_fault);
    for (int i = 0; i < map->n_targets && r == 0; i++)
        r = apply_target(map, &map->targets[i], row, arena, event, ret_fault);
    *ret = event;
    return r;
}
