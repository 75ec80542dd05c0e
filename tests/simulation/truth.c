// SPDX-License-Identifier: Apache-2.0
//
// Who is spoken of, and what is said of them.
#include "truth_state.h"

#define ARENA_BYTES (16 * 1024 * 1024)
#define FIRST_TIME_US 1761955200000000LL // 2025-11-01

Truth truth;
TruthCounts truth_counted;

// ---- the world that is spoken of -----------------------------------------------------------------------------------

const char *truth_number(int person) {
    static char numbers[TRUTH_PERSONS][32];
    bool unborn = person >= TRUTH_PERSONS - TRUTH_UNBORN;
    snprintf(numbers[person], sizeof numbers[0], "0012%s%06d", unborn ? "25" : "00", (person + 1) % 100);
    return numbers[person];
}

const char *truth_birth_date(int person) {
    static char dates[TRUTH_PERSONS][32];
    bool unborn = person >= TRUTH_PERSONS - TRUTH_UNBORN;
    snprintf(dates[person], sizeof dates[0], "%s-%02d", unborn ? "2025-03" : "2000-01", (person + 1) % 28);
    return dates[person];
}

const char *truth_group(int group) {
    static const char *const GROUPS[TRUTH_GROUPS] = {"covid-19", "hpv", "measles", "rabies"};
    return GROUPS[group];
}

const char *truth_province(int i) {
    static const char *const PROVINCES[] = {"01", "79", "48"};
    return i < (int)(sizeof PROVINCES / sizeof *PROVINCES) ? PROVINCES[i] : NULL;
}

const char *truth_residence(int person) {
    const Saying *moved = truth.log.moved[person];
    return moved != NULL ? moved->province : truth.first_home[person];
}

static void say_of_a_death(Saying *saying) {
    static const char *const DAYS[] = {"2025-04-15", "2025-05-15", "2025-06-15", "2025-07-15"};
    // Of few, so that it is said of one more than once.
    saying->person = TRUTH_PERSONS - TRUTH_UNBORN - 3 + (int)world_dice(5);
    saying->kind = world_dice(3) == 0 ? SAID_NO_DEATH : SAID_DEATH;
    saying->day = DAYS[world_dice(4)];
}

static void say_of_people(Saying *saying) {
    if (truth.plan.deaths && world_dice(2) == 0) {
        say_of_a_death(saying);
        return;
    }
    saying->kind = truth.plan.moves && world_dice(2) == 0 ? SAID_MOVE : SAID_BIRTH;
    if (saying->kind == SAID_MOVE) {
        saying->province = truth_province((int)world_dice(3));
        saying->person = (int)world_dice(TRUTH_PERSONS);
    } else {
        saying->person = TRUTH_PERSONS - TRUTH_UNBORN + (int)world_dice(TRUTH_UNBORN);
    }
}

static void say_of_a_dose(Saying *saying) {
    static const char *const DAYS[] = {"2025-05-01", "2025-06-01", "2025-07-01"};
    saying->group = (int)world_dice(TRUTH_GROUPS);
    saying->day = truth.plan.deaths ? DAYS[world_dice(3)] : DAYS[1];
}

Saying *truth_say(int agent, bool centre) {
    if (truth.n == TRUTH_SAYINGS_MAX)
        return NULL;
    Saying *saying = &truth.sayings[truth.n];
    *saying = (Saying){.agent = agent, .person = (int)world_dice(TRUTH_PERSONS)};
    snprintf(saying->key, sizeof saying->key, "a%d-%d", agent, truth.n_of[agent]++);
    if (centre)
        say_of_people(saying);
    else
        say_of_a_dose(saying);
    saying->event_time_us = FIRST_TIME_US + (int64_t)world_dice(1000) * 1000000;
    snprintf(saying->lot, sizeof saying->lot, "L%zu", truth.n);
    snprintf(saying->facility, sizeof saying->facility, "F%zu", truth.n % 7);
    truth.n++;
    return saying;
}

size_t truth_sayings(const Saying **ret) {
    *ret = truth.sayings;
    return truth.n;
}

void truth_promise(Saying *saying) {
    saying->promised = true;
}

Saying *truth_find(const char *key) {
    for (size_t i = 0; i < truth.n; i++) {
        if (strcmp(truth.sayings[i].key, key) == 0)
            return &truth.sayings[i];
    }
    return NULL;
}

void truth_acknowledged(Saying *saying) {
    truth_counted.acknowledged += !saying->acknowledged;
    saying->acknowledged = true;
    if (truth_log_of(saying)->n_logged > 0 || saying->forgotten)
        return;
    truth_counted.lost++;
    world_fail("%s was acknowledged and is not in the log", saying->key);
}

static bool was_decided(const SayingLog *log, uint64_t position, const char *verdict) {
    for (int i = 0; i < log->n_decisions; i++) {
        if (log->decisions[i].position == position && strcmp(verdict_name(log->decisions[i].verdict), verdict) == 0)
            return true;
    }
    return false;
}

void truth_told(int agent, const char *key, const char *verdict, uint64_t position) {
    Saying *saying = truth_find(key);
    if (saying == NULL || saying->agent != agent) {
        world_fail("agent %d was told of %s, which it did not say", agent, key);
        return;
    }
    if (truth_is_lost() && !was_decided(truth_log_of(saying), position, verdict)) {
        saying->told_of_old = true;
        return;
    }
    if (position < saying->told_position)
        return;
    saying->told_position = position;
    for (int i = 0; i < 8; i++) {
        if (strcmp(verdict_name(i), verdict) == 0)
            saying->told_verdict = i;
    }
}

void truth_back_up(int agent) {
    for (size_t i = 0; i < truth.n; i++) {
        Saying *saying = &truth.sayings[i];
        if (saying->agent != agent)
            continue;
        saying->backup_position = saying->told_position;
        saying->backup_verdict = saying->told_verdict;
    }
}

void truth_set_back(int agent) {
    for (size_t i = 0; i < truth.n; i++) {
        Saying *saying = &truth.sayings[i];
        if (saying->agent != agent)
            continue;
        saying->told_position = saying->backup_position;
        saying->told_verdict = saying->backup_verdict;
    }
}

void truth_lose(int agent) {
    for (size_t i = 0; i < truth.n; i++) {
        if (truth.sayings[i].agent == agent)
            truth.sayings[i].told_position = 0;
    }
}

const char *truth_lot(int person, int group) {
    const Saying *winner = truth.log.winner[person][group];
    return winner == NULL ? NULL : winner->lot;
}

TruthCounts truth_counts(void) {
    return truth_counted;
}

void truth_open(void) {
    truth_chain_open();
    if (arena_new(&truth.arena, ARENA_BYTES) < 0)
        abort();
}

void truth_close(void) {
    truth_chain_close();
    arena_destroy(&truth.arena);
}

void truth_begin(const TruthPlan *plan) {
    Arena *arena = truth.arena;
    truth = (Truth){.arena = arena, .log.last_leaf = -1, .plan = *plan};
    base_observe(truth_segment);
    wire_listen(truth_frame);
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        bool unborn = person >= TRUTH_PERSONS - TRUTH_UNBORN;
        truth.first_home[person] = plan->moves && !unborn ? truth_province((int)world_dice(3)) : "";
        if (!unborn)
            base_add_citizen(&(BaseCitizen){.person = person + 1,
                                            .number = truth_number(person),
                                            .name = "Nguyễn Văn An",
                                            .birth_date = truth_birth_date(person),
                                            .sex = "male",
                                            .mother = "",
                                            .province = truth.first_home[person],
                                            .province63 = "",
                                            .died_on = ""});
    }
}

void truth_end(void) {
    base_observe(NULL);
    wire_listen(NULL);
}
