// SPDX-License-Identifier: Apache-2.0
//
// An outbox table in the agency's own PostgreSQL (agents/outbox.sql makes it, and the trigger that fills it). Rows are
// taken in the order of their ids, but never by a greatest id: a row that commits late is taken when it is there. A row
// is marked or deleted once the spool has it on disk. NOTIFY tells of news.
#pragma once

#include "agents/source.h"

// For source_new(): what it made stays in *ret also after a failure. Does not connect yet. ERROR_CONFIG when the
// table's name is not SCHEMA.TABLE.
int source_outbox_open(Source **ret, const SourceOptions *options);
