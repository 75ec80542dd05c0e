// SPDX-License-Identifier: Apache-2.0
//
// The model that knows the truth: what every agency said and was promised, what the log must say of it, which records
// follow from that, and what each committee must hold. It looks at each commit, at each frame, and at what is left in
// the end, and judges by a few rules of its own; of the programs' code it uses what reads their bytes.
#pragma once

#include "base_rows.h"

#define TRUTH_PERSONS 10 // of whom the last ones are not born yet
#define TRUTH_UNBORN 4
#define TRUTH_GROUPS 4
#define TRUTH_SAYINGS_MAX 256
#define TRUTH_AGENTS_MAX 6
#define TRUTH_KEY_BYTES 24
#define TRUTH_DECISIONS_MAX 48
#define TRUTH_OPEN_MAX 16

typedef enum SayingKind { SAID_DOSE, SAID_BIRTH, SAID_MOVE, SAID_DEATH, SAID_NO_DEATH } SayingKind;

typedef struct Saying {
    SayingKind kind;
    char key[TRUTH_KEY_BYTES]; // the row's, at its agency
    int agent, person;
    int group;            // a dose's
    const char *province; // where to, of a move
    const char *day;      // of a dose, or of a death
    int64_t event_time_us;
    char lot[16], facility[16];
    bool promised; // on the agent's disk, as it was told
    bool acknowledged;
    bool forgotten;   // by a database that was set back ...
    bool told_of_old; // ... or only what was decided, and its agent had been told
    // As the agent was told last:
    uint64_t told_position, backup_position;
    int told_verdict, backup_verdict;
} Saying;

// What waits for its person, or for an officer: the event of that number, whose word stands in a record or not.
typedef struct TruthOpen {
    uint8_t stream[STREAM_BYTES];
    uint64_t sequence;
    int verdict;
    bool stands;
} TruthOpen;

// What the log says of it.
typedef struct SayingLog {
    uint8_t event_id[EVENT_ID_BYTES];
    int n_logged, n_open;
    TruthOpen open[TRUTH_OPEN_MAX];
    uint64_t last_logged; // position ...
    bool last_deferred;   // ... and whether it was deferred there
    bool applied;
    struct {
        uint64_t position;
        uint8_t stream[STREAM_BYTES];
        int verdict;
    } decisions[TRUTH_DECISIONS_MAX]; // later ones
    int n_decisions;
} SayingLog;

void truth_open(void); // once
void truth_close(void);
// `told`: whether agents are owed what was decided later; not by a network that brings frames in another order.
typedef struct TruthPlan {
    bool told, moves, deaths; // whether people move house, and die
} TruthPlan;
void truth_begin(const TruthPlan *plan);
void truth_end(void);
const char *truth_number(int person);
const char *truth_birth_date(int person);
const char *truth_group(int group);

// A new saying of this agent: of a dose, or what the population centre says.
Saying *truth_say(int agent, bool centre);
const char *truth_province(int i);       // code of one of them; NULL: there are no more
const char *truth_residence(int person); // "" for an unknown one
size_t truth_sayings(const Saying **ret);
void truth_promise(Saying *saying);
// The spool that holds it has a receipt for all that it holds.
void truth_acknowledged(Saying *saying);
void truth_told(int agent, const char *key, const char *verdict, uint64_t position);
// A backup of the agent's machine was made; and it was set back: what it was told since is to be told again.
void truth_back_up(int agent);
void truth_set_back(int agent);
void truth_lose(int agent); // its spool, and what it was told with it
// The same of the exchange's database: what is committed from then on is forgotten.
void truth_back_up_base(void);
void truth_set_back_base(void);
bool truth_is_lost(void); // some of it was, ever
// Whether the log has a segment with this hash at this position.
bool truth_has(uint64_t position, const uint8_t hash[HASH_BYTES]);

// Of a committee's copy: the lot that it must hold for them; NULL for no record.
const char *truth_lot(int person, int group);
// What is missing for all to be as it must; NULL: nothing.
const char *truth_missing(void);
// Over all runs since truth_open(), in events. Lost: acknowledged, by a receipt that went out or at their agent, and
// not in the log as they were said. Doubled: stored again under a sequence that the log has, or applied again.
typedef struct TruthCounts {
    uint64_t acknowledged, lost, doubled;
} TruthCounts;
TruthCounts truth_counts(void);
// Every saying and what became of it, to standard error.
void truth_print(void);
// What must hold in the end, however it came: fails the run.
void truth_judge(void);
