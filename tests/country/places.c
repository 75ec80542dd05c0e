// SPDX-License-Identifier: Apache-2.0
//
// Codes: annex of Circular 07/2016/TT-BCA and Resolution 202/2025/QH15. Inhabitants: census of 2019, rounded to
// thousands. `pull` is invented: the cities and industrial provinces that people move to.

#include "tests/country/places.h"

const Place PLACE_TABLE[PLACES] = {
    {1, 1, 8054, 25},  {2, 8, 855, 0},     {4, 4, 530, 0},    {6, 19, 314, 0},   {8, 8, 785, 0},     {10, 15, 730, 0},
    {11, 11, 599, 0},  {12, 12, 460, 0},   {14, 14, 1248, 0}, {15, 15, 821, 0},  {17, 25, 854, 0},   {19, 19, 1287, 2},
    {20, 20, 782, 0},  {22, 22, 1320, 2},  {24, 24, 1804, 2}, {25, 25, 1464, 0}, {26, 25, 1151, 1},  {27, 24, 1369, 4},
    {30, 31, 1892, 1}, {31, 31, 2029, 3},  {33, 33, 1253, 1}, {34, 33, 1860, 0}, {35, 37, 853, 1},   {36, 37, 1780, 0},
    {37, 37, 983, 0},  {38, 38, 3640, 0},  {40, 40, 3328, 0}, {42, 42, 1289, 0}, {44, 44, 896, 0},   {45, 44, 632, 0},
    {46, 46, 1129, 1}, {48, 48, 1134, 5},  {49, 48, 1496, 1}, {51, 51, 1232, 0}, {52, 52, 1487, 0},  {54, 66, 873, 0},
    {56, 56, 1231, 2}, {58, 56, 591, 0},   {60, 68, 1231, 0}, {62, 51, 540, 1},  {64, 52, 1514, 1},  {66, 66, 1869, 1},
    {67, 68, 622, 1},  {68, 68, 1297, 2},  {70, 75, 995, 2},  {72, 80, 1169, 1}, {74, 79, 2427, 20}, {75, 75, 3097, 9},
    {77, 79, 1149, 3}, {79, 79, 8993, 35}, {80, 80, 1689, 4}, {82, 82, 1764, 0}, {83, 86, 1288, 0},  {84, 86, 1009, 0},
    {86, 86, 1023, 0}, {87, 82, 1599, 0},  {89, 91, 1908, 0}, {91, 91, 1723, 1}, {92, 92, 1235, 2},  {93, 92, 733, 0},
    {94, 92, 1200, 0}, {95, 96, 907, 0},   {96, 96, 1195, 0},
};

uint8_t place_draw(Dice *dice) {
    uint32_t cumulative[PLACES], sum = 0;
    for (size_t i = 0; i < PLACES; i++)
        cumulative[i] = sum += PLACE_TABLE[i].thousands;
    return (uint8_t)dice_pick(dice, cumulative, PLACES);
}

uint8_t place_draw_destination(Dice *dice) {
    uint32_t cumulative[PLACES], sum = 0;
    for (size_t i = 0; i < PLACES; i++)
        cumulative[i] = sum += PLACE_TABLE[i].pull * 10U + 1;
    return (uint8_t)dice_pick(dice, cumulative, PLACES);
}
