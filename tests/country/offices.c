// SPDX-License-Identifier: Apache-2.0
//
// Public Security, Electricity and the population centre.

#include "tests/country/office_tools.h"

#include <assert.h>
#include <stdlib.h>

static uint32_t divided(uint32_t size, uint32_t divisor) {
    const uint32_t result = (size + divisor / 2) / divisor;
    return result ? result : 1;
}

Scenario scenario_march_2022(uint32_t divisor) {
    return (Scenario){
        .name = "march-2022",
        .citizens = divided(300000, divisor),
        .e_id = divided(24211, divisor),
        .e_id_ha_noi = divided(5270, divisor),
        .electricity = divided(173000, divisor),
        .stay = divided(265000, divisor),
        .temporary = divided(5000, divisor),
        .vaccinations_agree = divided(51493, divisor),
        .vaccinations_wrong = divided(19040, divisor),
        .vaccinations_unusable = divided(3513, divisor),
        .vaccinations_later = divided(2580, divisor),
        .education = divided(40000, divisor),
        .social_security = divided(60000, divisor),
        .born_later = divided(500, divisor),
    };
}

static RowHead head_of(Office *office, uint32_t citizen) {
    return (RowHead){.citizen = citizen,
                     .kind = CLAIM_EXACT,
                     .moment = office_draw_moment(office),
                     .male = "male",
                     .female = "female"};
}

// Accounts by province: Hà Nội its own share, the others by inhabitants, each at least one, largest remainders up.
static void share_accounts(const Scenario *scenario, uint32_t accounts[PLACES]) {
    uint64_t inhabitants = 0;
    uint32_t given = scenario->e_id_ha_noi;
    for (size_t i = 1; i < PLACES; i++)
        inhabitants += PLACE_TABLE[i].thousands;
    const uint32_t rest = scenario->e_id > given ? scenario->e_id - given : 0;
    accounts[PLACE_HA_NOI] = given;
    for (size_t i = 1; i < PLACES; i++) {
        accounts[i] = (uint32_t)((uint64_t)rest * PLACE_TABLE[i].thousands / inhabitants);
        if (accounts[i] == 0)
            accounts[i] = 1;
        given += accounts[i];
    }
    // Rounding leaves some over, or, in a very small country, takes too many: the most populous even it out.
    for (size_t i = 1; given != scenario->e_id; i = i % (PLACES - 1) + 1) {
        if (PLACE_TABLE[i].thousands < 1200)
            continue;
        if (given < scenario->e_id) {
            accounts[i]++;
            given++;
        } else if (accounts[i] > 1) {
            accounts[i]--;
            given--;
        }
    }
}

static void write_account(Office *office, uint32_t citizen, size_t place) {
    const RowHead head = head_of(office, citizen);
    office_begin_row(office, &head);
    const bool second_level = dice_chance(&office->country->dice, 780);
    const bool active = dice_chance(&office->country->dice, 640);
    char activated[DAYS_TEXT_BYTES] = "", issued[DAYS_TEXT_BYTES];
    const int32_t day = office_day(office, head.moment);
    if (active)
        days_text(day, activated);
    days_text(day - 30 - (int32_t)dice_below(&office->country->dice, 330), issued);
    fprintf(office->sheet, ",VN%02u%07u,%d,%s,%02u,%s,%s\n", PLACE_TABLE[place].code, office->rows,
            second_level ? 2 : 1, active ? "active" : "registered", PLACE_TABLE[place].code, activated, issued);
}

void office_write_e_id(Office *office) {
    uint32_t accounts[PLACES];
    share_accounts(office->scenario, accounts);
    office_write_header(office, SHEET_E_ID);
    People people = people_draw(office->country, 15, 95, office->country->today);
    // First those who live where the account is to be registered, each once; then whoever is left over.
    uint32_t left = 0;
    for (uint32_t k = 0; k < people.n; k++) {
        const uint8_t place = office->country->citizens[people.indices[k]].home;
        if (accounts[place] > 0) {
            write_account(office, people.indices[k], place);
            accounts[place]--;
        } else {
            people.indices[left++] = people.indices[k];
        }
    }
    uint32_t next = 0;
    for (size_t place = 0; place < PLACES; place++)
        for (; accounts[place] > 0; accounts[place]--)
            write_account(office, people.indices[next++ % (left ? left : people.n)], place);
    people_free(&people);
}

void office_write_electricity(Office *office) {
    Country *country = office->country;
    office_write_header(office, SHEET_ELECTRICITY);
    People people = people_draw(country, 18, 95, country->today);
    for (uint32_t k = 0; k < office->scenario->electricity; k++) {
        const Citizen *citizen = &country->citizens[people_at(&people, k)];
        const RowHead head = head_of(office, people_at(&people, k));
        office_begin_row(office, &head);
        // A contract begins when its holder is of age, within the last seventeen years.
        const int32_t of_age = citizen->born + 18 * 366, oldest = days_of(2005, 1, 1);
        const int32_t from = of_age > oldest ? of_age : oldest, to = office_day(office, head.moment);
        char start[DAYS_TEXT_BYTES];
        days_text(from < to ? from + (int32_t)dice_below(&country->dice, (uint32_t)(to - from)) : to, start);
        const unsigned province = PLACE_TABLE[citizen->home].code34;
        fprintf(office->sheet, ",PE%02u%09u,active,DD-%02u-%06u,%02u,%s\n", province, k + 1, province,
                dice_below(&country->dice, 1000000), province, start);
    }
    people_free(&people);
}

static void write_stay(Office *office, uint32_t citizen, uint32_t day_of_march) {
    static const char *const REPORTERS[] = {"individual", "accommodation", "clinic"};
    static const char *const CODES[] = {"HH", "KS", "BV"};
    static const uint32_t SHARES[] = {450, 920, 1000};
    Dice *dice = &office->country->dice;
    RowHead head = head_of(office, citizen);
    head.moment = head.moment % 86400 + (day_of_march - 1) * 86400;
    office_begin_row(office, &head);
    const size_t reporter = dice_pick(dice, SHARES, 3);
    const uint8_t place =
        dice_chance(dice, 400) ? office->country->citizens[citizen].home : place_draw_destination(dice);
    const int32_t start = office_day(office, head.moment);
    char from[DAYS_TEXT_BYTES], to[DAYS_TEXT_BYTES];
    days_text(start, from);
    days_text(start + (int32_t)dice_below(dice, reporter == 2 ? 15 : 4), to);
    const unsigned province = PLACE_TABLE[place].code34;
    const unsigned commune = place_commune(province, 1 + dice_below(dice, 99));
    fprintf(office->sheet, ",%s,%s,%02u,%05u,%s,%s%02u%05u\n", from, to, province, commune, REPORTERS[reporter],
            CODES[reporter], province, dice_below(dice, 100000));
}

// A day of March on which this citizen has no stay yet; 0 when there is none left.
static uint32_t free_day(Dice *dice, uint32_t *days_taken) {
    const uint32_t from = dice_below(dice, CITIZENS_TODAY_DAY);
    for (uint32_t i = 0; i < CITIZENS_TODAY_DAY; i++) {
        const uint32_t day = (from + i) % CITIZENS_TODAY_DAY;
        if (!(*days_taken & (1U << day))) {
            *days_taken |= 1U << day;
            return day + 1;
        }
    }
    return 0;
}

void office_write_stay(Office *office) {
    Country *country = office->country;
    office_write_header(office, SHEET_STAY);
    People people = people_draw(country, 0, 95, country->today);
    uint32_t *days_taken = calloc(country->n, sizeof *days_taken);
    assert(days_taken);
    while (office->rows < office->scenario->stay) {
        const uint32_t citizen = people_at(&people, dice_below(&country->dice, people.n));
        const uint32_t day = free_day(&country->dice, &days_taken[citizen]);
        if (day)
            write_stay(office, citizen, day);
    }
    free(days_taken);
    people_free(&people);
}

void office_write_temporary(Office *office) {
    Dice *dice = &office->country->dice;
    office_write_header(office, SHEET_TEMPORARY);
    People people = people_draw(office->country, 16, 70, office->country->today);
    for (uint32_t k = 0; k < office->scenario->temporary; k++) {
        const RowHead head = head_of(office, people_at(&people, k));
        office_begin_row(office, &head);
        const unsigned province = PLACE_TABLE[place_draw_destination(dice)].code34;
        const int32_t start = office_day(office, head.moment);
        char from[DAYS_TEXT_BYTES], to[DAYS_TEXT_BYTES];
        days_text(start, from);
        days_text(start + 730, to);
        const unsigned commune = place_commune(province, 1 + dice_below(dice, 99));
        fprintf(office->sheet, ",%s,%s,%02u,%05u,%s\n", from, to, province, commune,
                dice_chance(dice, 350) ? "granted" : "applied");
    }
    people_free(&people);
}

void office_write_population_later(Office *office) {
    const Country *country = office->country;
    country_write_later(country, office->sheet);
    for (uint32_t i = 0; i < country->n_later; i++) {
        char row_id[24];
        snprintf(row_id, sizeof row_id, "pop-%07u", i + 1);
        office_write_truth(office, row_id, country->n - country->n_later + i, CLAIM_EXACT);
    }
    office->rows = country->n_later;
}
