"""Amounts of several words, ranges and numbers in groups: a part of one says something else."""

import re
from collections.abc import Iterator

import regex

from diffumask_core.prompt.negation_words import LIMITS, words_of
from diffumask_core.prompt.spans import Span
from diffumask_core.units.segmentation import EAST_ASIAN

_HUNDREDS = (
    "dozen|hundred|thousand|million|billion|trillion|bn|mn|mio|mrd|millionen?|milliarden?|tausend|millions|milliards?|"
    "mille|millón|millones|mil|milhão|milhões|bilhões|milione|milioni|miliardi|тысяч[аи]?|тыс|миллион[^\\W\\d_]{0,2}|млн|"
    "миллиард[^\\W\\d_]{0,2}|млрд"
)
_MEASURES = (
    "percent|per cent|percentage points|prozent|pour cent|por ciento|[ap]m|[ap]\\.m\\.|uhr|°[CF]|[kKMGTP]i?[Bb](?:/s)?|"
    "[kKMG]?Hz|[kmcµμ]?m[²³23]?|[kmµμ]?g(?:/[a-zA-Z]{1,3})?|[mckµμ]?[lL](?:/[a-zA-Z]{1,3})?|ms|[µμn]s|h|min|kWh?|MWh?|"
    "GWh?|k?W|k?V|m?A|k?Pa|bar|kcal|k?J|km/h|mph|m/s|ft|lbs?|oz|mi|ha|ppm|dB|px|K|кг|мг|км|см|мм|мл"
)
_CURRENCIES = "USD|EUR|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|INR|CNY|CAD|AUD|BRL"
_COUNT_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
)
_PRICED = rf"(?:(?:[$€£¥]|{_CURRENCIES})[ ]?)?"
_FRACTION_OR_GROUPS = (
    r"(?:[ ]\d/\d{1,2}(?!\d)|(?<=\d)(?<!\d{4})(?<![.,]\d)(?:[ ]\d{3}(?![\w])){1,8}+(?![ ]\d))?"
    rf"(?:[ ]?(?i:{_HUNDREDS.replace(' ', '[ ]')})\b\.?)?"
)
_UNIT = rf"[ ]?(?:[%‰€£¥$₽]|(?:{_MEASURES.replace(' ', '[ ]')}|{_CURRENCIES})(?![\w-]))"
# Several words that are one number: with its multiplier, its unit, its fraction, its groups, and the limit that it is.
_DIGITS = r"\d(?:[\d.,\u2013-]*\d)?"
_AMOUNT = re.compile(
    rf"""(?<![\w.,])(?:(?:{LIMITS.replace(" ", "[ ]")})[ ](?=[$€£¥]?\d|(?:{_COUNT_WORDS})\b))?(?:
      {_PRICED}{_DIGITS}(?:[ ](?:out[ ])?of[ ]{_DIGITS}(?![.,]?\d))?{_FRACTION_OR_GROUPS}(?:{_UNIT})?
    | (?i:(?:an?|half[ ]an?|several|few|{_COUNT_WORDS})
          (?:[ -](?:and[ ])?(?:hundred|thousand|million|billion|{_COUNT_WORDS}))++)\b
    )""",
    re.VERBOSE,
)

# Of each language what stands before the first number and what stands between the two: `between` with `and`, and
# `from`, which can be left out, with `to`.
_RANGE_WORDS = {
    "en": ("between", "and", "from", "to|through|till|until|up to"),
    "de": ("zwischen", "und", "von|vom", "bis|bis zu|bis zum"),
    "nl": ("tussen", "en", "van|vanaf", "tot|tot en met|t/m"),
    "fr": ("entre", "et", "de|du", "à|au|jusqu'à"),
    "es": ("entre", "y", "de|del|desde", "a|al|hasta"),
    "it": ("tra|fra", "e", "da|dal|dalle", "a|al|alle|fino a"),
    "pt": ("entre", "e", "de|do|das|desde", "a|à|ao|às|até"),
    "pl": ("między|pomiędzy", "a|i", "od", "do"),
    "ru": ("между", "и", "от|с", "до|по"),
    "uk": ("між", "і|й|та", "від|з", "до|по"),
    "ar": ("بين", "و", "من", "إلى|حتى"),
    "he": ("בין", "ל|ל-", "מ|מ-", "עד"),
    "fa": ("بین", "و", "از", "تا"),
    "tr": ("", "", "", "ile|ila"),
    "hi": ("", "", "", "से"),
    "ko": ("", "", "", "에서|부터"),
    "vi": ("giữa", "và", "từ", "đến|tới"),
    "id": ("antara", "dan", "dari", "sampai|hingga"),
    "zh": ("", "", "从|從", "至|到"),
    "ja": ("", "", "", "から"),
    "th": ("ระหว่าง", "และ|กับ", "ตั้งแต่|จาก", "ถึง"),
}
_BETWEEN, _AND, _FROM, _TO = (
    "|".join(word.replace(" ", "[ ]") for word in dict.fromkeys("|".join(column).split("|")) if word)
    for column in zip(*_RANGE_WORDS.values(), strict=True)
)
_NUMBER = rf"(?:[-−]?{_PRICED}\d++(?:[.,:]\d++){{0,8}}+{_FRACTION_OR_GROUPS}|(?i:{_COUNT_WORDS})(?![\w-]))"
# Words that go on with the sentence are no name of what is counted.
_NOUN = r"[ ](?:\p{Han}{1,4}+|(?!\L<others>(?!\w))[^\W\d_]{3,20}+(?![\w'’]))"
# Letters that follow a number at once and are none of it, or stand at once before it.
_GLUED = rf"[{EAST_ASIAN}\p{{Hangul}}]"
_END = rf"(?:[^\W\d_]{{1,20}}+[ ])?{_NUMBER}(?:{_UNIT}|{_NOUN})?"
# "10 mg per day"
_PER = r"(?:[ ](?:per|pro|par|por)[ ][^\W\d_]{1,20}+)?"
_RANGE = regex.compile(
    rf"""(?<![[\w.,/-]--{_GLUED}])(?:
      (?i:{_BETWEEN})[ ]?{_END}[ ]?(?i:{_AND})[ ]?{_END}
    | (?i:{_FROM})[ ]?{_END}[ ]?(?i:{_TO})[ ]?{_END}
    | {_NUMBER}(?:{_UNIT})?[ ]?(?:(?i:{_TO})|[-–—~〜\uff5e])[ ]?{_NUMBER}(?:{_UNIT}|{_NOUN})?
    )(?![[\w-]--{_GLUED}]){_PER}""",
    regex.VERBOSE | regex.V1,
    others=sorted({*words_of("after", "before", "either", "conditions", "others", "contrasts", "relatives", "common")}),
)
# Numbers of telephones, cards and accounts are written in groups. A longer row of numbers is a list.
_GROUPED = re.compile(
    r"""(?<![\w.,])(?<!\d[ ])(?:
      \+\d{1,3}(?:[ -]?\(\d{1,5}\)|[ -]\d{1,6}){1,7}+
    | \(\d{2,5}\)(?:[ -]\d{2,6}){1,5}+
    | \d{2,6}(?:[ -]\d{2,6}){2,7}+
    | [A-Z]{2}\d{2}(?:[ ][0-9A-Z]{4}){2,7}+(?:[ ][0-9A-Z]{1,3})?
    )(?!\w|[ -]\d|[.,]\d)""",
    re.VERBOSE,
)


def amounts(text: str, start: int, end: int) -> Iterator[Span]:
    """Finds amounts (``60 million``), ranges (``from 12 to 19 euros``) and numbers in groups; they may overlap."""
    for pattern in (_AMOUNT, _RANGE, _GROUPED):
        yield from (match.span() for match in pattern.finditer(text, start, end))
