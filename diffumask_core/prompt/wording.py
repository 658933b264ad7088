"""How a sentence is worded that tells a reader what to do: imperatives, ``You are``, ``must``, a question.

The patterns know English verbs; in other languages the colon or the question mark at the end decides.
"""

import re
from collections.abc import Iterator

from diffumask_core.prompt.spans import BLANK_LINE, Span, trim_span


def _any(words: str) -> str:
    """An alternation for a pattern in verbose mode, where a plain space means nothing."""
    return "(?:" + words.replace(" ", "[ ]") + ")"


SHORT_WORDS = 24
LONG_WORDS = 100

# Verbs that begin a sentence of prose hardly ever.
_VERBS = (
    "summari[sz]e|translate|explain|extract|classify|identify|describe|rewrite|compare|determine|decide|generate|"
    "analy[sz]e|evaluate|provide|convert|choose|select|solve|calculate|compute|correct|improve|paraphrase|proofread|"
    "respond|imagine|pretend|act as|follow|ensure|avoid|verify|refer|cite|highlight|shorten|simplify|predict|infer|"
    "assess|create|complete|answer|tell|give|write|find|rephrase|categori[sz]e|label|condense|respect|examine|"
    "make sure|be sure|do not|don['’]t|do|never|always|let['’]s|please|kindly|help|reply|remember|recommend|suggest|"
    "you are|you['’]re|you will|you must|you should|your (?:task|job|role|goal|purpose)|can you|could you|would you|"
    "i want you|i need you|i['’]d like you|i would like you|we want you|"
    "the following|below (?:is|are)|here (?:is|are)|above (?:is|are)|only (?:use|answer|reply|return|output|give)|"
    "fasse|übersetze|beantworte|erkläre|schreibe|nenne|bitte|du bist|sie sind|"
    "resume|resuma|traduce|traduzca|responde|responda|explica|extrae|escribe|eres|"
    "résume[zr]?|traduis|traduisez|répond[sz]?|répondez|explique[zr]?|donne[zr]?|tu es|vous êtes|"
    "переведи(?:те)?|ответь(?:те)?|напиши(?:те)?|объясни(?:те)?|кратко|перескажи(?:те)?|ты —|вы —"
)
# Verbs that are nouns too ("State officials said") need a word after them that no noun has there.
_EITHER = (
    "list|read|use|name|state|review|fix|rank|rate|count|edit|draft|return|output|print|think|assume|keep|be|check|"
    "look|search|base|quote|include|show|outline|expand|turn|format|group|sort|map|match|detect|judge|grade|score|say|"
    "start|stop|pick|fill|consider|report|note|limit|focus|mark|replace|remove|add|put|take|set|point|draw|make"
)
_AFTER = (
    "the|a|an|this|these|those|that|your|my|our|all|each|every|any|no|only|me|us|it|them|in|into|to|with|for|from|at|"
    "as|if|whether|how|what|which|who|why|when|where|out|up|down|on|by|both|one|two|three|four|five|ten|between|"
    "through|carefully|concise|brief|about|exactly|and|step"
)
_MATERIAL = (
    "text|context|passages?|documents?|information|articles?|sentences?|question|input|following|below|above|data|"
    "conversation|transcript|code|table|list|review|e-?mail|message|excerpts?|sources?|paragraph|report|search results"
)
_OPENING = re.compile(
    rf"""(?:[-*•>\#]{{1,6}}[ \t]+|\d{{1,2}}[.)][ \t]+|\*\*|<[a-z_]{{1,20}}>\s*+
           |(?:system|instructions?|task|role|note|important|rules?)[ ]?:\s*+)*+
        (?:(?:and|now|then|first|next|finally|also|carefully|briefly|in[ ][^,.\n]{{1,40}})[ ,:]{{1,3}})?
        (?:{_any(_VERBS)}\b
          |{_any(_EITHER)}[ ](?:{_any(_AFTER)}\b|\d|["“'{{<`])
          |(?:given|using|use|based[ ]on|according[ ]to|from)[ ](?:the|this|these|an?|your|only|following|each|all)\b
              [^.\n]{{0,80}}?\b{_any(_MATERIAL)}\b
          |请|請|總結|总结|翻译|翻譯|根据|根據|你是|回答|概括|以下|次の|あなたは)""",
    re.VERBOSE | re.IGNORECASE,
)
# Rules for the reader may begin with any word: "You must ...", "The answer must ...", "Only the context may be used".
_RULE = re.compile(
    r"\b(?:you (?:must|should|may|can|cannot|can['’]t|will|shall|have to|need|are|never|always|do not|don['’]t|only)"
    r"|(?:answers?|responses?|outputs?|repl(?:y|ies)|summar(?:y|ies)|translations?) (?:must|should|may|shall)"
    r"|your (?:answers?|responses?|outputs?|repl(?:y|ies)|summary|translation|task)|must (?:not|never) be used)\b"
    r"|\bonly (?:the|this|these) (?:" + _MATERIAL + r")\b",
    re.IGNORECASE,
)
_CLOSERS = " \t\r\n\"'”’»)]*_"
_ASKS = ("?", "\uff1f", "؟", ":", "\uff1a")
# A line break ends a sentence where the next line does not go on in lower case, as hard-wrapped prose does.
_SENTENCE_END = re.compile(
    r"[.!?:]{1,3}[\"'”’)\]*]{0,3}(?=\s|\Z)|[。\uff01\uff1f\uff1a؟।]|\n(?=[ \t]*+[^\s\da-zà-ÿа-яё])"
)
# A paragraph of so few words that does not end as a sentence or a row of a table does is a heading.
_HEAD_WORDS = 6
_HEAD_ENDS = (".", "!", "?", "|", "\uff1f", "。")
_DENSE = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


def count_words(text: str) -> int:
    """Counts words; of scripts without spaces two characters count as a word."""
    return len(text.split()) + len(_DENSE.findall(text)) // 2


def asks(text: str) -> bool:
    """Whether a text ends in a question mark or a colon."""
    return text[-40:].rstrip(_CLOSERS).endswith(_ASKS)


def sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences of ``text[start:end]``, in order; what ends in a colon is a sentence too."""
    for match in _SENTENCE_END.finditer(text, start, end):
        if text[start : match.end()].strip():
            yield start, match.end()
            start = match.end()
    if text[start:end].strip():
        yield start, end


def paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """The paragraphs of ``text[start:end]``, in order; a short line without a full stop heads the one below it."""
    for stop in (*(match.start() for match in BLANK_LINE.finditer(text, start, end)), end):
        paragraph = trim_span(text, start, stop)
        if paragraph is None or (stop < end and _is_head(text[slice(*paragraph)])):
            continue
        yield paragraph
        start = stop


def _is_head(paragraph: str) -> bool:
    return count_words(paragraph) <= _HEAD_WORDS and not paragraph.endswith(_HEAD_ENDS)


def is_order(sentence: str) -> bool:
    """Whether a sentence tells its reader what to do, or asks."""
    sentence = sentence.strip()
    question = sentence.rstrip(_CLOSERS).endswith(("?", "\uff1f", "؟"))
    return question or _OPENING.match(sentence) is not None or _RULE.search(sentence) is not None


def reads_as_task(text: str) -> bool:
    """Whether at least half of the words are in sentences that tell the reader what to do, or ask."""
    told = sum(
        count_words(text[slice(*span)]) for span in sentences(text, 0, len(text)) if is_order(text[slice(*span)])
    )
    return told > 0 and 2 * told >= count_words(text)
