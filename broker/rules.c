// SPDX-License-Identifier: Apache-2.0
//
// Rules are read by libcyaml against a schema that is built per domain: the names of the domain's own fields, of the
// code lists that were read and of the published reasons are its vocabularies, so that a misspelt one is found with
// its line. What YAML cannot say is checked afterwards. Refuses half-described domains: every field has its rule.

#include "broker/rule_beside.h"

#include "broker/choices.h"
#include "broker/name.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "verdict.pb-c.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 160
#define AGENCY_BYTES 16
#define LIST_MAX 64
#define YEARS_MAX 200
#define DAYS_MAX (366 * YEARS_MAX)

typedef struct Authority {
    char agency[AGENCY_BYTES];
    uint32_t ranks[DOMAIN_FIELDS_MAX + 1]; // by field number
} Authority;

typedef struct Table {
    DomainRules rules;
    RuleField *fields;
    Rule *checks;
    size_t n_checks;
    Authority *authorities;
    size_t n_authorities;
} Table;

struct Rules {
    Codes *codes;
    const CodeList *birth_provinces, *sexes, *provinces63, *provinces34, *communes63, *communes34;
    Choices *names, *search;
    Table tables[DOMAIN_MAX + 1];
};

// ---- the file as YAML has it ------------------------------------------------------------------------------------

static const cyaml_strval_t TYPES[] = {{"text", FIELD_TEXT},
                                       {"code", FIELD_CODE},
                                       {"date", FIELD_DATE},
                                       {"number", FIELD_NUMBER},
                                       {"digits", FIELD_DIGITS}};
// Its value plus one: 0 is not said.
static const cyaml_strval_t MASKS[] = {{"none", MASK_NONE + 1},
                                       {"name", MASK_NAME + 1},
                                       {"number", MASK_NUMBER + 1},
                                       {"date", MASK_DATE + 1},
                                       {"all", MASK_ALL + 1}};
static const cyaml_strval_t KINDS[] = {{"not-in-future", RULE_NOT_IN_FUTURE},
                                       {"not-before-birth", RULE_NOT_BEFORE_BIRTH},
                                       {"not-after-death", RULE_NOT_AFTER_DEATH},
                                       {"period", RULE_PERIOD},
                                       {"alive-at-event", RULE_ALIVE_AT_EVENT},
                                       {"required-when", RULE_REQUIRED_WHEN},
                                       {"shorter-than", RULE_SHORTER_THAN},
                                       {"age-at-least", RULE_AGE_AT_LEAST},
                                       {"commune-known", RULE_COMMUNE_KNOWN},
                                       {"commune-of", RULE_COMMUNE_OF},
                                       {"commune-whole", RULE_COMMUNE_WHOLE},
                                       {"order", RULE_ORDER},
                                       {"interval", RULE_INTERVAL},
                                       {"near", RULE_NEAR},
                                       {"overlap", RULE_OVERLAP},
                                       {"only-one", RULE_ONLY_ONE},
                                       {"progression", RULE_PROGRESSION},
                                       {"steps", RULE_STEPS},
                                       {"gap", RULE_GAP},
                                       {"begun", RULE_BEGUN},
                                       {"holder", RULE_HOLDER}};
static const cyaml_strval_t VERDICTS[] = {{"note", DONGBO__VERDICT__ACCEPTED + 1},
                                          {"review", DONGBO__VERDICT__MISMATCH + 1},
                                          {"reject", DONGBO__VERDICT__REJECTED + 1}};

// The vocabularies of one domain's file.
typedef struct Words {
    cyaml_strval_t domain[1], fields[WORDS_MAX], codes[WORDS_MAX], reasons[WORDS_MAX];
    uint32_t n_fields, n_codes, n_reasons;
} Words;

static void add_word(cyaml_strval_t *words, uint32_t *n, const char *text, int64_t value) {
    assert(*n < WORDS_MAX);
    words[(*n)++] = (cyaml_strval_t){text, value};
}

static void words_init(Words *words, const Codes *codes, int domain) {
    *words = (Words){.domain = {{domain_name(domain), domain}}};
    const ProtobufCMessageDescriptor *body = domain_descriptor(domain);
    for (unsigned i = 0; i < body->n_fields; i++)
        add_word(words->fields, &words->n_fields, body->fields[i].name, body->fields[i].id);
    for (size_t i = 0; i < codes_count(codes); i++)
        add_word(words->codes, &words->n_codes, codes_name(codes, i), (int64_t)i + 1);
    const ProtobufCEnumDescriptor *reasons = &dongbo__reason_code__descriptor;
    for (unsigned i = 0; i < reasons->n_values; i++)
        if (reasons->values[i].value)
            add_word(words->reasons, &words->n_reasons, reasons->values[i].name, reasons->values[i].value);
}

static int convert(Table *table, const Codes *codes, const RuleFile *file, const char *path);

typedef struct Loading {
    Rules *rules;
    const char *path;
    int domain;
    Words words;
} Loading;

#define WORD(key, flags, type, member, list) CYAML_FIELD_ENUM(key, flags, type, member, words->list, words->n_##list)

// The file, given what one of its rules looks like, and a field's name.
static int load_file(const Loading *loading, const cyaml_schema_value_t *name, const cyaml_schema_value_t *rule) {
    const Words *words = &loading->words;
    const cyaml_schema_value_t shape = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, SHAPE_BYTES - 1)};
    const cyaml_schema_field_t field_fields[] = {
        WORD("name", CYAML_FLAG_STRICT, FileField, number, fields),
        CYAML_FIELD_ENUM("type", CYAML_FLAG_STRICT, FileField, type, TYPES, CYAML_ARRAY_LEN(TYPES)),
        WORD("codes", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileField, codes, codes),
        CONFIG_FIELD_BOOL("key", CYAML_FLAG_OPTIONAL, FileField, key),
        CONFIG_FIELD_BOOL("required", CYAML_FLAG_OPTIONAL, FileField, required),
        CONFIG_FIELD_BOOL("lasting", CYAML_FLAG_OPTIONAL, FileField, lasting),
        CONFIG_FIELD_BOOL("by_code_set", CYAML_FLAG_OPTIONAL, FileField, by_code_set),
        CYAML_FIELD_ENUM("personal", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileField, personal, MASKS,
                         CYAML_ARRAY_LEN(MASKS)),
        CYAML_FIELD_UINT("length_max", CYAML_FLAG_OPTIONAL, FileField, length_max),
        CYAML_FIELD_UINT("digits", CYAML_FLAG_OPTIONAL, FileField, digits),
        CYAML_FIELD_UINT("min", CYAML_FLAG_OPTIONAL, FileField, min),
        CYAML_FIELD_UINT("max", CYAML_FLAG_OPTIONAL, FileField, max),
        CYAML_FIELD_SEQUENCE("shapes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileField, shapes, &shape, 1,
                             SHAPES_MAX),
        CYAML_FIELD_END};
    const cyaml_schema_value_t field = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, FileField, field_fields)};
    const cyaml_schema_field_t authority_fields[] = {
        CYAML_FIELD_STRING_PTR("agency", CYAML_FLAG_POINTER, FileAuthority, agency, 1, AGENCY_BYTES - 1),
        CYAML_FIELD_UINT("rank", CYAML_FLAG_DEFAULT, FileAuthority, rank),
        CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileAuthority, fields, name, 1,
                             DOMAIN_FIELDS_MAX),
        CYAML_FIELD_END};
    const cyaml_schema_value_t authority = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, FileAuthority, authority_fields)};
    const cyaml_schema_field_t file_fields[] = {
        CYAML_FIELD_ENUM("domain", CYAML_FLAG_STRICT, RuleFile, domain, words->domain, 1),
        CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER, RuleFile, fields, &field, 1, DOMAIN_FIELDS_MAX),
        WORD("province", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, RuleFile, province, fields),
        WORD("facility", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, RuleFile, facility, fields),
        CYAML_FIELD_SEQUENCE("authority", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, RuleFile, authority, &authority, 0,
                             LIST_MAX),
        CYAML_FIELD_SEQUENCE("rules", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, RuleFile, rules, rule, 0, LIST_MAX),
        CYAML_FIELD_END};
    const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, RuleFile, file_fields)};
    RuleFile *file = NULL;
    int r = config_load((void **)&file, loading->path, &schema);
    if (r == 0)
        r = convert(&loading->rules->tables[loading->domain], loading->rules->codes, file, loading->path);
    config_free(file, &schema);
    return r;
}

static int load_domain(Rules *rules, const char *path, int domain) {
    Loading loading = {.rules = rules, .path = path, .domain = domain};
    words_init(&loading.words, rules->codes, domain);
    const Words *words = &loading.words;
    const cyaml_schema_value_t name = {CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, int, words->fields, words->n_fields)};
    const cyaml_schema_value_t code = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CODE_BYTES_MAX)};
    const cyaml_schema_field_t condition_fields[] = {
        WORD("field", CYAML_FLAG_STRICT, FileCondition, field, fields),
        CYAML_FIELD_SEQUENCE("is", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileCondition, is, &code, 1,
                             RULE_VALUES_MAX),
        CYAML_FIELD_SEQUENCE("not", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileCondition, is_not, &code, 1,
                             RULE_VALUES_MAX),
        CYAML_FIELD_END};
    const cyaml_schema_value_t condition = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, FileCondition, condition_fields)};
#define LIST(key, member, of, max)                                                                                     \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileRule, member, &of, 1, max)
    const cyaml_schema_field_t rule_fields[] = {
        CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, FileRule, kind, KINDS, CYAML_ARRAY_LEN(KINDS)),
        WORD("field", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileRule, field, fields),
        WORD("other", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileRule, other, fields),
        WORD("reason", CYAML_FLAG_STRICT, FileRule, reason, reasons),
        CYAML_FIELD_ENUM("verdict", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileRule, verdict, VERDICTS,
                         CYAML_ARRAY_LEN(VERDICTS)),
        WORD("when", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileRule, when, fields),
        WORD("number", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, FileRule, number, fields),
        CYAML_FIELD_UINT("days", CYAML_FLAG_OPTIONAL, FileRule, days),
        CYAML_FIELD_UINT("years", CYAML_FLAG_OPTIONAL, FileRule, years),
        CYAML_FIELD_STRING_PTR("table", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, FileRule, table, 1, 63),
        LIST("equals", equals, code, RULE_VALUES_MAX),
        LIST("same", same, name, DOMAIN_FIELDS_MAX),
        LIST("differ", differ, name, DOMAIN_FIELDS_MAX),
        LIST("by", by, name, 2),
        LIST("where", where, condition, CONDITIONS_MAX),
        LIST("others", others, condition, CONDITIONS_MAX),
        CYAML_FIELD_END};
    const cyaml_schema_value_t rule = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, FileRule, rule_fields)};
#undef LIST
    return load_file(&loading, &name, &rule);
}
#undef WORD

// ---- what YAML cannot say ---------------------------------------------------------------------------------------

// What population says is the person; a field that is added there is hidden until somebody says otherwise.
static FieldMask mask_of(int domain, const FileField *from) {
    if (from->personal)
        return (FieldMask)(from->personal - 1);
    return domain == DONGBO__DOMAIN__POPULATION ? MASK_ALL : MASK_NONE;
}

static RuleField *find_field(const Table *table, unsigned number) {
    for (RuleField *field = table->fields; field->number; field++)
        if (field->number == number)
            return field;
    return NULL;
}

// The most bytes a value of this field takes in a record key.
static size_t key_bytes(const RuleField *field) {
    switch (field->type) {
    case FIELD_TEXT:
        return field->length_max;
    case FIELD_CODE:
        return CODE_BYTES_MAX;
    case FIELD_DATE:
    case FIELD_NUMBER:
        return 10;
    case FIELD_DIGITS:
        return field->digits ? field->digits : field->length_max;
    }
    return 0;
}

static const char *convert_field(RuleField *field, const FileField *from, const Codes *codes,
                                 const ProtobufCFieldDescriptor *described) {
    *field = (RuleField){
        .number = described->id,
        .name = described->name,
        .type = (FieldType)from->type,
        .required = from->required || from->key,
        .lasting = from->lasting,
        .key = from->key,
        .by_code_set = from->by_code_set,
        .length_max = from->length_max ? from->length_max : TEXT_BYTES_MAX,
        .digits = from->digits,
        .minimum = from->min,
        .maximum = from->max ? from->max : UINT32_MAX,
        .codes = from->codes ? codes_list(codes, (size_t)from->codes - 1) : NULL,
    };
    if ((field->type == FIELD_NUMBER) != (described->type == PROTOBUF_C_TYPE_UINT32))
        return "has a type that event.proto does not give it";
    if ((field->type == FIELD_CODE) != (field->codes != NULL))
        return "has codes exactly when its type is code";
    if (from->by_code_set && (field->key || !field->codes || field->codes != codes_find(codes, "provinces34")))
        return "is by code set but no province of provinces34, or part of the key";
    if (field->type != FIELD_NUMBER && (from->min || from->max))
        return "has min or max but is no number";
    if (field->type != FIELD_DIGITS && from->digits)
        return "has digits but is not of type digits";
    if (field->type != FIELD_TEXT && field->type != FIELD_DIGITS && from->length_max)
        return "has length_max but is no text";
    if (field->type != FIELD_TEXT && from->shapes_count)
        return "has shapes but is no text";
    for (unsigned i = 0; i < from->shapes_count; i++)
        snprintf(field->shapes[i], SHAPE_BYTES, "%s", from->shapes[i]);
    if (field->length_max > TEXT_BYTES_MAX || field->digits > TEXT_BYTES_MAX || field->minimum > field->maximum)
        return "has a bound that cannot hold";
    return NULL;
}

static int convert_fields(Table *table, const Codes *codes, const RuleFile *file, const char *path) {
    const ProtobufCMessageDescriptor *body = domain_descriptor(file->domain);
    table->fields = calloc(file->fields_count + 1, sizeof *table->fields);
    if (!table->fields)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);
    DomainRules *rules = &table->rules;
    size_t key_total = 0;
    for (unsigned i = 0; i < file->fields_count; i++) {
        unsigned number = (unsigned)file->fields[i].number;
        const ProtobufCFieldDescriptor *described = protobuf_c_message_descriptor_get_field(body, number);
        if (find_field(table, number))
            return error_fail(ERROR_CONFIG, "%s: field %s stands there twice", path, described->name);
        RuleField *field = &table->fields[i];
        const char *fault = convert_field(field, &file->fields[i], codes, described);
        field->personal = mask_of(file->domain, &file->fields[i]);
        if (!fault && field->key && rules->n_key == sizeof rules->key / sizeof *rules->key)
            fault = "is one key field too many";
        if (fault)
            return error_fail(ERROR_CONFIG, "%s: field %s %s", path, described->name, fault);
        if (field->key) {
            rules->key[rules->n_key++] = field;
            key_total += key_bytes(field) + 1;
        }
    }
    if (key_total > RECORD_KEY_BYTES_MAX)
        return error_fail(ERROR_CONFIG, "%s: key fields may take %zu bytes, more than %d", path, key_total,
                          RECORD_KEY_BYTES_MAX);
    for (unsigned i = 0; i < body->n_fields; i++)
        if (!find_field(table, body->fields[i].id))
            return error_fail(ERROR_CONFIG, "%s: field %s is missing", path, body->fields[i].name);
    rules->domain = file->domain;
    rules->fields = table->fields;
    rules->n_fields = file->fields_count;
    return 0;
}

static bool is_about_commune(int kind) {
    return kind == RULE_COMMUNE_KNOWN || kind == RULE_COMMUNE_OF || kind == RULE_COMMUNE_WHOLE;
}

static const char *check_commune(const RuleField *field, const RuleField *other) {
    if (field->type != FIELD_DIGITS)
        return "is about a commune that is not of type digits";
    return other && other->type != FIELD_CODE ? "is about a province that is no code" : NULL;
}

// What only rules about other records have.
static bool has_beside(const FileRule *rule) {
    return rule->number || rule->table || rule->same_count || rule->differ_count || rule->by_count ||
           rule->where_count || rule->others_count;
}

static const char *check_rule(const Table *table, const FileRule *rule) {
    if (has_beside(rule))
        return "has what only rules about other records have";
    const RuleField *field = rule->field ? find_field(table, (unsigned)rule->field) : NULL;
    const RuleField *other = rule->other ? find_field(table, (unsigned)rule->other) : NULL;
    if (!field && rule->kind != RULE_ALIVE_AT_EVENT)
        return "needs a field";
    bool is_required = rule->kind == RULE_REQUIRED_WHEN;
    bool needs_other = rule->kind == RULE_PERIOD || rule->kind == RULE_SHORTER_THAN || rule->kind == RULE_COMMUNE_OF;
    if (needs_other != (other != NULL))
        return "has other exactly when its kind is period, shorter-than or commune-of";
    if ((rule->kind == RULE_SHORTER_THAN) != (rule->days > 0))
        return "has days exactly when its kind is shorter-than";
    if ((rule->kind == RULE_AGE_AT_LEAST) != (rule->years > 0))
        return "has years exactly when its kind is age-at-least";
    if (rule->days > DAYS_MAX || rule->years > YEARS_MAX)
        return "has a bound that cannot hold";
    if ((rule->equals_count > 0) != (rule->when != 0))
        return "has when exactly when it has equals";
    if (rule->when && find_field(table, (unsigned)rule->when)->type != FIELD_CODE)
        return "has a when that is no code";
    if (is_required)
        return rule->when ? NULL : "needs a when";
    if (is_about_commune(rule->kind))
        return check_commune(field, other);
    if ((field && field->type != FIELD_DATE) || (other && other->type != FIELD_DATE))
        return "is about a field that is no date";
    return NULL;
}

// The values are codes of the field `when`; the list's own texts are kept.
static const char *convert_values(const Table *table, const FileRule *from, Rule *rule) {
    for (unsigned i = 0; i < from->equals_count; i++) {
        const char *text = code_list_column(find_field(table, rule->when)->codes, from->equals[i], 0);
        if (!text)
            return "has an equals that is no code of its field when";
        rule->values[rule->n_values++] = text;
    }
    return NULL;
}

// Reasons about the person (2xx) need a person's eye; the others are plainly against the rules.
static int verdict_of(const FileRule *from) {
    if (from->verdict)
        return from->verdict - 1;
    if (from->kind >= RULE_BESIDE || from->kind == RULE_COMMUNE_WHOLE)
        return DONGBO__VERDICT__ACCEPTED;
    return from->reason < 300 ? DONGBO__VERDICT__MISMATCH : DONGBO__VERDICT__REJECTED;
}

static int convert_rule(Table *table, const RuleFile *file, unsigned at, const char *path) {
    const FileRule *from = &file->rules[at];
    Rule *rule = &table->checks[table->n_checks++];
    *rule = (Rule){.kind = (RuleKind)from->kind,
                   .field = (unsigned)from->field,
                   .other = (unsigned)from->other,
                   .code = from->reason,
                   .verdict = verdict_of(from),
                   .limit = from->days ? from->days : from->years,
                   .when = (unsigned)from->when};
    const char *fault;
    if (from->kind >= RULE_BESIDE)
        fault = rule_beside_convert(&table->rules, from, rule);
    else if (!(fault = check_rule(table, from)))
        fault = convert_values(table, from, rule);
    if (fault)
        return error_fail(ERROR_CONFIG, "%s: rule %u %s", path, at + 1, fault);
    if (is_about_commune(from->kind))
        table->rules.commune = find_field(table, rule->field);
    if (from->kind == RULE_HOLDER)
        table->rules.holders = true;
    return from->table ? rule_beside_load(&table->rules, rule, from->table, path) : 0;
}

// Those about other records stand behind the others.
static int convert_rules(Table *table, const RuleFile *file, const char *path) {
    table->checks = calloc(file->rules_count + 1, sizeof *table->checks);
    if (!table->checks)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);
    for (int beside = 0; beside < 2; beside++) {
        for (unsigned i = 0; i < file->rules_count; i++) {
            if ((file->rules[i].kind >= RULE_BESIDE) != beside)
                continue;
            int r = convert_rule(table, file, i, path);
            if (r < 0)
                return r;
        }
        if (!beside)
            table->rules.n_rules = table->n_checks;
    }
    table->rules.rules = table->checks;
    table->rules.beside = table->checks + table->rules.n_rules;
    table->rules.n_beside = table->n_checks - table->rules.n_rules;
    return 0;
}

static Authority *find_authority(const Table *table, const char *agency) {
    for (size_t i = 0; i < table->n_authorities; i++)
        if (strcmp(table->authorities[i].agency, agency) == 0)
            return &table->authorities[i];
    return NULL;
}

// A line with fields says more than one without: it holds for these whatever the order of the lines.
static int convert_authority(Table *table, const RuleFile *file, const char *path) {
    table->authorities = calloc(file->authority_count + 1, sizeof *table->authorities);
    if (!table->authorities)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);
    for (unsigned i = 0; i < file->authority_count; i++) {
        const FileAuthority *from = &file->authority[i];
        if (from->rank == 0)
            return error_fail(ERROR_CONFIG, "%s: agency %s has rank 0; ranks begin at 1", path, from->agency);
        Authority *authority = find_authority(table, from->agency);
        if (!authority) {
            authority = &table->authorities[table->n_authorities++];
            snprintf(authority->agency, sizeof authority->agency, "%s", from->agency);
        }
        for (unsigned j = 0; j < from->fields_count; j++)
            authority->ranks[from->fields[j]] = from->rank;
    }
    for (unsigned i = 0; i < file->authority_count; i++) {
        Authority *authority = find_authority(table, file->authority[i].agency);
        for (size_t j = 0; !file->authority[i].fields_count && j <= DOMAIN_FIELDS_MAX; j++)
            if (!authority->ranks[j])
                authority->ranks[j] = file->authority[i].rank;
    }
    return 0;
}

static int convert_province(Table *table, const Codes *codes, const RuleFile *file, const char *path) {
    if (!file->province)
        return 0;
    const RuleField *field = find_field(table, (unsigned)file->province);
    bool is_63 = field->codes && field->codes == codes_find(codes, "provinces63");
    bool is_34 = field->codes && field->codes == codes_find(codes, "provinces34");
    if (!is_63 && !is_34)
        return error_fail(ERROR_CONFIG, "%s: province %s has neither codes provinces34 nor provinces63", path,
                          field->name);
    table->rules.province = field;
    table->rules.province_is_63 = is_63;
    return 0;
}

static int convert(Table *table, const Codes *codes, const RuleFile *file, const char *path) {
    int r = convert_fields(table, codes, file, path);
    if (r == 0 && file->facility)
        table->rules.facility = find_field(table, (unsigned)file->facility);
    if (r == 0)
        r = convert_rules(table, file, path);
    if (r == 0)
        r = convert_authority(table, file, path);
    if (r == 0)
        r = convert_province(table, codes, file, path);
    return r;
}

// ---- the rules --------------------------------------------------------------------------------------------------

static int find_list(const Codes *codes, const char *name, const CodeList **ret) {
    *ret = codes_find(codes, name);
    return *ret ? 0 : error_fail(ERROR_CONFIG, "code list %s.tsv is missing", name);
}

static const ChoiceKey NAME_KEYS[] = {{"accents_lost", NAME_ACCENTS},
                                      {"middle", NAME_MIDDLE},
                                      {"order", NAME_ORDER},
                                      {"spaces", NAME_SPACES},
                                      {"spelling", NAME_SPELLING}};
static const ChoiceKey SEARCH_KEYS[] = {{"number_missing", NUMBER_MISSING}, {"number_malformed", NUMBER_MALFORMED}};

static int load_all(Rules *rules, const char *schemas_dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/codes", schemas_dir);
    int r = codes_load(&rules->codes, path);
    if (r == 0)
        r = find_list(rules->codes, "birth-provinces", &rules->birth_provinces);
    if (r == 0)
        r = find_list(rules->codes, "sexes", &rules->sexes);
    if (r == 0)
        r = find_list(rules->codes, "provinces63", &rules->provinces63);
    if (r == 0)
        r = find_list(rules->codes, "provinces34", &rules->provinces34);
    if (r == 0)
        r = find_list(rules->codes, "communes63", &rules->communes63);
    if (r == 0)
        r = find_list(rules->codes, "communes34", &rules->communes34);
    snprintf(path, sizeof path, "%s/rules/names.yaml", schemas_dir);
    if (r == 0)
        r = choices_load(&rules->names, path, NAME_KEYS, sizeof NAME_KEYS / sizeof *NAME_KEYS);
    snprintf(path, sizeof path, "%s/rules/search.yaml", schemas_dir);
    if (r == 0)
        r = choices_load(&rules->search, path, SEARCH_KEYS, sizeof SEARCH_KEYS / sizeof *SEARCH_KEYS);
    for (int domain = DOMAIN_MIN; r == 0 && domain <= DOMAIN_MAX; domain++) {
        snprintf(path, sizeof path, "%s/rules/%s.yaml", schemas_dir, domain_name(domain));
        r = load_domain(rules, path, domain);
    }
    return r;
}

int rules_load(Rules **ret, const char *schemas_dir) {
    Rules *rules = calloc(1, sizeof *rules);
    if (!rules)
        return error_fail(ERROR_MEMORY, "rules: no memory");
    int r = load_all(rules, schemas_dir);
    if (r < 0) {
        rules_destroy(&rules);
        return r;
    }
    *ret = rules;
    return 0;
}

void rules_destroy(Rules **rules) {
    if (!*rules)
        return;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        Table *table = &(*rules)->tables[domain];
        free(table->fields);
        for (size_t i = 0; i < table->n_checks; i++)
            intervals_destroy(&table->checks[i].intervals);
        free(table->checks);
        free(table->authorities);
    }
    choices_destroy(&(*rules)->names);
    choices_destroy(&(*rules)->search);
    codes_destroy(&(*rules)->codes);
    free(*rules);
    *rules = NULL;
}

const RuleField *rules_field(const DomainRules *rules, unsigned number) {
    for (size_t i = 0; i < rules->n_fields; i++)
        if (rules->fields[i].number == number)
            return &rules->fields[i];
    return NULL;
}

const DomainRules *rules_domain(const Rules *rules, int domain) {
    return domain >= DOMAIN_MIN && domain <= DOMAIN_MAX ? &rules->tables[domain].rules : NULL;
}

uint32_t rules_authority(const Rules *rules, int domain, const char *agency, unsigned field) {
    assert(domain >= DOMAIN_MIN && domain <= DOMAIN_MAX && field <= DOMAIN_FIELDS_MAX);
    const Authority *authority = find_authority(&rules->tables[domain], agency);
    return authority && authority->ranks[field] ? authority->ranks[field] : 1;
}

unsigned rules_accepted_names(const Rules *rules, const char *agency) {
    return choices_accepted(rules->names, agency);
}

unsigned rules_accepted_numbers(const Rules *rules, const char *agency) {
    return choices_accepted(rules->search, agency);
}

bool rules_is_birth_province(const Rules *rules, const char *code3) {
    return code_list_has(rules->birth_provinces, code3);
}

bool rules_is_sex(const Rules *rules, const char *code) {
    return code_list_has(rules->sexes, code);
}

bool rules_is_province63(const Rules *rules, const char *code) {
    return code_list_has(rules->provinces63, code);
}

bool rules_is_province34(const Rules *rules, const char *code) {
    return code_list_has(rules->provinces34, code);
}

const char *rules_province34_of(const Rules *rules, const char *code63) {
    return code_list_column(rules->provinces63, code63, 2);
}

const CodeList *rules_communes(const Rules *rules, bool is_63) {
    return is_63 ? rules->communes63 : rules->communes34;
}

bool rules_says_63(const Dongbo__Subject *subject) {
    return strcmp(subject->province_code_set, "63") == 0;
}

const char *rules_residence34(const Rules *rules, const Dongbo__Subject *subject) {
    if (!rules_says_63(subject))
        return subject->residence_province;
    const char *code = rules_province34_of(rules, subject->residence_province);
    return code ? code : "";
}

const CodeList *rules_codes(const Rules *rules, const char *list) {
    return codes_find(rules->codes, list);
}
