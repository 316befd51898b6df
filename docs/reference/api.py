"""The public names of saw as Doxygen's XML tells of them."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Name:
    kind: str  # class, struct, concept, namespace, function, variable, typedef, enum, value, friend
    scope: str  # saw::nn::Linear for a member, saw::nn for a layer
    name: str
    header: str  # as it is included, without saw/
    line: int
    brief: str  # the first sentence
    commented: bool
    link: str  # to its place in the HTML
    type: str = ""
    arguments: str = ""
    template: str = ""
    static: bool = False
    overrides: bool = False
    bases: list = field(default_factory=list)

    @property
    def full(self):
        return f"{self.scope}::{self.name}" if self.scope else self.name

    @property
    def is_made_by_the_language(self):
        return re.search(r"=\s*(default|delete)\b", self.arguments) is not None

    @property
    def signature(self):
        """`Tensor relu(const Tensor& x)`"""
        if self.kind == "function":
            text = f"{self.type} {self.name}{self.arguments}"
        elif self.kind == "variable":
            text = f"{self.type} {self.name}"
        elif self.kind == "typedef":
            text = f"using {self.name} = {self.type}"
        else:
            text = f"{self.kind} {self.name}"
        return tidy(f"{self.template} {text}")


def tidy(text):
    """C++ as clang-format would have it, not as Doxygen prints it."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([&*]+)\s*(?=[\w.,)>]|$)", r"\1 ", text)
    text = re.sub(r"([&*]) (?=[,)>.])", r"\1", text)
    text = re.sub(r"< (?=\S)", "<", text)
    text = re.sub(r"(?<=\S) >", ">", text)
    text = re.sub(r"(?<=[\w})\"])=(?=[\w{:\"-])", " = ", text)
    return text.strip()


def text_of(element):
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip() if element is not None else ""


def has_text(element):
    return any(text_of(element.find(tag)) for tag in ("briefdescription", "detaileddescription"))


def first_sentence(element):
    brief = text_of(element.find("briefdescription"))
    if brief:
        return brief
    for paragraph in element.findall("detaileddescription/para"):
        text = text_of(paragraph)
        if text:
            return re.split(r"(?<=\.)\s+(?=[A-Z])", text)[0]
    return ""


def template_of(element):
    parameters = [
        " ".join(filter(None, (text_of(p.find("type")), text_of(p.find("declname"))))) +
        (f" = {text_of(p.find('defval'))}" if p.find("defval") is not None else "")
        for p in element.findall("templateparamlist/param")
    ]
    return f"template <{', '.join(parameters)}>" if element.find("templateparamlist") is not None else ""


def link_of(identifier, compound):
    return f"{identifier}.html" if compound else "{}.html#{}".format(*identifier.rsplit("_1", 1))


def place_of(element):
    location = element.find("location")
    if location is None:
        return "", 0
    return location.get("file").removeprefix("saw/"), int(location.get("line", 0))


def compound_name(element):
    full = text_of(element.find("compoundname"))
    scope, _, name = full.rpartition("::") if "<" not in full else ("", "", full)
    header, line = place_of(element)
    return Name(
        element.get("kind"), scope, name, header, line, first_sentence(element), has_text(element),
        link_of(element.get("id"), True), template=template_of(element),
        bases=[re.sub(r"<.*", "", text_of(base)) for base in element.findall("basecompoundref")])


def member_names(element, scope):
    header, line = place_of(element)
    name = Name(
        element.get("kind"), scope, text_of(element.find("name")), header, line, first_sentence(element),
        has_text(element), link_of(element.get("id"), False), type=text_of(element.find("type")),
        arguments=text_of(element.find("argsstring")), template=template_of(element),
        static=element.get("static") == "yes", overrides=element.find("reimplements") is not None)
    yield name
    for value in element.findall("enumvalue"):
        yield Name("value", name.full, text_of(value.find("name")), header, line, first_sentence(value),
                   has_text(value), link_of(value.get("id"), False))


def read(folder):
    """All public and protected names, and the first sentence of every header that has one, by its name."""
    names, headers = [], {}
    for path in sorted(Path(folder).glob("*.xml")):
        if path.name == "index.xml":
            continue
        for compound in ElementTree.parse(path).getroot().findall("compounddef"):
            kind = compound.get("kind")
            if kind == "file":
                headers[place_of(compound)[0]] = first_sentence(compound)
            if "::detail" in text_of(compound.find("compoundname")):
                continue
            if kind not in ("class", "struct", "union", "concept", "namespace") or compound.get("prot") == "private":
                continue
            name = compound_name(compound)
            if kind != "namespace" or name.full.split("::")[0] == "saw":
                names.append(name)
            if kind != "concept":
                for member in compound.findall("sectiondef/memberdef"):
                    if member.get("prot") in ("public", "protected"):
                        names.extend(member_names(member, name.full))
    names.sort(key=lambda n: (n.header, n.line, n.name))
    return names, headers
