// SPDX-License-Identifier: Apache-2.0
//
// The subscriptions' statements: rights that do not change, and places that do.
#include "base_rows.h"

#include "broker/feed_store.h"

#include <assert.h>
#include <string.h>

#define DATE_FROM 7305 // 2020-01-01, in days since 2000
#define DATE_TO 32873  // 2090-01-01
#define INT8 20

Table base_places = {.name = "subscription_position", .row_bytes = sizeof(BasePlace)};

static int done(Call *call) {
    return 0;
}

static int notify(Call *call) {
    base_notify(call);
    return 0;
}

// Rights of each, and the change that announced the key that signs heads.
int64_t base_policy_stamp(void) {
    return (int64_t)base_n_subscriptions + (base_head_key != NULL);
}

static int stamp(Call *call) {
    rows_begin(call, 2);
    row_begin(call);
    row_i64(call, 0, base_policy_stamp());
    row_i64(call, 1, 0);
    return 0;
}

static int turn(Call *call) { // nothing is erased here
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, 0);
    return 0;
}

static int subscriptions(Call *call) {
    rows_begin(call, 4);
    for (size_t i = 0; i < base_n_subscriptions; i++) {
        row_begin(call);
        row_i32(call, 0, base_subscriptions[i].subscription);
        row_text(call, 1, base_subscriptions[i].name);
        row_bool(call, 2, true);
        row_bytes(call, 3, base_subscriptions[i].secret, 32);
    }
    return 0;
}

static int keys(Call *call) {
    rows_begin(call, 2);
    for (size_t i = 0; i < base_n_subscriptions; i++) {
        row_begin(call);
        row_i32(call, 0, base_subscriptions[i].subscription);
        row_bytes(call, 1, base_subscriptions[i].curve_public, 32);
    }
    return 0;
}

static int policies(Call *call) {
    static const int16_t CHANGES[] = {1, 2, 3, 4};
    rows_begin(call, 13);
    for (size_t i = 0; i < base_n_subscriptions; i++) {
        const BaseSubscription *of = &base_subscriptions[i];
        row_begin(call);
        row_i32(call, 0, of->subscription);
        row_i32(call, 1, 1);
        row_i64(call, 2, 0);
        row_i32(call, 3, DATE_FROM);
        row_i32(call, 4, DATE_TO);
        row_numbers(call, 5, of->domains, of->n_domains);
        row_texts(call, 6, of->provinces, of->n_provinces);
        row_texts(call, 7, of->fields, of->n_fields);
        row_i16(call, 8, 34);
        row_numbers(call, 9, CHANGES, 4);
        row_null(call, 10);
        row_bool(call, 11, of->followed_only);
        row_text(call, 12, "no");
    }
    return 0;
}

static int agencies(Call *call) {
    rows_begin(call, 2);
    for (size_t i = 0; i < base_n_agencies; i++) {
        row_begin(call);
        row_i32(call, 0, base_agencies[i].agency);
        row_text(call, 1, base_agencies[i].code);
    }
    return 0;
}

static int segments(Call *call) {
    int64_t position = param_i64(call, 0), from = 0, trimmed = base_trimmed(call);
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row != NULL && row->first_position <= position && row->first_position > from)
            from = row->first_position;
    }
    from = from == 0 ? position : from;
    rows_begin(call, 9);
    for (size_t i = 0; i < base_segments.n && call->n_rows < FEED_STORE_SEGMENTS; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row == NULL || row->first_position < from)
            continue;
        row_begin(call);
        row_i64(call, 0, row->first_position);
        row_i64(call, 1, row->last_position);
        row_i32(call, 2, row->epoch);
        row_i16(call, 3, row->format);
        row_i64(call, 4, row->stored_at_us);
        row_value(call, 5, row->hash);
        row_value(call, 6, row->last_position <= trimmed ? (Value){.null = true} : row->payload);
        row_i64(call, 7, base_policy_stamp());
        row_none(call, 8, INT8);
    }
    return 0;
}

// ---- places: one consumer of each subscription ----------------------------------------------------------------------

static size_t place_find(const Call *call, int64_t subscription) {
    for (size_t i = 0; i < base_places.n; i++) {
        const Slot *slot = &base_places.slots[i];
        const BasePlace *row = slot->now != NULL ? slot->now : slot->next;
        if (row != NULL && row->subscription == subscription)
            return i;
    }
    return SIZE_MAX;
}

static int position(Call *call) {
    size_t i = place_find(call, param_i64(call, 0));
    const BasePlace *row = i == SIZE_MAX ? NULL : table_row(call, &base_places, i);
    assert(param_i64(call, 1) == 0 && param_i64(call, 2) == 0);
    rows_begin(call, 2);
    row_begin(call);
    row_i64(call, 0, row == NULL ? 0 : row->acked);
    row_bool(call, 1, row != NULL && row->fresh);
    return 0;
}

static int open_place(Call *call) {
    size_t i = place_find(call, param_i64(call, 0));
    void *locked;
    if (i == SIZE_MAX) {
        BasePlace row = {.subscription = (int32_t)param_i64(call, 0)};
        table_insert(call, &base_places, &row);
        i = base_places.n - 1;
    } else if (base_places.slots[i].now == NULL && base_places.slots[i].owner != call->tx) {
        call->waits_for = base_places.slots[i].owner;
        return BASE_WAIT;
    }
    int r = table_change(call, &base_places, i, &locked);
    if (r != 0)
        return r;
    BasePlace *row = locked;
    row->session++;
    rows_begin(call, 1);
    row_begin(call);
    row_i32(call, 0, row->session);
    return 0;
}

// Of the session that holds the place; *ret NULL when another one does.
static int place_of_session(Call *call, int64_t subscription, int64_t session, BasePlace **ret) {
    size_t i = place_find(call, subscription);
    void *locked = NULL;
    int r = i == SIZE_MAX ? 0 : table_change(call, &base_places, i, &locked);
    *ret = locked;
    if (r == 0 && *ret != NULL && (*ret)->session != session)
        *ret = NULL;
    return r;
}

static int release(Call *call) {
    BasePlace *row;
    int r = place_of_session(call, param_i64(call, 0), param_i64(call, 2), &row);
    rows_begin(call, 1);
    if (r != 0 || row == NULL)
        return r;
    if (param_i64(call, 3) > row->released)
        row->released = param_i64(call, 3);
    row_begin(call);
    row_i32(call, 0, 1);
    return 0;
}

static int hold(Call *call) {
    size_t i = place_find(call, param_i64(call, 0));
    void *locked = NULL;
    int r = i == SIZE_MAX ? 0 : table_change(call, &base_places, i, &locked);
    BasePlace *row = locked;
    if (r == 0 && row != NULL && param_i64(call, 1) > row->released)
        row->released = param_i64(call, 1);
    return r;
}

static int understated(Call *call) {
    Value *of, *released;
    size_t n = param_array(call, 0, &of);
    param_array(call, 1, &released);
    rows_begin(call, 2);
    for (size_t k = 0; k < n; k++) {
        size_t i = place_find(call, value_i64(of[k]));
        const BasePlace *row = i == SIZE_MAX ? NULL : table_row(call, &base_places, i);
        if (row != NULL && row->released >= value_i64(released[k]))
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        row_bool(call, 1, row != NULL);
    }
    return 0;
}

int64_t base_released(int32_t subscription) {
    for (size_t i = 0; i < base_places.n; i++) {
        const BasePlace *row = table_committed(&base_places, i);
        if (row != NULL && row->subscription == subscription)
            return row->released;
    }
    return 0;
}

static void take_ack(BasePlace *row, int64_t acked) {
    if (acked <= row->acked)
        return;
    row->acked = acked;
    row->fresh = false;
}

static int keep(Call *call) {
    Value *of, *sessions, *acked;
    size_t n = param_array(call, 0, &of);
    param_array(call, 2, &sessions);
    param_array(call, 3, &acked);
    rows_begin(call, 2);
    for (size_t k = 0; k < n; k++) {
        BasePlace *row;
        int r = place_of_session(call, value_i64(of[k]), value_i64(sessions[k]), &row);
        if (r != 0)
            return r;
        if (row == NULL)
            continue;
        take_ack(row, value_i64(acked[k]));
        row_begin(call);
        row_i32(call, 0, row->subscription);
        row_i16(call, 1, 0);
    }
    return 0;
}

static int close_place(Call *call) {
    BasePlace *row;
    int r = place_of_session(call, param_i64(call, 0), param_i64(call, 2), &row);
    if (r == 0 && row != NULL)
        take_ack(row, param_i64(call, 3));
    return r;
}

static int newer(Call *call) {
    size_t i = place_find(call, param_i64(call, 0));
    const BasePlace *row = i == SIZE_MAX ? NULL : table_row(call, &base_places, i);
    rows_begin(call, 2);
    row_begin(call);
    row_bool(call, 0, row != NULL && row->session > param_i64(call, 1));
    row_i16(call, 1, 0);
    return 0;
}

const BaseStatement BASE_FEED[] = {
    {"notify", notify},
    {"snapshot_agencies", agencies},
    {"feed_policy_stamp", stamp},
    {"feed_turn", turn},
    {"feed_let_go", done},
    {"feed_subscriptions", subscriptions},
    {"feed_keys", keys},
    {"feed_policies", policies},
    {"feed_agencies", agencies},
    {"feed_segments", segments},
    {"feed_position", position},
    {"feed_open", open_place},
    {"feed_release", release},
    {"feed_pass", done},
    {"feed_unpass", done},
    {"feed_hold", hold},
    {"feed_understated", understated},
    {"feed_keep", keep},
    {"feed_close", close_place},
    {"feed_newer", newer},
    {NULL, NULL},
};
