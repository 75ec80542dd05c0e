# SPDX-License-Identifier: Apache-2.0
"""Vietnamese in the encodings that agencies used before UTF-8, written from the published tables (RFC 1456, TCVN
5712:1993 with the use of the ABC fonts, and the comparison of character sets by vietunicode.sourceforge.net)."""
import unicodedata

LETTERS = ("á à ả ã ạ ă ắ ằ ẳ ẵ ặ â ấ ầ ẩ ẫ ậ é è ẻ ẽ ẹ ê ế ề ể ễ ệ í ì ỉ ĩ ị ó ò ỏ õ ọ ô ố ồ ổ ỗ ộ ơ ớ ờ ở ỡ ợ "
           "ú ù ủ ũ ụ ư ứ ừ ử ữ ự ý ỳ ỷ ỹ ỵ đ").split()
VNI = ("aù aø aû aõ aï aê aé aè aú aü aë aâ aá aà aå aã aä eù eø eû eõ eï eâ eá eà eå eã eä í ì æ ó ò où oø oû oõ oï "
       "oâ oá oà oå oã oä ô ôù ôø ôû ôõ ôï uù uø uû uõ uï ö öù öø öû öõ öï yù yø yû yõ î ñ").split()
TCVN3 = bytes.fromhex("b8b5b6b7b9a8bebbbcbdc6a9cac7c8c9cbd0cccecfd1aad5d2d3d4d6ddd7d8dcdee3dfe1e2e4abe8e5e6e7e9acedea"
                      "ebeceef3eff1f2f4adf8f5f6f7f9fdfafbfcfeae")
TCVN3_CAPITALS = dict(zip("ĂÂÊÔƠƯĐ", bytes.fromhex("a1a2a3a4a5a6a7")))
VISCII = ("ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯ"
          "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ")
VISCII_CONTROLS = {"Ẳ": 0x02, "Ẵ": 0x05, "Ẫ": 0x06, "Ỷ": 0x14, "Ỹ": 0x19, "Ỵ": 0x1E}
TONES = "\u0300\u0301\u0303\u0309\u0323"


def vni(text):
    table = dict(zip(LETTERS, VNI)) | {a.upper(): b.upper() for a, b in zip(LETTERS, VNI)}
    return "".join(table.get(letter, letter) for letter in text).encode("latin-1")


def tcvn3(text):
    """Capitals with tones are in no table: they are small letters in a font of capitals."""
    table = dict(zip(LETTERS, TCVN3)) | {a.upper(): b for a, b in zip(LETTERS, TCVN3)} | TCVN3_CAPITALS
    return bytes(table.get(letter) or ord(letter) for letter in text)


def viscii(text):
    table = {letter: 0x80 + i for i, letter in enumerate(VISCII)} | VISCII_CONTROLS
    return bytes(table.get(letter) or ord(letter) for letter in text)


def cp1258(text):
    """Tones stand behind their letters, what else is on a letter is part of it."""
    out = ""
    for letter in text:
        apart = unicodedata.normalize("NFD", letter)
        tones = [mark for mark in apart if mark in TONES]
        out += unicodedata.normalize("NFC", "".join(mark for mark in apart if mark not in TONES)) + "".join(tones)
    return out.encode("cp1258")


ENCODERS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-8, decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
    "TCVN3": tcvn3,
    "VNI": vni,
    "VISCII": viscii,
    "CP1258": cp1258,
    "TCVN3-UTF8": lambda text: tcvn3(text).decode("latin-1").encode(),
    "VNI-UTF8": lambda text: vni(text).decode("latin-1").encode(),
}
