// SPDX-License-Identifier: Apache-2.0
//
// Statements on lists of followed persons. Nobody is merged into another here.
#include "base_rows.h"

#include <string.h>

#define DAY_US 86400000000LL

typedef struct FollowedRow {
    int64_t subscription, person, from, to; // to: 0 to this day
    const char *number;
} FollowedRow;
typedef struct RequestRow {
    int64_t subscription, person;
    bool follow;
    const char *number;
} RequestRow;
// How many were asked for, and carried out; of each subscription one row.
typedef struct AskedRow {
    int64_t subscription, asked, changed, since_us, turn, request;
} AskedRow;
typedef struct CountRow {
    int64_t subscription, done, followed;
} CountRow;
static Table lists = {.name = "followed", .row_bytes = sizeof(FollowedRow)};
static Table requests = {.name = "follow_request", .row_bytes = sizeof(RequestRow)};
static Table asked = {.name = "follow_asked", .row_bytes = sizeof(AskedRow)};
static Table counts = {.name = "follow_count", .row_bytes = sizeof(CountRow)};

static int find(Call *call) {
    Value *numbers;
    size_t n = param_array(call, 0, &numbers);
    rows_begin(call, 4);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < base_citizens.n; i++) {
            const BaseCitizen *row = table_row(call, &base_citizens, i);
            if (row == NULL || !value_is(numbers[k], row->number, strlen(row->number)))
                continue;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_i64(call, 1, row->person);
            row_text(call, 2, row->province);
            row_text(call, 3, row->province63);
        }
    }
    return 0;
}

static const FollowedRow *on_list(const Call *call, int64_t subscription, int64_t person) {
    for (size_t i = 0; i < lists.n; i++) {
        const FollowedRow *row = table_row(call, &lists, i);
        if (row != NULL && row->subscription == subscription && row->person == person && row->to == 0)
            return row;
    }
    return NULL;
}

static const RequestRow *request_of(const Call *call, int64_t subscription, int64_t person) {
    for (size_t i = 0; i < requests.n; i++) {
        const RequestRow *row = table_row(call, &requests, i);
        if (row != NULL && row->subscription == subscription && row->person == person)
            return row;
    }
    return NULL;
}

// ---- what is asked -------------------------------------------------------------------------------------------------

#define SAID_MAX 64

typedef struct Said {
    RequestRow list[SAID_MAX];
    size_t n;
} Said;

// Who is named twice has the last word of a removal, and the least of their numbers.
static void say(Said *said, const RequestRow *row) {
    for (size_t i = 0; i < said->n; i++) {
        RequestRow *before = &said->list[i];
        if (before->person != row->person)
            continue;
        if (before->follow != row->follow ? before->follow : strcmp(row->number, before->number) < 0)
            *before = *row;
        return;
    }
    if (said->n < SAID_MAX)
        said->list[said->n++] = *row;
}

static void say_removed_numbers(const Call *call, Said *said) {
    Value *numbers;
    size_t n = param_array(call, 4, &numbers);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < lists.n; i++) {
            const FollowedRow *row = table_row(call, &lists, i);
            if (row != NULL && row->subscription == param_i64(call, 0) && row->to == 0 &&
                value_is(numbers[k], row->number, strlen(row->number)))
                say(said, &(RequestRow){row->subscription, row->person, false, ""});
        }
    }
}

static bool changes(const Call *call, const RequestRow *row) {
    const FollowedRow *held = on_list(call, row->subscription, row->person);
    if (request_of(call, row->subscription, row->person) != NULL)
        return true;
    return row->follow ? held == NULL || strcmp(held->number, row->number) != 0 : held != NULL;
}

// Of the persons who are named, those of whom something changes.
static void read_said(const Call *call, Said *ret) {
    Value *added, *numbers, *removed;
    size_t n = param_array(call, 1, &added), n_removed = param_array(call, 3, &removed), kept = 0;
    param_array(call, 2, &numbers);
    ret->n = 0;
    for (size_t k = 0; k < n; k++)
        say(ret, &(RequestRow){param_i64(call, 0), value_i64(added[k]), true, value_text(numbers[k])});
    for (size_t k = 0; k < n_removed; k++)
        say(ret, &(RequestRow){param_i64(call, 0), value_i64(removed[k]), false, ""});
    say_removed_numbers(call, ret);
    for (size_t i = 0; i < ret->n; i++) {
        if (changes(call, &ret->list[i]))
            ret->list[kept++] = ret->list[i];
    }
    ret->n = kept;
}

// INSERT ... ON CONFLICT DO UPDATE. *ret_fresh: it was inserted.
static int put_request(Call *call, const RequestRow *row, bool *ret_fresh) {
    for (size_t i = 0; i < requests.n; i++) {
        const Slot *slot = &requests.slots[i];
        const RequestRow *other = slot->now != NULL ? slot->now : slot->next;
        if (other == NULL || other->subscription != row->subscription || other->person != row->person)
            continue;
        void *locked;
        int r = table_change(call, &requests, i, &locked); // waits also for who inserts, or deletes it
        if (r != 0)
            return r;
        if (locked == NULL)
            continue;
        *(RequestRow *)locked = *row;
        *ret_fresh = false;
        return 0;
    }
    table_insert(call, &requests, row);
    *ret_fresh = true;
    return 0;
}

// The subscription's row of such a table, begun where there is none.
static int row_of(Call *call, Table *table, const void *fresh, void **ret) {
    int64_t subscription = *(const int64_t *)fresh; // their first column
    for (size_t i = 0; i < table->n; i++) {
        const Slot *slot = &table->slots[i];
        const int64_t *row = slot->now != NULL ? slot->now : slot->next;
        if (row == NULL || *row != subscription)
            continue;
        int r = table_change(call, table, i, ret);
        if (r != 0 || *ret != NULL)
            return r;
    }
    table_insert(call, table, fresh);
    return table_change(call, table, table->n - 1, ret);
}

static int count_asked(Call *call, int64_t n_fresh, int64_t n) {
    AskedRow fresh = {.subscription = param_i64(call, 0), .since_us = world_date_us()};
    void *locked;
    int r = n == 0 ? 1 : row_of(call, &asked, &fresh, &locked);
    if (r != 0)
        return r == 1 && n == 0 ? 0 : r;
    AskedRow *row = locked;
    bool today = row->since_us > world_date_us() - DAY_US;
    row->asked += n_fresh;
    row->changed = n + (today ? row->changed : 0);
    row->since_us = today ? row->since_us : world_date_us();
    return 0;
}

static const void *seen_of(const Call *call, const Table *table, int64_t subscription) {
    for (size_t i = 0; i < table->n; i++) {
        const int64_t *row = table_row(call, table, i);
        if (row != NULL && *row == subscription)
            return row;
    }
    return NULL;
}

typedef struct Counts {
    int64_t followed, waiting, changed;
} Counts;

static Counts counts_of(const Call *call) {
    const AskedRow *of = seen_of(call, &asked, param_i64(call, 0));
    const CountRow *done = seen_of(call, &counts, param_i64(call, 0));
    bool today = of != NULL && of->since_us > world_date_us() - DAY_US;
    return (Counts){.followed = done == NULL ? 0 : done->followed,
                    .waiting = (of == NULL ? 0 : of->asked) - (done == NULL ? 0 : done->done),
                    .changed = today ? of->changed : 0};
}

static int64_t room(const Counts *now, const Said *said, int64_t fresh, int64_t more, const Call *call) {
    if (more > 0 && now->followed + now->waiting + more > param_i64(call, 5))
        return 1;
    return said->n > 0 && now->changed + (int64_t)said->n > param_i64(call, 6) ? 2 : 0;
}

static int keep(Call *call) {
    Said said;
    Counts now = counts_of(call);
    int64_t n_fresh = 0, fresh = 0, more = 0;
    int r = 0;
    read_said(call, &said);
    for (size_t i = 0; i < said.n; i++) {
        bool waits = request_of(call, said.list[i].subscription, said.list[i].person) != NULL;
        fresh += !waits;
        more += !waits && said.list[i].follow;
    }
    int64_t why = room(&now, &said, fresh, more, call);
    for (size_t i = 0; why == 0 && r == 0 && i < said.n; i++) {
        bool is_fresh = false;
        r = put_request(call, &said.list[i], &is_fresh);
        n_fresh += is_fresh;
    }
    if (why == 0 && r == 0)
        r = count_asked(call, n_fresh, (int64_t)said.n);
    rows_begin(call, 3);
    row_begin(call);
    row_i32(call, 0, (int32_t)why);
    row_i64(call, 1, now.followed);
    row_i64(call, 2, now.waiting + (why == 0 ? fresh : 0));
    return r;
}

static int draw_turn(Call *call) {
    const AskedRow *of = seen_of(call, &asked, param_i64(call, 0));
    int64_t now_us = world_date_us();
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, of != NULL && of->turn >= now_us ? of->turn + 1 : now_us);
    return 0;
}

static int take_order(Call *call) {
    int64_t turn = param_i64(call, 1), request = param_i64(call, 2), now_us = world_date_us();
    AskedRow fresh = {.subscription = param_i64(call, 0), .since_us = now_us};
    void *locked;
    rows_begin(call, 1);
    if (turn > now_us && seen_of(call, &asked, fresh.subscription) == NULL)
        return 0;
    int r = row_of(call, &asked, &fresh, &locked);
    if (r != 0)
        return r;
    AskedRow *row = locked;
    bool is_old = turn < row->turn || (turn == row->turn && request < row->request);
    if (is_old || turn > (row->turn >= now_us ? row->turn + 1 : now_us))
        return 0;
    row->turn = turn;
    row->request = request;
    row_begin(call);
    row_i32(call, 0, 1);
    return 0;
}

// ---- what is carried out -------------------------------------------------------------------------------------------

static int waiting_lists(Call *call) {
    int64_t least = 0, next = 0;
    for (size_t i = 0; i < requests.n; i++) {
        const RequestRow *row = table_row(call, &requests, i);
        if (row == NULL)
            continue;
        least = least == 0 || row->subscription < least ? row->subscription : least;
        if (row->subscription > param_i64(call, 0) && (next == 0 || row->subscription < next))
            next = row->subscription;
    }
    rows_begin(call, 1);
    row_begin(call);
    if (least == 0)
        row_null(call, 0);
    else
        row_i32(call, 0, (int32_t)(next != 0 ? next : least));
    return 0;
}

static bool is_to_be_retold(const Call *call, int64_t person) {
    for (size_t i = 0; i < base_retellings.n; i++) {
        const BaseRetelling *row = table_row(call, &base_retellings, i);
        if (row != NULL && row->person == person && !row->told)
            return true;
    }
    return false;
}

static const BaseRetelling *last_move(const Call *call, int64_t person) {
    const BaseRetelling *last = NULL;
    for (size_t i = 0; i < base_retellings.n; i++) {
        const BaseRetelling *row = table_row(call, &base_retellings, i);
        if (row != NULL && row->person == person && row->cause >= 2 && (last == NULL || row->position > last->position))
            last = row;
    }
    return last;
}

// The one behind that person, in their order; SIZE_MAX: none.
static size_t request_behind(const Call *call, int64_t person) {
    size_t found = SIZE_MAX;
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < requests.n; i++) {
        const RequestRow *row = table_row(call, &requests, i);
        if (row == NULL || row->subscription != param_i64(call, 0) || row->person <= person || row->person >= least)
            continue;
        found = i;
        least = row->person;
    }
    return found;
}

static void give_request(Call *call, const RequestRow *row) {
    const FollowedRow *held = on_list(call, row->subscription, row->person);
    row_begin(call);
    row_i64(call, 0, row->person);
    row_bool(call, 1, row->follow);
    row_text(call, 2, row->number);
    row_i64(call, 3, row->person);
    if (held == NULL) {
        row_null(call, 4);
        row_null(call, 5);
    } else {
        row_text(call, 4, held->number);
        row_bool(call, 5, true);
    }
    if (is_to_be_retold(call, row->person))
        row_bool(call, 6, true);
    else
        row_null(call, 6);
    row_bool(call, 7, false);
    for (int column = 8; column < 11; column++)
        row_text(call, column, "");
    const BaseRetelling *move = last_move(call, row->person);
    row_text(call, 11, move == NULL ? "" : move->province[2]);
    row_text(call, 12, move == NULL ? "" : move->province[3]);
}

// Whom somebody else has locked is passed over.
static int next(Call *call) {
    int64_t person = param_i64(call, 2);
    rows_begin(call, 13);
    for (int64_t k = 0; k < param_i64(call, 1); k++) {
        size_t i = request_behind(call, person);
        if (i == SIZE_MAX)
            break;
        person = ((const RequestRow *)table_row(call, &requests, i))->person;
        const Slot *slot = &requests.slots[i];
        void *locked = NULL;
        if (slot->owner != NULL && slot->owner != call->tx)
            continue;
        int r = table_change(call, &requests, i, &locked);
        if (r != 0)
            return r;
        if (locked != NULL)
            give_request(call, locked);
    }
    return 0;
}

static const BaseSubscription *subscription_of(int64_t number) {
    for (size_t i = 0; i < base_n_subscriptions; i++) {
        if (base_subscriptions[i].subscription == number)
            return &base_subscriptions[i];
    }
    return NULL;
}

static bool has_domain(const BaseSubscription *of, int domain) {
    for (size_t i = 0; of != NULL && of->followed_only && i < of->n_domains; i++) {
        if (of->domains[i] == domain)
            return true;
    }
    return false;
}

static int records(Call *call) {
    Value *persons;
    size_t n = param_array(call, 0, &persons);
    const BaseSubscription *of = subscription_of(param_i64(call, 1));
    int64_t bytes = 0;
    rows_begin(call, 4);
    for (size_t k = 0; k < n; k++) { // they are asked for in their order
        const BaseVersion *found[BASE_RECORDS_MAX];
        size_t n_found = base_records_of(call, value_i64(persons[k]), found);
        for (size_t i = 0; i < n_found && call->n_rows < param_i64(call, 2) && bytes <= param_i64(call, 3); i++) {
            if (!has_domain(of, found[i]->domain))
                continue;
            bytes += (int64_t)found[i]->record.n;
            row_begin(call);
            row_i64(call, 0, found[i]->person);
            row_i16(call, 1, (int16_t)found[i]->domain);
            row_text(call, 2, found[i]->record_key);
            row_value(call, 3, bytes <= param_i64(call, 3) ? found[i]->record : (Value){.null = true});
        }
    }
    return 0;
}

static int end_requests(Call *call, const Value *persons, size_t n) {
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < requests.n; i++) {
            const RequestRow *row = table_row(call, &requests, i);
            void *locked;
            if (row == NULL || row->subscription != param_i64(call, 0) || row->person != value_i64(persons[k]))
                continue;
            int r = table_change(call, &requests, i, &locked);
            if (r != 0)
                return r;
            table_delete(call, &requests, i);
        }
    }
    return 0;
}

// Who was followed from this very position on never was. `number` NULL: ended.
static int change_list(Call *call, int64_t person, const char *number) {
    int64_t position = param_i64(call, 3);
    for (size_t i = 0; i < lists.n; i++) {
        const FollowedRow *row = table_row(call, &lists, i);
        void *locked;
        if (row == NULL || row->subscription != param_i64(call, 0) || row->person != person || row->to != 0)
            continue;
        int r = table_change(call, &lists, i, &locked);
        if (r != 0)
            return r;
        FollowedRow *change = locked;
        if (number != NULL)
            change->number = number;
        else if (change->from < position)
            change->to = position;
        else
            table_delete(call, &lists, i);
    }
    return 0;
}

static int done(Call *call) {
    Value *gone, *closed, *opened, *numbers, *renamed, *names;
    size_t n_gone = param_array(call, 1, &gone), n_closed = param_array(call, 2, &closed),
           n_opened = param_array(call, 4, &opened), n_renamed = param_array(call, 6, &renamed);
    param_array(call, 5, &numbers);
    param_array(call, 7, &names);
    int r = end_requests(call, gone, n_gone);
    for (size_t k = 0; r == 0 && k < n_closed; k++)
        r = change_list(call, value_i64(closed[k]), NULL);
    for (size_t k = 0; r == 0 && k < n_renamed; k++)
        r = change_list(call, value_i64(renamed[k]), value_text(names[k]));
    for (size_t k = 0; r == 0 && k < n_opened; k++) {
        FollowedRow row = {.subscription = param_i64(call, 0),
                           .person = value_i64(opened[k]),
                           .from = param_i64(call, 3),
                           .number = value_text(numbers[k])};
        if (on_list(call, row.subscription, row.person) != NULL)
            return base_refuse(call, "23505");
        table_insert(call, &lists, &row);
    }
    CountRow fresh = {.subscription = param_i64(call, 0)};
    void *locked = NULL;
    if (r == 0)
        r = row_of(call, &counts, &fresh, &locked);
    if (r != 0)
        return r;
    CountRow *count = locked;
    count->done += (int64_t)n_gone;
    count->followed += (int64_t)n_opened - (int64_t)n_closed;
    return 0;
}

// ---- what goes out -------------------------------------------------------------------------------------------------

static bool is_among(int64_t number, const Value *list, size_t n) {
    for (size_t k = 0; k < n; k++) {
        if (value_i64(list[k]) == number)
            return true;
    }
    return false;
}

static int followed(Call *call) {
    Value *persons, *subscriptions;
    size_t n = param_array(call, 0, &persons), n_subscriptions = param_array(call, 1, &subscriptions);
    rows_begin(call, 4);
    for (size_t i = 0; i < lists.n; i++) {
        const FollowedRow *row = table_row(call, &lists, i);
        if (row == NULL || !is_among(row->person, persons, n) ||
            !is_among(row->subscription, subscriptions, n_subscriptions) || row->from > param_i64(call, 3) ||
            (row->to != 0 && row->to <= param_i64(call, 2)))
            continue;
        row_begin(call);
        row_i32(call, 0, (int32_t)row->subscription);
        row_i64(call, 1, row->person);
        row_i64(call, 2, row->from);
        row_i64(call, 3, row->to == 0 ? INT64_MAX : row->to);
    }
    return 0;
}

// The first one from that person on who is followed at the snapshot's head.
static const FollowedRow *listed_from(const Call *call, int64_t person) {
    const FollowedRow *found = NULL;
    for (size_t i = 0; i < lists.n; i++) {
        const FollowedRow *row = table_row(call, &lists, i);
        if (row != NULL && row->subscription == param_i64(call, 4) && row->person >= person &&
            row->from <= param_i64(call, 5) && (row->to == 0 || row->to > param_i64(call, 5)) &&
            (found == NULL || row->person < found->person))
            found = row;
    }
    return found;
}

static bool is_behind(const BaseVersion *row, int64_t domain, const char *record_key) {
    return row->domain != domain ? row->domain > domain : strcmp(row->record_key, record_key) > 0;
}

// One step: the person's next record, or that there are no more of them.
static int snapshot_next(Call *call) {
    const FollowedRow *of = listed_from(call, param_i64(call, 0));
    const BaseVersion *found = NULL;
    rows_begin(call, 3);
    if (of == NULL)
        return 0;
    bool goes_on = of->person == param_i64(call, 0);
    int64_t domain = goes_on ? param_i64(call, 1) : 0;
    const char *record_key = goes_on ? param_text(call, 2) : "";
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_row(call, &base_versions, i);
        if (row != NULL && row->person == of->person && is_behind(row, domain, record_key) &&
            (found == NULL || is_behind(found, row->domain, row->record_key)))
            found = row;
    }
    row_begin(call);
    row_i64(call, 0, of->person);
    if (found == NULL) {
        row_null(call, 1);
        row_null(call, 2);
        return 0;
    }
    row_i16(call, 1, (int16_t)found->domain);
    row_text(call, 2, found->record_key);
    return 0;
}

const BaseStatement BASE_FOLLOWS[] = {
    {"follow-find", find},
    {"follow-keep", keep},
    {"follow-turn", draw_turn},
    {"follow-order", take_order},
    {"follow-lists", waiting_lists},
    {"follow-next", next},
    {"follow-records", records},
    {"follow-done", done},
    {"feed_followed", followed},
    {"snapshot_next_followed", snapshot_next},
    {NULL, NULL},
};
