// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent proof`: what an agency holds against its exchange, as files that others can check without either.
#pragma once

int proof_main(int argc, char **argv);
