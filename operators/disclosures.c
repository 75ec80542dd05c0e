// SPDX-License-Identifier: Apache-2.0
//
// `dongbo disclosures`: who received what about whom. Reads the command line and prints; disclosure.c finds. Masked
// unless asked for, and then noted. Fields are named, never their values.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/disclosure.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <string.h>

static const char NOTES[] =
    "By any number that is or was theirs. For each subscription, by the version of its rights that held: what was sent\n"
    "about the person, and when it was stored here. `delivered` is what its receiver acknowledged; `possibly`, what may\n"
    "have left, acknowledged or not: up to the next 100000 positions behind what was sent last, rather too much than too\n"
    "little. `at most`: the log's content was let go (`log trim`), and the record's version is what is left to go by,\n"
    "wherever the person lived then. Snapshots are told apart: what a receiver took of one is not kept, so all that it held\n"
    "is possible. `digests` are what a receiver compared its copy with: sums of which the fields named are a part, by which\n"
    "one can tell whether a record is as one thinks, and not what it says. Where rights allow proofs of origin, whether\n"
    "its receiver asked for them is not kept: `the event as it was signed` has all that its agency said of the person.\n"
    "`erased since`: as it stood when the law had it erased (`erase`): who had it is kept, what it said and of which record\n"
    "is not.\n";

typedef struct Asked {
    const char *citizen;
    bool unmask, json;
} Asked;

// ---- text -----------------------------------------------------------------------------------------------------------

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_fields(const json_t *record) {
    size_t i;
    json_t *field;
    if (*text_of(record, "record")) { // of what was erased it is not known any more
        printf("  ");
        columns_show(text_of(record, "record"));
    }
    json_array_foreach(json_object_get(record, "fields"), i, field)
        printf("%s%s", i ? ", " : ": ", json_string_value(field));
    if (*text_of(record, "origin"))
        printf("; %s", strcmp(text_of(record, "origin"), "event") == 0 ? "possibly the event as it was signed"
                                                                       : "possibly proof of its origin");
    printf("\n");
}

static void print_policies(const json_t *policies) {
    size_t i, j;
    json_t *policy, *record;
    json_array_foreach(policies, i, policy) {
        printf("  version %lld from position %lld on, %s to %s: ", number_of(policy, "version"),
               number_of(policy, "position"), text_of(policy, "valid_from"), text_of(policy, "valid_to"));
        columns_show(text_of(policy, "legal_basis"));
        printf("\n");
        json_array_foreach(json_object_get(policy, "records"), j, record) {
            printf("    position %lld  %.19sZ  %-9s  %s  %s", number_of(record, "position"), text_of(record, "stored"),
                   text_of(record, "delivery"), text_of(record, "domain"), text_of(record, "change"));
            printf("%s", json_is_true(json_object_get(record, "trimmed")) ? " at most" : "");
            printf("%s", json_is_true(json_object_get(record, "erased")) ? " erased since" : "");
            print_fields(record);
        }
    }
}

static void print_snapshots(const json_t *snapshots) {
    size_t i, j;
    json_t *snapshot, *record;
    json_array_foreach(snapshots, i, snapshot) {
        const char *finished = text_of(snapshot, "finished");
        printf("  %s of positions %lld to %lld, possibly, between %.19sZ and %.19s%s\n",
               json_is_true(json_object_get(snapshot, "digests")) ? "digests" : "snapshot",
               number_of(snapshot, "first_position"), number_of(snapshot, "head_position"),
               text_of(snapshot, "started"), *finished ? finished : "now (not to its end)", *finished ? "Z" : "");
        json_array_foreach(json_object_get(snapshot, "records"), j, record) {
            printf("    as of position %lld, version %lld  %s%s", number_of(record, "position"),
                   number_of(record, "policy_version"), text_of(record, "domain"),
                   json_is_true(json_object_get(record, "erased")) ? " erased since" : "");
            print_fields(record);
        }
    }
}

static void print_text(const json_t *answer) {
    const json_t *subscriptions = json_object_get(answer, "subscriptions");
    size_t n_unknown = json_array_size(json_object_get(answer, "unknown_positions")), i;
    json_t *one;
    printf("citizen ");
    columns_show(text_of(answer, "citizen_number"));
    printf("\n");
    json_array_foreach(subscriptions, i, one) {
        printf("\n%s  ", text_of(one, "subscription"));
        columns_show(text_of(one, "subscriber"));
        printf(" (%s; acknowledged up to position %lld)\n", text_of(one, "state"), number_of(one, "acked"));
        print_policies(json_object_get(one, "policies"));
        print_snapshots(json_object_get(one, "snapshots"));
    }
    if (json_array_size(subscriptions) == 0)
        printf("nothing was sent about them\n");
    if (n_unknown)
        printf("\nof %zu segments of the log in which their records may have been told again the content was let go\n",
               n_unknown);
}

// ---- finding --------------------------------------------------------------------------------------------------------

static int find_identity(Desk *desk, Pg *exchange, Identity *identity) {
    int r = identity_find(desk, identity);
    if (r == 0 && identity->person == 0)
        r = disclosure_find_person(exchange, identity->number, &identity->person);
    return r;
}

static int show(json_t *answer, const Identity *identity, const Asked *asked) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(identity->number, masked);
    json_object_set_new(answer, "citizen_number", json_string(asked->unmask ? identity->number : masked));
    if (asked->json)
        return answer_print(answer, 0);
    print_text(answer);
    json_decref(answer);
    return 0;
}

static int look_up(Desk *desk, const Asked *asked, Identity *identity) {
    Pg *exchange = NULL;
    json_t *answer = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = find_identity(desk, exchange, identity);
    if (r == 0 && identity->person == 0) {
        log_error("nobody has this number, or several had: try another number of theirs");
        return 1;
    }
    if (r == 0 && asked->unmask)
        r = identity_note_unmasking(desk, "disclosures", identity->number);
    if (r == 0)
        r = disclosure_read(desk, identity, asked->unmask, &answer);
    return r < 0 ? r : show(answer, identity, asked);
}

int disclosures_show(Desk *desk, int argc, char **argv) {
    CLEANUP(identity_free) Identity identity = {0};
    Asked asked = {0};
    int operand = 0;
    const Option options[] = {
        {"citizen", 0, OPTION_TEXT, "NUMBER|-", "about whom; - reads the number from standard input", &asked.citizen},
        {"unmask", 0, OPTION_FLAG, NULL, "show the number and records' keys; this is noted", &asked.unmask},
        DESK_WHY(desk),
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &asked.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!asked.citizen)
        return error_fail(ERROR_CONFIG, "disclosures needs --citizen NUMBER, or --citizen - to read it");
    r = asked.unmask ? why_find(desk) : 0;
    if (r == 0)
        r = identity_read_number(asked.citizen, identity.number);
    return r < 0 ? r : look_up(desk, &asked, &identity);
}
