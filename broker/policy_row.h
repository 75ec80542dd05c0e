// SPDX-License-Identifier: Apache-2.0
//
// A version of a subscription's policy from its row, one way for whoever reads one.
#pragma once

#include "broker/policy.h"
#include "proto/base/pg.h"

// In this order, which policy_row_read() goes by.
#define POLICY_ROW                                                                                                     \
    "p.version, p.position, p.valid_from, p.valid_to, p.domains, p.provinces, p.fields, p.province_codes, p.changes, " \
    "CASE WHEN p.echo THEN NULL ELSE p.agency END, p.followed_only, p.origin_proofs"
#define POLICY_ROW_COLUMNS 12
// The first of them is `column`. What cannot be read is an error, and grants nothing. ERROR_DATABASE, ERROR_MEMORY.
int policy_row_read(const PGresult *result, int row, int column, PolicyVersion *ret);
