// SPDX-License-Identifier: Apache-2.0
//
// `dongbo rules check`: reads the domains' rules and code lists as the broker would, and says what they hold. Changes
// nothing and needs no database: whoever edits a file tries it here before a broker meets it.
#include "operators/columns.h"
#include "operators/commands.h"
#include "proto/base/error.h"
#include "proto/reason.h"

#include <jansson.h>
#include <stdio.h>

typedef struct Share {
    size_t fields, required, keys, rules; // of both kinds
} Share;

static Share share_of(const DomainRules *domain) {
    Share share = {.fields = domain->n_fields, .keys = domain->n_key, .rules = domain->n_rules + domain->n_beside};
    for (size_t i = 0; i < domain->n_fields; i++)
        share.required += domain->fields[i].required;
    return share;
}

// The reasons that a domain's rules give, in the order of its file; one that several rules give comes once.
static bool is_first_with_its_code(const DomainRules *domain, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (domain->rules[i].code == domain->rules[at].code)
            return false;
    return true;
}

static int print_json(const Rules *rules) {
    json_t *list = json_array();
    for (int number = DOMAIN_MIN; number <= DOMAIN_MAX; number++) {
        const DomainRules *domain = rules_domain(rules, number);
        Share share = share_of(domain);
        json_t *reasons = json_array();
        for (size_t i = 0; i < domain->n_rules + domain->n_beside; i++)
            if (is_first_with_its_code(domain, i))
                json_array_append_new(reasons, json_string(reason_find(domain->rules[i].code)->name));
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "domain", domain_name(number), "fields",
                                        (json_int_t)share.fields, "required", (json_int_t)share.required, "keys",
                                        (json_int_t)share.keys, "rules", (json_int_t)share.rules, "reasons", reasons));
    }
    int failed = json_dumpf(list, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(list);
    return failed ? error_fail(ERROR_MEMORY, "no memory for the rules") : 0;
}

static int print_table(const Rules *rules) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 6);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"DOMAIN", "FIELDS", "REQUIRED", "KEY", "RULES", "REASONS"});
    for (int number = DOMAIN_MIN; number <= DOMAIN_MAX; number++) {
        const DomainRules *domain = rules_domain(rules, number);
        Share share = share_of(domain);
        char counts[4][24], reasons[1024] = "";
        size_t values[] = {share.fields, share.required, share.keys, share.rules}, used = 0;
        for (int i = 0; i < 4; i++)
            snprintf(counts[i], sizeof counts[i], "%zu", values[i]);
        for (size_t i = 0; i < domain->n_rules + domain->n_beside && used < sizeof reasons; i++)
            if (is_first_with_its_code(domain, i))
                used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s", used ? ", " : "",
                                         reason_find(domain->rules[i].code)->name);
        columns_add(columns,
                    (const char *[]){domain_name(number), counts[0], counts[1], counts[2], counts[3], reasons});
    }
    return columns_print(columns, stdout);
}

int rule_book_check(Desk *desk, int argc, char **argv) {
    bool json = false;
    int operand = 0;
    const Option options[] = {{"json", 0, OPTION_FLAG, NULL, "one JSON array", &json}, {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    CLEANUP(rules_destroy) Rules *own = NULL;
    const Rules *rules = NULL;
    if (operand < argc) {
        r = rules_load(&own, argv[operand]);
        rules = own;
    } else {
        r = desk_rules(desk, &rules);
    }
    if (r < 0)
        return r;
    return json ? print_json(rules) : print_table(rules);
}
