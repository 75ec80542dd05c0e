// SPDX-License-Identifier: Apache-2.0
//
// Weights are rounded shares of names counted in public lists (590,273 names without accents, 8,757 with). The split
// of middle and given names by sex, where lists do not tell it, is ours.

#include "tests/country/names.h"
#include "tests/country/spelling.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct Surname {
    const char *text;
    uint16_t weight;
} Surname;

typedef struct SexedName {
    const char *text;
    uint16_t male, female;
} SexedName;

static const Surname SURNAMES[] = {
    {"Nguyễn", 2851}, {"Trần", 898},  {"Lê", 816},   {"Phạm", 660},  {"Hoàng", 407}, {"Vũ", 369},     {"Bùi", 318},
    {"Đỗ", 240},      {"Võ", 230},    {"Phan", 225}, {"Huỳnh", 205}, {"Đặng", 200},  {"Trương", 160}, {"Ngô", 150},
    {"Hồ", 135},      {"Dương", 130}, {"Đinh", 115}, {"Đào", 105},   {"Trịnh", 100}, {"Đoàn", 100},   {"Lý", 90},
    {"Mai", 80},      {"Lương", 80},  {"Lưu", 70},   {"Cao", 70},    {"Hà", 65},     {"Tạ", 50},      {"Phùng", 48},
    {"Lâm", 46},      {"Thái", 40},   {"Tô", 38},    {"Nông", 34},   {"Chu", 32},    {"Quách", 28},   {"Vương", 28},
    {"Châu", 26},     {"Kiều", 24},   {"La", 20},    {"Văn", 20},    {"Từ", 18},     {"Hứa", 17},     {"Tống", 17},
    {"Lã", 15},       {"Thạch", 13},  {"Đàm", 13},   {"Diệp", 12},   {"Triệu", 12},  {"Vi", 10},      {"Mạc", 9},
    {"Doãn", 8},      {"Khổng", 8},   {"Nghiêm", 8}, {"Danh", 6},    {"Thân", 6},    {"Âu", 5},       {"Giang", 5},
};

// The first is "no middle name".
static const SexedName MIDDLES[] = {
    {"", 400, 150},      {"Văn", 2400, 10},   {"Thị", 10, 3900},  {"Minh", 900, 300}, {"Thanh", 600, 420},
    {"Hoàng", 600, 120}, {"Ngọc", 420, 700},  {"Quốc", 480, 10},  {"Đức", 480, 5},    {"Quang", 430, 5},
    {"Hữu", 390, 2},     {"Xuân", 320, 120},  {"Thành", 340, 5},  {"Đình", 320, 2},   {"Anh", 260, 60},
    {"Duy", 320, 10},    {"Trung", 300, 5},   {"Tấn", 240, 2},    {"Tuấn", 240, 2},   {"Công", 230, 2},
    {"Thế", 200, 2},     {"Hồng", 160, 260},  {"Trọng", 200, 2},  {"Tiến", 180, 2},   {"Mạnh", 150, 1},
    {"Nhật", 130, 40},   {"Việt", 120, 20},   {"Huy", 120, 1},    {"Chí", 115, 2},    {"Hải", 105, 50},
    {"Thái", 100, 5},    {"Hoài", 80, 90},    {"Phước", 100, 10}, {"Kim", 50, 300},   {"Đăng", 100, 1},
    {"Bá", 90, 1},       {"Bảo", 90, 110},    {"Viết", 80, 1},    {"Khánh", 70, 120}, {"Khắc", 75, 1},
    {"Trường", 70, 2},   {"Phương", 30, 260}, {"Nguyên", 50, 40}, {"Vĩnh", 60, 2},    {"Phú", 60, 1},
    {"Phúc", 55, 10},    {"Thiên", 50, 50},   {"Gia", 60, 60},    {"Đại", 48, 1},     {"Thu", 5, 320},
    {"Mỹ", 5, 190},      {"Thúy", 2, 190},    {"Thùy", 2, 210},   {"Bích", 3, 180},   {"Diễm", 1, 90},
    {"Kiều", 2, 100},    {"Tuyết", 1, 110},   {"Cẩm", 2, 90},     {"Quỳnh", 5, 170},  {"Như", 4, 150},
    {"Lan", 2, 80},      {"Yến", 1, 110},     {"Ánh", 2, 90},     {"Hà", 5, 60},      {"Thảo", 2, 80},
    {"Trúc", 3, 80},     {"Diệu", 2, 90},     {"Huyền", 1, 70},   {"Vân", 2, 70},     {"Tường", 20, 40},
};

static const SexedName GIVENS[] = {
    {"Anh", 201, 420},  {"Huy", 189, 2},   {"Tuấn", 175, 1},  {"Duy", 149, 5},    {"Hoàng", 137, 5},
    {"Nam", 137, 2},    {"Minh", 125, 40}, {"Hiếu", 123, 12}, {"Dũng", 140, 1},   {"Đạt", 119, 1},
    {"Cường", 117, 1},  {"Hùng", 130, 1},  {"Tùng", 114, 1},  {"Sơn", 113, 1},    {"Thành", 109, 1},
    {"Trung", 106, 1},  {"Hải", 107, 20},  {"Long", 104, 1},  {"Vũ", 98, 2},      {"Linh", 60, 380},
    {"Nguyên", 95, 50}, {"Đức", 94, 1},    {"Tâm", 80, 90},   {"Tiến", 92, 1},    {"Phương", 40, 270},
    {"Phúc", 88, 12},   {"Thắng", 86, 1},  {"Thịnh", 85, 1},  {"Khoa", 78, 1},    {"Vinh", 76, 5},
    {"Hưng", 76, 1},    {"Khánh", 70, 50}, {"Quân", 74, 2},   {"Tài", 73, 1},     {"Trí", 72, 1},
    {"An", 60, 60},     {"Bảo", 69, 4},    {"Phong", 69, 1},  {"Toàn", 66, 1},    {"Quang", 66, 1},
    {"Nghĩa", 66, 2},   {"Nhân", 64, 8},   {"Việt", 63, 4},   {"Thanh", 55, 150}, {"Bình", 55, 50},
    {"Lâm", 58, 10},    {"Tú", 50, 50},    {"Trường", 57, 1}, {"Dương", 52, 45},  {"Tân", 55, 2},
    {"Lộc", 53, 2},     {"Thái", 53, 1},   {"Phú", 52, 1},    {"Tín", 51, 1},     {"Thiện", 50, 4},
    {"Phát", 50, 1},    {"Sang", 46, 8},   {"Thông", 46, 1},  {"Hòa", 35, 60},    {"Kiên", 44, 1},
    {"Khang", 44, 1},   {"Luân", 40, 1},   {"Lực", 30, 1},    {"Mạnh", 40, 1},    {"Nhật", 38, 3},
    {"Đăng", 36, 1},    {"Đông", 34, 3},   {"Hậu", 34, 12},   {"Quý", 34, 8},     {"Quyền", 24, 6},
    {"Tấn", 22, 1},     {"Thạch", 18, 1},  {"Thuận", 34, 10}, {"Tuyên", 12, 12},  {"Văn", 14, 4},
    {"Trọng", 26, 1},   {"Khôi", 30, 1},   {"Kỳ", 14, 4},     {"Bách", 16, 1},    {"Chiến", 26, 1},
    {"Công", 26, 1},    {"Giang", 30, 70}, {"Hà", 20, 190},   {"Trang", 2, 290},  {"Thủy", 4, 220},
    {"Hương", 2, 240},  {"Thảo", 3, 230},  {"Ngọc", 18, 190}, {"Thu", 1, 170},    {"Hiền", 10, 170},
    {"Nhi", 1, 170},    {"Huyền", 1, 170}, {"Vân", 3, 140},   {"Hằng", 1, 170},   {"Hạnh", 5, 140},
    {"Hoa", 1, 140},    {"Lan", 2, 140},   {"Mai", 1, 150},   {"Nga", 1, 130},    {"Dung", 1, 140},
    {"Yến", 1, 130},    {"Loan", 1, 100},  {"Nhung", 1, 110}, {"Oanh", 1, 90},    {"Quỳnh", 2, 120},
    {"Tuyết", 1, 80},   {"Trâm", 1, 90},   {"Trinh", 2, 90},  {"Vy", 1, 100},     {"My", 1, 90},
    {"Ngân", 2, 110},   {"Như", 1, 90},    {"Uyên", 1, 80},   {"Thúy", 1, 90},    {"Thùy", 1, 70},
    {"Liên", 1, 70},    {"Lý", 6, 40},     {"Kim", 2, 40},    {"Hồng", 8, 90},    {"Phượng", 1, 80},
    {"Xuân", 8, 50},    {"Đào", 1, 40},    {"Diễm", 1, 40},   {"Diệp", 3, 40},    {"Chi", 1, 80},
    {"Châu", 8, 60},    {"Ánh", 3, 60},    {"Hân", 2, 60},    {"Huệ", 1, 70},     {"Tiên", 1, 60},
    {"Thương", 2, 70},  {"Thơ", 2, 40},    {"Thi", 4, 35},    {"Tuyền", 4, 40},   {"Vui", 4, 10},
};

#define COUNT(table) (sizeof table / sizeof *table)

static void sum_sexed(const SexedName *table, size_t n, uint32_t *male, uint32_t *female) {
    uint32_t m = 0, f = 0;
    for (size_t i = 0; i < n; i++) {
        male[i] = m += table[i].male;
        female[i] = f += table[i].female;
    }
}

void name_pool_fill(NamePool *pool) {
    static_assert(COUNT(SURNAMES) <= 64 && COUNT(MIDDLES) <= 128 && COUNT(GIVENS) <= 256, "NamePool is too small");
    *pool = (NamePool){.n_surnames = COUNT(SURNAMES), .n_middles = COUNT(MIDDLES), .n_givens = COUNT(GIVENS)};
    uint32_t sum = 0;
    for (size_t i = 0; i < COUNT(SURNAMES); i++)
        pool->surnames[i] = sum += SURNAMES[i].weight;
    sum_sexed(MIDDLES, COUNT(MIDDLES), pool->middles[0], pool->middles[1]);
    sum_sexed(GIVENS, COUNT(GIVENS), pool->givens[0], pool->givens[1]);
}

Name name_draw(const NamePool *pool, Dice *dice, bool female) {
    Name name = {.surname = (uint8_t)dice_pick(dice, pool->surnames, pool->n_surnames),
                 .middle = {(uint8_t)dice_pick(dice, pool->middles[female], pool->n_middles), 0},
                 .given = (uint8_t)dice_pick(dice, pool->givens[female], pool->n_givens)};
    if (name.middle[0] != 0 && dice_chance(dice, female ? 300 : 120)) {
        name.middle[1] = (uint8_t)dice_pick(dice, pool->middles[female], pool->n_middles);
        if (name.middle[1] == name.middle[0] || strcmp(MIDDLES[name.middle[1]].text, GIVENS[name.given].text) == 0)
            name.middle[1] = 0;
    }
    return name;
}

Name name_draw_other_given(const NamePool *pool, Dice *dice, bool female, Name name) {
    char was[NAME_TEXT_BYTES], is[NAME_TEXT_BYTES];
    spelling_without_accents(GIVENS[name.given].text, was, sizeof was);
    do {
        name.given = (uint8_t)dice_pick(dice, pool->givens[female], pool->n_givens);
        spelling_without_accents(GIVENS[name.given].text, is, sizeof is);
    } while (strcmp(was, is) == 0);
    return name;
}

static void join(Name name, bool with_first_middle, char out[NAME_TEXT_BYTES]) {
    const char *words[4] = {SURNAMES[name.surname].text, with_first_middle ? MIDDLES[name.middle[0]].text : "",
                            MIDDLES[name.middle[1]].text, GIVENS[name.given].text};
    size_t n = 0;
    for (size_t i = 0; i < COUNT(words); i++)
        if (words[i][0])
            n += (size_t)snprintf(out + n, NAME_TEXT_BYTES - n, "%s%s", n ? " " : "", words[i]);
    assert(n < NAME_TEXT_BYTES);
}

void name_text(Name name, char out[NAME_TEXT_BYTES]) {
    join(name, true, out);
}

bool name_without_middle(Name name, char out[NAME_TEXT_BYTES]) {
    join(name, false, out);
    return name.middle[0] != 0;
}

bool name_equal(Name a, Name b) {
    return a.surname == b.surname && a.middle[0] == b.middle[0] && a.middle[1] == b.middle[1] && a.given == b.given;
}
