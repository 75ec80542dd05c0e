// SPDX-License-Identifier: Apache-2.0
//
// Communes, and the provinces that bodies say, across 1 July 2025, when some 10,000 became 3,321 and the new ones kept
// one of the old numbers each: a code is read by the code set that its event says (subject.province_code_set), never by
// guessing. What records and the population store keep is the code of today. Refuses to choose where a commune was
// divided.
#pragma once

#include "broker/rules.h"

// The province of 34 that the commune is in now; NULL when the set has no such commune.
const char *commune_province34(const Rules *rules, const char *code, bool is_63);
// The one commune of today; NULL where there is none such, or several.
const char *commune_today(const Rules *rules, const char *code, bool is_63);
// The province of 34 that this one of 63 has gone into; "" where there is none such.
const char *commune_province_today(const Rules *rules, const char *code63);
// What is kept of the event says its commune by today's code, or none, and its provinces (RuleField.by_code_set) by
// today's. Its signed bytes stay as they are.
void commune_settle(const Rules *rules, Dongbo__ChangeEvent *event);
