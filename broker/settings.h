// SPDX-License-Identifier: Apache-2.0
//
// The broker's configuration file. Paths in it are relative to it.
#pragma once

typedef struct SettingsPopulation {
    char *reader, *writer; // conninfo: a role that only reads, and one that only applies changes
} SettingsPopulation;

typedef struct SettingsDecide {
    unsigned *said_days; // NULL when not said
    unsigned not_found_after_days;
} SettingsDecide;

typedef struct Settings {
    char *publish, *subscribe; // endpoints
    char *enrol;               // ... of the enrolment door; NULL: there is none
    char *exchange;            // conninfo
    SettingsPopulation population;
    char *keys;      // path, resolved
    char *next_keys; // ... of the public half that will follow; NULL: none is announced
    char *schemas;   // directory, resolved
    SettingsDecide decide;
    unsigned workers;
    unsigned head_interval_ms; // at most so often, while there is something new, a head of the log is signed
    char *ready_file;          // "" when not asked for; resolved
    char *stats_file;          // NULL when not asked for; resolved. Where time goes by stage, written at the end
} Settings;

int settings_load(Settings **ret, const char *path); // ERROR_CONFIG, ERROR_MEMORY
void settings_destroy(Settings **settings);
