"""Writes train.tsv, dev.tsv and test.tsv of this folder: English sentences and their German translations, from a small
grammar. Numbers, dates, times and clauses change their order from one language to the other, so no dictionary of words
translates them. Two runs write the same bytes; no English sentence is in two files.
"""

import hashlib
import random
from pathlib import Path

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " \
       "seventeen eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
EINS = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn " \
       "siebzehn achtzehn neunzehn".split()
ZIG = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def english(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (" and " + english(n % 100) if n % 100 else "")
    rest = n % 1000
    joint = "" if rest == 0 else (" and " if rest < 100 else " ") + english(rest)
    return english(n // 1000) + " thousand" + joint


def german(n, last=True):
    if n < 20:
        return "ein" if n == 1 and not last else EINS[n]
    if n < 100:
        return (german(n % 10, False) + "und" if n % 10 else "") + ZIG[n // 10]
    if n < 1000:
        return german(n // 100, False) + "hundert" + (german(n % 100) if n % 100 else "")
    return german(n // 1000, False) + "tausend" + (german(n % 1000) if n % 1000 else "")


def english_year(y):
    if y >= 2000:
        return english(y)
    return english(y // 100) + (" hundred" if y % 100 == 0 else " oh " + ONES[y % 100] if y % 100 < 10
                                else " " + english(y % 100))


def german_year(y):
    if y >= 2000:
        return german(y)
    return german(y // 100, False) + "hundert" + (german(y % 100) if y % 100 else "")


ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth " \
           "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split()
ORDNUNG = "ersten zweiten dritten vierten fünften sechsten siebten achten neunten zehnten elften zwölften dreizehnten " \
          "vierzehnten fünfzehnten sechzehnten siebzehnten achtzehnten neunzehnten zwanzigsten".split()


def english_day(d):
    if d <= 20:
        return ORDINALS[d - 1]
    return "thirtieth" if d == 30 else TENS[d // 10] + "-" + ORDINALS[d % 10 - 1]


def german_day(d):
    return ORDNUNG[d - 1] if d <= 20 else german(d) + "sten"


MONTHS = list(zip("January February March April May June July August September October November December".split(),
                  "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()))
# English, German, gender
NOUNS = [("dog", "Hund", "m"), ("cat", "Katze", "f"), ("book", "Buch", "n"), ("letter", "Brief", "m"),
         ("lamp", "Lampe", "f"), ("picture", "Bild", "n"), ("apple", "Apfel", "m"), ("bottle", "Flasche", "f"),
         ("bread", "Brot", "n"), ("key", "Schlüssel", "m"), ("bag", "Tasche", "f"), ("bicycle", "Fahrrad", "n"),
         ("table", "Tisch", "m"), ("clock", "Uhr", "f"), ("house", "Haus", "n"), ("hat", "Hut", "m"),
         ("map", "Karte", "f"), ("boat", "Boot", "n"), ("saw", "Säge", "f"), ("hammer", "Hammer", "m")]
ARTICLE = {"m": "den", "f": "die", "n": "das"}
ADJECTIVES = [("old", "alt"), ("new", "neu"), ("red", "rot"), ("big", "groß"), ("small", "klein"), ("green", "grün"),
              ("heavy", "schwer"), ("beautiful", "schön"), ("cheap", "billig"), ("black", "schwarz")]
# English, forms of haben, wollen, können
PERSONS = [("I", "have", "ich", "habe", "will", "kann"), ("you", "have", "du", "hast", "willst", "kannst"),
           ("he", "has", "er", "hat", "will", "kann"), ("she", "has", "sie", "hat", "will", "kann"),
           ("we", "have", "wir", "haben", "wollen", "können"), ("my brother", "has", "mein Bruder", "hat", "will", "kann"),
           ("the children", "have", "die Kinder", "haben", "wollen", "können")]
# English infinitive, past, participle; German participle, infinitive
VERBS = [("see", "saw", "seen", "gesehen", "sehen"), ("find", "found", "found", "gefunden", "finden"),
         ("buy", "bought", "bought", "gekauft", "kaufen"), ("sell", "sold", "sold", "verkauft", "verkaufen"),
         ("lose", "lost", "lost", "verloren", "verlieren"), ("forget", "forgot", "forgotten", "vergessen", "vergessen"),
         ("bring", "brought", "brought", "gebracht", "bringen"), ("draw", "drew", "drawn", "gezeichnet", "zeichnen"),
         ("hide", "hid", "hidden", "versteckt", "verstecken"), ("clean", "cleaned", "cleaned", "geputzt", "putzen")]
PAST = [("yesterday", "gestern"), ("last week", "letzte Woche"), ("this morning", "heute Morgen"),
        ("last year", "letztes Jahr")]
FUTURE = [("tomorrow", "morgen"), ("next week", "nächste Woche"), ("tonight", "heute Abend"),
          ("next year", "nächstes Jahr")]
HOURS = EINS[1:13]


def thing(r):
    noun, nomen, gender = r.choice(NOUNS)
    if r.random() < 0.6:
        adjective, adjektiv = r.choice(ADJECTIVES)
        ending = "en" if gender == "m" else "e"
        return f"the {adjective} {noun}", f"{ARTICLE[gender]} {adjektiv}{ending} {nomen}"
    return f"the {noun}", f"{ARTICLE[gender]} {nomen}"


def upper(text):
    return text[0].upper() + text[1:]


def does(person):
    return "does" if person[1] == "has" else "do"


def sentence(r):
    person, verb = r.choice(PERSONS), r.choice(VERBS)
    who, has, wer, hat, will, kann = person
    see, saw, seen, gesehen, sehen = verb
    what, was = thing(r)
    kind = r.randrange(10)
    if kind == 0:
        when, wann = r.choice(PAST)
        return f"{who} {saw} {what} {when}.", f"{wann} {hat} {wer} {was} {gesehen}."
    if kind == 1:
        return f"{who} {has} not {seen} {what}.", f"{wer} {hat} {was} nicht {gesehen}."
    if kind == 2:
        when, wann = r.choice(FUTURE)
        want = "wants" if has == "has" else "want"
        return f"{who} {want} to {see} {what} {when}.", f"{wer} {will} {wann} {was} {sehen}."
    if kind == 3:
        other = r.choice(PERSONS)
        more, mehr = thing(r)
        return (f"{who} cannot {see} {what} because {other[0]} {other[1]} hidden {more}.",
                f"{wer} {kann} {was} nicht {sehen}, weil {other[2]} {mehr} versteckt {other[3]}.")
    if kind == 4:
        return f"{does(person)} {who} want to {see} {what}?", f"{will} {wer} {was} {sehen}?"
    if kind == 5:
        return f"has the dog {seen} {what}?", f"hat der Hund {was} {gesehen}?"
    if kind == 6:
        n = r.randrange(2, 10000)
        return f"{who} {has} counted to {english(n)}.", f"{wer} {hat} bis {german(n)} gezählt."
    if kind == 7:
        (month, monat), day, year = r.choice(MONTHS), r.randrange(1, 31), r.randrange(1700, 2031)
        if month == "February":
            day = min(day, 28)
        return (f"{who} {saw} {what} on {month} the {english_day(day)}, {english_year(year)}.",
                f"am {german_day(day)} {monat} {german_year(year)} {hat} {wer} {was} {gesehen}.")
    if kind == 8:
        hour = r.randrange(12)
        here, there = ONES[hour + 1], HOURS[hour]
        following = HOURS[(hour + 1) % 12]
        time, zeit = r.choice([(f"half past {here}", f"halb {following}"),
                               (f"a quarter to {here}", f"Viertel vor {there}"),
                               (f"a quarter past {here}", f"Viertel nach {there}"),
                               (f"{english(5 + r.randrange(2) * 5)} minutes to {here}", None)])
        if zeit is None:
            zeit = {"five": "fünf", "ten": "zehn"}[time.split()[0]] + f" Minuten vor {there}"
        return f"{who} {saw} {what} at {time}.", f"um {zeit} {hat} {wer} {was} {gesehen}."
    n = r.randrange(2, 1000)
    return f"{what} costs {english(n)} euros.", None


def pair(r):
    source, target = sentence(r)
    if target is None:
        # The price comes first here, so that the thing is no subject: "four hundred euros" – "vierhundert Euro".
        price = source.split(" costs ")[1]
        number = next(n for n in range(2, 1000) if f"{english(n)} euros." == price)
        who, has, wer, hat, *_ = r.choice(PERSONS)
        what, was = thing(r)
        source = f"{who} bought {what} for {english(number)} euros."
        target = f"für {german(number)} Euro {hat} {wer} {was} gekauft."
    return upper(source), upper(target)


def main():
    r = random.Random(7)
    pairs = {}
    while len(pairs) < 4600:
        source, target = pair(r)
        pairs.setdefault(source, target)
    parts = {"train": [], "dev": [], "test": []}
    for source, target in pairs.items():
        place = hashlib.sha256(source.encode()).digest()[0]
        parts["dev" if place < 16 else "test" if place < 32 else "train"].append(f"{source}\t{target}\n")
    for name, lines in parts.items():
        (Path(__file__).resolve().parent / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
