// SPDX-License-Identifier: Apache-2.0
//
// A dossier as one JSON object for scripts. Masked as the rules say of each field, unless the dossier is unmasked.
#pragma once

#include "operators/dossier.h"

int dossier_json_print(Dossier *dossier); // to standard output; errors as dossier_next(), ERROR_MEMORY
