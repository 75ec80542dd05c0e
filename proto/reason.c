// SPDX-License-Identifier: Apache-2.0
//
// The published table of reasons. Each sentence says what was found and what the reader, a clerk at the agency or a
// reviewer at the centre, can do about it. No sentence holds a value: those go into Reason.expected, where granted.
#include "proto/reason.h"

#define ENTRY(code, vi, en)                                                                                            \
    { DONGBO__REASON_CODE__##code, #code, vi, en }

// clang-format off
static const ReasonText REASONS[] = {
    ENTRY(REASON_UNSPECIFIED,
          "Lý do này chưa có trong bảng của phiên bản đang dùng. Hãy nâng cấp chương trình để đọc được.",
          "This reason is not in this version's table. Upgrade the program to read it."),
    ENTRY(ID_MISSING,
          "Thiếu số định danh cá nhân. Hãy bổ sung số 12 chữ số ghi trên thẻ căn cước.",
          "The citizen number is missing. Add the 12 digits printed on the citizen's card."),
    ENTRY(ID_FORMAT,
          "Số định danh không đúng 12 chữ số. Hãy nhập lại theo thẻ căn cước; không dùng số CMND 9 chữ số.",
          "The citizen number is not 12 digits. Enter it again from the card; old 9-digit numbers cannot be used."),
    ENTRY(ID_PROVINCE,
          "Ba chữ số đầu của số định danh không phải mã tỉnh, thành phố nào. Hãy kiểm tra xem số có bị nhập sai không.",
          "The first three digits of the number are no province's code. Check the number for a typing error."),
    ENTRY(ID_SEX,
          "Chữ số thứ tư của số định danh không khớp với giới tính. Hãy kiểm tra lại số và giới tính theo thẻ căn cước.",
          "The number's fourth digit disagrees with the sex given. Check both against the card."),
    ENTRY(ID_BIRTH_YEAR,
          "Năm sinh trong số định danh không khớp với ngày sinh. Hãy kiểm tra lại số và ngày sinh theo thẻ căn cước.",
          "The birth year within the number disagrees with the birth date given. Check both against the card."),
    ENTRY(ID_NOT_CURRENT,
          "Số định danh này đã được thay bằng số khác. Hãy xin công dân số hiện hành và cập nhật hồ sơ.",
          "This number was replaced by another. Ask the citizen for the present number and update your record."),
    ENTRY(NOT_FOUND,
          "Chưa có ai mang số định danh này trong cơ sở dữ liệu dân cư. Hãy kiểm tra lại số; nếu đúng thì chờ, hệ thống sẽ tự xét lại.",
          "Nobody in the population database has this number yet. Check it; if it is right, wait: it is decided again by itself."),
    ENTRY(NUMBER_TAKEN,
          "Số định danh mới đang là của người khác. Hãy kiểm tra cả hai số; nếu đúng thì chờ, hệ thống sẽ tự xét lại.",
          "The new number is another person's. Check both numbers; if they are right, wait: it is decided again by itself."),
    ENTRY(NAME_DIFFERS,
          "Họ tên không khớp với cơ sở dữ liệu dân cư. Hãy kiểm tra họ tên, và xem số định danh có phải của người khác không.",
          "The name differs from the population database. Check the name, and whether the number is another person's."),
    ENTRY(NAME_ACCENTS_LOST,
          "Họ tên khớp với cơ sở dữ liệu dân cư nhưng thiếu dấu. Hãy ghi lại họ tên có đầy đủ dấu tiếng Việt.",
          "The name agrees but lacks accents. Write it again with all Vietnamese accents."),
    ENTRY(NAME_CASE,
          "Họ tên chỉ khác ở chữ hoa, chữ thường hoặc khoảng trắng. Không cần làm gì; nên sửa ở nguồn khi có dịp.",
          "The name differs only in capitals or spacing. Nothing needs doing; correct it at the source when convenient."),
    ENTRY(NAME_MISSING,
          "Thiếu họ tên. Hãy ghi đầy đủ họ, chữ đệm và tên theo thẻ căn cước.",
          "The name is missing. Give surname, middle and given name as on the card."),
    ENTRY(NAME_TONE,
          "Họ tên chỉ khác ở vị trí dấu thanh (hoà, hòa) hoặc ở chữ giống chữ Đ. Không cần làm gì; nên sửa ở nguồn khi có dịp.",
          "The name differs only in where a tone mark stands, or in a letter that looks like another. Nothing needs doing; correct it at the source when convenient."),
    ENTRY(NAME_MIDDLE,
          "Họ tên thiếu hoặc thừa chữ đệm Thị hoặc Văn. Hãy ghi đủ chữ đệm như trên thẻ căn cước.",
          "The name has a middle word Thi or Van too few or too many. Give all middle words as on the card, and no others."),
    ENTRY(NAME_ORDER,
          "Họ tên gồm cùng các chữ nhưng khác thứ tự. Hãy ghi theo thứ tự họ, chữ đệm, tên.",
          "The name has the same words in another order. Write surname, middle and given name in this order."),
    ENTRY(NAME_SPACES,
          "Họ tên thiếu hoặc thừa khoảng trắng giữa các chữ. Hãy ghi cách các chữ như trên thẻ căn cước.",
          "Spaces within the name are missing or stand elsewhere. Part its words as on the card."),
    ENTRY(NAME_SPELLING,
          "Họ tên chỉ khác ở i và y (Lý, Lí). Hãy ghi đúng như trên thẻ căn cước.",
          "The name differs in i and y only. Spell it as on the card."),
    ENTRY(NAME_SIMILAR,
          "Họ tên gần giống trong cơ sở dữ liệu dân cư: khác một hai chữ cái hoặc khác dấu. Hãy kiểm tra lỗi gõ, và xem số định danh có phải của người khác không.",
          "The name is nearly that of the population database: a letter or two, or an accent, is another. Check its spelling, and whether the number is another person's."),
    ENTRY(BIRTH_DATE_DIFFERS,
          "Ngày sinh không khớp với cơ sở dữ liệu dân cư. Hãy kiểm tra xem có đảo ngày với tháng hoặc nhập sai không.",
          "The birth date differs from the population database. Check for day and month swapped, or a typing error."),
    ENTRY(BIRTH_DATE_MISSING,
          "Thiếu ngày sinh. Hãy ghi ngày sinh theo thẻ căn cước; nếu chỉ biết năm sinh thì ghi năm.",
          "The birth date is missing. Give it as on the card; the year alone if nothing more is known."),
    ENTRY(BIRTH_DATE_YEAR_ONLY,
          "Ngày sinh khớp nhưng không đầy đủ ngày, tháng. Không cần làm gì; nên bổ sung ở nguồn khi biết.",
          "The birth date agrees as far as it goes. Nothing needs doing; add day and month at the source when known."),
    ENTRY(SEX_DIFFERS,
          "Giới tính không khớp với cơ sở dữ liệu dân cư. Hãy kiểm tra giới tính, và xem số định danh có phải của người khác không.",
          "The sex differs from the population database. Check it, and whether the number is another person's."),
    ENTRY(DEAD_AT_EVENT,
          "Công dân đã mất trước thời điểm của sự kiện. Hãy kiểm tra ngày của sự kiện và số định danh.",
          "The citizen had died before this event. Check the event's date and the citizen number."),
    ENTRY(NOT_GRANTED,
          "Cơ quan chưa được cấp quyền gửi lĩnh vực hoặc tỉnh này. Hãy bỏ các dòng đó, hoặc đề nghị trung tâm cấp quyền.",
          "Your agency may not send this domain or province. Leave such rows out, or ask the centre for the right."),
    ENTRY(CLOCK_AHEAD,
          "Thời điểm của sự kiện sau giờ của trung tâm hơn mười phút. Hãy chỉnh đồng hồ máy và múi giờ, rồi gửi lại.",
          "The event's time is more than ten minutes in the future. Set the machine's clock and time zone, then send again."),
    ENTRY(EVENT_UNREADABLE,
          "Không giải mã được sự kiện. Hãy báo người quản trị phần mềm gửi dữ liệu; nhập lại dữ liệu không khắc phục được.",
          "The event cannot be decoded. Tell whoever keeps the sending software; entering the data again will not help."),
    ENTRY(EVENT_LIMITS,
          "Sự kiện quá dài hoặc có quá nhiều trường. Hãy rút ngắn trường được nêu (tối đa 1024 byte) rồi gửi lại.",
          "The event is too long or has too many fields. Shorten the field named (at most 1024 bytes) and send again."),
    ENTRY(TEXT_INVALID,
          "Văn bản không phải UTF-8 hoặc có ký tự điều khiển. Hãy kiểm tra bảng mã của tệp nguồn (TCVN3, VNI phải chuyển sang UTF-8).",
          "The text is not UTF-8 or has control characters. Check the source file's encoding (convert TCVN3 or VNI to UTF-8)."),
    ENTRY(OPERATION_UNKNOWN,
          "Không rõ thao tác là ghi, đính chính hay rút lại. Hãy sửa mục operation trong tệp ánh xạ rồi gửi lại.",
          "It is not clear whether to write, to correct or to withdraw. Correct `operation` in the mapping and send again."),
    ENTRY(DOMAIN_UNKNOWN,
          "Sự kiện không thuộc lĩnh vực nào mà trung tâm biết. Hãy kiểm tra mục domain trong tệp ánh xạ và phiên bản chương trình.",
          "The event is of no domain that the exchange knows. Check `domain` in the mapping and the program's version."),
    ENTRY(EVENT_ID_WRONG,
          "Mã sự kiện không đúng 16 byte. Hãy báo người quản trị phần mềm gửi dữ liệu.",
          "The event's id is not 16 bytes. Tell whoever keeps the sending software."),
    ENTRY(NOT_STORABLE,
          "Cơ sở dữ liệu không nhận dòng này. Hãy báo trung tâm kèm mã sự kiện; các dòng khác không bị ảnh hưởng.",
          "The database refused this row. Tell the centre, with the event's id; other rows are not affected."),
    ENTRY(FIELD_MISSING,
          "Thiếu trường bắt buộc. Hãy bổ sung trường được nêu rồi gửi lại.",
          "A required field is missing. Fill in the field named and send again."),
    ENTRY(FIELD_FORMAT,
          "Trường không đúng định dạng. Hãy sửa trường được nêu theo quy định của lĩnh vực rồi gửi lại.",
          "A field is not in its format. Correct the field named by the domain's rules and send again."),
    ENTRY(CODE_UNKNOWN,
          "Mã không có trong danh mục. Hãy chọn mã đúng trong danh mục của trường được nêu, hoặc sửa bảng chuyển mã.",
          "The code is not in its list. Choose one from the list of the field named, or correct the mapping's codes."),
    ENTRY(DATE_INVALID,
          "Ngày không có thực hoặc sai định dạng. Hãy ghi theo dạng năm-tháng-ngày, ví dụ 2022-03-01.",
          "The date does not exist or is not in the right form. Write year-month-day, as 2022-03-01."),
    ENTRY(DATE_IN_FUTURE,
          "Ngày ở tương lai. Hãy kiểm tra lại ngày và thứ tự ngày, tháng.",
          "The date lies in the future. Check it, and the order of day and month."),
    ENTRY(DATE_BEFORE_BIRTH,
          "Ngày trước ngày sinh của công dân. Hãy kiểm tra ngày này và số định danh.",
          "The date is before the citizen's birth. Check this date and the citizen number."),
    ENTRY(DATE_AFTER_DEATH,
          "Ngày sau ngày mất của công dân. Hãy kiểm tra ngày này và số định danh.",
          "The date is after the citizen's death. Check this date and the citizen number."),
    ENTRY(PERIOD_REVERSED,
          "Ngày kết thúc trước ngày bắt đầu. Hãy kiểm tra xem hai ngày có bị đảo không.",
          "The period ends before it starts. Check whether the two dates are swapped."),
    ENTRY(NUMBER_RANGE,
          "Số nằm ngoài khoảng cho phép. Hãy kiểm tra và sửa trường được nêu.",
          "The number is outside its range. Check and correct the field named."),
    ENTRY(BATCH_UNREADABLE,
          "Không đọc được cả lô dữ liệu. Hãy báo người quản trị phần mềm gửi dữ liệu, sửa rồi gửi lại toàn bộ lô từ nguồn.",
          "The whole batch cannot be read. Tell whoever keeps the sending software; when mended, send its rows from the source again."),
};
// clang-format on

const ReasonText *reason_table(int *ret_n) {
    *ret_n = (int)(sizeof(REASONS) / sizeof(REASONS[0]));
    return REASONS;
}

const ReasonText *reason_find(int code) {
    int low = 0, high = (int)(sizeof(REASONS) / sizeof(REASONS[0])) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (REASONS[middle].code == code)
            return &REASONS[middle];
        if (REASONS[middle].code < code)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return &REASONS[0];
}
