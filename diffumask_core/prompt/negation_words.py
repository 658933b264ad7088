"""Words that turn a sentence, by language: negations, limits and exceptions, and which side of them they govern."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Turning:
    """The words of one language that turn a sentence; `|` parts words, and a word that ends in `*` takes any ending.

    Attributes:
        after: Words that govern what follows.
        before: Words that govern what stands before, such as a negation at the end of its clause.
        either: Words that stand in the midst of what they govern.
        common: Words by which a text of the language is told from others in Latin script.
        reach: Of a language without spaces, how many characters a word governs; 0 of a language with spaces.
    """

    after: str = ""
    before: str = ""
    either: str = ""
    common: str = ""
    reach: int = 0


LANGUAGES = {
    "en": Turning(
        after=(
            "no longer|no more than|not more than|no less than|no fewer than|no later than|other than|rather than|"
            "instead of|apart from|except for|at most|at least|up to|more than|less than|fewer than|as long as|"
            "provided that|not only|anything but|all but|"
            "not|no|never|cannot|without|unless|only|except|excluding|hardly|barely|scarcely|rarely|seldom|neither|nor|"
            "none|nobody|nothing|nowhere|until|if|cant|dont|wont"
        ),
        common="the|of|and|to|is|that|was|for|with|are|it|this|be|you|by|from",
    ),
    "de": Turning(
        after=(
            "es sei denn|höchstens|mindestens|kein|keine|keinen|keinem|keiner|keines|ohne|nur|lediglich|außer|ausser|"
            "weder|noch nie|falls|sofern|niemand|niemanden|niemandem|nirgends|nirgendwo|keineswegs|keinesfalls"
        ),
        either="nicht|nicht mehr|nie|niemals|nichts|kaum",
        common="der|die|das|und|ist|ein|eine|zu|den|von|mit|für|auf|sich|dem|auch|wird",
    ),
    "nl": Turning(
        after=(
            "geen|geen enkele|zonder|alleen|slechts|behalve|tenzij|niemand|noch|nergens|hoogstens|minstens|ten minste|"
            "ten hoogste|maximaal|uitsluitend|mits"
        ),
        either="niet|niet meer|nooit|niets|nauwelijks",
        common="de|het|een|van|dat|op|te|met|voor|zijn|wordt|ook|deze|naar",
    ),
    "fr": Turning(
        after=(
            "à moins que|à moins de|au plus|au moins|ne|ni|sans|sauf|seulement|sinon|uniquement|hormis|excepté|"
            "aucunement|nul|nulle"
        ),
        either="pas|jamais|aucun|aucune|rien|guère",
        common="le|la|les|des|est|et|une|du|dans|pour|que|au|qui|sur|il|elle",
    ),
    "es": Turning(
        after=(
            "a menos que|a no ser que|como máximo|al menos|por lo menos|no|nunca|jamás|sin|salvo|excepto|solo|sólo|"
            "solamente|únicamente|ni|ningún|ninguna|ninguno|nada|nadie|tampoco|apenas"
        ),
        common="el|los|las|que|es|en|por|para|una|con|del|se|su|y",
    ),
    "it": Turning(
        after=(
            "a meno che|al massimo|almeno|non|senza|solo|solamente|soltanto|tranne|eccetto|salvo|nessun|nessuno|"
            "nessuna|né|neanche|nemmeno|neppure|purché|fuorché"
        ),
        either="mai|nulla|niente|affatto",
        common="il|di|che|è|per|una|della|con|sono|gli|nel|alla|si|dei",
    ),
    "pt": Turning(
        after=(
            "a menos que|a não ser que|no máximo|pelo menos|não|nunca|jamais|sem|nem|só|apenas|somente|exceto|salvo|"
            "nenhum|nenhuma|ninguém|nada|tampouco"
        ),
        common="o|os|as|que|é|em|para|uma|do|da|com|ao|não|na",
    ),
    "pl": Turning(
        after=(
            "co najmniej|co najwyżej|chyba że|o ile|nie|nigdy|bez|tylko|jedynie|wyłącznie|oprócz|poza|ani|nikt|nikogo|"
            "nic|niczego|żaden|żadna|żadne|żadnego|żadnej|żadnych|ledwo|najwyżej|przynajmniej"
        ),
        common="w|na|się|z|jest|to|do|że|i|są|dla|jak|przez|od",
    ),
    "ru": Turning(
        after=(
            "не более|не менее|до тех пор|не|нет|ни|никогда|без|только|лишь|кроме|нельзя|никто|никого|ничего|ничто|"
            "никакой|никакая|никаких|едва|если|нету"
        )
    ),
    "uk": Turning(
        after=(
            "не більше|не менше|хіба що|щонайменше|щонайбільше|не|ні|ані|ніколи|без|тільки|лише|крім|окрім|нема|немає|"
            "ніхто|нікого|нічого|ніщо|жоден|жодна|жодного|жодної|ледве|якщо"
        )
    ),
    "ar": Turning(
        after=(
            "على الأقل|على الأكثر|ما لم|إلا إذا|لا|ولا|فلا|ألا|بلا|لم|ولم|فلم|لن|ولن|ليس*|وليس*|غير|وغير|بدون|دون|"
            "إلا|سوى|فقط|عدا|باستثناء|لولا"
        )
    ),
    "he": Turning(
        after=(
            "לכל היותר|אלא אם|חוץ מ|לא|ולא|שלא|אין|ואין|שאין|אינ*|שאינ*|בלי|ללא|רק|אל|ואל|אף|מלבד|למעט|לפחות|"
            "מעולם|לעולם|אסור|טרם|בלבד"
        )
    ),
    "fa": Turning(
        after=(
            "به جز|به غیر از|مگر اینکه|دست کم|نه|هیچ|هیچکس|هیچ‌کس|هرگز|بدون|بی|فقط|تنها|مگر|جز|بجز|نباید|نمی|نمی‌*|حداقل|"
            "حداکثر|غیر"
        ),
        before="نیست*|نبود*|ندارد|ندارند|نداشت*|نشد|نکرد",
    ),
    "tr": Turning(
        after="en az|en fazla|en çok|asla|hiç|hiçbir|sadece|yalnızca|yalnız",
        before="değil*|yok|yoktu*|yoktur|hariç|dışında|olmadan|olmaksızın",
        common="ve|bir|bu|için|ile|da|de|olarak|gibi|çok|kadar|var",
    ),
    "hi": Turning(
        after="कम से कम|अधिक से अधिक|ज़्यादा से ज़्यादा|केवल|सिर्फ|सिर्फ़|बिना|मात्र|अगर|यदि",
        before="के बिना|को छोड़कर|के सिवा|के अलावा|के सिवाय",
        either="नहीं|मत|न|ना|कभी नहीं",
    ),
    "ko": Turning(
        after="안|못|절대|절대로|결코|오직|단지|만약|최대|최소|적어도|전혀|별로",
        before="없*|아니*|아닌*|아닙*|않*|못하*|못했*|못한*|못할*|못합*|말고|말아*|말라*|마세요|마십시오|제외*|외에*|이외*",
    ),
    "vi": Turning(
        after=(
            "không phải|không còn|không|chưa|chẳng|chả|đừng|chớ|cấm|chỉ|trừ|trừ khi|ngoại trừ|ngoài|ít nhất|nhiều nhất|"
            "tối đa|tối thiểu|không bao giờ|nếu"
        ),
        common="và|là|của|có|được|các|cho|những|trong|này|một|với|đã",
    ),
    "id": Turning(
        after=(
            "paling banyak|paling sedikit|tidak pernah|tidak|tak|bukan|jangan|belum|tanpa|hanya|kecuali|selain|"
            "setidaknya|maksimal|minimal|sedikitnya|dilarang|jika"
        ),
        common="yang|dan|di|dengan|untuk|ini|itu|dari|pada|akan|adalah|ke",
    ),
    # Words such as 特别, 非常, 未来 and 一只 only look alike.
    "zh": Turning(
        after=(
            "不(?![同过過断斷])|没有?|沒有?|未(?![来來])|[无無](?![论論])|"
            "(?<![特区區类類级級性個个分])[别別](?![人的])|"
            "非(?![常洲])|勿|莫|(?<![一二两三四五六七八九十几])只有?|"
            "[仅僅]|除非|除了|如果|最多|至多|至少|最少|禁止|[严嚴]禁|切勿|并非|並非|[从從]未"
        ),
        reach=12,
    ),
    # A negated verb is one phrase with its negation; what follows a particle is a phrase of its own.
    "ja": Turning(
        after="しか|だけ|以外|のみ|禁止",
        before="(?<=[はがもにを])(?:ありません|なかった|ない|いない|いません)",
        reach=12,
    ),
    "th": Turning(
        after=("ไม่ใช่|ไม่|ไร้|อย่า(?!ง)|ห้าม|ยกเว้น|เว้นแต่|เพียง|เฉพาะ|แค่|นอกจาก|อย่างน้อย|อย่างมาก|ปราศจาก|มิได้|ถ้า"),
        before="เท่านั้น",
        reach=30,
    ),
}

ELSEWHERE = {
    "no": "pt pl",
    "sin": "en",
    "solo": "en",
    "salvo": "en",
    "falls": "en",
    "non": "en",
    "ne": "it tr nl",
    "né": "fr",
    "pas": "nl id",
    "mai": "en de fr vi",
    "tak": "pl nl",
    "kaum": "id",
    "noch": "de",
    "nur": "tr",
    "minimal": "en de",
    "nada": "en",
}
"""Words that turn a sentence in one language and are another word in these."""
