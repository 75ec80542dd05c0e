// SPDX-License-Identifier: Apache-2.0
//
// Whose a row is that waits for a later word stands in its item, so that these are gone through, one after the other.
#include "agents/unanswered.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

typedef struct Count {
    int64_t origin, undecided, owed;
} Count;

typedef struct Counts {
    Spool *spool;
    Count *all; // by origin
    size_t n, size;
} Counts;

// Where this origin is, or would be.
static size_t counts_find(const Counts *counts, int64_t origin) {
    size_t from = 0, to = counts->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (counts->all[middle].origin < origin)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int counts_get(Counts *counts, int64_t origin, Count **ret) {
    size_t at = counts_find(counts, origin);
    *ret = NULL;
    if (at == counts->n || counts->all[at].origin != origin) {
        if (counts->n == counts->size) {
            size_t size = counts->size == 0 ? 64 : 2 * counts->size;
            Count *all = realloc(counts->all, size * sizeof *all);
            if (all == NULL)
                return error_fail(ERROR_MEMORY, "no memory to count answers");
            counts->all = all;
            counts->size = size;
        }
        memmove(counts->all + at + 1, counts->all + at, (counts->n - at) * sizeof *counts->all);
        counts->all[at] = (Count){.origin = origin};
        counts->n++;
    }
    *ret = &counts->all[at];
    return 0;
}

static int count_waiting(Counts *counts, sqlite3_stmt *row) {
    Count *count;
    return counts_get(counts, sqlite3_column_int64(row, 0), &count);
}

static int count_owed(Counts *counts, sqlite3_stmt *row) {
    Count *count;
    int r = counts_get(counts, sqlite3_column_int64(row, 0), &count);
    if (r == 0)
        count->owed = sqlite3_column_int64(row, 1);
    return r;
}

static int count_undecided(Counts *counts, sqlite3_stmt *row) {
    Count *count;
    Item item;
    size_t n;
    const uint8_t *at = lite_blob(row, 0, &n);
    if (item_read(&at, at + n, &item) != 0)
        return error_fail(ERROR_SYSTEM, "the spool holds an item that cannot be read");
    int r = counts_get(counts, item.origin, &count);
    if (r == 0)
        count->undecided++;
    return r;
}

static int each_row(Counts *counts, const char *read, int (*take)(Counts *counts, sqlite3_stmt *row)) {
    sqlite3_stmt *row;
    Lite *lite = spool_lite(counts->spool);
    int r = lite_query(lite, &row, read, "");
    if (r < 0)
        return r;
    while ((r = lite_row(lite, row)) == 0)
        if ((r = take(counts, row)) < 0) {
            lite_end(row);
            return r;
        }
    return r < 0 ? r : 0;
}

static int gather(Counts *counts) {
    // An outbox (its kept name is empty) is never read to its end.
    static const char WAITING[] = "SELECT id FROM origin WHERE waiting > 0 OR (state = 0 AND kept_name <> '')",
                      OWED[] = "SELECT origin, count(*) FROM result GROUP BY origin",
                      UNDECIDED[] = "SELECT item FROM undecided";
    int r = each_row(counts, WAITING, count_waiting);
    if (r == 0)
        r = each_row(counts, OWED, count_owed);
    return r == 0 ? each_row(counts, UNDECIDED, count_undecided) : r;
}

static int tell(const Counts *counts, UnansweredEach each, void *self) {
    for (size_t i = 0; i < counts->n; i++) {
        const Count *count = &counts->all[i];
        Unanswered one = {.undecided = count->undecided, .owed = count->owed};
        int r = ledger_origin(counts->spool, count->origin, &one.origin);
        one.waiting = one.origin.waiting;
        if (r == 0 && one.origin.source[0] != 0) // else it was forgotten
            r = each(self, &one);
        if (r < 0)
            return r;
    }
    return 0;
}

int unanswered_list(Spool *spool, UnansweredEach each, void *self) {
    Counts counts = {.spool = spool};
    int r = lite_script(spool_lite(spool), "BEGIN");
    if (r < 0)
        return r;
    r = gather(&counts);
    if (r == 0)
        r = tell(&counts, each, self);
    lite_rollback(spool_lite(spool));
    free(counts.all);
    return r;
}
