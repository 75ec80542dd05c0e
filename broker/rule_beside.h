// SPDX-License-Identifier: Apache-2.0
//
// Rules about a person's other records, from the file to what broker/beside.h judges by.
#pragma once

#include "broker/rule_file.h"
#include "broker/rules.h"

// Fills in what such a rule has beyond the others; `rules` has the domain's fields. Returns what is wrong, or NULL.
const char *rule_beside_convert(const DomainRules *rules, const FileRule *from, Rule *rule);
// Reads the rule's table of intervals, `name`.tsv beside the domain's file at `path`. ERROR_CONFIG, ERROR_MEMORY.
int rule_beside_load(const DomainRules *rules, Rule *rule, const char *name, const char *path);
