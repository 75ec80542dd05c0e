// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent follow`: a committee keeps the list of the persons whom its subscription follows. Reads numbers from a
// file or standard input, in bounded memory; keeps none itself, and shows them masked.
#pragma once

// Exit codes: 0 all was taken; 1 some of it was not, or the exchange refuses; 2 configuration; 3 no broker answers
// within --timeout; 4 this machine failed, or it was interrupted.
int follow_main(int argc, char **argv);
