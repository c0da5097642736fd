"""The encoding of bytes that are not UTF-8, judged by the words that they would spell.

Every candidate decodes a sample of the distinct words with such bytes. The result is weighed by how plausible
its letters are together: letters of one language and one script, capitals at the beginning, and no symbols in
the middle of words. charset-normalizer gives a second opinion; if it reads the words differently and the
margin is small, the answer is called a guess.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from automl.data.files.symbol_encoding import is_spelled_by_signs

_WINDOWS, _WINDOW_BYTES, _MOST_WORDS = 48, 1 << 14, 3000
# None of these bytes is the second byte of a two-byte letter.
_TOKEN = re.compile(rb'[^\t\n\r ,;"]+')
# In the order in which they win ties, with the logarithm of their frequency in exports.
PRIORS = {
    "cp1252": 0.0,
    "cp1250": -1.5,
    "cp1251": -1.0,
    "gb18030": -1.0,
    "cp932": -1.0,
    "cp949": -1.0,
    "cp950": -1.5,
    "euc_jp": -2.5,
    "cp1254": -2.0,
    "cp1253": -1.5,
    "cp1257": -2.5,
    "cp1255": -2.0,
    "cp1256": -2.0,
    "cp874": -2.0,
    "iso8859_15": -2.5,
    "iso8859_2": -3.0,
    "koi8_r": -2.5,
    "mac_roman": -3.0,
    "cp850": -5.5,
    "cp852": -6.5,
    "iso8859_7": -3.0,
    "cp866": -3.0,
}
_KNOWN_AS = {"cp932": "shift_jis"}
# Letters beyond a to z (or all letters of other scripts), the most frequent first: first for names from all
# languages of an encoding, then for single languages.
_WEST = (
    "éáíóöüäñçãèúåøâêôõßàëïîæìòùûœýðþÿšž",
    "éèàêçâôîûùïëœüÿæ",
    "äüößé",
    "áóíéñúüç",
    "ãçáéíóêâõúàô",
    "äåöé",
    "øåæéöä",
    "àèòùéìî",
    "éëïüèö",
    "óáíðæéöþúý",
)
_RARE = {_WEST[-1]: -4.0}  # Turkish in cp1254 uses the same bytes and is far more frequent
_CENTRE = (
    "éáíčšžýřěúůłóąęśżćńźöüőűäôďťňľşţăîâđĺŕëßç",
    "łóąęśżćńź",
    "áíéěčřšžýůúďňťóöüá",
    "áíéčšžýúľťňôóďäĺŕ",
    "éáöőíüóúű",
    "čšžćđ",
    "ăîâşţşţé",
    "äüößé",
)
_TURKISH = ("ıişçüöğâîûİ", "ıişçüöğâîûéáíóäñèãêôàñåøßİ")
_BALTIC = ("ėšžųąįčęū", "āīēšņūļčķžģ", "äõüöšž", "ėšžųąįčęūāīēņļķģäõüöó")
_CYRILLIC = (
    "оаеинтсрлвкмдпуяыьгзбчйхжшюцщэфъё",
    "аоинветрсклдмпуязьібгйчжхїцшщюєґф",
    "аоиентрсвлкдпмзуябгчцжщшхйъюф",
)
_GREEK = ("αοιετσνηυρπκμλςίωόάέδήγχθύφβώξζψϊϋΐΰ",)
_HEBREW = ("יולהמארתנבשקדעםטצפגכחספןזץך",)
_ARABIC = ("اليمنرتوبسةعدفقحكهجشطصخإأىزذضغئءثظآؤپچژگ",)
_THAI = ("านรอกเงมยลวดทสตะปบคหแจพชขใไโผธซศภษณถฐญฟิีึืุู่้๊๋์ั็",)
_ALPHABETS = {
    "cp1252": _WEST,
    "iso8859_15": _WEST,
    "mac_roman": _WEST,
    "cp850": _WEST,
    "cp1250": _CENTRE,
    "iso8859_2": _CENTRE,
    "cp852": _CENTRE,
    "cp1254": _TURKISH,
    "cp1257": _BALTIC,
    "cp1251": _CYRILLIC,
    "koi8_r": _CYRILLIC,
    "cp866": _CYRILLIC,
    "cp1253": _GREEK,
    "iso8859_7": _GREEK,
    "cp1255": _HEBREW,
    "cp1256": _ARABIC,
    "cp874": _THAI,
}
_FAMILIAR_CHINESE = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得"
    "经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平"
    "形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程"
    "展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必"
    "战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打"
    "白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫"
    "且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府太准精值"
    "王李刘陈杨赵黄吴徐孙胡朱男女京沪州江湖福河云贵川陕甘宁苏浙皖鲁豫鄂粤琼港澳台湾店购买价格城村镇县街楼号客户姓址邮货款亚尔斯兰尼巴"
)
_FAMILIAR_TRADITIONAL = frozenset(
    "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得"
    "經十三之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平"
    "形相全表間樣與關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題黨程"
    "王李劉陳楊趙黃吳徐孫胡朱林張蔡鄭謝許郭洪男女臺台北新竹高雄南東花蓮屏嘉義桃園苗栗彰投雲基隆香港門店價格城村鎮縣街樓號客戶姓址郵貨"
    "市區路山海島西亞爾斯蘭尼巴馬克拉特布里薩多哥聖美加羅德達瓦伊納科"
)
_FAMILIAR_JAPANESE = frozenset(
    "日一国年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食"
    "車何南万毎白天母火右読友左休父雨田村藤佐鈴渡辺伊林加吉松井橋崎原野島岡池石木口清和阪京都府県市区町神奈福広宮城愛知静岡埼玉千葉兵庫"
    "海道青森岩手秋形茨栃群馬新潟富梨岐阜三重滋賀良取根媛香徳佐熊児鹿沖縄会社株式商品価格数量店顧客番号住所電話注文駅美由紀健太郎花恵"
)
LATIN = frozenset(
    {"cp1252", "iso8859_15", "mac_roman", "cp850", "cp1250", "iso8859_2", "cp852", "cp1254", "cp1257"}
)
WIDE = frozenset({"gb18030", "cp950", "shift_jis", "euc_jp", "cp949"})
# Symbols beside and between words in ordinary tables.
_SIGNS = frozenset("€£¥§°©®™½¼¾²³¹µ«»‹›“”‘’„‚–—…•·¿¡ªº×±№ ´、。「」・（），：；！？％￥　")
_OF_WORDS = frozenset("’·")
_BAD, _STRANGE, _MISPLACED = math.log(1e-6), math.log(2e-4), math.log(1e-3)
_SIGN, _ACCENTS_IN_A_ROW = math.log(0.01), math.log(0.15)
_WORDS_OF_ONE = frozenset("àáâåæèéêìíîòóôöøőùúûвикусоаяійеёжэѝηοוהيو")
_NEVER_IN_WORDS = frozenset("{}[]\\^`~@$")
# Per letter: lists of places and languages in 26 languages are above -5.3 and -8.7, random bytes below -6.2.
_LEAST, _LEAST_WIDE = -5.8, -10.0
_SIGNS_ALONE = "cp1252"
_CLEAR, _CLEAR_TOGETHER = 6.0, 3.0


@dataclass(frozen=True)
class Detected:
    """An encoding, and a rival that is nearly as likely, if there is one."""

    encoding: str
    rival: str | None = None


def sample_words(data: bytes, place: int = 0) -> list[bytes]:
    """Distinct words with bytes beyond ASCII, from windows across the file and one at ``place``."""
    import numpy as np

    values = np.frombuffer(data, np.uint8)
    step = max(1 << 12, -(-len(data) // _WINDOWS))
    words: dict[bytes, None] = {}
    for start in (*range(0, len(data), step), place):
        high = values[start : start + step] > 127
        place = int(high.argmax())
        if not high[place]:
            continue
        first = data.rfind(b"\n", max(0, start + place - 4096), start + place) + 1 or max(
            0, start + place - 64
        )
        last = data.find(b"\n", first + min(step, _WINDOW_BYTES)) + 1 or len(data)
        tokens = _TOKEN.findall(data[first : min(last, first + 2 * _WINDOW_BYTES)])
        words.update(dict.fromkeys(word for word in tokens if not word.isascii()))
    return list(words)


def detect(words: list[bytes], expected: str | None = None) -> Detected | None:
    """The encoding in which the words make sense; None if there is none.

    ``expected`` is the encoding of a file of the same origin: it wins if it is nearly as good.
    """
    joined = b"\n".join(words[:_MOST_WORDS])
    if expected in (None, _SIGNS_ALONE) and is_spelled_by_signs(joined):
        return Detected(_SIGNS_ALONE)
    scores: dict[str, float] = {}
    texts: dict[str, str] = {}
    for encoding, prior in PRIORS.items():
        text = _decoded(joined, encoding)
        if text is None or (weight := _weight(text, encoding)) is None:
            continue
        texts[encoding], scores[encoding] = text, weight + prior
        if _KNOWN_AS.get(encoding, encoding) == expected:
            scores[encoding] += _CLEAR
    if not scores:
        return None
    best = max(scores, key=lambda encoding: scores[encoding])
    others = [encoding for encoding in scores if texts[encoding] != texts[best]]
    if not others:
        return Detected(_KNOWN_AS.get(best, best))
    second = max(others, key=lambda encoding: scores[encoding])
    margin = scores[best] - scores[second]
    if margin > _CLEAR or (margin > _CLEAR_TOGETHER and _second_opinion(joined, texts[best])):
        return Detected(_KNOWN_AS.get(best, best))
    return Detected(_KNOWN_AS.get(best, best), _KNOWN_AS.get(second, second))


def _decoded(words: bytes, encoding: str) -> str | None:
    try:
        return words.decode(encoding)
    except UnicodeDecodeError:
        return None


def _second_opinion(words: bytes, text: str) -> bool:
    """Return whether charset-normalizer reads the words in the same way."""
    from charset_normalizer import from_bytes

    matches = from_bytes(words, cp_isolation=list(PRIORS), enable_fallback=False)
    best = matches.best()
    return best is not None and str(best) == text


def _weight(text: str, encoding: str) -> float | None:
    """The log-likelihood of the letters beyond ASCII; None for text that does not consist of words."""
    wide = encoding in _WIDE
    letters: dict[str, int] = {}
    total, strange, alone = 0.0, 0, 0
    for before, sign, after in zip("\n" + text, text, text[1:] + "\n", strict=False):
        if sign.isascii():
            if not before.isascii() and sign.isalpha() and _clash(before, sign, "LATIN"):
                total += _MISPLACED
            continue
        kind = _kind(sign)
        if kind == "bad":
            strange += 1
            total += _BAD
        elif kind == "sign":
            inside = before.isalpha() and after.isalpha() and sign not in _OF_WORDS
            total += 2 * _MISPLACED if inside and not wide else _SIGN
        else:
            small = sign.lower() if len(sign.lower()) == 1 else sign
            letters[small] = letters.get(small, 0) + 1
            if _clash(before, sign, kind) or (not wide and _odd_place(before, after)):
                total += _MISPLACED
            elif not wide and _is_alone(before, small, after):
                alone += 1
            elif kind == "LATIN" and not before.isascii():
                total += _ACCENTS_IN_A_ROW
    total += _wide_weight(letters, encoding) if wide else _narrow_weight(letters, encoding)
    beyond = sum(not sign.isascii() for sign in text)
    if strange > 0.2 * beyond or total < (_LEAST_WIDE if wide else _LEAST) * beyond:
        return None
    return total + alone * _MISPLACED


def _odd_place(before: str, after: str) -> bool:
    """Return whether a letter is between digits or beside a symbol that words lack, as half letters are."""
    return (before.isdigit() and after.isdigit()) or before in _NEVER_IN_WORDS or after in _NEVER_IN_WORDS


def _is_alone(before: str, letter: str, after: str) -> bool:
    """Return whether a letter stands alone or beside a digit and is not a word: a symbol, as in ``£5``."""
    if before.isalpha() or after.isalpha():
        return False
    return before.isdigit() or after.isdigit() or letter not in _WORDS_OF_ONE


@cache
def _kind(sign: str) -> str:
    """The script of a letter; ``sign`` for symbols, ``bad`` for characters that tables do not contain."""
    if sign in _SIGNS:
        return "sign"
    category = unicodedata.category(sign)
    if category in ("Cc", "Cn", "Co", "Cs", "Cf", "So", "Sm", "Sk", "Sc") or unicodedata.name(
        sign, ""
    ).startswith("BOX"):
        return "bad"
    if category[0] in "LM":
        return unicodedata.name(sign, "?").split()[0]
    return "sign" if category[0] in "PN" else "bad"


def _clash(before: str, sign: str, kind: str) -> bool:
    """Return whether a letter cannot follow the one before: another script, or a capital after lower case."""
    if not before.isalpha():
        return False
    if kind in ("LATIN", "CYRILLIC", "GREEK"):
        other = "LATIN" if before.isascii() else _kind(before)
        return other != kind or (sign.isupper() and before.islower())
    if kind in ("HANGUL", "CJK"):
        return {kind, _kind(before)} == {"HANGUL", "CJK"}
    return kind in ("HEBREW", "ARABIC", "THAI") and (before.isascii() or _kind(before) != kind)


def _narrow_weight(letters: dict[str, int], encoding: str) -> float:
    """The log-likelihood by the language of this encoding that explains the letters best."""
    return max(
        prior + sum(count * chances.get(letter, _STRANGE) for letter, count in letters.items())
        for prior, chances in _languages(encoding)
    )


@cache
def _languages(encoding: str) -> tuple[tuple[float, dict[str, float]], ...]:
    """For each language, the log-frequencies of the language and of its letters beyond ASCII."""
    languages = []
    for alphabet in _ALPHABETS[encoding]:
        weights: dict[str, float] = {}
        for rank, letter in enumerate(alphabet):
            weights.setdefault(letter, 1 / (rank + 4))
        whole = sum(weights.values())
        chances = {letter: math.log(weight / whole) for letter, weight in weights.items()}
        languages.append((_RARE.get(alphabet, 0.0), chances))
    return tuple(languages)


@dataclass(frozen=True)
class _Wide:
    """A two-byte encoding: its familiar letters, and the first bytes of the other common ones."""

    familiar: frozenset[str]
    usual: range
    kana: float = 0.0
    hangul: float = 0.0
    codec: str = ""


_WIDE = {
    "gb18030": _Wide(_FAMILIAR_CHINESE, range(0xB0, 0xD8), codec="gb2312"),
    "cp950": _Wide(_FAMILIAR_TRADITIONAL, range(0xA4, 0xC7)),
    "cp932": _Wide(_FAMILIAR_JAPANESE, range(0x88, 0x98), kana=0.5),
    "euc_jp": _Wide(_FAMILIAR_JAPANESE, range(0xB0, 0xD0), kana=0.5),
    "cp949": _Wide(frozenset(), range(0), hangul=0.97, codec="euc_kr"),
}


def _wide_weight(letters: dict[str, int], encoding: str) -> float:
    """The log-likelihood of letters: familiar ones, those of the encoding's first level, rare ones."""
    table = _WIDE[encoding]
    total = 0.0
    for letter, count in letters.items():
        code = letter.encode(encoding)
        script = _kind(letter)
        if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"):
            chance = table.kana / 170
        elif script == "HANGUL":
            chance = table.hangul / 2350 if code[0] >= 0xB0 and code[-1] >= 0xA1 else 0.001 / 8800
        elif letter in table.familiar:
            chance = (0.6 - 0.6 * table.kana) / len(table.familiar)
        elif script == "CJK" and len(code) == 2 and code[0] in table.usual and _common(code, table):
            chance = (0.35 - 0.35 * table.kana) / 3500
        else:
            chance = 0.01 / 20000
        total += count * math.log(max(chance, 1e-7))
    return total


def _common(code: bytes, table: _Wide) -> bool:
    return code[1] >= 0xA1 if table.codec else True
