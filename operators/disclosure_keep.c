// SPDX-License-Identifier: Apache-2.0
//
// What is kept of disclosures whose content is about to be erased: see disclosure.h. The database keeps only what is of
// entries that go (exchange.note_erased_disclosures()).
#include "operators/disclosure.h"
#include "operators/result.h"

#include <stdlib.h>
#include <string.h>

static const PgStatement NOTE = {"disclosure_note", "SELECT exchange.note_erased_disclosures($1::text::jsonb)", 1,
                                 NULL};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what was sent");
}

// All but the record's key, which says what it was about.
static int add(json_t *kept, const char *subscription, json_int_t version, json_int_t snapshot, json_t *record) {
    if (json_is_true(json_object_get(record, "erased")))
        return 0;
    json_object_del(record, "record");
    json_t *one = json_pack("{s:s, s:I, s:I, s:O}", "subscription", subscription, "version", version, "snapshot",
                            snapshot, "record", record);
    return one && json_array_append_new(kept, one) == 0 ? 0 : no_memory();
}

static int add_feed(json_t *kept, const char *subscription, const json_t *policies) {
    size_t i, j;
    json_t *policy, *record;
    json_array_foreach(policies, i, policy) {
        json_int_t version = json_integer_value(json_object_get(policy, "version"));
        json_array_foreach(json_object_get(policy, "records"), j, record) {
            if (add(kept, subscription, version, 0, record) < 0)
                return no_memory();
        }
    }
    return 0;
}

static int add_snapshots(json_t *kept, const char *subscription, const json_t *snapshots) {
    size_t i, j;
    json_t *snapshot, *record;
    json_array_foreach(snapshots, i, snapshot) {
        json_int_t number = json_integer_value(json_object_get(snapshot, "snapshot"));
        json_array_foreach(json_object_get(snapshot, "records"), j, record) {
            json_int_t version = json_integer_value(json_object_get(record, "policy_version"));
            if (add(kept, subscription, version, number, record) < 0)
                return no_memory();
        }
    }
    return 0;
}

static int collect(const json_t *answer, json_t *kept) {
    size_t i;
    json_t *one;
    int r = 0;
    json_array_foreach(json_object_get(answer, "subscriptions"), i, one) {
        const char *subscription = json_string_value(json_object_get(one, "subscription"));
        if (r == 0)
            r = add_feed(kept, subscription, json_object_get(one, "policies"));
        if (r == 0)
            r = add_snapshots(kept, subscription, json_object_get(one, "snapshots"));
    }
    return r;
}

static int note(Pg *exchange, const json_t *kept) {
    char *text = json_dumps(kept, JSON_COMPACT);
    PgParams params = {0};
    if (!text)
        return no_memory();
    pg_param_text(&params, text);
    int r = pg_run(exchange, &NOTE, &params, NULL);
    pg_params_free(&params);
    free(text);
    return r;
}

int disclosure_keep(Desk *desk, int64_t person) {
    const Identity identity = {.person = person};
    Pg *exchange = NULL;
    json_t *answer = NULL, *kept = json_array();
    int r = kept ? desk_exchange(desk, &exchange) : no_memory();
    if (r == 0)
        r = disclosure_read(desk, &identity, false, &answer);
    if (r == 0)
        r = collect(answer, kept);
    if (r == 0 && json_array_size(kept) > 0)
        r = note(exchange, kept);
    json_decref(answer);
    json_decref(kept);
    return r;
}
