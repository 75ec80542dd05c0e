// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent enrol`: makes a party's keys, and hands their public halves to the exchange by a one-time token.
#pragma once

// Exit codes: 0 enrolled; 1 the exchange refuses; 2 configuration, or no such token; 3 no broker answers within
// --timeout; 4 this machine failed, or it was interrupted.
int enrol_main(int argc, char **argv);
