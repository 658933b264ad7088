"""Makes up runs of customer-service agents with JSON results of tools, by rules and without an LLM.

    python scripts/customer_runs.py --runs 600 --seed 0 --out runs.jsonl --stats

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

# Each has a name | nouns for the roles below | verbs to change an item, order an offer and end a record | items |
# traits of an item | means to pay | troubles with an item.
DOMAINS = """
shop | order, item, variant, recipient, date of birth, payment method | exchange, order, return | desk lamp, office
chair, kettle, backpack, tent, keyboard, rain jacket, bookshelf, skillet, garden hose, yoga mat, wall clock, blender,
bath towel, bicycle helmet, speaker, notebook, water bottle, puzzle, mirror | color: black, white, blue, red, green,
silver; size: small, medium, large; material: steel, wood, wool | credit card, gift card, debit card, voucher, paypal
account | arrived damaged, was charged twice, never came, is not what was promised

hotel | booking, room, rate, guest, passport number, payment method | upgrade, book, cancel | Lisbon stay, Vienna
stay, Oslo stay, Kyoto stay, Quebec stay, Porto stay, Ghent stay, Tallinn stay, Bergen stay, Naples stay, Cork stay,
Malmo stay, Lyon stay, Riga stay, Cusco stay, Hanoi stay | bed: king, twin, single; board: breakfast, half board, room
only; view: sea, garden, city | credit card, gift card, debit card, voucher, paypal account | was billed twice, had a
broken heater, had no hot water, was not ready in time

bank | card statement, transaction, instalment plan, payee, iban, account | convert, open, close | gym membership,
grocery payment, hotel deposit, train pass, phone bill, petrol payment, cinema ticket, concert ticket, furniture
payment, dentist bill, app subscription, rent payment, pharmacy payment, toll fee | months: 3 months, 6 months, 12
months, 24 months; type: fixed, flexible, deferred | savings account, checking account, credit line, joint account,
business account | was charged twice, was not made by me, has the wrong amount, was refunded only in part

library | loan, book, copy, family member, card number, fee account | swap, reserve, end | history of salt, atlas of
birds, garden almanac, poems of the north, guide to knots, cookbook of soups, chess manual, life of Ada, tales of the
river, field guide to moss, art of bread, map of stars, story of glass, grammar of Latin, book of tides, origins of
jazz | format: hardcover, paperback, large print, audiobook; language: English, French, Spanish | deposit account, fee
balance, city pass, school account | has missing pages, was returned already, is listed twice, is water damaged

car rental | rental, vehicle, car, additional driver, licence number, payment method | switch, rent, cancel | compact
car, minivan, convertible, pickup truck, estate car, electric hatchback, city car, camper van, sports coupe, cargo
van, hybrid sedan, off-roader, motorcycle, limousine | gearbox: manual, automatic; fuel: petrol, diesel, hybrid,
electric; seats: 4 seats, 5 seats, 7 seats | credit card, gift card, debit card, voucher, paypal account | had a flat
tyre, was billed for a tank that was full, had a scratch before, broke down

clinic | appointment, treatment, slot, dependent, insurance number, coverage | move, book, cancel | eye test, blood
test, dental cleaning, flu shot, skin check, physiotherapy, x-ray, hearing test, allergy test, diet consultation,
heart check, travel vaccination, wound check, sleep study | time: early morning, late morning, afternoon, evening;
doctor: Dr. Okafor, Dr. Lind, Dr. Sato, Dr. Reyes | public insurance, private insurance, company plan, supplementary
plan | was billed twice, had the wrong code, was done by another doctor, lacks the report

parcel | shipment, parcel, pickup point, contact, access code, payment method | redirect, reserve, recall | guitar,
box of books, winter coat, coffee machine, bicycle wheel, set of plates, painting, printer, pair of boots, sewing
machine, toy train, tripod, carpet, crate of wine, telescope | type: locker, kiosk, post office, depot; opening: open
late, open all day, open on Sunday | credit card, gift card, debit card, voucher, paypal account | is late, arrived
open, went to a neighbour, was weighed wrong

telecom | contract, service, plan, household member, line number, billing account | switch, activate, cancel | home
internet, mobile line, tablet line, tv package, landline, roaming pass, cloud storage, music add-on, security package,
watch line, hotspot, child line, sports channel, voicemail | data: 5 GB, 20 GB, 60 GB, unlimited; term: monthly, one
year, two years; speed: slow lane, fast lane | direct debit, prepaid balance, credit card, bonus account | was down
for days, is billed twice, is too slow, was activated without my consent

event tickets | purchase, ticket, seat offer, attendee, membership number, payment method | swap, buy, cancel | jazz
night, opera gala, comedy evening, chess final, ice show, puppet theatre, rock festival, ballet, poetry slam, science
fair, basketball game, film premiere, magic show, choir concert, circus | block: stalls, balcony, gallery, box;
position: aisle, center, left, right | credit card, gift card, debit card, voucher, paypal account | was postponed,
has the wrong name, has no barcode, was charged twice

insurance | policy, cover, tariff, insured person, date of birth, bank account | adjust, take out, end | bicycle,
roof, piano, camera, household, greenhouse, caravan, boat, laptop, horse, dog, solar panels, jewellery, drone,
workshop, wine cellar | level: basic, comfort, premium; deductible: no deductible, 150 deductible, 500 deductible |
checking account, savings account, company account, premium account | was stolen, was damaged by hail, was damaged by
water, broke in a fall

leave | leave request, absence, slot, substitute, employee number, leave account | move, request, withdraw | moving
day, wedding trip, school holiday, exam week, family visit, dental day, ski week, garden week, study leave, parental
day, volunteering day, summer break, bridge day, training week | length: half day, full day, three days, one week;
type: paid, unpaid, partly paid | annual leave, overtime, special leave, long-term account, carry-over | was booked
twice, shows the wrong day, was rejected by mistake, has no approver

warehouse | purchase order, line, quote, supplier contact, badge number, cost center | replace, order, cancel | hex
bolts, pallet wrap, safety gloves, copper pipe, packing tape, floor cleaner, steel shelves, cable ties, forklift
battery, label rolls, wooden crates, air filters, paint rollers, door hinges, rubber seals | grade: A grade, B grade,
C grade; pack: single pack, box of ten, full pallet; delivery: express, standard | operations budget, maintenance
budget, project budget, safety budget | came short, has rust, was delivered to the wrong dock, was invoiced twice

food delivery | delivery, dish, menu option, housemate, phone, payment method | replace, order, cancel | lentil soup,
pad thai, margherita, falafel wrap, ramen, paella, beef burger, greek salad, dumplings, mango lassi, tiramisu, green
curry, fish tacos, risotto, bibimbap, pancakes | portion: small, regular, family size; spice: mild, medium, hot;
kitchen: kitchen north, kitchen south | credit card, gift card, debit card, voucher, paypal account | was cold, was
missing, had the wrong sauce, was spilled
"""


def listed(text: str) -> list[str]:
    """The parts of a list in words."""
    return text.split(", ")


ROLES = ("record", "item", "offer", "person", "secret", "means")
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
CASES = ("snake", "snake", "camel", "camel", "pascal", "kebab")
# Of ids: ^ is a short form of the noun, the other signs stand for those of SIGNS.
PATTERNS = listed("^-######, ^#######, %%%%%%, ########, ^_~~~~~~~~, ~~~~~~~~-~~~~, ^.####.@@, #^#####, ^/##/####")
SIGNS = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUVWXYZ", "~": "0123456789abcdef"}
SIGNS["%"] = SIGNS["#"] + SIGNS["@"]
FIRST = listed(
    "Ana, Bo, Chidi, Dora, Emil, Farah, Goran, Hana, Ines, Jonas, Kaya, Leon, Mara, Nils, Olga, Pavel, Quinn, Rosa, "
    "Sami, Tove, Uma, Viktor, Wanda, Yusuf, Zoe, Amir, Bela, Clara, Diego, Elif"
)
LAST = listed(
    "Abbott, Brandt, Castell, Dahl, Eriksen, Fontaine, Garrick, Holm, Ivers, Jansen, Kovacs, Lindqvist, Mbeki, "
    "Novak, Okoro, Petrov, Quist, Rossi, Sorel, Takeda, Ulrich, Varga, Whitlock, Xu, Yildiz, Zeman"
)
STREETS = listed("Mill Lane, Harbor Road, Elm Street, Chapel Hill, Canal Walk, Orchard Way, Station Road, Quarry Path")
CITIES = listed("Ashford, Brookvale, Carding, Dunmere, Eastwick, Fairhollow, Glenport, Hartley, Inverloch, Kelburn")
STATUSES = listed("open, pending, confirmed, processed, completed, delivered, on hold")
SYLLABLES = listed("no, ra, vi, ta, lo, mer, kin, sol, ba, den, fi, gra, hul, jo, pel, qua, ri, sten, tu, wex, zan")
PROSE = (
    "Checked by our team within two working days. Please keep the receipt for later questions. This text was imported "
    "from the former system. Terms of the season apply. Not to be combined with other campaigns. Customers liked this "
    "a lot last year. Subject to availability at the site. A member of staff has to sign for changes. The quantity on "
    "hand is counted every night. Changes are free until the day before. Handle with care. Internal remarks are not "
    "shown to customers. Best suited for regular use. See the conditions for exceptions. Renewed after the last audit."
)
FAILURES = ("Error: timeout", "Error: service unavailable, try again", '{"error": {"code": 503, "message": "busy"}}')
REFUSED = ("give me a discount of half the price", "delete my whole history", "pay me in cash", "skip the usual checks")


@dataclass(frozen=True)
class Domain:
    """The words of a domain.

    Attributes:
        name: Of the domain.
        nouns: What things are called, by their roles.
        verbs: To change an item, to order an offer, to end a record.
        things: What an item can be.
        traits: Of an item, and what each can be.
        kinds: Of means to pay.
        troubles: With an item.
    """

    name: str
    nouns: dict[str, str]
    verbs: list[str]
    things: list[str]
    traits: dict[str, list[str]]
    kinds: list[str]
    troubles: list[str]


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


def read_domains(text: str) -> list[Domain]:
    """The domains of a table in words."""
    domains = []
    for block in text.strip().split("\n\n"):
        name, nouns, verbs, things, traits, *others = " ".join(block.split()).split(" | ")
        kinds, troubles = map(listed, others)
        options = dict(trait.split(": ") for trait in traits.split("; "))
        roles = dict(zip(ROLES, listed(nouns), strict=True))
        split = {trait: listed(each) for trait, each in options.items()}
        domains.append(Domain(name, roles, listed(verbs), listed(things), split, kinds, troubles))
    return domains


class Style:
    """How the tools of a run name, nest and write."""

    def __init__(self, rng: random.Random, domain: Domain) -> None:
        self.rng, self.nouns = rng, domain.nouns
        self._case = rng.choice(CASES)
        self._argument_case = rng.choice([self._case, "snake", "camel"])
        self._money = rng.choice(["number", "number", "string", "object", "cents"])
        self._table, self._nested_traits, self._bare_id = (rng.random() < share for share in (0.3, 0.4, 0.4))
        self._nested_name = rng.random() < 0.5
        self._wrapped = rng.choice(["", "", "data", "result", "response", "payload"])
        self._indent = rng.choice([None, None, None, 2])
        self._names = {key: rng.choice(listed(names)) for key, names in SYNONYMS.items()}
        self._patterns = {role: rng.choice(PATTERNS) for role in (*ROLES, "invoice", "reference")}
        self._noise = {role: rng.sample(sorted(self.noises()), rng.choice([0, 1, 2, 4, 7])) for role in ROLES}

    def fill(self, pattern: str) -> str:
        """A pattern with a sign at random for each that stands for several."""
        return "".join(self.rng.choice(SIGNS.get(sign, sign)) for sign in pattern)

    def id(self, role: str) -> str:
        """An id of a new thing in a role."""
        return self.fill(self._patterns[role].replace("^", self.nouns.get(role, role)[:3].strip().upper()))

    def id_key(self, role: str) -> str:
        """The key of the id of a thing in its own record."""
        return "id" if self._bare_id else f"{self.nouns[role]} id"

    def amount(self, price: float) -> Any:
        """A price as agents write it."""
        return {"string": f"{price:.2f}", "cents": round(price * 100)}.get(self._money, price)

    def money(self, price: float) -> Any:
        """A price as results show it."""
        return {"amount": price, "currency": "EUR"} if self._money == "object" else self.amount(price)

    def name(self, values: Fields) -> Fields:
        """The names of a person as results show them."""
        name = {"first name": values["first"], "last name": values["last"]}
        return {"full name": name} if self._nested_name else name

    def traits(self, traits: dict[str, str]) -> Fields:
        """Traits as results show them."""
        return {"options": traits} if self._nested_traits else traits

    def entity(self, role: str, values: Fields, shown: Fields, parts: Sequence[Entity] = ()) -> Entity:
        """A thing with fields that nobody needs between the others."""
        noises = self.noises()
        fields = [*shown.items(), *((key, noises[key]) for key in self._noise[role])]
        if self.rng.random() < 0.3:
            fields = [fields[0], *self.rng.sample(fields[1:], len(fields) - 1)]
        return Entity(values, dict(fields), list(parts))

    def many(self, entities: Iterable[Entity], role: str) -> Any:
        """Records in a list or by their ids."""
        if self._table and role in ("item", "means"):
            return Table({entity["id"]: entity.shown for entity in entities})
        return [entity.shown for entity in entities]

    def result(self, value: Any) -> str:
        """A result of a tool as the tool writes it."""
        if isinstance(value, str):
            return value
        wrapped = {self._wrapped: value, "success": True} if self._wrapped else value
        return json.dumps(self._cased(wrapped, self._case), indent=self._indent)

    def arguments(self, values: Fields) -> str:
        """Arguments of a call as the agent writes them."""
        return json.dumps(self._cased(values, self._argument_case))

    def prose(self, sentences: int) -> str:
        """Sentences that nobody needs."""
        return " ".join(self.rng.choices(re.findall(r"\S[^.]*\.", PROSE), k=sentences))

    def day(self) -> date:
        """A day at random."""
        return date(2025, 1, 1) + timedelta(self.rng.randrange(700))

    def noises(self) -> Fields:
        """Fields that nobody needs."""
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

    def _key(self, words: str, case: str) -> str:
        first, *others = re.split(r"[ -]", self._names.get(words, words))
        if case in ("snake", "kebab"):
            return {"snake": "_", "kebab": "-"}[case].join([first, *others])
        return "".join([first.capitalize() if case == "pascal" else first, *map(str.capitalize, others)])

    def _cased(self, value: Any, case: str) -> Any:
        if isinstance(value, dict):
            kept = isinstance(value, Table)
            return {key if kept else self._key(key, case): self._cased(each, case) for key, each in value.items()}
        return [self._cased(each, case) for each in value] if isinstance(value, list) else value


class World:
    """A customer with records, means to pay and persons, all made up."""

    def __init__(self, rng: random.Random, domain: Domain) -> None:
        self.rng, self.domain, self.style = rng, domain, Style(rng, domain)
        style, first, last = self.style, rng.choice(FIRST), rng.choice(LAST)
        ids = [f"{first}_{last}_{style.fill('####')}".lower(), style.fill("U%%%%%%"), style.fill("cus_~~~~~~")]
        self.user = {"id": rng.choice(ids), "first": first, "last": last, "zip": style.fill("#####")}
        self.user["email"] = f"{first}.{last}{style.fill('##')}@example.com".lower()
        self.means = [self._means(kind) for kind in rng.sample(domain.kinds, rng.randint(2, 4))]
        self.persons = [self.person(name) for name in rng.sample(FIRST, rng.randint(1, 4)) if name != first]
        things = rng.sample(domain.things, len(domain.things))
        cuts = [things[at : at + rng.choice([1, 1, 2, 2, 3, 4])] for at in range(0, len(things), 4)]
        self.records = [self._record([self._item(thing) for thing in cut]) for cut in cuts[: rng.randint(2, 5)]]

    def person(self, first: str) -> Entity:
        """A person whom the profile names, or a user."""
        rng, style, secret = self.rng, self.style, self.domain.nouns["secret"]
        born = date(1945, 1, 1) + timedelta(rng.randrange(25000))
        number = style.fill(rng.choice(["@########", "##########", "@@##-####-####"]))
        values = {"first": first, "last": rng.choice([self.user["last"], rng.choice(LAST)])}
        values["secret"] = {"date of birth": str(born), "phone": style.fill("+49-1##-#######")}.get(secret, number)
        return style.entity("person", values, {**style.name(values), secret: values["secret"]})

    def offers(self, thing: str) -> list[Entity]:
        """What a search finds."""
        return [self._offer(thing) for _ in range(self.rng.choice([2, 3, 4, 5, 6, 8, 8, 10, 14, 20, 40]))]

    def profile(self) -> Fields:
        """What is known of the customer."""
        user, nouns = self.user, self.domain.nouns
        street = f"{self.rng.randrange(1, 200)} {self.rng.choice(STREETS)}"
        return {
            "user id": user["id"], **self.style.name(user), "email": user["email"],
            "address": {"street": street, "zip": user["zip"]},
            f"{nouns['means']}s": self.style.many(self.means, "means"),
            f"{nouns['person']}s": self.style.many(self.persons, "person"),
            "membership": self.rng.choice(["basic", "silver", "gold", None]),
            f"{nouns['record']}s": [record["id"] for record in self.records],
            **{key: value for key, value in self.style.noises().items() if self.rng.random() < 0.2},
        }  # fmt: skip

    def _means(self, kind: str) -> Entity:
        style, rng = self.style, self.rng
        number = rng.choice([style.id("means"), style.fill(f"{kind.replace(' ', '_')}_#######")])
        values = {"id": number, "kind": kind, "last four": style.fill("####"), "balance": rng.randrange(10, 900)}
        detail = "last four" if re.search("card|debit|account", kind) else "balance"
        return style.entity("means", values, {style.id_key("means"): number, "kind": kind, detail: values[detail]})

    def _item(self, thing: str) -> Entity:
        style, rng = self.style, self.rng
        name = f"{''.join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).capitalize()} {thing}"
        values: Fields = {"id": style.id("item"), "thing": thing, "price": self._price()}
        values["reference"] = style.id("reference")
        shown = {style.id_key("item"): values["id"], "name": name, **style.traits(self._traits())}
        shown |= {"price": style.money(values["price"]), "reference": values["reference"]}
        return style.entity("item", values, shown)

    def _record(self, items: list[Entity]) -> Entity:
        style, rng, nouns = self.style, self.rng, self.domain.nouns
        paid, total = rng.choice(self.means)["id"], round(sum(item["price"] for item in items), 2)
        values = {"id": style.id("record"), "date": str(style.day()), "invoice": style.id("invoice"), "means": paid}
        values |= {"place": rng.choice(CITIES), "status": rng.choice(STATUSES)}
        shown = {style.id_key("record"): values["id"], **{key: values[key] for key in ("status", "date", "place")}}
        shown |= {f"{nouns['item']}s": style.many(items, "item"), "invoice": values["invoice"]}
        shown["payment history"] = [{f"{nouns['means']} id": paid, "paid": style.money(total)}]
        if rng.random() < 0.3:
            shown[f"{nouns['person']}s"] = style.many(self.persons[:2], "person")
        return style.entity("record", values, shown, items)

    def _offer(self, thing: str) -> Entity:
        style, rng = self.style, self.rng
        values: Fields = {"id": style.id("offer"), "price": self._price(), "traits": self._traits()}
        values |= {"date": str(style.day()), "free": rng.random() < 0.75, "place": rng.choice(CITIES)}
        shown = {style.id_key("offer"): values["id"], "name": thing, **style.traits(values["traits"])}
        shown |= {key: values[key] for key in ("date", "place", "free")} | {"price": style.money(values["price"])}
        return style.entity("offer", values, shown)

    def _price(self) -> float:
        return round(self.rng.uniform(5, 900), 2)

    def _traits(self) -> dict[str, str]:
        return {trait: self.rng.choice(options) for trait, options in self.domain.traits.items()}


Concern = tuple[str, Callable[[], None]]


class Run:
    """A run of an agent.

    Attributes:
        messages: In the OpenAI chat format.
        kinds: Of the results, by the ids of their calls.
        domain: Of the run.
    """

    def __init__(self, seed: str, domains: Sequence[Domain]) -> None:
        rng = self._rng = random.Random(seed)
        self.domain = rng.choice(domains)
        self._world = World(rng, self.domain)
        self.messages: list[Fields] = []
        self.kinds: dict[str, str] = {}
        self._style, self._nouns = self._world.style, self.domain.nouns
        self._change, self._order, self._end = self.domain.verbs
        self._read: set[str] = set()
        self._lists: list[tuple[str, list[Entity]]] = []
        self._names_ids, self._eager = rng.choice([0.1, 0.2, 0.5]), rng.random() < 0.6
        # Whether a tool that changes an item takes the others of its record too.
        self._repeats = rng.random() < 0.4
        self._talk()

    def _talk(self) -> None:
        """The whole conversation."""
        rng, length = self._rng, self._rng.randint(18, 38)
        self.messages.append({"role": "system", "content": self._policy()})
        wish, go = self._concern()
        later = self._concern() if rng.random() < 0.35 else None
        second = f" {rng.choice(['And afterwards:', 'There is a second matter too.'])} {later[0]}" if later else ""
        self._user(f"Hi! {wish}{second}", f"Hello, I need help. {wish}{second}", f"{wish}{second}")
        self._identify()
        go()
        if later:
            self._user("Yes, please go on with the second matter.", "Now the other thing I mentioned.")
            later[1]()
        while len(self.messages) < length:
            wish, go = self._concern()
            self._user(wish, f"Thanks! {wish}", f"One more thing. {wish}", f"Oh, and something else: {wish}")
            go()
        self._user("No, that is all. Thank you!", "Thanks, bye.", "Great, nothing else.")

    def _concern(self) -> Concern:
        """A wish in words, and what follows."""
        wishes = [*[self._exchange, self._buy, self._end_record, self._trouble, self._receipt, self._some_items] * 2]
        wishes += [self._look, self._swap_means, self._add_person, self._sum, self._contact]
        wishes += [self._article, self._refuse]
        return self._rng.choice(wishes + [self._again] * 6 if self._lists else wishes)()

    def _policy(self) -> str:
        nouns = self._nouns
        rules = [
            f"Ask for a clear yes before you change a {nouns['record']}.",
            f"Each {nouns['record']} has one {nouns['item']} or more; each {nouns['item']} has an id of its own.",
            f"A {nouns['means']} has to be in the profile of the user.",
            f"A {nouns['person']} is named with the {nouns['secret']}.",
            f"To {self._change} a {nouns['item']}, look for a {nouns['offer']} that is available.",
            "Identify the user by the user id, by email, or by name and zip code.",
            "Do not make up any information.", "Refuse wishes against this policy.",
            "Transfer to a human agent only where no tool can help.", self._style.prose(4),
        ]  # fmt: skip
        listed = "\n".join(f"- {rule}" for rule in self._rng.sample(rules, self._rng.randint(5, len(rules))))
        return f"# Policy of the {self.domain.name} service\n\nToday is {self._style.day()}.\n\n{listed}"

    # Steps.

    def _user(self, *texts: str) -> None:
        self.messages.append({"role": "user", "content": self._rng.choice(texts)})

    def _say(self, *texts: str) -> None:
        self.messages.append({"role": "assistant", "content": self._rng.choice(texts)})

    def _call(self, *calls: tuple[str, str, Fields, Any]) -> None:
        """Calls tools in one message; a call has a kind, a name, arguments and a result."""
        requests, results = [], []
        for kind, words, arguments, result in calls:
            number, name = self._style.fill("call_%%%%%%%%%%%%%%%%"), re.sub("[ -]", "_", words)
            self.kinds[number] = kind
            function = {"name": name, "arguments": self._style.arguments(arguments)}
            requests.append({"id": number, "type": "function", "function": function})
            content = self._style.result(result)
            results.append({"role": "tool", "tool_call_id": number, "name": name, "content": content})
        self.messages += [{"role": "assistant", "content": "", "tool_calls": requests}, *results]

    def _identify(self) -> None:
        user, rng, record = self._world.user, self._rng, self._nouns["record"]
        self._say("Happy to help. What is your user id, or your email?", "I have to find your account. Who are you?")
        if rng.random() < 0.35:
            self._user(f"My user id is {user['id']}.", f"It's {user['id']}")
        else:
            keys = rng.choice([("email",), ("first", "last", "zip")])
            given, told = {key: user[key] for key in keys}, " ".join(user[key] for key in keys)
            if rng.random() < 0.15:
                self._user(told[:-1])
                wrong = given | {keys[-1]: user[keys[-1]][:-1]}
                self._call(("find", "find user", wrong, "Error: user not found"))
                self._say("I can't find an account with these details. Could you check them?")
            self._user(f"I don't know my id. {told}", f"Sure: {told}")
            self._call(("find", "find user", given, rng.choice([user["id"], {"user id": user["id"], "matches": 1}])))
        self._call(("profile", "get user details", {"user id": user["id"]}, self._world.profile()))
        if rng.random() < 0.2:
            listed = [record.shown for record in self._world.records]
            self._call(("list", f"list {record}s", {"user id": user["id"]}, listed))
            self._read.update(record["id"] for record in self._world.records)

    def _find(self, target: Entity) -> None:
        """Reads records until the one is found; an eager agent reads all of them."""
        if target["id"] in self._read and self._rng.random() < 0.9:
            return
        unread = [record for record in self._world.records if record["id"] not in self._read]
        reads = unread[: None if self._eager else unread.index(target) + 1] if target in unread else [target]
        self._read.update(record["id"] for record in reads)
        noun = self._nouns["record"]
        calls = [("record", f"get {noun} details", {f"{noun} id": record["id"]}, record.shown) for record in reads]
        for group in [calls] if self._rng.random() < 0.5 else [[call] for call in calls]:
            self._call(*group)

    def _ids(self, **entities: Entity) -> Fields:
        """Arguments that name things by their ids."""
        return {f"{self._nouns[role]} id": entity["id"] for role, entity in entities.items()}

    def _confirm(self, what: str, *named: Entity) -> None:
        """Asks for a yes; some agents name ids."""
        ids = f" ({', '.join(each['id'] for each in named)})" if named and self._rng.random() < self._names_ids else ""
        self._say(f"I would {what}{ids}. Shall I go ahead?", f"To confirm: {what}{ids}. Is this right (yes/no)?")

    def _yes(self) -> None:
        self._user("Yes, please.", "Yes, go ahead.", "That's right, do it.", "Yes. Thanks!")

    def _write(self, name: str, arguments: Fields, record: Entity | None = None) -> None:
        """Calls a tool that changes something; calls may fail at first."""
        if self._rng.random() < 0.35:
            arguments = {"user id": self._world.user["id"], **arguments}
        if self._rng.random() < 0.08:
            self._call(("write", name, arguments, self._rng.choice(FAILURES)))
        done = self._rng.choice([{"status": "success", "confirmation": self._style.fill("CF%%%%%%")}, "OK", "Done."])
        self._call(("write", name, arguments, record.shown if record and self._rng.random() < 0.3 else done))
        self._say("Done. Is there anything else?", "This is arranged. Anything else?", "All set! What else can I do?")

    def _search(self, thing: str, offers: list[Entity]) -> None:
        shown: Any = self._style.many(offers, "offer")
        if self._rng.random() < 0.4:
            shown = {"total": len(offers), "page": 1, f"{self._nouns['offer']}s": shown}
        self._call(("offers", f"search {self._nouns['offer']}s", {"query": thing}, shown))
        self._lists.append((thing, offers))

    def _show(self, offers: Sequence[Entity], question: str) -> None:
        """Names some offers by their traits."""
        some = offers[: self._rng.randint(0, 4)]
        named = "; ".join(f"{', '.join(each['traits'].values())} for {each['price']}" for each in some)
        self._say(f"I found {len(offers)} options{': ' if named else ''}{named}. {question}")

    # What users say of the world.

    def _pick(self, offers: Sequence[Entity]) -> tuple[str, Entity]:
        """What a user wants of offers, in words, and the offer that fits."""
        free = [offer for offer in offers if offer["free"]] or list(offers)
        some, trait = self._rng.choice(free), self._rng.choice([*self.domain.traits])
        ways: list[tuple[str, Callable[[Entity], bool]]] = [
            (f"with {some['traits'][trait]}", lambda offer: offer["traits"][trait] == some["traits"][trait]),
            (f"in {some['place']}", lambda offer: offer["place"] == some["place"]),
            (f"on {spoken(some['date'], self._rng)}", lambda offer: offer["date"] == some["date"]),
        ]
        chosen = self._rng.sample(ways, self._rng.choice([0, 1, 1, 1, 2]))
        fits = [offer for offer in free if all(test(offer) for _, test in chosen)]
        best, sign = (max, "most expensive") if self._rng.random() < 0.1 else (min, "cheapest")
        words = ["the", sign, "available one", " and ".join(word for word, _ in chosen)]
        return " ".join(words).strip(), best(fits, key=lambda offer: offer["price"])

    def _pays(self) -> tuple[str, Entity]:
        means = self._rng.choice(self._world.means)
        ending = f" ending in {means['last four']}" if "card" in means["kind"] and self._rng.random() < 0.5 else ""
        return f"my {means['kind']}{ending}", means

    def _target(self) -> tuple[Entity, Entity]:
        record = self._rng.choice(self._world.records)
        return record, self._rng.choice(record.parts)

    def _one(self, record: Entity, item: Entity) -> str:
        """A record in a user's words: by what is in it, or by what no other record has."""
        noun, others = self._nouns["record"], [other for other in self._world.records if other is not record]
        texts = [f"the {noun} with the {item['thing']}", f"the {item['thing']} {noun}", f"{noun} {record['id']}"]
        texts += [f"my {noun} of {spoken(record['date'], self._rng)}"]
        texts += [f"the {noun} in {record['place']}"] * all(other["place"] != record["place"] for other in others)
        texts += [f"the {record['status']} {noun}"] * all(other["status"] != record["status"] for other in others)
        return self._rng.choice(texts)

    def _named(self, person: Entity) -> Fields:
        name = {"first name": person["first"], "last name": person["last"]}
        return {**name, self._nouns["secret"]: person["secret"]}

    # Concerns.

    def _settle(self, offers: list[Entity], told: tuple[str, Entity] | None, what: str) -> Fields:
        """From a list of offers to the ids of an offer and a means to pay, with a yes; users change their minds."""
        paid, means = self._pays()
        if told:
            self._say(f"There is one for {told[1]['price']}. How do you pay?", f"Which {self._nouns['means']}?")
            self._user(f"With {paid}.", f"Take {paid}", f"{paid}, please.")
        else:
            self._show(offers, "Which one do you want?")
            told = self._pick(offers)
            self._user(f"I take {told[0]}. Use {paid}.", f"I'd like {told[0]}, paid with {paid}.")
        self._confirm(f"{what}, {told[0]}, with {paid}".replace("my", "your"), told[1], means)
        if self._rng.random() < 0.8:
            self._yes()
        else:
            told, (paid, means) = self._pick(offers), self._pays()
            self._user(f"Wait, I changed my mind: {told[0]}, and {paid}. Yes, do it.", f"No, {told[0]}. With {paid}.")
        self._offered = told[1]
        return self._ids(offer=told[1], means=means)

    def _exchange(self) -> Concern:
        (record, item), noun = self._target(), self._nouns["item"]
        offers = self._world.offers(item["thing"])
        told = self._pick(offers) if self._rng.random() < 0.4 else None

        def go() -> None:
            self._find(record)
            self._search(item["thing"], offers)
            ids = self._settle(offers, told, f"{self._change} the {item['thing']}")
            if self._rng.random() < 0.6:
                self._calculate("-", self._offered, item)
            others = [self._priced(other) for other in record.parts if other is not item]
            ids |= {f"other {noun}s": others} if self._repeats else {}
            self._write(f"{self._change} {noun}", {**self._ids(record=record, item=item), **ids}, record)

        return f"I'd like to {self._change} the {item['thing']}{f', for {told[0]}' if told else ''}.", go

    def _priced(self, item: Entity) -> Fields:
        return {**self._ids(item=item), "price": self._style.amount(item["price"])}

    def _buy(self) -> Concern:
        thing, person = self._rng.choice(self.domain.things), self._someone()
        offers = self._world.offers(thing)
        told = self._pick(offers) if self._rng.random() < 0.4 else None

        def go() -> None:
            self._search(thing, offers)
            ids = self._settle(offers, told, f"{self._order} the {thing} for {person['first']}")
            self._book(ids, self._offered, person)

        return f"I want to {self._order} a {thing} for {person['first']}{f', {told[0]}' if told else ''}.", go

    def _someone(self) -> Entity:
        """A person of the profile, mostly."""
        known = self._world.persons
        return self._rng.choice(known) if known and self._rng.random() < 0.85 else self._world.person("Maxine")

    def _book(self, ids: Fields, offer: Entity, person: Entity) -> None:
        if person not in self._world.persons:
            self._say(f"What are the last name and the {self._nouns['secret']} of {person['first']}?")
            self._user(f"{person['last']}, {person['secret']}.")
        amount = {"date": offer["date"], "amount": self._style.amount(offer["price"])}
        self._write(f"{self._order} {self._nouns['offer']}", {**ids, **self._named(person), **amount})

    def _look(self) -> Concern:
        thing = self._rng.choice(self.domain.things)
        offers = self._world.offers(thing)

        def go() -> None:
            self._search(thing, offers)
            self._show(offers, "Do you want one of them?")
            self._user("I have to think about it.", "Let me ask at home first.", "Maybe later.")
            self._say("Of course. What else can I do?", "Fine, I can come back to these. Anything else?")

        return f"What {self._nouns['offer']}s for a {thing} do you have?", go

    def _again(self) -> Concern:
        (thing, offers), person, (paid, means) = self._rng.choice(self._lists), self._someone(), self._pays()
        words, offer = self._pick(offers)

        def go() -> None:
            self._confirm(f"{self._order} {words} for {person['first']}", offer, means)
            self._yes()
            self._book(self._ids(offer=offer, means=means), offer, person)

        return f"Of the {thing} options from before, {self._order} {words} for {person['first']}, with {paid}.", go

    def _end_record(self) -> Concern:
        (record, item), noun = self._target(), self._nouns["record"]

        def go() -> None:
            self._find(record)
            self._confirm(f"{self._end} the {noun} with the {item['thing']}", record)
            if self._rng.random() < 0.15:
                self._user("No, leave it as it is.", "Hmm, no. I keep it.")
                self._say("Fine, I leave it. Anything else?")
                return
            self._yes()
            refund = {f"refund {self._nouns['means']} id": record["means"]} if self._rng.random() < 0.6 else {}
            self._write(f"{self._end} {noun}", {**self._ids(record=record), **refund}, record)
            if record in self._world.records[1:]:
                self._world.records.remove(record)

        return f"Please {self._end} {self._one(record, item)}.", go

    def _trouble(self) -> Concern:
        (record, item), trouble = self._target(), self._rng.choice(self.domain.troubles)
        extra = self._rng.choice([{"reference": item["reference"]}, {"price": self._style.amount(item["price"])}])

        def go() -> None:
            self._find(record)
            self._say("I am sorry. Shall I open a case?", f"Sorry about the {item['thing']}. Do I report it?")
            self._yes()
            self._write("open case", {**self._ids(record=record, item=item), **extra, "reason": trouble})

        return f"The {item['thing']} {trouble}.", go

    def _swap_means(self) -> Concern:
        (words, means), verb = self._pays(), self._rng.choice(["remove", "prefer", "block", "check"])

        def go() -> None:
            self._confirm(f"{verb} {words}".replace("my", "your"), means)
            self._yes()
            self._write(f"{verb} {self._nouns['means']}", self._ids(means=means))
            if verb == "remove" and means in self._world.means[1:]:
                self._world.means.remove(means)

        return f"Could you {verb} {words}?", go

    def _add_person(self) -> Concern:
        (record, item), person = self._target(), self._rng.choice(self._world.persons or [self._world.person("Maxine")])

        def go() -> None:
            self._find(record)
            self._confirm(f"add {person['first']} to the {self._nouns['record']}", record)
            self._yes()
            self._write(f"add {self._nouns['person']}", {**self._ids(record=record), **self._named(person)}, record)

        return f"Please add {person['first']} to {self._one(record, item)}.", go

    def _receipt(self) -> Concern:
        record, item = self._target()

        def go() -> None:
            self._find(record)
            self._write("send document", {"invoice": record["invoice"], "email": self._world.user["email"]})

        return f"I need the invoice of {self._one(record, item)} by email.", go

    def _some_items(self) -> Concern:
        record, item = max(self._target(), self._target(), key=lambda target: len(target[0].parts))
        others = [other for other in record.parts if other is not item]
        ended = others or [item]
        words = f"everything in {self._one(record, item)} but the {item['thing']}" if others else f"the {item['thing']}"

        def go() -> None:
            self._find(record)
            self._confirm(f"{self._end} {', '.join(each['thing'] for each in ended)}", *ended)
            self._yes()
            ids = {f"{self._nouns['item']} ids": [each["id"] for each in ended]}
            self._write(f"{self._end} {self._nouns['item']}s", {**self._ids(record=record), **ids}, record)

        return f"I want to {self._end} {words}.", go

    def _calculate(self, sign: str, one: Entity, two: Entity) -> str:
        prices = [self._style.amount(each["price"]) for each in (one, two)]
        result = float(prices[0]) + float(f"{sign}{prices[1]}")
        self._call(("calculate", "calculate", {"expression": f"{prices[0]} {sign} {prices[1]}"}, f"{result:.2f}"))
        return f"{result:.2f}"

    def _sum(self) -> Concern:
        (one, first), (two, second) = self._target(), self._target()

        def go() -> None:
            self._find(one)
            self._find(two)
            self._say(f"Together {self._calculate('+', first, second)}. Can I do anything else?")

        return f"What did I pay for the {first['thing']} and the {second['thing']} together?", go

    def _contact(self) -> Concern:
        street = f"{self._rng.randrange(1, 99)} {self._rng.choice(STREETS)}"
        key, new = self._rng.choice([("phone", self._style.fill("+49 1## #######")), ("street", street)])

        def go() -> None:
            self._confirm(f"set your {key} to {new}")
            self._yes()
            self._write("update user", {"user id": self._world.user["id"], key: new})

        return f"My {key} is now {new}, please update it.", go

    def _article(self) -> Concern:
        topic, number = self._rng.choice(["fees", "opening hours", "data protection"]), self._rng.randint(1, 5)

        def go() -> None:
            texts = [self._style.prose(6) for _ in range(number)]
            found = [{"article id": self._style.fill("KB####"), "topic": topic, "text": text} for text in texts]
            self._call(("article", "search help", {"topic": topic}, found))
            self._say(f"On {topic} our pages say: {self._style.prose(2)} What else can I do?")

        return f"What are your rules on {topic}?", go

    def _refuse(self) -> Concern:
        wish = self._rng.choice(REFUSED)

        def go() -> None:
            self._say("I am sorry, our policy does not allow this. Anything else?", "This is not possible. What else?")
            if self._rng.random() < 0.4:
                self._user("Then I want to talk to a human.", "Can a colleague decide that?")
                summary = {"user id": self._world.user["id"], "summary": f"The customer asked us to {wish}."}
                self._call(("write", "transfer to human", summary, "Transfer requested"))
                self._say("A colleague will call you back about this. Meanwhile, can I do anything else?")

        return f"I want you to {wish}.", go


def spoken(day: str, rng: random.Random) -> str:
    """A day as users write it."""
    read = date.fromisoformat(day)
    return rng.choice([day, f"{read:%B} {read.day}", f"{read.day} {read:%B}", f"{read.day} {read:%b} {read.year}"])


def make_runs(count: int, seed: int) -> list[Run]:
    """Runs, the same for a seed."""
    domains = read_domains(DOMAINS)
    return [Run(f"{seed}-{number}", domains) for number in range(count)]


def print_statistics(runs: Sequence[Run]) -> None:
    """Prints how long the runs are, at how many cuts values are needed, and which results have these values."""
    print(f"messages a run: {mean(len(run.messages) for run in runs):.1f}")
    print(f"characters a run: {mean(sum(len(each['content']) for each in run.messages) for run in runs):.0f}")
    print("runs in domains:", dict(Counter(run.domain.name for run in runs)))
    for share in (0.4, 0.6, 0.8):
        cuts = [(run, cut_run("", run.messages, share, {})) for run in runs]
        counts = [len(cut.values) for _, cut in cuts]
        where = Counter(newest(run, value, cut.old) for run, cut in cuts for value in cut.values)
        needed = f"{mean(map(bool, counts)):.0%} of the cuts need values, {mean(counts):.1f} each"
        print(f"after {share:.0%} of the messages {needed}, last seen in {dict(where.most_common())}")


def newest(run: Run, value: str, old: Iterable[int]) -> str:
    """The kind of the last of the old results with a value."""
    results = [run.messages[index] for index in old]
    return next(run.kinds[each["tool_call_id"]] for each in reversed(results) if value in each["content"])


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
