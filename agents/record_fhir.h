// SPDX-License-Identifier: Apache-2.0
//
// A vaccination as a FHIR R4 Immunization (https://hl7.org/fhir/R4/immunization.html), one resource a line. Withdrawn
// ones have the status entered-in-error; meta.tag says what the change does to the receiver's copy (upsert, delete,
// entered, left), meta.versionId its position. The patient is named only where the subscription may know them: by
// citizen number, by the pseudonymous key, else not at all.
#pragma once

#include "proto/base/bytes.h"
#include "wire.pb-c.h"

// Appends one line with its line feed. 1 when the record is no vaccination or cannot be read; `out` is then as before.
int record_fhir_append(const Dongbo__FeedRecord *record, Bytes *out);
// ERROR_CONFIG when what is granted does not make an Immunization: other domains, or without what FHIR requires.
int record_fhir_grant(char *const *fields, size_t n);
