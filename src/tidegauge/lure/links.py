"""A link taken apart: through redirectors to where it leads, and what is odd about the way and the goal."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

from tidegauge.lure.tables import Brand, Brands, above, fold, for_anybody, hosts, near_miss, provider, public_suffix
from tidegauge.model.domains import registered
from tidegauge.model.generated import looks_generated

MOST_STEPS = 8
MOST_URL = 8000
URL = re.compile(r"(?:https?|ftp)://[^\s<>\"'`、,。,;)】」]{3,4000}", re.IGNORECASE)
BARE = re.compile(
    r"(?<![@\w./-])((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}[a-z]{2,24})(?::\d{2,5})?(/[^\s<>\"'、,。,;)】」]{0,2000})?",
    re.IGNORECASE,
)
SHOWN_DOMAIN = re.compile(r"(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})(?![\w@.])", re.IGNORECASE)
RUNS = re.compile(
    r"\.(?:exe|scr|msi|apk|bat|cmd|js|jse|vbs|hta|ps1|iso|img|lnk|jar|zip|rar|7z|docm|xlsm)(?:[?#]|$)", re.IGNORECASE
)
KIT = re.compile(
    r"/wp-(?:content|includes|admin)/|/\.well-known/(?!acme|security|apple)|/cgi-bin/|/~\w+/|/(?:owa|webmail|cpanel|roundcube|zimbra)\b|"
    r"[?&#](?:e?mail|user|login|userid)=[^&]*(?:@|%40)|/(?:login|signin|sign-in|verify|verification|unlock|validat\w*|wallet|claim|redeem|prize|winner|refund)"
    r"(?:[/._-]|\.php|\.html?|$|[?#])",
    re.IGNORECASE,
)
AFFILIATE = re.compile(
    r"(?:^|[?&#/;])(?:aff(?:_?id|iliate)?|sub[1-5]|sub_?id\d?|click_?id|offer_?id|pub_?id)=|[?&]a=\d+&(?:\w+=\w*&)*(?:c|s\d?|sub|oc)=",
    re.IGNORECASE,
)
FILE_ENDINGS = frozenset("py sh pl md rs zip mov ps so app cab bin".split())
"""Endings of names that are files more often than hosts."""
DIGITS = str.maketrans("013457", "oleast")
PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@dataclass(frozen=True)
class Goal:
    """What is known of a host by its name alone.

    Attributes:
        domain: registered, empty for addresses and names under no public suffix.
        brand: whose own it is; `plays` whom it looks like without being theirs, and `how`.
        odd: marks of `MARKS`.
    """

    host: str
    domain: str
    brand: Brand | None
    plays: Brand | None
    how: str
    odd: frozenset[str]


@dataclass(frozen=True)
class Link:
    """A link, taken apart.

    Attributes:
        shown: its text; `target` as it stands there; `kind` as in `Anchor`; `at` its place in the text.
        goal_url: where it leads, as far as that can be told without asking; `goal` what is known of that host.
        through: hosts on the way, in order.
        odd: marks of its form, and the goal's.
    """

    shown: str
    target: str
    kind: str
    at: int
    goal_url: str
    goal: Goal
    through: tuple[str, ...]
    odd: frozenset[str]
    pictured: bool = False


def take_apart(
    target: str, brands: Brands, *, shown: str = "", kind: str = "a", at: int = 0,
    recipients: frozenset[str] = frozenset(), pictured: bool = False,
) -> Link | None:
    """Take one link apart; None for what leads nowhere (anchors, pictures within the mail)."""
    text = re.sub(r"[\x00-\x20\u200b-\u200f\u2060\ufeff]", "", target[:MOST_URL])
    scheme = text.partition(":")[0].lower() if ":" in text[:12] else ""
    if scheme == "mailto":
        address = unquote(text[7:].partition("?")[0])
        host = address.rpartition("@")[2].lower()
        return Link(shown, target[:2000], "mailto", at, address, look_at(host, brands), (), frozenset(), pictured)
    if scheme in ("javascript", "vbscript", "data"):
        if scheme == "data" and text[5:11].lower() == "image/":
            return None
        return Link(shown, target, kind, at, text[:200], _nothing(), (), frozenset({"script-url"}), pictured)
    text = _whole(text)
    if not text:
        return None
    text, through, redirected = _led_on(text)
    goal = _goal_of(text, brands)
    odd = {"open-redirect"} if redirected else set()
    odd |= _odd_form(text, goal)
    if recipients and _names_recipient(_rest(text), recipients):
        odd.add("recipient")
    if _rest(text).count("%") > 20 and kind != "image":
        odd.add("encoded")
    return Link(shown, target, kind, at, text[:2000], goal, through, frozenset(odd) | goal.odd, pictured)


def _whole(text: str) -> str:
    """A link with its scheme, and as many slashes as belong there; empty where it is none."""
    if text.startswith("//"):
        text = "https:" + text
    elif re.match(r"(?i)www\.", text):
        text = "http://" + text
    if not re.match(r"(?i)(?:https?|ftp):/{1,3}[^/]", text):
        return ""
    return re.sub(r"(?i)^(https?|ftp):[/\\]+", lambda m: f"{m[1].lower()}://", text)


def _led_on(text: str) -> tuple[str, tuple[str, ...], bool]:
    """Where a link leads by way of others that hold it, the hosts on the way, and whether one redirects anybody."""
    through: list[str] = []
    redirected = False
    for _ in range(MOST_STEPS):
        inner, by = _inner(text)
        host = _host(text)
        if inner is None or (registered(_host(inner)) == registered(host) and registered(host)):
            break
        through.append(host)
        redirected |= by == "open"
        text = inner
    return text, tuple(through), redirected


def _goal_of(text: str, brands: Brands) -> Goal:
    """What is known of a link's host, a capital I in it read as the l that it stands for."""
    goal = look_at(_host(text), brands)
    raw_host = _netloc(text).rpartition("@")[2].partition(":")[0]
    if "I" in raw_host and goal.plays is None:
        capital = look_at(raw_host.replace("I", "l").lower(), brands)
        if capital.brand or capital.plays:
            return Goal(goal.host, goal.domain, None, capital.brand or capital.plays, "look-alike", goal.odd)
    return goal


def _odd_form(text: str, goal: Goal) -> set[str]:
    """Marks of a link's form."""
    host, netloc, rest = _host(text), _netloc(text), _rest(text)
    port = re.search(r":(\d{1,5})$", netloc)
    place = host.removeprefix("www.") + "/" + rest
    short = place.startswith(hosts().opaque) or host in hosts().shorteners or goal.domain in hosts().shorteners
    marks = {
        "credentials": "@" in netloc,
        "port": port is not None and int(port[1]) not in (80, 443),
        "kit": goal.brand is None and KIT.search("/" + rest) is not None,
        "affiliate": goal.brand is None and AFFILIATE.search("/" + rest) is not None,
        "program": RUNS.search("/" + rest) is not None,
        "shortener": short,
    }
    return {mark for mark, holds in marks.items() if holds}


def _rest(url: str) -> str:
    """Path and query of a URL, whatever its form."""
    return url.partition("://")[2].partition("/")[2]


def urlsplit_path(url: str) -> str:
    """The path and query of a URL, whatever its form."""
    return "/" + url.partition("://")[2].partition("/")[2]


def _netloc(url: str) -> str:
    return re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0][:300]


def _host(url: str) -> str:
    name = _netloc(url).rpartition("@")[2]
    name = name.partition("]")[0].strip("[") if name.startswith("[") else name.partition(":")[0]
    return unquote(name).strip(".").lower()


def _nothing() -> Goal:
    return Goal("", "", None, None, "", frozenset())


def _inner(url: str) -> tuple[str | None, str]:
    """The URL within a URL: by what is known of its host (`known`), or because it stands there (`open`)."""
    host = _host(url)
    for name in above(host):
        redirector = hosts().redirectors.get(name)
        if redirector is None:
            continue
        found = _by_rule(url, redirector.rule, redirector.query, redirector.path)
        if found is not None:
            return found, "known"
    rest = url.partition("://")[2].partition("/")[2]
    if "http" not in rest.lower() and "aHR0c" not in rest:
        return None, ""
    for _, value in _query(url):
        if re.match(r"(?i)https?(:|%3a)", value):
            return unquote(value) if "%3" in value[:9].lower() else value, "open"
        plain = _base64(value) if value.startswith("aHR0c") else None
        if plain:
            return plain, "open"
    within = re.search(r"(?i)[/=;!*](https?(?::|%3a)(?:/|%2f){2}.{4,})", rest)
    if within:
        found_url = unquote(within[1]) if "%" in within[1][:9] else within[1]
        return found_url, "open"
    hidden = re.search(r"aHR0c[A-Za-z0-9+/_-]{8,}={0,2}", rest)
    plain = _base64(hidden[0]) if hidden else None
    return (plain, "open") if plain else (None, "")


def _query(url: str) -> list[tuple[str, str]]:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, max_num_fields=100) + parse_qsl(parts.fragment, max_num_fields=100)
    except ValueError:
        return []
    return pairs


def _by_rule(url: str, rule: str, names: tuple[str, ...], marker: str) -> str | None:
    if rule == "proofpoint":
        return _proofpoint(url)
    values = [value for name, value in _query(url) if name in names]
    if rule in ("base64", "bing"):
        return next((u for v in values if (u := _base64(v[2:] if rule == "bing" else v))), None)
    for value in values:
        if re.match(r"(?i)https?://", value):
            return value
    return _behind(urlsplit_path(url), marker) if marker else None


def _proofpoint(url: str) -> str | None:
    if "/v3/" in url:
        inner = re.search(r"/v3/__(.+?)__;", url)
        return inner[1] if inner else None
    coded = next((value for name, value in _query(url) if name == "u"), "")
    if "/v2/" in url:
        coded = unquote(coded.replace("-", "%").replace("_", "/"))
    return coded if coded.startswith("http") else None


def _behind(path: str, marker: str) -> str | None:
    """The link that stands in a path behind a marker."""
    rest = re.sub(r"^[^/]{10,}/(?=https?)", "", path.partition(marker)[2])
    if "%3a" in rest[:10].lower():
        rest = unquote(rest.partition("/")[0])
    if re.match(r"(?i)https?://", rest):
        return rest
    return "https://" + rest.removeprefix("s/") if marker == "/c/" and rest else None


def _base64(text: str) -> str | None:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        found = base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("utf-8", errors="ignore")
    except (binascii.Error, ValueError):
        return None
    found = unquote(found) if "%3a" in found[:9].lower() else found
    return found if re.match(r"(?i)https?://\S", found) else None


def _names_recipient(rest: str, recipients: frozenset[str]) -> bool:
    """Whether who gets the mail stands in the link: plain, percent-encoded, base64 or hex."""
    plain = unquote(rest).lower()
    for address in recipients:
        coded = base64.b64encode(address.encode()).decode().rstrip("=")
        if address in plain or (len(coded) > 8 and coded[:-1] in rest) or address.encode().hex() in plain:
            return True
    return False


@lru_cache(maxsize=65536)
def _numeric(host: str) -> bool:
    """Whether a host is an address, also one written to be overlooked (one number, hexadecimal, octal)."""
    try:
        ip_address(host)
        return True
    except ValueError:
        return re.fullmatch(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}", host) is not None


def look_at(host: str, brands: Brands) -> Goal:
    """What a host's name tells."""
    found: Goal | None = _seen.get((id(brands), host))
    if found is None:
        if len(_seen) > 50_000:
            _seen.clear()
        found = _seen[id(brands), host] = _look_at(host, brands)
    return found


_seen: dict[tuple[int, str], Goal] = {}


def _look_at(host: str, brands: Brands) -> Goal:
    if not host or _numeric(host):
        return Goal(host, "", None, None, "", frozenset({"address"} if host else ()))
    shown, odd = _shown(host)
    domain = registered(host)
    if not domain:
        return Goal(host, "", None, None, "", frozenset(odd | {"no-domain"}))
    platform = any(name in hosts().platforms for name in above(host))
    brand = None if platform or host in hosts().shorteners else brands.owner(host)
    plays, how = (None, "") if brand or platform else _played(host, shown, domain, brands)
    marks = {
        "hosting": for_anybody(host),
        "young": domain in brands.young,
        "tld": public_suffix(domain).rpartition(".")[2] in hosts().tlds,
        "platform": platform,
    }
    odd |= {mark for mark, holds in marks.items() if holds}
    odd |= _odd_name(host, shown, domain) if brand is None else set()
    return Goal(host, domain, brand, plays, how, frozenset(odd))


def _played(host: str, shown: str, domain: str, brands: Brands) -> tuple[Brand | None, str]:
    """The brand that a host's own part of its name plays, and how."""
    by = provider(host)
    own = shown.removesuffix(by).strip(".") if by else shown
    return _plays(own, "" if by else public_suffix(domain), brands) if own else (None, "")


def _shown(host: str) -> tuple[str, set[str]]:
    """A host's name as it is shown, and marks of how it is written."""
    if "xn--" not in host and host.isascii():
        return host, set()
    labels = host.split(".")
    try:
        return ".".join(x.encode("ascii").decode("idna") if x.startswith("xn--") else x for x in labels), set()
    except UnicodeError:
        return host, {"broken-name"}


def _odd_name(host: str, shown: str, domain: str) -> set[str]:
    """Marks of a name that is no brand's."""
    label, below = domain.split(".")[0], host.removesuffix(domain).strip(".")
    digits_within = sum(not c.isascii() for c in shown) >= 2 and re.search(r"[a-z]\d|\d[a-z]", shown) is not None
    marks = {
        "generated": looks_generated(domain) > 0.5 or _scrambled(label),
        "many-labels": below.count(".") >= 3,
        "hyphens": label.count("-") >= 2 and len(label) > 14,
        "mixed-script": not shown.isascii() and (_mixed(shown) or digits_within),
    }
    return {mark for mark, holds in marks.items() if holds}


def _scrambled(label: str) -> bool:
    """Short labels of letters and digits mixed as nobody names a thing: `fk1izdode6`, `742z170a3z`.

    >>> _scrambled("742z170a3z"), _scrambled("web2print"), _scrambled("1und1")
    (True, False, False)
    """
    turns = sum(a.isdigit() != b.isdigit() for a, b in pairwise(label))
    digits = sum(c.isdigit() for c in label)
    return len(label) >= 7 and turns >= 3 and digits >= 2


def _mixed(name: str) -> bool:
    """Whether one label mixes Latin letters with look-alikes of another script, or is wholly of such."""
    for label in name.split("."):
        strange = [c for c in label if not c.isascii() and fold(c).isascii()]
        if strange and all(c.isascii() or c in strange for c in label):
            return any("LATIN" not in _script(c) for c in strange)
    return False


def _script(char: str) -> str:
    return unicodedata.name(char, "")


def _plays(shown: str, suffix: str, brands: Brands) -> tuple[Brand | None, str]:
    """Which brand a name looks like that is not the brand's, and how; `suffix` is what is public of it."""
    labels = shown.removesuffix("." + suffix).split(".") if suffix and shown.endswith(suffix) else shown.split(".")
    country = suffix.rpartition(".")[2]
    if labels[-1].replace("-", "") in brands.labels and len(country) == 2 and country not in hosts().tlds:
        return None, ""  # the brand's name in a country where the table doesn't know it
    whole = ".".join(labels)
    for name in brands.owned:
        begins = len(name) > 6 and (whole + ".").startswith(name + ".")
        if begins or f".{name}." in whole + "." or f".{name}-" in "." + whole:
            return brands.owned[name], "within"
    found = (_label_plays(label, brands) for label in reversed(labels))
    return next((played for played in found if played is not None), (None, ""))


def _label_plays(label: str, brands: Brands) -> tuple[Brand, str] | None:
    """The same of one label: as it is read, with letters that look alike, by its parts, or with a brand glued in."""
    as_read = fold(label)
    alike = as_read.translate(DIGITS)
    for wide, narrow in PAIRS:
        alike = alike.replace(wide, narrow)
    joined = alike.replace("-", "")
    if joined in brands.labels and joined != label.replace("-", ""):
        return brands.labels[joined], "look-alike"
    missed = near_miss(joined, brands) or near_miss(as_read.replace("-", ""), brands)
    if missed is not None:
        return missed, "look-alike"
    dashed = next((b for name, b in brands.dashed.items() if name in label), None)
    if dashed is not None:
        return dashed, "within"
    for token in re.split(r"[-_]", as_read):
        if (played := _token_plays(token, brands)) is not None:
            return played
    glued = next((name for name in brands.longest if name in joined and name != joined), None)
    return None if glued is None else (brands.labels[glued], "named")


def _token_plays(token: str, brands: Brands) -> tuple[Brand, str] | None:
    plain = token.translate(DIGITS)
    if token in brands.labels:
        return brands.labels[token], "named"
    if plain in brands.labels:
        return brands.labels[plain], "look-alike"
    missed = near_miss(plain, brands) if len(token) > 7 else None
    return None if missed is None else (missed, "look-alike")


def urls_in(text: str) -> list[tuple[str, int]]:
    """URLs that stand in text, and names of hosts under a public suffix; each with its place."""
    found = [(match[0].rstrip(".,;:!?)]}'\""), match.start()) for match in URL.finditer(text)]
    taken = [(at, at + len(url)) for url, at in found]
    for match in BARE.finditer(text):
        at, host = match.start(1), match[1]
        if any(start <= at < end for start, end in taken):
            continue
        if (match[2] or host.lower().startswith("www.") or _meant(host)) and registered(host.lower()):
            found.append(("http://" + match[0].rstrip(".,;:!?)"), at))
    return found


def _meant(host: str) -> bool:
    """Whether a bare name in text is meant as a host, and is not a file's name or two words without a space."""
    last = host.rpartition(".")[2]
    return host.islower() and last not in FILE_ENDINGS and (len(last) >= 3 or host.count(".") >= 2)


def shown_domain(text: str) -> str:
    """The registered domain that a link's text shows; empty where it shows none."""
    text = text.strip()
    if len(text) > 300 or (" " in text.strip() and "://" not in text):
        return ""
    match = SHOWN_DOMAIN.search(text)
    return registered(match[1].lower()) if match and "@" not in text else ""
