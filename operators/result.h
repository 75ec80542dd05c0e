// SPDX-License-Identifier: Apache-2.0
//
// Query results that clear themselves, and the types of the arrays that operators send.
#pragma once

#include "proto/base/error.h"

#include <libpq-fe.h>

#define OID_INT2 21 // pg_type.oid: the same in every PostgreSQL
#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25

static inline void result_clear(PGresult **result) {
    PQclear(*result); // takes NULL
    *result = NULL;
}
#define RESULT CLEANUP(result_clear) PGresult *
