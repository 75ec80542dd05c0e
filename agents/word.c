// SPDX-License-Identifier: Apache-2.0
//
// See word.h.
#include "agents/word.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

int word_open(Lite *lite) {
    static const char TABLE[] =
        "CREATE TABLE IF NOT EXISTS word (stream INTEGER NOT NULL, sequence INTEGER NOT NULL, epoch INTEGER NOT NULL,"
        "  position INTEGER NOT NULL, verdict BLOB NOT NULL, PRIMARY KEY (stream, sequence)) WITHOUT ROWID;";
    return lite_script(lite, TABLE);
}

void word_free(Word *word) {
    if (word->verdict != NULL)
        dongbo__event_verdict__free_unpacked(word->verdict, NULL);
    *word = (Word){0};
}

bool word_is_after(const Word *word, uint32_t epoch, uint64_t position) {
    return word->epoch != epoch ? word->epoch > epoch : word->position > position;
}

int word_get(Spool *spool, int64_t stream, uint64_t sequence, Word *ret) {
    static const char READ[] = "SELECT epoch, position, verdict FROM word WHERE stream = ?1 AND sequence = ?2";
    *ret = (Word){0};
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "ii", stream, (int64_t)sequence);
    if (r < 0 || (r = lite_row(spool_lite(spool), row)) != 0)
        return r;
    size_t n;
    const uint8_t *data = lite_blob(row, 2, &n);
    int64_t position = sqlite3_column_int64(row, 1);
    *ret = (Word){.verdict = dongbo__event_verdict__unpack(NULL, n, data)};
    if (position > 0) {
        ret->epoch = (uint32_t)sqlite3_column_int64(row, 0);
        ret->position = (uint64_t)position;
    }
    lite_end(row);
    return ret->verdict != NULL ? 0 : error_fail(ERROR_SYSTEM, "the spool holds a verdict that cannot be read");
}

// What tells one verdict from another: no stored value that it may name.
static void pack(const Dongbo__EventVerdict *verdict, Bytes *ret) {
    Dongbo__EventVerdict bare = DONGBO__EVENT_VERDICT__INIT;
    Dongbo__Reason reasons[REASONS_MAX], *pointers[REASONS_MAX];
    bare.verdict = verdict->verdict;
    bare.reasons = pointers;
    for (; bare.n_reasons < verdict->n_reasons && bare.n_reasons < REASONS_MAX; bare.n_reasons++) {
        Dongbo__Reason *reason = pointers[bare.n_reasons] = &reasons[bare.n_reasons];
        dongbo__reason__init(reason);
        reason->code = verdict->reasons[bare.n_reasons]->code;
        reason->field = verdict->reasons[bare.n_reasons]->field;
    }
    bytes_append_message(ret, &bare.base);
}

int word_put(Spool *spool, int64_t stream, uint64_t sequence, const Word *word) {
    static const char PUT[] =
        "INSERT OR REPLACE INTO word (stream, sequence, epoch, position, verdict) SELECT ?1, ?2, ?3, ?4, ?5 "
        "WHERE ?2 <= (SELECT last_sequence FROM batch WHERE stream = ?1 AND first_sequence <= ?2 "
        "ORDER BY first_sequence DESC LIMIT 1)";
    Bytes verdict = {0};
    pack(word->verdict, &verdict);
    int r = verdict.failed ? error_fail(ERROR_MEMORY, "no memory for a verdict") : 0;
    if (r == 0)
        r = lite_run(spool_lite(spool), PUT, "iiiib", stream, (int64_t)sequence, (int64_t)word->epoch,
                     (int64_t)word->position, verdict.data, verdict.n);
    bytes_free(&verdict);
    return r;
}

int word_delete(Spool *spool, int64_t stream, uint64_t sequence) {
    static const char DELETE[] = "DELETE FROM word WHERE stream = ?1 AND sequence = ?2";
    return lite_run(spool_lite(spool), DELETE, "ii", stream, (int64_t)sequence);
}

int word_within(Spool *spool, int64_t stream, uint64_t first, uint64_t last, int64_t *ret) {
    static const char COUNT[] = "SELECT count(*) FROM word WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3";
    return lite_number(spool_lite(spool), COUNT, 0, ret, "iii", stream, (int64_t)first, (int64_t)last);
}

// Its place stays, below 0.
int word_age(Lite *lite, int64_t stream, uint64_t after) {
    static const char
        WORDS[] = "UPDATE word SET position = -position "
                  "WHERE stream = ?1 AND sequence > ?2 AND position > 0",
        OPEN[] = "UPDATE undecided SET stood = max(stood, position), position = 0 WHERE stream = ?1 AND sequence > ?2";
    int r = lite_run(lite, WORDS, "ii", stream, (int64_t)after);
    return r < 0 ? r : lite_run(lite, OPEN, "ii", stream, (int64_t)after);
}

int word_age_behind(Spool *spool, uint64_t position) {
    static const char WORDS[] = "UPDATE word SET position = -position WHERE position > ?1",
                      OPEN[] = "UPDATE undecided SET stood = max(stood, position), position = 0 WHERE position > ?1";
    int r = lite_run(spool_lite(spool), WORDS, "i", (int64_t)position);
    return r < 0 ? r : lite_run(spool_lite(spool), OPEN, "i", (int64_t)position);
}

int word_renew(Spool *spool, int64_t stream, uint64_t first, uint64_t last) {
    static const char RENEW[] = "UPDATE word SET position = -position "
                                "WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3 AND position < 0";
    return lite_run(spool_lite(spool), RENEW, "iii", stream, (int64_t)first, (int64_t)last);
}

int word_drop(Lite *lite, int64_t batch) {
    static const char DROP[] = "DELETE FROM word WHERE stream = (SELECT stream FROM batch WHERE id = ?1) AND sequence "
                               "BETWEEN (SELECT first_sequence FROM batch WHERE id = ?1) "
                               "AND (SELECT last_sequence FROM batch WHERE id = ?1)";
    return lite_run(lite, DROP, "i", batch);
}

int word_move(Spool *spool, const WordMove *move) {
    static const char WORDS[] = "UPDATE word SET stream = ?4, sequence = sequence - ?2 + ?5 "
                                "WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3",
                      OPEN[] = "UPDATE undecided SET stream = ?4, sequence = sequence - ?2 + ?5 "
                               "WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3";
    Lite *lite = spool_lite(spool);
    int64_t first = (int64_t)move->first_sequence, last = (int64_t)move->last_sequence,
            to = (int64_t)move->to_first_sequence;
    int r = lite_run(lite, WORDS, "iiiii", move->stream, first, last, move->to_stream, to);
    return r < 0 ? r : lite_run(lite, OPEN, "iiiii", move->stream, first, last, move->to_stream, to);
}
