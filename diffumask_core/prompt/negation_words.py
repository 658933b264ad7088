"""Words that turn a sentence, by language: negations, limits and exceptions, and which side of them they govern.

Words that tie one clause to another too: conditions, and contrasts.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Turning:
    """The words of one language that turn a sentence; `|` parts words, and a word that ends in `*` takes any ending.

    Attributes:
        after: Words that govern what follows.
        before: Words that govern what stands before, such as a negation at the end of its clause.
        either: Words that stand in the midst of what they govern.
        conditions: Words of clauses without which another clause says too much, such as a condition or an exception.
        others: Words that begin what holds where a condition does not.
        contrasts: Words that part a clause from one that says the contrary.
        relatives: Words that begin a relative clause, where a comma parts any such clause from its noun.
        common: Words by which a text of the language is told from others in Latin script.
        reach: Of a language without spaces, how many characters a word governs; 0 of a language with spaces.
    """

    after: str = ""
    before: str = ""
    either: str = ""
    conditions: str = ""
    others: str = ""
    contrasts: str = ""
    relatives: str = ""
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
        conditions=(
            "if|unless|until|till|before|except|except for|apart from|only after|only if|only when|only once|"
            "only then|provided|provided that|providing|as long as|so long as|in case|instead of|rather than"
        ),
        others="otherwise|or else|else|in all other cases",
        contrasts="but|whereas|however",
        common="the|of|and|to|is|that|was|for|with|are|it|this|be|you|by|from",
    ),
    "de": Turning(
        after=(
            "es sei denn|höchstens|mindestens|kein|keine|keinen|keinem|keiner|keines|ohne|nur|lediglich|außer|ausser|"
            "weder|noch nie|falls|sofern|niemand|niemanden|niemandem|nirgends|nirgendwo|keineswegs|keinesfalls"
        ),
        either="nicht|nicht mehr|nie|niemals|nichts|kaum",
        conditions=(
            "wenn|falls|sofern|es sei denn|außer|ausser|bevor|ehe|nachdem|sobald|solange|vorausgesetzt|"
            "mit ausnahme|anstatt|statt|anstelle"
        ),
        others="sonst|andernfalls|ansonsten",
        contrasts="sondern|aber|doch|jedoch|hingegen|dagegen",
        relatives="der|die|das|den|dem|deren|dessen|denen|welche|welcher|welches|welchen|welchem|wer|was|wo",
        common="der|die|das|und|ist|ein|eine|zu|den|von|mit|für|auf|sich|dem|auch|wird",
    ),
    "nl": Turning(
        after=(
            "geen|geen enkele|zonder|alleen|slechts|behalve|tenzij|niemand|noch|nergens|hoogstens|minstens|ten minste|"
            "ten hoogste|maximaal|uitsluitend|mits"
        ),
        either="niet|niet meer|nooit|niets|nauwelijks",
        conditions="indien|tenzij|mits|behalve|voordat|nadat|totdat|zodra|zolang|in plaats van",
        others="anders",
        contrasts="maar|echter|daarentegen",
        relatives="die|dat|wiens|wie|waar|waarvan|waarin|waarop",
        common="de|het|een|van|dat|op|te|met|voor|zijn|wordt|ook|deze|naar",
    ),
    "fr": Turning(
        after=(
            "à moins que|à moins de|au plus|au moins|ne|ni|sans|sauf|seulement|sinon|uniquement|hormis|excepté|"
            "aucunement|nul|nulle"
        ),
        either="pas|jamais|aucun|aucune|rien|guère",
        conditions=(
            "si|à moins que|à moins qu|à moins de|sauf|hormis|excepté|avant de|avant que|avant d|"
            "jusqu'à ce que|tant que|pourvu que|à condition que|à condition de|au lieu de|après avoir"
        ),
        others="sinon|autrement",
        contrasts="mais|cependant|en revanche|tandis que",
        common="le|la|les|des|est|et|une|du|dans|pour|que|au|qui|sur|il|elle",
    ),
    "es": Turning(
        after=(
            "a menos que|a no ser que|como máximo|al menos|por lo menos|no|nunca|jamás|sin|salvo|excepto|solo|sólo|"
            "solamente|únicamente|ni|ningún|ninguna|ninguno|nada|nadie|tampoco|apenas"
        ),
        conditions=(
            "si|a menos que|a no ser que|salvo|excepto|antes de|hasta que|siempre que|mientras no|"
            "con tal de que|en lugar de|en vez de|después de"
        ),
        others="de lo contrario|en caso contrario",
        contrasts="sino|pero|en cambio|mientras que",
        common="el|los|las|que|es|en|por|para|una|con|del|se|su|y",
    ),
    "it": Turning(
        after=(
            "a meno che|al massimo|almeno|non|senza|solo|solamente|soltanto|tranne|eccetto|salvo|nessun|nessuno|"
            "nessuna|né|neanche|nemmeno|neppure|purché|fuorché"
        ),
        either="mai|nulla|niente|affatto",
        conditions="se|a meno che|tranne|eccetto|salvo|prima di|finché|purché|a patto che|invece di|dopo aver",
        others="altrimenti|in caso contrario",
        contrasts="ma|bensì|però|invece",
        common="il|di|che|è|per|una|della|con|sono|gli|nel|alla|si|dei",
    ),
    "pt": Turning(
        after=(
            "a menos que|a não ser que|no máximo|pelo menos|não|nunca|jamais|sem|nem|só|apenas|somente|exceto|salvo|"
            "nenhum|nenhuma|ninguém|nada|tampouco"
        ),
        conditions=(
            "a menos que|a não ser que|exceto|salvo|antes de|até que|desde que|contanto que|caso|em vez de|depois de"
        ),
        others="caso contrário|senão",
        contrasts="mas|porém|contudo|e sim",
        common="o|os|as|que|é|em|para|uma|do|da|com|ao|não|na",
    ),
    "pl": Turning(
        after=(
            "co najmniej|co najwyżej|chyba że|o ile|nie|nigdy|bez|tylko|jedynie|wyłącznie|oprócz|poza|ani|nikt|nikogo|"
            "nic|niczego|żaden|żadna|żadne|żadnego|żadnej|żadnych|ledwo|najwyżej|przynajmniej"
        ),
        conditions="jeśli|jeżeli|chyba że|o ile|oprócz|zanim|dopóki|pod warunkiem|zamiast|po tym jak|dopiero gdy",
        others="w przeciwnym razie|inaczej",
        contrasts="ale|lecz|natomiast|tylko",
        relatives="który|która|które|którzy|którego|której|których|któremu|którym|którymi|którą|kto|co|gdzie",
        common="w|na|się|z|jest|to|do|że|i|są|dla|jak|przez|od",
    ),
    "ru": Turning(
        after=(
            "не более|не менее|до тех пор|не|нет|ни|никогда|без|только|лишь|кроме|нельзя|никто|никого|ничего|ничто|"
            "никакой|никакая|никаких|едва|если|нету"
        ),
        conditions=(
            "если|кроме|пока|прежде чем|перед тем|перед тем как|после того|после того как|только после|"
            "только после того|при условии|вместо|разве что"
        ),
        others="иначе|в противном случае",
        contrasts="а|но|однако|зато",
        relatives=(
            "который|которая|которое|которые|которого|которой|которых|которому|которым|которыми|которую|"
            "чей|чья|чьё|чьи|кто|что|где"
        ),
    ),
    "uk": Turning(
        after=(
            "не більше|не менше|хіба що|щонайменше|щонайбільше|не|ні|ані|ніколи|без|тільки|лише|крім|окрім|нема|немає|"
            "ніхто|нікого|нічого|ніщо|жоден|жодна|жодного|жодної|ледве|якщо"
        ),
        conditions=(
            "якщо|крім|окрім|хіба що|поки|доки|перш ніж|після того|після того як|тільки після|"
            "тільки після того|за умови|замість"
        ),
        others="інакше",
        contrasts="а|але|проте|однак",
        relatives="який|яка|яке|які|якого|якої|яких|якому|яким|якими|яку|чий|чия|чиє|чиї|хто|що|де",
    ),
    "ar": Turning(
        after=(
            "على الأقل|على الأكثر|ما لم|إلا إذا|لا|ولا|فلا|ألا|بلا|لم|ولم|فلم|لن|ولن|ليس*|وليس*|غير|وغير|بدون|دون|"
            "إلا|سوى|فقط|عدا|باستثناء|لولا"
        ),
        conditions="إذا|إلا إذا|ما لم|إلا|قبل|حتى|شرط|بشرط|بدلا من|بعد أن|باستثناء",
        others="وإلا",
        contrasts="لكن|ولكن|بل|أما",
    ),
    "he": Turning(
        after=(
            "לכל היותר|אלא אם|חוץ מ|לא|ולא|שלא|אין|ואין|שאין|אינ*|שאינ*|בלי|ללא|רק|אל|ואל|אף|מלבד|למעט|לפחות|"
            "מעולם|לעולם|אסור|טרם|בלבד"
        ),
        conditions="אם|אלא אם|לפני|עד|מלבד|למעט|בתנאי|במקום|רק אחרי",
        others="אחרת",
        contrasts="אבל|אלא|אך|ואילו",
    ),
    "fa": Turning(
        after=(
            "به جز|به غیر از|مگر اینکه|دست کم|نه|هیچ|هیچکس|هیچ‌کس|هرگز|بدون|بی|فقط|تنها|مگر|جز|بجز|نباید|نمی|نمی‌*|حداقل|"
            "حداکثر|غیر"
        ),
        before="نیست*|نبود*|ندارد|ندارند|نداشت*|نشد|نکرد",
        conditions="اگر|مگر|مگر اینکه|قبل از|پیش از|تا|به شرطی که|به جز|به جای|پس از",
        others="وگرنه|در غیر این صورت",
        contrasts="اما|ولی|بلکه",
    ),
    "tr": Turning(
        after="en az|en fazla|en çok|asla|hiç|hiçbir|sadece|yalnızca|yalnız",
        before="değil*|yok|yoktu*|yoktur|hariç|dışında|olmadan|olmaksızın",
        conditions="eğer|hariç|dışında|önce|kadar|sürece|koşuluyla|yerine|sonra",
        others="aksi takdirde|yoksa",
        contrasts="ama|fakat|ancak|oysa",
        common="ve|bir|bu|için|ile|da|de|olarak|gibi|çok|kadar|var",
    ),
    "hi": Turning(
        after="कम से कम|अधिक से अधिक|ज़्यादा से ज़्यादा|केवल|सिर्फ|सिर्फ़|बिना|मात्र|अगर|यदि",
        before="के बिना|को छोड़कर|के सिवा|के अलावा|के सिवाय",
        either="नहीं|मत|न|ना|कभी नहीं",
        conditions="अगर|यदि|जब तक|पहले|बजाय|बशर्ते|के बाद|सिवाय",
        others="वरना|अन्यथा|नहीं तो",
        contrasts="लेकिन|बल्कि|परंतु|मगर",
    ),
    "ko": Turning(
        after="안|못|절대|절대로|결코|오직|단지|만약|최대|최소|적어도|전혀|별로",
        before="없*|아니*|아닌*|아닙*|않*|못하*|못했*|못한*|못할*|못합*|말고|말아*|말라*|마세요|마십시오|제외*|외에*|이외*",
        conditions="만약|전에|때까지|제외하고|대신|경우에만|후에만",
        others="그렇지 않으면|아니면",
        contrasts="하지만|그러나|반면",
    ),
    "vi": Turning(
        after=(
            "không phải|không còn|không|chưa|chẳng|chả|đừng|chớ|cấm|chỉ|trừ|trừ khi|ngoại trừ|ngoài|ít nhất|nhiều nhất|"
            "tối đa|tối thiểu|không bao giờ|nếu"
        ),
        conditions="nếu|trừ|trừ khi|trước khi|cho đến khi|miễn là|thay vì|chỉ khi|sau khi",
        others="nếu không|bằng không",
        contrasts="nhưng|mà|còn|tuy nhiên",
        common="và|là|của|có|được|các|cho|những|trong|này|một|với|đã",
    ),
    "id": Turning(
        after=(
            "paling banyak|paling sedikit|tidak pernah|tidak|tak|bukan|jangan|belum|tanpa|hanya|kecuali|selain|"
            "setidaknya|maksimal|minimal|sedikitnya|dilarang|jika"
        ),
        conditions="jika|kalau|kecuali|sebelum|sampai|asalkan|selama|daripada|setelah",
        others="jika tidak|kalau tidak",
        contrasts="tetapi|tapi|namun|melainkan|sedangkan",
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
        conditions="如果|若|除非|除了|只有|只要|之前|以前|直到|除外|之后|前提",
        others="否则|不然|要不然",
        contrasts="而是|而(?![且])|但是?|却|然而|反之",
        reach=12,
    ),
    # A negated verb is one phrase with its negation; what follows a particle is a phrase of its own.
    "ja": Turning(
        after="しか|だけ|以外|のみ|禁止",
        before="(?<=[はがもにを])(?:ありません|なかった|ない|いない|いません)",
        conditions="もし|限り|まで|前に|以外|場合|てから",
        others="さもないと|そうでなければ",
        contrasts="しかし|ではなく|じゃなく|一方",
        reach=12,
    ),
    "th": Turning(
        after=("ไม่ใช่|ไม่|ไร้|อย่า(?!ง)|ห้าม|ยกเว้น|เว้นแต่|เพียง|เฉพาะ|แค่|นอกจาก|อย่างน้อย|อย่างมาก|ปราศจาก|มิได้|ถ้า"),
        before="เท่านั้น",
        reach=30,
    ),
}


def words_of(*kinds: str, has_spaces: bool = True) -> list[str]:
    """The words of some kinds in all languages.

    Args:
        kinds: Names of attributes of `Turning`.
        has_spaces: Of the languages with spaces between words, or of those without.
    """
    languages = [each for each in LANGUAGES.values() if (not each.reach) is has_spaces]
    return [word for each in languages for kind in kinds for word in getattr(each, kind).split("|") if word]


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
    "si": "it",
    "se": "es fr pt de",
    "statt": "en",
    "caso": "it es",
    "but": "fr",
    "mais": "pt",
    "mas": "es",
    "ma": "en fr pl pt id vi tr",
    "ale": "en",
    "ama": "es it pt",
    "anders": "de en",
    "doch": "en",
    "kadar": "id",
    "till": "de",
}
"""Words that turn a sentence in one language and are another word in these."""

LIMITS = (
    "(?:more|less|fewer|greater|higher|lower|later|earlier|older|younger|larger|smaller) than|at (?:most|least)|up to|"
    "höchstens|mindestens|mehr als|weniger als|au plus|au moins|plus de|moins de|más de|menos de|al menos|como máximo|"
    "mais de|pelo menos|più di|meno di|almeno|не более|не менее|более|менее"
)
"""A pattern of words that make a limit of the amount after them."""
