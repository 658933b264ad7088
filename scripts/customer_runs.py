"""Makes up runs of customer-service agents with JSON results of tools, by rules and without an LLM.

    python scripts/customer_runs.py --runs 600 --seed 0 --out runs.jsonl

A run is a line, `id` and `messages` in the OpenAI chat format. Each run has a domain, names of keys, formats of ids and
a nesting of its own. Agents write values that they read many messages before, for which users ask in words only:
labels by hindsight (`diffumask_core.labeling.hindsight`) teach a model which values of old results are needed later.
"""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

from diffumask_core.labeling.hindsight import cut_run

Fields = dict[str, Any]


@dataclass(frozen=True)
class Domain:
    """The words of a domain.

    Attributes:
        name: Of the domain.
        nouns: What a record, an item in a record, an offer, a person, a person's secret and a means to pay are called.
        verbs: To change an item, to order an offer, to end a record.
        things: What an item can be.
        traits: Of an item, and what each can be.
        kinds: Of means to pay.
        troubles: Of an item.
    """

    name: str
    nouns: str
    verbs: str
    things: str
    traits: dict[str, str]
    kinds: str = "credit card, gift card, debit card, voucher, paypal account"
    troubles: str = "arrived damaged, was charged twice, never came, is not what was promised"

    def noun(self, role: str) -> str:
        """What a role is called."""
        return split(self.nouns)[ROLES.index(role)]


ROLES = ("record", "item", "offer", "person", "secret", "means")
SHARES = (0.4, 0.6, 0.8)


def split(listed: str) -> list[str]:
    """The parts of a list in words."""
    return listed.split(", ")


DOMAINS = (
    Domain(
        "shop",
        "order, item, variant, recipient, date of birth, payment method",
        "exchange, order, return",
        "desk lamp, office chair, kettle, backpack, tent, keyboard, rain jacket, bookshelf, skillet, garden hose, "
        "yoga mat, wall clock, blender, bath towel, bicycle helmet, speaker, notebook, water bottle, puzzle, mirror",
        {
            "color": "black, white, blue, red, green, silver",
            "size": "small, medium, large",
            "material": "steel, wood, wool",
        },
    ),
    Domain(
        "hotel",
        "booking, room, rate, guest, passport number, payment method",
        "upgrade, book, cancel",
        "Lisbon stay, Vienna stay, Oslo stay, Kyoto stay, Quebec stay, Porto stay, Ghent stay, Tallinn stay, "
        "Bergen stay, Naples stay, Cork stay, Malmo stay, Lyon stay, Riga stay, Cusco stay, Hanoi stay",
        {"bed": "king, twin, single", "board": "breakfast, half board, room only", "view": "sea, garden, city"},
        troubles="was billed twice, had a broken heater, had no hot water, was not ready in time",
    ),
    Domain(
        "bank",
        "card statement, transaction, instalment plan, payee, iban, account",
        "convert, open, close",
        "gym membership, grocery payment, hotel deposit, train pass, phone bill, petrol payment, cinema ticket, "
        "concert ticket, furniture payment, dentist bill, app subscription, rent payment, pharmacy payment, toll fee",
        {"months": "3 months, 6 months, 12 months, 24 months", "type": "fixed, flexible, deferred"},
        "savings account, checking account, credit line, joint account, business account",
        "was charged twice, was not made by me, has the wrong amount, was refunded only in part",
    ),
    Domain(
        "library",
        "loan, book, copy, family member, card number, fee account",
        "swap, reserve, end",
        "history of salt, atlas of birds, garden almanac, poems of the north, guide to knots, cookbook of soups, "
        "chess manual, life of Ada, tales of the river, field guide to moss, art of bread, map of stars, "
        "story of glass, grammar of Latin, book of tides, origins of jazz",
        {"format": "hardcover, paperback, large print, audiobook", "language": "English, French, Spanish"},
        "deposit account, fee balance, city pass, school account",
        "has missing pages, was returned already, is listed twice, is water damaged",
    ),
    Domain(
        "car rental",
        "rental, vehicle, car, additional driver, licence number, payment method",
        "switch, rent, cancel",
        "compact car, minivan, convertible, pickup truck, estate car, electric hatchback, city car, camper van, "
        "sports coupe, cargo van, hybrid sedan, off-roader, motorcycle, limousine",
        {
            "gearbox": "manual, automatic",
            "fuel": "petrol, diesel, hybrid, electric",
            "seats": "4 seats, 5 seats, 7 seats",
        },
        troubles="had a flat tyre, was billed for a tank that was full, had a scratch before, broke down",
    ),
    Domain(
        "clinic",
        "appointment, treatment, slot, dependent, insurance number, coverage",
        "move, book, cancel",
        "eye test, blood test, dental cleaning, flu shot, skin check, physiotherapy, x-ray, hearing test, "
        "allergy test, diet consultation, heart check, travel vaccination, wound check, sleep study",
        {
            "time": "early morning, late morning, afternoon, evening",
            "doctor": "Dr. Okafor, Dr. Lind, Dr. Sato, Dr. Reyes",
        },
        "public insurance, private insurance, company plan, supplementary plan",
        "was billed twice, had the wrong code, was done by another doctor, lacks the report",
    ),
    Domain(
        "parcel",
        "shipment, parcel, pickup point, contact, access code, payment method",
        "redirect, reserve, recall",
        "guitar, box of books, winter coat, coffee machine, bicycle wheel, set of plates, painting, printer, "
        "pair of boots, sewing machine, toy train, tripod, carpet, crate of wine, telescope",
        {"type": "locker, kiosk, post office, depot", "opening": "open late, open all day, open on Sunday"},
        troubles="is late, arrived open, went to a neighbour, was weighed wrong",
    ),
    Domain(
        "telecom",
        "contract, service, plan, household member, line number, billing account",
        "switch, activate, cancel",
        "home internet, mobile line, tablet line, tv package, landline, roaming pass, cloud storage, music add-on, "
        "security package, watch line, hotspot, child line, sports channel, voicemail",
        {
            "data": "5 GB, 20 GB, 60 GB, unlimited",
            "term": "monthly, one year, two years",
            "speed": "slow lane, fast lane",
        },
        "direct debit, prepaid balance, credit card, bonus account",
        "was down for days, is billed twice, is too slow, was activated without my consent",
    ),
    Domain(
        "event tickets",
        "purchase, ticket, seat offer, attendee, membership number, payment method",
        "swap, buy, cancel",
        "jazz night, opera gala, comedy evening, chess final, ice show, puppet theatre, rock festival, ballet, "
        "poetry slam, science fair, basketball game, film premiere, magic show, choir concert, circus",
        {"block": "stalls, balcony, gallery, box", "position": "aisle, center, left, right"},
        troubles="was postponed, has the wrong name, has no barcode, was charged twice",
    ),
    Domain(
        "insurance",
        "policy, cover, tariff, insured person, date of birth, bank account",
        "adjust, take out, end",
        "bicycle, roof, piano, camera, household, greenhouse, caravan, boat, laptop, horse, dog, solar panels, "
        "jewellery, drone, workshop, wine cellar",
        {"level": "basic, comfort, premium", "deductible": "no deductible, 150 deductible, 500 deductible"},
        "checking account, savings account, company account, premium account",
        "was stolen, was damaged by hail, was damaged by water, broke in a fall",
    ),
    Domain(
        "leave",
        "leave request, absence, slot, substitute, employee number, leave account",
        "move, request, withdraw",
        "moving day, wedding trip, school holiday, exam week, family visit, dental day, ski week, garden week, "
        "study leave, parental day, volunteering day, summer break, bridge day, training week",
        {"length": "half day, full day, three days, one week", "type": "paid, unpaid, partly paid"},
        "annual leave, overtime, special leave, long-term account, carry-over",
        "was booked twice, shows the wrong day, was rejected by mistake, has no approver",
    ),
    Domain(
        "warehouse",
        "purchase order, line, quote, supplier contact, badge number, cost center",
        "replace, order, cancel",
        "hex bolts, pallet wrap, safety gloves, copper pipe, packing tape, floor cleaner, steel shelves, cable ties, "
        "forklift battery, label rolls, wooden crates, air filters, paint rollers, door hinges, rubber seals",
        {
            "grade": "A grade, B grade, C grade",
            "pack": "single pack, box of ten, full pallet",
            "delivery": "express, standard",
        },
        "operations budget, maintenance budget, project budget, safety budget",
        "came short, has rust, was delivered to the wrong dock, was invoiced twice",
    ),
    Domain(
        "food delivery",
        "delivery, dish, menu option, housemate, phone, payment method",
        "replace, order, cancel",
        "lentil soup, pad thai, margherita, falafel wrap, ramen, paella, beef burger, greek salad, dumplings, "
        "mango lassi, tiramisu, green curry, fish tacos, risotto, bibimbap, pancakes",
        {
            "portion": "small, regular, family size",
            "spice": "mild, medium, hot",
            "kitchen": "kitchen north, kitchen south",
        },
        troubles="was cold, was missing, had the wrong sauce, was spilled",
    ),
)
FIRST = split("Ana, Bo, Chidi, Dora, Emil, Farah, Goran, Hana, Ines, Jonas, Kaya, Leon, Mara, Nils, Olga, Pavel, Quinn, "
              "Rosa, Sami, Tove, Uma, Viktor, Wanda, Yusuf, Zoe, Amir, Bela, Clara, Diego, Elif")  # fmt: skip
LAST = split("Abbott, Brandt, Castell, Dahl, Eriksen, Fontaine, Garrick, Holm, Ivers, Jansen, Kovacs, Lindqvist, Mbeki, "
             "Novak, Okoro, Petrov, Quist, Rossi, Sorel, Takeda, Ulrich, Varga, Whitlock, Xu, Yildiz, Zeman")  # fmt: skip
STREETS = split("Mill Lane, Harbor Road, Elm Street, Chapel Hill, Canal Walk, Orchard Way, Station Road, Quarry Path")
CITIES = split("Ashford, Brookvale, Carding, Dunmere, Eastwick, Fairhollow, Glenport, Hartley, Inverloch, Kelburn")
STATUSES = split("open, pending, confirmed, processed, completed, delivered, on hold")
SYLLABLES = split("no, ra, vi, ta, lo, mer, kin, sol, ba, den, fi, gra, hul, jo, pel, qua, ri, sten, tu, wex, zan")
PROSE = split(
    "Checked by our team within two working days, Please keep the receipt for later questions, This text was imported "
    "from the former system, Terms of the season apply, Not to be combined with other campaigns, Customers liked this "
    "a lot last year, Subject to availability at the site, A member of staff has to sign for changes, The quantity on "
    "hand is counted every night, Changes are free until the day before, Handle with care, Internal remarks are not "
    "shown to customers, Best suited for regular use, See the conditions for exceptions, Renewed after the last audit"
)
# Names of a key; a run has one of each.
SYNONYMS = {
    "price": "price, unit price, amount, cost, total",
    "name": "name, title, label, description, product name",
    "date": "date, scheduled date, day, start date, valid on",
    "free": "available, in stock, is available, bookable",
    "place": "place, location, branch, site",
    "status": "status, state, current status",
    "invoice": "invoice number, receipt id, invoice, document number",
    "reference": "serial number, reference, tracking number, item code",
    "balance": "balance, amount, remaining, credit",
    "last four": "last four, last4, ending, masked number",
    "kind": "source, kind, type, method",
}
PATTERNS = (
    "^-######",
    "^#######",
    "%%%%%%",
    "########",
    "^_~~~~~~~~",
    "~~~~~~~~-~~~~",
    "^.####.@@",
    "#^#####",
    "^/##/####",
)


@dataclass(frozen=True)
class Entity:
    """Something in the world of a run: its values, how results show it, and its parts."""

    values: Fields
    shown: Fields
    parts: "list[Entity]" = field(default_factory=list)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


class Table(Fields):
    """Records by their ids, which stay as they are."""


class Style:
    """How the tools of a run name, nest and write."""

    def __init__(self, rng: random.Random, domain: Domain) -> None:
        self.rng, self.domain = rng, domain
        self.case = rng.choice(["snake", "snake", "camel", "camel", "pascal", "kebab"])
        self.argument_case = rng.choice([self.case, "snake", "camel"])
        self.money_as = rng.choice(["number", "number", "string", "object", "cents"])
        self.table, self.nested_name, self.nested_traits = (rng.random() < share for share in (0.3, 0.5, 0.4))
        self.wrapped = rng.choice(["", "", "data", "result", "response", "payload"])
        self.indent = rng.choice([None, None, None, 2])
        self.bare_id = rng.random() < 0.4
        self._names = {key: rng.choice(split(names)) for key, names in SYNONYMS.items()}
        self._patterns = {role: rng.choice(PATTERNS) for role in (*ROLES, "invoice", "reference")}
        self._noise = {role: rng.sample(sorted(self._noises()), rng.choice([0, 1, 2, 4, 7])) for role in ROLES}

    def key(self, words: str, case: str = "") -> str:
        """A name of a key."""
        parts = re.split(r"[ -]", self._names.get(words, words))
        match case or self.case:
            case "snake":
                return "_".join(parts)
            case "kebab":
                return "-".join(parts)
            case "pascal":
                return "".join(part.capitalize() for part in parts)
            case _:
                return parts[0] + "".join(part.capitalize() for part in parts[1:])

    def id(self, role: str) -> str:
        """An id of a new thing in a role."""
        noun = self.domain.noun(role) if role in ROLES else role
        return self.fill(self._patterns[role].replace("^", noun[:3].strip().upper()))

    def fill(self, pattern: str) -> str:
        """A pattern with digits for #, letters for @, both for % and hexadecimal digits for ~."""
        signs = {
            "#": "0123456789",
            "@": "ABCDEFGHJKLMNPRSTUVWXYZ",
            "%": "ABCDEFGHJKLMNPRSTUVWXYZ0123456789",
            "~": "0123456789abcdef",
        }
        return "".join(self.rng.choice(signs.get(sign, sign)) for sign in pattern)

    def amount(self, price: float) -> Any:
        """A price as it stands in results and arguments."""
        return {"string": f"{price:.2f}", "cents": round(price * 100)}.get(self.money_as, price)

    def money(self, price: float) -> Any:
        """A price as results show it."""
        return {"amount": price, "currency": "EUR"} if self.money_as == "object" else self.amount(price)

    def id_key(self, role: str) -> str:
        """The key of the id of a thing in its own record."""
        return "id" if self.bare_id else f"{self.domain.noun(role)} id"

    def entity(self, role: str, values: Fields, shown: Fields, parts: Sequence[Entity] = ()) -> Entity:
        """A thing with fields that nobody needs between the others."""
        noises = self._noises()
        fields = [*shown.items(), *((key, noises[key]) for key in self._noise[role])]
        if self.rng.random() < 0.3:
            fields = [fields[0], *self.rng.sample(fields[1:], len(fields) - 1)]
        return Entity(values, dict(fields), list(parts))

    def many(self, entities: Iterable[Entity], role: str) -> Any:
        """Records in a list or by their ids."""
        if self.table and role in ("item", "means"):
            return Table({entity["id"]: entity.shown for entity in entities})
        return [entity.shown for entity in entities]

    def cased(self, value: Any) -> Any:
        """A value with all keys as the tools name them."""
        if isinstance(value, dict):
            return {key if isinstance(value, Table) else self.key(key): self.cased(each) for key, each in value.items()}
        return [self.cased(each) for each in value] if isinstance(value, list) else value

    def written(self, value: Any) -> str:
        """A result of a tool."""
        if isinstance(value, str):
            return value
        shown = self.cased({self.wrapped: value, "success": True} if self.wrapped else value)
        return json.dumps(shown, indent=self.indent)

    def prose(self, sentences: int) -> str:
        """Sentences that nobody needs."""
        return " ".join(f"{sentence}." for sentence in self.rng.choices(PROSE, k=sentences))

    def day(self) -> date:
        """A day."""
        return date(2025, 1, 1) + timedelta(self.rng.randrange(700))

    def _noises(self) -> Fields:
        rng = self.rng
        return {
            "created at": f"{self.day()}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
            "updated at": f"{self.day()}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
            "etag": self.fill("~" * 16),
            "version": rng.randrange(1, 40),
            "url": f"https://api.example.com/v{rng.randrange(1, 4)}/{self.fill('~' * 10)}",
            "is archived": rng.random() < 0.1,
            "external ref": rng.choice([None, self.fill("EX-#####")]),
            "notes": self.prose(rng.choice([1, 1, 2, 4])),
            "tags": rng.sample(["new", "web", "seasonal", "partner", "legacy", "vip", "bulk"], 2),
            "channel": rng.choice(["web", "app", "phone", "desk"]),
            "rating": round(rng.uniform(1, 5), 1),
            "deleted at": None,
            "audit": {"by": rng.choice(["system", "import", "agent"]), "batch": rng.randrange(1000, 99999)},
            "internal text": self.prose(rng.choice([2, 5])),
        }


Concern = tuple[str, Callable[[], None]]


class Run:
    """A run that grows: the world, the conversation so far, and which results the agent has read."""

    def __init__(self, seed: str) -> None:
        rng = self.rng = random.Random(seed)
        self.domain = rng.choice(DOMAINS)
        self.style = Style(rng, self.domain)
        self.messages: list[Fields] = []
        self.kinds: dict[str, str] = {}
        self._read: set[str] = set()
        self._lists: list[tuple[str, list[Entity]]] = []
        self._change, self._order, self._end = split(self.domain.verbs)
        self._names_ids = rng.choice([0.1, 0.3, 0.7])
        self._eager = rng.random() < 0.6
        self._build()
        self._talk()

    # The world.

    def _build(self) -> None:
        rng, style, domain = self.rng, self.style, self.domain
        first, last = rng.choice(FIRST), rng.choice(LAST)
        self.user = {
            "id": rng.choice([f"{first}_{last}_{style.fill('####')}".lower(), style.fill("U%%%%%%"), style.fill("cus_~~~~~~")]),
            "first": first, "last": last, "zip": style.fill("#####"), "phone": style.fill("+49 ### #######"),
            "email": f"{first}.{last}{style.fill('##')}@example.com".lower(),
        }  # fmt: skip
        self.means = [self._means(kind) for kind in rng.sample(split(domain.kinds), rng.randint(2, 4))]
        self.persons = [self._person(name) for name in rng.sample([n for n in FIRST if n != first], rng.randint(1, 4))]
        things = rng.sample(split(domain.things), len(split(domain.things)))
        self.records = []
        for _ in range(rng.choice([2, 3, 3, 4, 5, 6])):
            count = min(rng.choice([1, 1, 2, 2, 3, 4]), len(things))
            if count:
                self.records.append(self._record([self._item(things.pop()) for _ in range(count)]))

    def _means(self, kind: str) -> Entity:
        style, rng = self.style, self.rng
        values = {"id": rng.choice([style.id("means"), style.fill(f"{kind.replace(' ', '_')}_#######")]), "kind": kind}
        values |= {"last four": style.fill("####"), "balance": rng.randrange(10, 900)}
        detail = "last four" if re.search("card|debit|account", kind) else "balance"
        return style.entity(
            "means", values, {style.id_key("means"): values["id"], "kind": kind, detail: values[detail]}
        )

    def _person(self, first: str) -> Entity:
        style, rng = self.style, self.rng
        secret = self.domain.noun("secret")
        known = {
            "date of birth": str(style.day().replace(year=rng.randrange(1945, 2015))),
            "phone": style.fill("+49-1##-#######"),
        }
        values = {"id": style.id("person"), "first": first, "last": rng.choice([self.user["last"], rng.choice(LAST)])}
        values["secret"] = known.get(secret, style.fill(rng.choice(["@########", "##########", "@@##-####-####"])))
        return style.entity("person", values, {**self._name(values), secret: values["secret"]})

    def _name(self, values: Fields) -> Fields:
        name = {"first name": values["first"], "last name": values["last"]}
        return {"full name": name} if self.style.nested_name else name

    def _item(self, thing: str) -> Entity:
        style, rng = self.style, self.rng
        brand = "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).capitalize()
        values = {
            "id": style.id("item"),
            "thing": thing,
            "price": round(rng.uniform(5, 900), 2),
            "traits": self._traits(),
        }
        values["reference"] = style.id("reference")
        shown = {style.id_key("item"): values["id"], "name": f"{brand} {thing}", **self._shown_traits(values["traits"])}
        shown |= {"price": style.money(values["price"]), "reference": values["reference"]}
        return style.entity("item", values, shown)

    def _traits(self) -> dict[str, str]:
        return {trait: self.rng.choice(split(options)) for trait, options in self.domain.traits.items()}

    def _shown_traits(self, traits: dict[str, str]) -> Fields:
        return {"options": traits} if self.style.nested_traits else traits

    def _record(self, items: list[Entity]) -> Entity:
        style, rng = self.style, self.rng
        paid = rng.choice(self.means)
        values = {
            "id": style.id("record"),
            "date": str(style.day()),
            "invoice": style.id("invoice"),
            "means": paid["id"],
        }
        total = round(sum(item["price"] for item in items), 2)
        shown = {
            style.id_key("record"): values["id"], "status": rng.choice(STATUSES), "date": values["date"],
            f"{self.domain.noun('item')}s": style.many(items, "item"), "place": rng.choice(CITIES),
            "payment history": [{f"{self.domain.noun('means')} id": paid["id"], "paid": style.money(total)}],
            "invoice": values["invoice"],
        }  # fmt: skip
        return style.entity("record", values, shown, items)

    def _offers(self, thing: str) -> list[Entity]:
        return [self._offer(thing) for _ in range(self.rng.choice([2, 3, 4, 5, 6, 8, 8, 10, 14, 20, 40]))]

    def _offer(self, thing: str) -> Entity:
        style, rng = self.style, self.rng
        values = {"id": style.id("offer"), "price": round(rng.uniform(5, 900), 2), "traits": self._traits()}
        values |= {"date": str(style.day()), "free": rng.random() < 0.75, "place": rng.choice(CITIES)}
        shown = {style.id_key("offer"): values["id"], "name": thing, **self._shown_traits(values["traits"])}
        shown |= {"date": values["date"], "place": values["place"], "free": values["free"]}
        return style.entity("offer", values, {**shown, "price": style.money(values["price"])})

    def _profile(self) -> Fields:
        user, style = self.user, self.style
        ids = [record["id"] for record in self.records]
        return {
            "user id": user["id"], **self._name(user), "email": user["email"], "phone": user["phone"],
            "address": {"street": f"{self.rng.randrange(1, 200)} {self.rng.choice(STREETS)}", "zip": user["zip"]},
            f"{self.domain.noun('means')}s": style.many(self.means, "means"),
            f"{self.domain.noun('person')}s": style.many(self.persons, "person"),
            "membership": self.rng.choice(["basic", "silver", "gold", None]), f"{self.domain.noun('record')}s": ids,
            **{key: value for key, value in style._noises().items() if self.rng.random() < 0.2},
        }  # fmt: skip

    # The conversation.

    def _user(self, *texts: str) -> None:
        self.messages.append({"role": "user", "content": self.rng.choice(texts)})

    def _say(self, *texts: str) -> None:
        self.messages.append({"role": "assistant", "content": self.rng.choice(texts)})

    def _call(self, *calls: tuple[str, str, Fields, Any]) -> None:
        """Calls tools in one message; a call has a kind, a name, arguments and a result."""
        requests, results = [], []
        for kind, name, arguments, result in calls:
            number = "call_" + self.style.fill("%" * 16)
            self.kinds[number] = kind
            cased = {self.style.key(key, self.style.argument_case): value for key, value in arguments.items()}
            function = {"name": name.replace(" ", "_").replace("-", "_"), "arguments": json.dumps(cased)}
            requests.append({"id": number, "type": "function", "function": function})
            results.append(
                {
                    "role": "tool",
                    "tool_call_id": number,
                    "name": function["name"],
                    "content": self.style.written(result),
                }
            )
        self.messages += [{"role": "assistant", "content": "", "tool_calls": requests}, *results]

    def _talk(self) -> None:
        rng, style = self.rng, self.style
        self.messages.append({"role": "system", "content": self._policy()})
        length = rng.randint(14, 44)
        wish, go = self._concern()
        later = self._concern() if rng.random() < 0.35 else None
        self._user(
            f"Hi! {wish}" + (f" And afterwards: {later[0]}" if later else ""),
            f"Hello, I need help. {wish}" + (f" There is a second matter too. {later[0]}" if later else ""),
        )
        self._identify()
        go()
        while len(self.messages) < length:
            wish, go = later or self._concern()
            self._user(
                "Yes, please go on with the second matter.", "Now the other thing I mentioned."
            ) if later else self._user(wish, f"Thanks! {wish}", f"One more thing. {wish}")
            later = None
            go()
        self._user("No, that is all. Thank you!", "Thanks, bye.", "Great, nothing else.")

    def _policy(self) -> str:
        domain = self.domain
        nouns = {role: domain.noun(role) for role in ROLES}
        rules = [
            f"Ask for a clear yes before you change a {nouns['record']}.",
            f"Each {nouns['record']} has one {nouns['item']} or more; each {nouns['item']} has an id of its own.",
            f"A {nouns['means']} has to be in the profile of the user.",
            f"A {nouns['person']} is named with the {nouns['secret']}.",
            f"To {self._change} a {nouns['item']}, look for a {nouns['offer']} that is available.",
            "Identify the user by the user id, by email, or by name and zip code.",
            "Do not make up any information.", "Refuse wishes against this policy.",
            "Transfer to a human agent only where no tool can help.", self.style.prose(4),
        ]  # fmt: skip
        listed = "\n".join(f"- {rule}" for rule in self.rng.sample(rules, self.rng.randint(5, len(rules))))
        return f"# Policy of the {domain.name} service\n\nToday is {self.style.day()}.\n\n{listed}"

    def _identify(self) -> None:
        user, rng = self.user, self.rng
        self._say(
            "Happy to help. What is your user id, or your email?",
            "I need to find your account first. Who are you, please?",
        )
        if rng.random() < 0.35:
            self._user(f"My user id is {user['id']}.", f"It's {user['id']}")
        else:
            by_mail = rng.random() < 0.5
            given = (
                {"email": user["email"]}
                if by_mail
                else {"first name": user["first"], "last name": user["last"], "zip": user["zip"]}
            )
            told = user["email"] if by_mail else f"{user['first']} {user['last']}, zip {user['zip']}"
            if rng.random() < 0.15:
                self._user(f"{told[:-1]}")
                self._call(
                    ("find", "find user", {**given, [*given][-1]: [*given.values()][-1][:-1]}, "Error: user not found")
                )
                self._say("I can't find an account with these details. Could you check them?")
            self._user(f"I don't know my id. {told}", f"Sure: {told}.")
            self._call(("find", "find user", given, rng.choice([user["id"], {"user id": user["id"], "matches": 1}])))
        self._call(("profile", "get user details", {"user id": user["id"]}, self._profile()))
        if self._eager and rng.random() < 0.3:
            listed = [record.shown for record in self.records]
            self._call(("list", f"list {self.domain.noun('record')}s", {"user id": user["id"]}, listed))
            self._read.update(record["id"] for record in self.records)

    def _get(self, records: Sequence[Entity]) -> None:
        noun = self.domain.noun("record")
        calls = [("record", f"get {noun} details", {f"{noun} id": record["id"]}, record.shown) for record in records]
        self._read.update(record["id"] for record in records)
        if self.rng.random() < 0.5:
            self._call(*calls)
        else:
            for call in calls:
                self._call(call)

    def _find(self, target: Entity) -> None:
        """Reads records until the one is found; an eager agent reads all of them."""
        if target["id"] in self._read and self.rng.random() < 0.88:
            return
        unread = [record for record in self.records if record["id"] not in self._read]
        reads = unread if self._eager else unread[: unread.index(target) + 1] if target in unread else [target]
        self._get(reads or [target])

    def _confirm(self, what: str, ids: Sequence[str]) -> bool:
        """Asks for a yes; whether the user has not changed the mind."""
        named = f" ({', '.join(map(str, ids))})" if self.rng.random() < self._names_ids else ""
        self._say(f"I would {what}{named}. Shall I go ahead?", f"To confirm: {what}{named}. Is this right (yes/no)?")
        return self.rng.random() < 0.8

    def _yes(self) -> None:
        self._user("Yes, please.", "Yes, go ahead.", "That's right, do it.", "Yes. Thanks!")

    def _write(self, name: str, arguments: Fields, record: Entity | None = None) -> None:
        if self.rng.random() < 0.35:
            arguments = {"user id": self.user["id"], **arguments}
        if self.rng.random() < 0.08:
            self._call(
                ("write", name, arguments, self.rng.choice(["Error: timeout", "Error: service unavailable, try again"]))
            )
        done: list[Any] = [{"status": "success", "confirmation": self.style.fill("CF%%%%%%")}, "OK", "Done."]
        self._call(
            ("write", name, arguments, record.shown if record and self.rng.random() < 0.3 else self.rng.choice(done))
        )
        self._say(
            "Done. Is there anything else?",
            "This is arranged now. Anything else I can do?",
            "All set! What else can I help with?",
        )

    def _search(self, thing: str, offers: list[Entity]) -> None:
        shown: Any = self.style.many(offers, "offer")
        if self.rng.random() < 0.4:
            shown = {"total": len(offers), "page": 1, f"{self.domain.noun('offer')}s": shown}
        self._call(("offers", f"search {self.domain.noun('offer')}s", {"query": thing}, shown))
        self._lists.append((thing, offers))

    def _pick(self, offers: Sequence[Entity]) -> tuple[str, Entity]:
        """What a user wants of offers, in words, and the offer that fits."""
        rng = self.rng
        free = [offer for offer in offers if offer["free"]] or list(offers)
        some = rng.choice(free)
        trait = rng.choice([*some["traits"]])
        ways: list[tuple[str, Callable[[Entity], bool]]] = [
            (rng.choice([f"with {some['traits'][trait]}", f"{trait} {some['traits'][trait]}"]), lambda o: o["traits"][trait] == some["traits"][trait]),
            (f"in {some['place']}", lambda o: o["place"] == some["place"]),
            (f"on {spoken(some['date'], rng)}", lambda o: o["date"] == some["date"]),
        ]  # fmt: skip
        chosen = rng.sample(ways, rng.choice([0, 1, 1, 1, 2]))
        fits = [offer for offer in free if all(test(offer) for _, test in chosen)]
        best, sign = (max, "most expensive") if rng.random() < 0.1 else (min, "cheapest")
        words = " and ".join(word for word, _ in chosen)
        return f"the {sign} available one{' ' + words if words else ''}", best(fits, key=lambda offer: offer["price"])

    def _pays(self) -> tuple[str, Entity]:
        means = self.rng.choice(self.means)
        ending = f" ending in {means['last four']}" if "card" in means["kind"] and self.rng.random() < 0.5 else ""
        return f"my {means['kind']}{ending}", means

    # What users want: a wish in words, and what follows.

    def _concern(self) -> Concern:
        wishes = [self._exchange, self._exchange, self._cancel, self._trouble, self._buy, self._buy, self._swap_means,
                  self._add_person, self._receipt, self._some_items, self._sum, self._contact, self._article]  # fmt: skip
        return self.rng.choice(wishes + [self._again] * 4 if self._lists else wishes)()

    def _target(self) -> tuple[Entity, Entity]:
        record = self.rng.choice(self.records)
        return record, self.rng.choice(record.parts)

    def _one(self, record: Entity, item: Entity) -> str:
        """A record in a user's words."""
        noun = self.domain.noun("record")
        texts = [f"the {noun} with the {item['thing']}"] * 3 + [f"my {noun} of {spoken(record['date'], self.rng)}"]
        return self.rng.choice([*texts, f"{noun} {record['id']}"])

    def _settle(
        self, offers: list[Entity], told: tuple[str, Entity] | None, what: str, write: Callable[[Entity, Entity], None]
    ) -> None:
        """From a list of offers to a call that writes: choice, means, price, a yes or another mind."""
        rng = self.rng
        paid, means = self._pays()
        if not told:
            names = "; ".join(
                f"{', '.join(o['traits'].values())} for {o['price']}" for o in offers[: rng.randint(0, 4)]
            )
            self._say(f"I found {len(offers)} options{': ' + names if names else ''}. Which one do you want?")
            told = self._pick(offers)
            self._user(f"I take {told[0]}. Use {paid}.", f"{told[0].capitalize()}, paid with {paid}, please.")
        else:
            self._say(
                f"I found {told[0]}. How do you want to pay?",
                f"There is one for {told[1]['price']}. Which {self.domain.noun('means')}?",
            )
            self._user(f"With {paid}.", f"Take {paid}", f"{paid}, please.")
        sure = self._confirm(f"{what}, {told[0]}, with {paid}", [told[1]["id"], means["id"]])
        if not sure:
            told = self._pick(offers)
            paid, means = self._pays()
            self._user(
                f"Wait, I changed my mind: {told[0]}, and {paid}. Yes, do it.",
                f"No, rather {told[0]}. Pay it with {paid}. Then yes.",
            )
        else:
            self._yes()
        write(told[1], means)

    def _exchange(self) -> Concern:
        record, item = self._target()
        offers = self._offers(item["thing"])
        told = self._pick(offers) if self.rng.random() < 0.4 else None
        role = {role: f"{self.domain.noun(role)} id" for role in ROLES}

        def write(offer: Entity, means: Entity) -> None:
            if self.rng.random() < 0.6:
                old, new = (self.style.amount(each["price"]) for each in (item, offer))
                self._call(
                    ("calculate", "calculate", {"expression": f"{new} - {old}"}, str(round(float(new) - float(old), 2)))
                )
            arguments = {role["record"]: record["id"], role["item"]: item["id"], f"new {role['offer']}": offer["id"]}
            self._write(f"{self._change} {self.domain.noun('item')}", {**arguments, role["means"]: means["id"]}, record)

        def go() -> None:
            self._find(record)
            self._search(item["thing"], offers)
            self._settle(offers, told, f"{self._change} the {item['thing']}", write)

        return f"I'd like to {self._change} the {item['thing']}{', for ' + told[0] if told else ''}.", go

    def _buy(self) -> Concern:
        thing = self.rng.choice(split(self.domain.things))
        offers, person = self._offers(thing), self.rng.choice(self.persons)
        told = self._pick(offers) if self.rng.random() < 0.4 else None

        def go() -> None:
            self._search(thing, offers)
            self._settle(offers, told, f"{self._order} the {thing} for {person['first']}", self._orders(person))

        return f"I want to {self._order} a {thing} for {person['first']}{': ' + told[0] if told else ''}.", go

    def _orders(self, person: Entity) -> Callable[[Entity, Entity], None]:
        def write(offer: Entity, means: Entity) -> None:
            arguments = {f"{self.domain.noun('offer')} id": offer["id"], "date": offer["date"], **self._named(person)}
            paid = {f"{self.domain.noun('means')} id": means["id"], "amount": self.style.amount(offer["price"])}
            self._write(f"{self._order} {self.domain.noun('offer')}", arguments | paid)

        return write

    def _named(self, person: Entity) -> Fields:
        name = {"first name": person["first"], "last name": person["last"]}
        return {**name, self.domain.noun("secret"): person["secret"]}

    def _again(self) -> Concern:
        thing, offers = self.rng.choice(self._lists)
        words, offer = self._pick(offers)
        person, (paid, means) = self.rng.choice(self.persons), self._pays()

        def go() -> None:
            if self._confirm(f"{self._order} {words} for {person['first']}", [offer["id"]]) or True:
                self._yes()
            self._orders(person)(offer, means)

        return f"Of the {thing} options from before, {self._order} {words} for {person['first']} too, with {paid}.", go

    def _cancel(self) -> Concern:
        record, item = self._target()

        def go() -> None:
            self._find(record)
            self._confirm(f"{self._end} the {self.domain.noun('record')} with the {item['thing']}", [record["id"]])
            if self.rng.random() < 0.15:
                self._user("No, leave it as it is.", "Hmm, no. I keep it.")
                self._say("Fine, I leave it. Anything else?")
                return
            self._yes()
            refund = {f"refund {self.domain.noun('means')} id": record["means"]} if self.rng.random() < 0.6 else {}
            self._write(
                f"{self._end} {self.domain.noun('record')}",
                {f"{self.domain.noun('record')} id": record["id"], **refund},
                record,
            )

        return f"Please {self._end} {self._one(record, item)}.", go

    def _trouble(self) -> Concern:
        record, item = self._target()
        trouble = self.rng.choice(split(self.domain.troubles))
        extra = self.rng.choice(["reference", "price"])

        def go() -> None:
            self._find(record)
            self._say(
                "I am sorry. Shall I open a case?",
                f"Sorry to hear this about the {item['thing']}. Do you want me to report it?",
            )
            self._yes()
            arguments = {f"{self.domain.noun('record')} id": record["id"], f"{self.domain.noun('item')} id": item["id"]}
            value = item["reference"] if extra == "reference" else self.style.amount(item["price"])
            self._write("open case", {**arguments, extra: value, "reason": trouble})

        return f"The {item['thing']} {trouble}.", go

    def _swap_means(self) -> Concern:
        words, means = self._pays()
        verb = self.rng.choice(["remove", "set as default", "block"])

        def go() -> None:
            self._confirm(f"{verb} {words}".replace("my", "your"), [means["id"]])
            self._yes()
            self._write(f"{verb} {self.domain.noun('means')}", {f"{self.domain.noun('means')} id": means["id"]})

        return f"Could you {verb} {words}?" if verb != "set as default" else f"Make {words} the default.", go

    def _add_person(self) -> Concern:
        (record, item), person = self._target(), self.rng.choice(self.persons)

        def go() -> None:
            self._find(record)
            self._confirm(f"add {person['first']} to the {self.domain.noun('record')}", [record["id"]])
            self._yes()
            arguments = {f"{self.domain.noun('record')} id": record["id"], **self._named(person)}
            self._write(f"add {self.domain.noun('person')}", arguments, record)

        return f"Please add {person['first']} to {self._one(record, item)}.", go

    def _receipt(self) -> Concern:
        record, item = self._target()

        def go() -> None:
            self._find(record)
            self._write("send document", {"invoice number": record["invoice"], "email": self.user["email"]})

        return f"I need the invoice of {self._one(record, item)} by email.", go

    def _some_items(self) -> Concern:
        record = max(self.rng.sample(self.records, 2), key=lambda each: len(each.parts))
        kept = self.rng.choice(record.parts)
        ended = [item for item in record.parts if item is not kept] or [kept]
        but = f"except the {kept['thing']}" if kept not in ended else f"that is only the {kept['thing']}"

        def go() -> None:
            self._find(record)
            self._confirm(f"{self._end} {', '.join(item['thing'] for item in ended)}", [item["id"] for item in ended])
            self._yes()
            ids = {f"{self.domain.noun('item')} ids": [item["id"] for item in ended]}
            arguments = {f"{self.domain.noun('record')} id": record["id"], **ids}
            self._write(f"{self._end} {self.domain.noun('item')}s", arguments, record)

        return (
            f"I want to {self._end} everything in the {self.domain.noun('record')} with the {kept['thing']}, {but}.",
            go,
        )

    def _sum(self) -> Concern:
        (one, first), (two, second) = self._target(), self._target()

        def go() -> None:
            self._find(one)
            self._find(two)
            prices = [self.style.amount(item["price"]) for item in (first, second)]
            total = round(sum(map(float, prices)), 2)
            self._call(("calculate", "calculate", {"expression": f"{prices[0]} + {prices[1]}"}, str(total)))
            self._say(f"Together {total}. Can I do anything else?")

        return f"What did I pay for the {first['thing']} and the {second['thing']} together?", go

    def _contact(self) -> Concern:
        new = (
            self.style.fill("+49 1## #######")
            if self.rng.random() < 0.5
            else f"{self.rng.randrange(1, 99)} {self.rng.choice(STREETS)}"
        )
        key = "phone" if new.startswith("+") else "street"

        def go() -> None:
            self._confirm(f"set your {key} to {new}", [])
            self._yes()
            self._write("update user", {"user id": self.user["id"], key: new})

        return f"My {key} is now {new}, please update it.", go

    def _article(self) -> Concern:
        topic = self.rng.choice(["fees", "opening hours", "data protection", "refunds", "membership"])

        def go() -> None:
            found = [
                {"article id": self.style.fill("KB####"), "topic": topic, "text": self.style.prose(6)}
                for _ in range(self.rng.randint(1, 5))
            ]
            self._call(("article", "search help", {"topic": topic}, found))
            self._say(f"On {topic} our pages say: {self.style.prose(2)} What else can I do?")

        return f"What are your rules on {topic}?", go


def spoken(day: str, rng: random.Random) -> str:
    """A day as users write it."""
    read = date.fromisoformat(day)
    return rng.choice([day, f"{read:%B} {read.day}", f"{read.day} {read:%B}", f"{read.day} {read:%b} {read.year}"])


def make_runs(count: int, seed: int) -> list[Run]:
    """Runs, the same for a seed."""
    return [Run(f"{seed}-{number}") for number in range(count)]


def print_statistics(runs: Sequence[Run]) -> None:
    """Prints how long the runs are, at how many cuts values are needed, and which results have these values."""
    print(f"messages a run: {mean(len(run.messages) for run in runs):.1f}")
    print(f"characters a run: {mean(sum(len(message['content']) for message in run.messages) for run in runs):.0f}")
    print("domains:", dict(Counter(run.domain.name for run in runs)))
    for share in SHARES:
        cuts = [(run, cut_run("", run.messages, share, {})) for run in runs]
        counts = [len(cut.values) for _, cut in cuts]
        where = Counter(kind for run, cut in cuts for value in cut.values for kind in kinds_with(run, value, cut.old))
        print(
            f"cut at {share}: {mean(map(bool, counts)):.0%} with values, {mean(counts):.1f} each, in {dict(where.most_common())}"
        )


def kinds_with(run: Run, value: str, old: Iterable[int]) -> set[str]:
    """The kinds of the old results with a value."""
    results = [run.messages[index] for index in old]
    return {run.kinds[result["tool_call_id"]] for result in results if value in result["content"]}


def main() -> None:
    """Writes the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stats", action="store_true", help="print where the values that are needed stand")
    options = parser.parse_args()
    runs = make_runs(options.runs, options.seed)
    lines = (json.dumps({"id": f"customer-{number}", "messages": run.messages}) for number, run in enumerate(runs))
    options.out.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    if options.stats:
        print_statistics(runs)


if __name__ == "__main__":
    main()
