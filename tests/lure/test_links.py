"""Links taken apart: where they really lead, what they show instead, and whom they look like."""

from __future__ import annotations

import json

import pytest

from tests.lure.make import BRANDS, judge, mail, names_of, page
from tidegauge.lure.links import shown_domain, take_apart, urls_in

GOAL = "https://login.evil.example.net/a?b=c"


@pytest.mark.parametrize(
    ("url", "goal"),
    [
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.rfc-editor.org%2Frfc7011&data=05%7C01",
            "www.rfc-editor.org",
        ),
        (
            "https://urldefense.proofpoint.com/v2/url?u=https-3A__www.rfc-2Deditor.org_rfc7011&d=DwMFaQ&c=x",
            "www.rfc-editor.org",
        ),
        ("https://urldefense.com/v3/__https://www.rfc-editor.org/rfc7011__;!!abc!def$", "www.rfc-editor.org"),
        ("https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fwww.rfc-editor.org%2f&c=E,1", "www.rfc-editor.org"),
        ("https://secure-web.cisco.com/1abcdefghijklm/https%3A%2F%2Fwww.rfc-editor.org%2Frfc", "www.rfc-editor.org"),
        ("https://www.google.com/url?sa=D&q=https://www.rfc-editor.org/rfc7011&ust=1", "www.rfc-editor.org"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fwww.rfc-editor.org%2F&h=AT0", "www.rfc-editor.org"),
        ("https://www.bing.com/ck/a?!&&p=1&u=a1aHR0cHM6Ly93d3cucmZjLWVkaXRvci5vcmcv&ntb=1", "www.rfc-editor.org"),
        (
            "https://r.search.yahoo.com/_ylt=A/RV=2/RE=1/RO=10/RU=https%3a%2f%2fwww.rfc-editor.org%2f/RK=2",
            "www.rfc-editor.org",
        ),
        ("https://cdn.ampproject.org/c/s/www.rfc-editor.org/rfc7011", "www.rfc-editor.org"),
        ("https://ad.doubleclick.net/ddm/trackclk/N1;ds_dest_url=https://www.rfc-editor.org/", "www.rfc-editor.org"),
        ("https://shop.example.org/out?to=aHR0cHM6Ly93d3cucmZjLWVkaXRvci5vcmcv", "www.rfc-editor.org"),
        ("http://a.example.org/r?u=http://b.example.net/r?u=http://www.rfc-editor.org/", "www.rfc-editor.org"),
    ],
)
def test_redirectors_are_taken_apart(url: str, goal: str) -> None:
    link = take_apart(url, BRANDS)
    assert link is not None
    assert link.goal.host == goal
    assert link.through


def test_a_link_within_a_link_on_the_same_site_is_left_as_it_is() -> None:
    link = take_apart("https://shop.example.org/login?next=https://www.example.org/cart", BRANDS)
    assert link is not None
    assert (link.goal.host, link.through) == ("shop.example.org", ())


@pytest.mark.parametrize(
    ("host", "brand", "how"),
    [
        ("paypa1.com", "PayPal", "look-alike"),
        ("раypal.com", "PayPal", "look-alike"),
        ("rnicrosoft.com", "Microsoft", "look-alike"),
        ("steamcornmunity.com", "Steam", "look-alike"),
        ("paypal.com.evil.top", "PayPal", "within"),
        ("paypal-login.xyz", "PayPal", "named"),
        ("netflixbilling.com", "Netflix", "named"),
        ("amaz0n-support.com", "Amazon", "look-alike"),
        ("dhl.paket-info.top", "DHL", "named"),
        ("post-gov-tw.top", "Chunghwa Post", "within"),
        ("paypal-login.web.app", "PayPal", "named"),
    ],
)
def test_names_that_play_a_brand_are_seen(host: str, brand: str, how: str) -> None:
    link = take_apart(f"https://{host}/x", BRANDS)
    assert link is not None
    assert link.goal.plays is not None, host
    assert (link.goal.plays.name, link.goal.how) == (brand, how)


@pytest.mark.parametrize(
    "host",
    [
        "www.paypal.com",
        "docs.google.com",
        "apple.example.org",
        "www.online.com",
        "lidl.ch",
        "appleton.edu",
        "steam-engine-museum.org.uk",
        "news.samsung.com",
        "mein.sparkasse.de",
        "müller.de",
        "中文.tw",
        "metamorphosis.org",
    ],
)
def test_other_names_play_nobody(host: str) -> None:
    link = take_apart(f"https://{host}/x", BRANDS)
    assert link is not None
    assert link.goal.how not in ("look-alike", "within"), link.goal
    assert "mixed-script" not in link.odd


@pytest.mark.parametrize(
    ("url", "mark"),
    [
        ("http://198.51.100.7/login.php", "address"),
        ("http://3325256711/", "address"),
        ("http://0xc6336407/", "address"),
        ("https://www.paypal.com@evil.example.net/", "credentials"),
        ("https://evil.example.net:8443/x", "port"),
        ("javascript:alert(1)", "script-url"),
        ("data:text/html;base64,PGh0bWw+", "script-url"),
        ("https://bit.ly/3abc", "shortener"),
        ("https://abc.github.io/x", "hosting"),
        ("https://files.evil.example.net/rechnung.pdf.exe", "program"),
        ("https://evil.example.net/wp-content/x/login.php", "kit"),
        ("https://t.example.net/?aff_id=7&sub1=a", "affiliate"),
        ("https://a.b.c.d.e.evil-shop.net/", "many-labels"),
        ("https://fk1izdode6.com/", "generated"),
    ],
)
def test_what_is_odd_about_a_link_is_named(url: str, mark: str) -> None:
    link = take_apart(url, BRANDS)
    assert link is not None
    assert mark in link.odd


def test_the_recipient_in_a_link_is_seen_in_every_coding() -> None:
    import base64

    who = frozenset({"jo.miller@nrn.example"})
    for coded in (
        "jo.miller@nrn.example",
        "jo.miller%40nrn.example",
        base64.b64encode(b"jo.miller@nrn.example").decode(),
        b"jo.miller@nrn.example".hex(),
    ):
        link = take_apart(f"https://evil.example.net/?e={coded}", BRANDS, recipients=who)
        assert link is not None
        assert "recipient" in link.odd, coded


def test_a_text_that_shows_another_goal_is_a_reason() -> None:
    html = page(("https://www.example.org/account", "https://evil.example.net/x"), ("Hilfe", "https://a.example.com/"))
    assert "link-mismatch" in names_of(judge(mail(html=html)))


def test_a_mailing_service_that_rewrites_all_links_is_no_mismatch_where_the_sender_shows_its_own_domain() -> None:
    rewritten = [
        (shown, f"http://con.eyepinnews.com/include/lcnt.php?p=zc{n}")
        for n, shown in enumerate(("www.conect.at", "Programm", "Abmelden"))
    ]
    own = judge(mail(sender="CON.ECT <news@conect.at>", html=page(*rewritten)))
    assert not {"link-mismatch", "link-mismatch-rewritten"} & {s.name for s, w in own.reasons}
    other = [(("www.raiffeisen.at", rewritten[0][1])), *rewritten[1:]]
    from tidegauge.lure.signals import signals

    found = judge(mail(sender="CON.ECT <news@conect.at>", html=page(*other)))
    assert "link-mismatch-rewritten" in {s.name for s in signals(found.item, BRANDS)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("https://www.example.co.uk/x", "example.co.uk"), ("Click here", ""), ("www.example.org", "example.org"),
     ("info@example.org", ""), ("version 2.0", ""), ("Booking.com", "booking.com")],
)
def test_the_domain_that_a_text_shows(text: str, shown: str) -> None:
    assert shown_domain(text) == shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example.org/x, and b.example.com.", ["https://a.example.org/x", "http://b.example.com"]),
        ("open setup.py and README.md", []), ("So we left.Then it rained", []),
        ("繳費網址 https://fetc.net-tw.vip/etc。", ["https://fetc.net-tw.vip/etc"]),
        ("write to jo@example.org", []), ("rbx-free-robux.club now", ["http://rbx-free-robux.club"]),
    ],
)
def test_links_in_text_are_found(text: str, found: list[str]) -> None:
    assert [url for url, _ in urls_in(text)] == found


def test_every_signal_has_a_finder_and_a_weight() -> None:
    from importlib.resources import files

    from tidegauge.lure.signals import FINDERS, NAMES

    assert {name for name, _ in FINDERS} == set(NAMES)
    assert set(json.loads((files("tidegauge.lure") / "data" / "weights.json").read_text())["weights"]) <= set(NAMES)
