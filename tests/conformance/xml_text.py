"""Elements of an XML text by qualified name, found and changed as text, so that all else stays byte for byte. For documents of
our own making, whose prefixes are known: this is no parser."""
import re


class Absent(Exception):
    """The text has no such element: the change does not apply to it."""


class Extent:
    """An element in the text: its start tag from `begin` to `inside`, its end tag from `after` to `end`."""

    def __init__(self, text, begin, inside, after, end):
        self.text, self.begin, self.inside, self.after, self.end = text, begin, inside, after, end

    @property
    def whole(self):
        return self.text[self.begin:self.end]

    @property
    def content(self):
        return self.text[self.inside:self.after]

    def replaced(self, whole):
        return self.text[:self.begin] + whole + self.text[self.end:]

    def filled(self, content):
        return self.text[:self.inside] + content + self.text[self.after:]

    def with_tag(self, change):
        """The start tag changed by a function of its text."""
        return self.text[:self.begin] + change(self.text[self.begin:self.inside]) + self.text[self.inside:]


def all_of(text, name):
    found = []
    for opened in re.finditer(rf"<{re.escape(name)}(?=[\s>/])[^>]*>", text):
        if opened[0].endswith("/>"):
            found.append(Extent(text, opened.start(), opened.end(), opened.end(), opened.end()))
            continue
        depth, at = 1, opened.end()
        for tag in re.finditer(rf"<(/?){re.escape(name)}(?=[\s>/])[^>]*>", text[at:]):
            depth += -1 if tag[1] else 0 if tag[0].endswith("/>") else 1
            if depth == 0:
                found.append(Extent(text, opened.start(), at, at + tag.start(), at + tag.end()))
                break
    return found


def one(text, name, number=0):
    found = all_of(text, name)
    if not -len(found) <= number < len(found):
        raise Absent(name)
    return found[number]


def removed(text, name, number=0):
    return one(text, name, number).replaced("")


def filled(text, name, content, number=0):
    """The content replaced: by a text, or by a function of the old one."""
    found = one(text, name, number)
    return found.filled(content(found.content) if callable(content) else content)


def doubled(text, name, number=0):
    found = one(text, name, number)
    return found.replaced(found.whole * 2)


def before(text, name, more, number=0):
    found = one(text, name, number)
    return text[:found.begin] + more + text[found.begin:]


def behind(text, name, more, number=0):
    found = one(text, name, number)
    return text[:found.end] + more + text[found.end:]


def first_in(text, name, more, number=0):
    return filled(text, name, lambda content: more + content, number)


def last_in(text, name, more, number=0):
    return filled(text, name, lambda content: content + more, number)


def swapped(text, first, second):
    """Two elements that stand one behind the other, changed about; each a name or (name, number)."""
    one_, other = (one(text, *(which if isinstance(which, tuple) else (which,))) for which in (first, second))
    if one_.begin > other.begin:
        one_, other = other, one_
    return text[:one_.begin] + other.whole + text[one_.end:other.begin] + one_.whole + text[other.end:]


def attribute(text, name, key, value, number=0):
    """An attribute set, or taken away with None."""
    def change(tag):
        without = re.sub(rf'\s{re.escape(key)}="[^"]*"', "", tag)
        if value is None:
            if without == tag:
                raise Absent(f"{name}/@{key}")
            return without
        old = re.search(rf'\s{re.escape(key)}="([^"]*)"', tag)
        if callable(value) and old is None:
            raise Absent(f"{name}/@{key}")
        new = value(old[1]) if callable(value) else value
        close = "/>" if without.endswith("/>") else ">"
        return f'{without[:-len(close)]} {key}="{new}"{close}'

    return one(text, name, number).with_tag(change)


def attribute_of(text, name, key, number=0):
    found = one(text, name, number)
    value = re.search(rf'\s{re.escape(key)}="([^"]*)"', text[found.begin:found.inside])
    if not value:
        raise Absent(f"{name}/@{key}")
    return value[1]
