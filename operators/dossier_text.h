// SPDX-License-Identifier: Apache-2.0
//
// A dossier for people to read. Masked as the rules say of each field, unless the dossier is unmasked.
#pragma once

#include "operators/dossier.h"

int dossier_text_print(Dossier *dossier); // to standard output; errors as dossier_next()
