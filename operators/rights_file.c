// SPDX-License-Identifier: Apache-2.0
//
// The schema is made of what this program knows: a domain is a key, its fields are the words that may stand there, and
// so are the rules' province codes, so that reading itself says what is wrong on which line, and what there is instead.
#include "operators/rights_file.h"
#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define PERSON 0 // the group of what is no domain's
#define GROUPS (DOMAIN_MAX + 1)
#define ALL 0 // instead of a field's number
#define CHANGES_MAX 8

typedef struct Words {
    int *list;
    unsigned n;
} Words;

typedef struct Fields {
    Words groups[GROUPS];
} Fields;

// The file as libcyaml reads and writes it.
typedef struct Written {
    char *name, *subscriber, *legal_basis, *valid_from, *valid_to, *key, *agency;
    int *echo, *followed_only, *origin_proofs;
    Fields fields;
    Words provinces, provinces63, changes;
} Written;

typedef struct Choices {
    cyaml_strval_t *list;
    uint32_t n;
    cyaml_schema_value_t word;
} Choices;

typedef struct Schema {
    cyaml_strval_t field_words[GROUPS][DOMAIN_FIELDS_MAX + 1];
    cyaml_strval_t province_words[2][POLICY_PROVINCES], change_words[CHANGES_MAX];
    char codes[POLICY_PROVINCES][4];
    Choices fields[GROUPS], provinces[2], changes;
    cyaml_schema_field_t groups[GROUPS + 1], top[16];
    cyaml_schema_value_t whole;
} Schema;

enum { CITIZEN_NUMBER = 1, PERSON_ID = 2 };

// ---- the schema -----------------------------------------------------------------------------------------------------

static void choices_init(Choices *choices, cyaml_strval_t *list) {
    *choices = (Choices){.list = list};
}

static void choices_add(Choices *choices, const char *word, int value) {
    choices->list[choices->n++] = (cyaml_strval_t){word, value};
    choices->word = (cyaml_schema_value_t){CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, int, choices->list, choices->n)};
}

static cyaml_schema_field_t words_field(const char *key, size_t offset, const Choices *choices) {
    const int flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_FLOW;
    return (cyaml_schema_field_t){.key = key,
                                  .data_offset = (uint32_t)(offset + offsetof(Words, list)),
                                  .count_offset = (uint32_t)(offset + offsetof(Words, n)),
                                  .count_size = sizeof(unsigned),
                                  .value = {CYAML_VALUE_SEQUENCE(flags, int, &choices->word, 1, 128)}};
}

static void make_fields(Schema *schema) {
    for (int group = 0; group < GROUPS; group++)
        choices_init(&schema->fields[group], schema->field_words[group]);
    choices_add(&schema->fields[PERSON], "citizen_number", CITIZEN_NUMBER);
    choices_add(&schema->fields[PERSON], "person_id", PERSON_ID);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
        choices_add(&schema->fields[domain], "all", ALL);
        for (unsigned i = 0; i < descriptor->n_fields; i++)
            choices_add(&schema->fields[domain], descriptor->fields[i].name, (int)descriptor->fields[i].id);
    }
    for (int group = 0; group < GROUPS; group++)
        schema->groups[group] = words_field(group == PERSON ? "person" : domain_name(group),
                                            (size_t)group * sizeof(Words), &schema->fields[group]);
}

static void make_codes(Schema *schema, const Rules *rules) {
    for (int set = 0; set < 2; set++)
        choices_init(&schema->provinces[set], schema->province_words[set]);
    for (int i = 0; i < POLICY_PROVINCES; i++) {
        snprintf(schema->codes[i], sizeof schema->codes[i], "%02d", i);
        if (rules_is_province34(rules, schema->codes[i]))
            choices_add(&schema->provinces[0], schema->codes[i], i);
        if (rules_is_province63(rules, schema->codes[i]))
            choices_add(&schema->provinces[1], schema->codes[i], i);
    }
    choices_init(&schema->changes, schema->change_words);
    for (int change = 0; change < 32 && schema->changes.n < CHANGES_MAX; change++)
        if (change_name(change))
            choices_add(&schema->changes, change_name(change), change);
}

static const cyaml_strval_t ORIGINS[] = {
    {"no", POLICY_ORIGINS_NO}, {"leaves", POLICY_ORIGINS_LEAVES}, {"events", POLICY_ORIGINS_EVENTS}};

static int schema_new(Schema **ret, const Rules *rules) {
    static const cyaml_schema_field_t HEAD[] = {
        CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, Written, name, 1, 1024),
        CYAML_FIELD_STRING_PTR("subscriber", CYAML_FLAG_POINTER, Written, subscriber, 1, 1024),
        CYAML_FIELD_STRING_PTR("legal_basis", CYAML_FLAG_POINTER, Written, legal_basis, 1, 4096),
        CYAML_FIELD_STRING_PTR("valid_from", CYAML_FLAG_POINTER, Written, valid_from, 1, 31),
        CYAML_FIELD_STRING_PTR("valid_to", CYAML_FLAG_POINTER, Written, valid_to, 1, 31),
        CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Written, key, 1, 1024),
        CYAML_FIELD_STRING_PTR("agency", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Written, agency, 1,
                               RIGHTS_AGENCY_BYTES - 1),
        CYAML_FIELD_ENUM_PTR("echo", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, Written, echo,
                             config_bools, 6),
        CYAML_FIELD_ENUM_PTR("followed_only", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, Written,
                             followed_only, config_bools, 6),
        CYAML_FIELD_ENUM_PTR("origin_proofs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, Written,
                             origin_proofs, ORIGINS, CYAML_ARRAY_LEN(ORIGINS))};
    const size_t n = sizeof HEAD / sizeof *HEAD;
    Schema *schema = calloc(1, sizeof *schema);
    if (!schema)
        return error_fail(ERROR_MEMORY, "no memory for a policy");
    make_fields(schema);
    make_codes(schema, rules);
    memcpy(schema->top, HEAD, sizeof HEAD);
    schema->top[n] =
        (cyaml_schema_field_t)CYAML_FIELD_MAPPING("fields", CYAML_FLAG_DEFAULT, Written, fields, schema->groups);
    schema->top[n + 1] = words_field("provinces", offsetof(Written, provinces), &schema->provinces[0]);
    schema->top[n + 2] = words_field("provinces63", offsetof(Written, provinces63), &schema->provinces[1]);
    schema->top[n + 3] = words_field("changes", offsetof(Written, changes), &schema->changes);
    schema->whole = (cyaml_schema_value_t){CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Written, schema->top)};
    *ret = schema;
    return 0;
}

static void schema_free(Schema **schema) {
    free(*schema);
}

// ---- reading --------------------------------------------------------------------------------------------------------

static void take_fields(const Written *written, PolicyVersion *policy) {
    const Words *person = &written->fields.groups[PERSON];
    for (unsigned i = 0; i < person->n; i++)
        *(person->list[i] == PERSON_ID ? &policy->person_id : &policy->citizen_number) = true;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
        const Words *words = &written->fields.groups[domain];
        for (unsigned i = 0; i < words->n; i++)
            for (unsigned j = 0; j < descriptor->n_fields; j++)
                if (words->list[i] == ALL || (unsigned)words->list[i] == descriptor->fields[j].id)
                    policy->fields[domain] |= 1u << descriptor->fields[j].id;
        if (policy->fields[domain])
            policy->domains |= 1u << domain;
    }
}

static void take_provinces(const Words *words, PolicyVersion *policy) {
    for (unsigned i = 0; i < words->n; i++)
        policy->provinces[words->list[i]] = true;
    policy->any_province &= words->n == 0;
}

static void take_changes(const Words *words, PolicyVersion *policy) {
    if (words->n)
        policy->changes = 0;
    for (unsigned i = 0; i < words->n; i++)
        policy->changes |= 1u << words->list[i];
}

static void take(const Written *written, Rights *ret) {
    rights_init(ret);
    rights_set(ret->legal_basis, sizeof ret->legal_basis, written->legal_basis);
    rights_set(ret->valid_from, sizeof ret->valid_from, written->valid_from);
    rights_set(ret->valid_to, sizeof ret->valid_to, written->valid_to);
    rights_set(ret->agency, sizeof ret->agency, written->agency ? written->agency : "");
    ret->echo = written->echo && *written->echo;
    ret->policy.followed_only = written->followed_only && *written->followed_only;
    ret->policy.origins = written->origin_proofs ? (PolicyOrigins)*written->origin_proofs : POLICY_ORIGINS_NO;
    ret->policy.codes63 = written->provinces63.n > 0;
    take_fields(written, &ret->policy);
    take_provinces(&written->provinces, &ret->policy);
    take_provinces(&written->provinces63, &ret->policy);
    take_changes(&written->changes, &ret->policy);
}

int rights_file_fail(const RightsFile *file, const char *key, int r) {
    char said[512];
    snprintf(said, sizeof said, "%s", error_text()); // looking for the line may fail, too
    unsigned line = r < 0 ? config_key_line(file->path, key) : 0;
    if (r < 0 && line)
        return error_fail(r, "%s, line %u: %s", file->path, line, said);
    return r < 0 ? error_fail(r, "%s: %s", file->path, said) : r;
}

static int check_text(const RightsFile *file, const char *key, const char *text, size_t bytes_max) {
    return rights_file_fail(file, key, policy_check_text(key, text, bytes_max));
}

static int check_together(const RightsFile *file, const Written *written) {
    if (written->provinces.n && written->provinces63.n)
        return rights_file_fail(file, "provinces63",
                                error_fail(ERROR_CONFIG, "provinces63 beside provinces: name one code set only"));
    if (file->rights.policy.domains == 0)
        return rights_file_fail(file, "fields", error_fail(ERROR_CONFIG, "fields: no field of any domain is named"));
    if (file->rights.echo && !file->rights.agency[0])
        return rights_file_fail(
            file, "echo", error_fail(ERROR_CONFIG, "echo: of which agency? Name the subscriber's own as \"agency\""));
    return 0;
}

static int check(const RightsFile *file, const Written *written) {
    int r = check_text(file, "name", written->name, SUBSCRIPTION_NAME_BYTES_MAX);
    if (r == 0)
        r = check_text(file, "subscriber", written->subscriber, POLICY_TEXT_BYTES_MAX);
    if (r == 0)
        r = check_text(file, "legal_basis", written->legal_basis, TEXT_BYTES_MAX);
    if (r == 0 && (r = rights_check_days(&file->rights, "valid_from", "valid_to")) < 0)
        r = rights_file_fail(file, strstr(error_text(), "valid_from:") ? "valid_from" : "valid_to", r);
    return r < 0 ? r : check_together(file, written);
}

static char *taken(char **text) {
    char *was = *text;
    *text = NULL;
    return was;
}

int rights_file_load(RightsFile *ret, const char *path, const Rules *rules) {
    CLEANUP(schema_free) Schema *schema = NULL;
    Written *written = NULL;
    *ret = (RightsFile){.path = strdup(path)};
    int r = ret->path ? schema_new(&schema, rules) : error_fail(ERROR_MEMORY, "no memory for a policy");
    if (r == 0)
        r = config_load((void **)&written, path, &schema->whole);
    if (r < 0)
        return r;
    take(written, &ret->rights);
    r = check(ret, written);
    if (r == 0 && written->key)
        r = config_resolve(&ret->key, path, written->key);
    ret->name = taken(&written->name);
    ret->subscriber = taken(&written->subscriber);
    config_free(written, &schema->whole);
    return r;
}

void rights_file_free(RightsFile *file) {
    free(file->path);
    free(file->name);
    free(file->subscriber);
    free(file->key);
    *file = (RightsFile){0};
}

// ---- writing --------------------------------------------------------------------------------------------------------

typedef struct Room {
    int words[GROUPS + 3][128];
    int yes, origins;
} Room;

static void give_bits(Words *words, int *room, uint32_t bits) {
    words->list = room;
    for (int i = 0; i < 32; i++)
        if (bits >> i & 1)
            room[words->n++] = i;
}

static void give(const RightsFile *file, Room *room, Written *ret) {
    const Rights *rights = &file->rights;
    const PolicyVersion *policy = &rights->policy;
    *ret = (Written){.name = file->name,
                     .subscriber = file->subscriber,
                     .legal_basis = (char *)rights->legal_basis,
                     .valid_from = (char *)rights->valid_from,
                     .valid_to = (char *)rights->valid_to,
                     .agency = rights->agency[0] ? (char *)rights->agency : NULL};
    room->yes = true;
    ret->echo = rights->echo ? &room->yes : NULL;
    ret->followed_only = policy->followed_only ? &room->yes : NULL;
    room->origins = (int)policy->origins;
    ret->origin_proofs = policy->origins != POLICY_ORIGINS_NO ? &room->origins : NULL;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        give_bits(&ret->fields.groups[domain], room->words[domain], policy->fields[domain]);
    give_bits(&ret->fields.groups[PERSON], room->words[PERSON],
              (uint32_t)policy->citizen_number << CITIZEN_NUMBER | (uint32_t)policy->person_id << PERSON_ID);
    Words *provinces = policy->codes63 ? &ret->provinces63 : &ret->provinces;
    provinces->list = room->words[GROUPS];
    for (int i = 0; i < POLICY_PROVINCES && !policy->any_province; i++)
        if (policy->provinces[i])
            provinces->list[provinces->n++] = i;
    if (policy->changes != POLICY_CHANGES_ALL)
        give_bits(&ret->changes, room->words[GROUPS + 1], policy->changes);
}

// Lists that are not said at all.
static void leave_out(Words *words) {
    if (words->n == 0)
        words->list = NULL;
}

int rights_file_print(const RightsFile *file, const Rules *rules, FILE *out) {
    CLEANUP(schema_free) Schema *schema = NULL;
    Room room;
    Written written;
    int r = schema_new(&schema, rules);
    if (r < 0)
        return r;
    give(file, &room, &written);
    for (int group = 0; group < GROUPS; group++)
        leave_out(&written.fields.groups[group]);
    leave_out(&written.provinces);
    leave_out(&written.provinces63);
    leave_out(&written.changes);
    return config_write(out, &written, &schema->whole);
}
