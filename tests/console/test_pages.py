"""The console in Chromium: everything that people do in it, in both languages, on a telephone and on a desk."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.console.conftest import Visit
from tests.service.app import Running
from tidegauge.model.sentences import in_chinese
from tidegauge.site import load_site
from tidegauge.store import Store
from tidegauge.store.people import People

Visiting = Callable[..., AbstractContextManager[Visit]]
VIEWS = {
    "ask": "/ask?from=KP&since=2014-11-24", "empty": "/ask", "world": "/world?since=2014-11-24", "now": "/now",
    "findings": "/findings", "host": "/host/198.18.7.7", "origin": "/origin/210.52.109.9?at=2014-11-24",
    "origins": "/origin?of=KP&at=2014-11-24", "coverage": "/coverage", "flows": "/flows?where=dst_port%3D22",
    "lures": "/lures", "leaks": "/leaks", "cases": "/cases", "case": "/cases/autumn",
    "matrix": "/cases/autumn?tab=matrix", "statement": "/cases/autumn?tab=statement",
    "verify": "/cases/autumn?tab=verify", "export": "/cases/autumn?tab=export",
}
PICTURES = Path(__file__).parent / "pictures"
TOLERANCE, FAR = 0.02, 48
"""Of the chart's pixels so many may differ by more than that (of 255): fonts are drawn a little differently."""


def settled(page: Any) -> None:
    """Wait until nothing is asked any more."""
    page.wait_for_selector("main h1")
    until(page, "document.querySelectorAll('.waiting').length === 0", seconds=60)
    page.wait_for_load_state("networkidle")


def until(page: Any, script: str, argument: object = None, *, seconds: float = 30) -> None:
    """Wait until a script says so; Playwright's own way evaluates text, which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)


def words(key: str, language: str) -> str:
    """A text of the pages, from their own file."""
    path = Path(__file__).parents[2] / "web" / "src" / "i18n" / f"{language}.ts"
    match = re.search(rf"^  {key}:\s*'((?:[^'\\]|\\.)*)'", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert match, key
    return match[1].replace("\\'", "'")


@pytest.mark.parametrize(("width", "language"), [(380, "en"), (1440, "zh-TW")])
def test_every_view_is_accessible_and_fits(visiting: Visiting, language: str, width: int) -> None:
    pytest.importorskip("axe_playwright_python")
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    with visiting(width=width, language=language, dark=width == 380) as visit:
        page: Any = visit.page
        found = {}
        for name, path in VIEWS.items():
            page.goto(visit.base + path)
            settled(page)
            assert page.evaluate("document.documentElement.lang") == language
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            page.evaluate(axe)
            told = page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
            wrong = [(v["id"], v["nodes"][0]["html"][:120]) for v in told["violations"] if v["impact"] in
                     ("serious", "critical", "moderate")]
            if wrong:
                found[name] = wrong
        assert found == {}


@pytest.mark.parametrize("language", ["en", "zh-TW"])
@pytest.mark.parametrize("width", [380, 1440])
def test_a_question_by_name_gives_verdict_chart_and_what_would_have_been_seen(
    visiting: Visiting, language: str, width: int
) -> None:
    with visiting(width=width, language=language) as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/ask")
        settled(page)
        origin = page.get_by_label(words("origin", language), exact=True)
        origin.fill("北韓" if language == "zh-TW" else "north kor")
        page.wait_for_selector("[role=option]")
        origin.press("ArrowDown")
        origin.press("Enter")
        assert origin.input_value() == "KP"
        page.get_by_label(words("since", language), exact=True).fill("2014-11-24")
        page.get_by_role("button", name=words("ask", language), exact=True).click()
        page.wait_for_selector(".said")
        settled(page)
        assert "from=KP" in page.url
        assert "since=2014-11-24" in page.url
        said = page.inner_text(".said")
        assert words("verdict_no_surge", language) in said
        assert "2.4 MB" in said
        assert page.locator("figure canvas").count() == 1
        # The sliders: hardly anything is hardly ever seen, very much nearly always.
        volume = page.get_by_label(words("would_volume", language), exact=True)
        volume.fill("0")
        hardly = words("would_not_seen", language).split("{duration}")[-1][-6:]
        assert hardly in page.inner_text(".would")
        volume.fill("200")
        assert words("nearly_always", language) in page.inner_text(".would")
        duration = page.get_by_label(words("would_duration", language), exact=True)
        duration.fill("0")
        assert ("5 分鐘" if language == "zh-TW" else "5 minutes") in page.inner_text(".would strong")
        # The answer takes in further prefixes with one switch, and says so.
        page.get_by_role("switch").check()
        until(page, "location.search.includes('wide=true')")
        settled(page)
        assert "210.52.109.0/24" in page.inner_text(".said") or "210.52.109.0/24" in page.inner_text("article")
        # Going back is the question before.
        page.go_back()
        settled(page)
        assert "wide" not in page.url
        if width == 1440:
            page.get_by_role("button", name=words("copy_text", language)).click()
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied.splitlines()[-1].startswith("tidegauge ask --from KP --since 2014-11-24T00:00:00Z")
            if language == "zh-TW":
                assert in_chinese("all data of this site are simulated") in copied


def test_the_chart_looks_as_it_did(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/ask?from=TH&since=2014-11-20&until=2014-11-27")
        settled(page)
        page.wait_for_timeout(300)
        now = Image.open(io.BytesIO(page.locator("figure .chart").screenshot())).convert("RGB")
        kept = PICTURES / "surge.png"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            now.save(kept, optimize=True)
        before = Image.open(kept).convert("RGB")
        assert now.size == before.size
        far = ImageChops.difference(now, before).convert("L").point(lambda value: 255 if value > FAR else 0)
        share = sum(1 for value in far.tobytes() if value) / (now.width * now.height)
        assert share <= TOLERANCE


def test_dragging_zooms_and_a_surge_opens_what_carried_it(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/ask?from=TH&since=2014-11-20&until=2014-11-27")
        settled(page)
        page.wait_for_timeout(300)
        box = page.locator("figure canvas").bounding_box()
        across = lambda share: box["x"] + 60 + share * (box["width"] - 76)  # noqa: E731
        # A click on the marked time opens the surge; where exactly it is drawn, the width of labels decides.
        for share in range(270, 330, 3):
            page.mouse.click(across(share / 1000), box["y"] + 120)
            page.wait_for_timeout(50)
            if page.locator("dialog[open]").count():
                break
        told = page.inner_text("dialog")
        assert "203.146.227.198" in told
        flows = page.locator("dialog a").get_attribute("href")
        assert "far_country" in flows
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        # Dragging selects a time, which can be asked about by itself.
        page.mouse.move(across(0.2), box["y"] + 150)
        page.mouse.down()
        page.mouse.move(across(0.35), box["y"] + 160, steps=5)
        page.mouse.move(across(0.5), box["y"] + 160, steps=5)
        page.mouse.up()
        again = page.get_by_role("button", name=re.compile("^Ask about "))
        again.wait_for()
        again.click()
        settled(page)
        since = re.search(r"since=([^&]*)", page.url)
        assert since
        assert since[1].startswith("2014-11-21")


def test_the_map_plays_and_a_click_asks(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/world?since=2014-11-24")
        settled(page)
        page.wait_for_selector(".world canvas")
        first = page.inner_text(".player output")
        page.get_by_role("button", name="Play").click()
        until(page, "first => document.querySelector('.player output').textContent !== first", first)
        page.get_by_role("button", name="Pause").click()
        page.get_by_label("Time shown").fill("5")
        assert page.inner_text(".player output").startswith("2014-11-2")
        page.locator(".world tbody a").first.click()
        page.wait_for_selector(".said")
        assert re.search(r"/ask\?from=[A-Z]{2}&since=2014-11-24", page.url)
        # A click on a country of the map asks too: what lies a fifth from the left, above the middle, is North America.
        page.go_back()
        settled(page)
        page.wait_for_selector(".world canvas")
        page.wait_for_timeout(300)
        box = page.locator(".world canvas").bounding_box()
        page.mouse.click(box["x"] + 0.22 * box["width"], box["y"] + 0.36 * box["height"])
        page.wait_for_selector(".said")
        assert re.search(r"from=(US|CA)&", page.url)


def test_a_finding_is_followed_to_the_host_and_closed_by_keyboard(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/findings?severity=high")
        settled(page)
        rows = page.locator(".list button")
        count = rows.count()
        assert count >= 3
        rows.first.focus()
        page.keyboard.press("j")
        until(page, "location.search.includes('show=')")
        title = page.inner_text(".list [aria-current=true]")
        assert page.inner_text(".story h2") in title
        page.keyboard.press("c")
        page.get_by_label("Reason").fill("an exercise")
        page.get_by_role("dialog").get_by_role("button", name="Close as expected").click()
        page.wait_for_selector("dialog", state="detached")
        until(page, f"document.querySelectorAll('.list button').length === {count - 1}")
        page.get_by_label("With closed ones").check()
        until(page, f"document.querySelectorAll('.list button').length === {count}")
        page.locator(".list button.closed").click()
        page.get_by_role("button", name="Reopen").click()
        until(page, "document.querySelectorAll('.list button.closed').length === 0")
        # The address bar holds the filters: the same list after a reload.
        page.reload()
        settled(page)
        assert page.locator(".list button").count() == count
        page.locator(".story .address").first.click()
        until(page, "location.pathname.startsWith('/host/198.18.')")
        settled(page)
        assert page.locator("canvas").count() == 1
        assert page.locator("details.folded").count() >= 1


def test_a_hunt_shows_its_steps_and_can_be_called_off(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/findings")
        settled(page)
        page.get_by_role("button", name="Hunt the last seven days").click()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("The question was called off.").wait_for()


def test_a_mail_is_shown_as_text_and_nothing_of_it_is_loaded(visiting: Visiting, tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_text(
        'From: "Bank Support" <support@secure-bank.example.top>\nTo: a@example.org\nSubject: <img src=x> Your account\n'
        "Date: Mon, 24 Nov 2014 10:00:00 +0000\nContent-Type: text/html\n\n<p>Dear customer, your account will be"
        " suspended within 24 hours.</p><img src='http://203.0.113.9/pixel.png'><script>document.title='taken'</script>"
        '<a href="http://203.0.113.7/login.php">https://www.bank.example/login</a> &lt;b&gt;Enter your password'
    )
    with visiting() as visit:  # which fails where anything is asked of another host
        page: Any = visit.page
        page.goto(f"{visit.base}/lures")
        page.get_by_label("A mail (.eml or .msg), or drop it here").set_input_files(str(letter))
        page.wait_for_selector(".judged", timeout=60_000)
        assert "phishing" in page.inner_text(".said")
        assert "<b>Enter your password" in page.inner_text(".mail")
        assert page.locator(".mail img, .mail script, .mail a[href^=http], .judged img").count() == 0
        assert page.locator(".mail mark").count() >= 2
        assert "http://203.0.113.7/login.php" in page.inner_text(".judged .table")
        assert page.title() == "Lures · tidegauge"
        # By drag and drop, and as pasted text.
        page.reload()
        page.get_by_label("Or a message or link").fill("You have won a prize! https://gift.example.top/claim")
        page.get_by_role("button", name="Judge").click()
        page.wait_for_selector(".judged", timeout=60_000)
        assert "gift.example.top" in page.inner_text(".judged .table")


def test_a_leak_is_summed_up_and_values_are_masked(visiting: Visiting, tmp_path: Path) -> None:
    dump = tmp_path / "dump.csv"
    dump.write_text(
        "name,ssn,mail,password\nAnn,078-05-1121,ann@example.org,hunter22\nBob,219-09-9998,b@example.org,x9sss\n"
    )
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/leaks")
        page.get_by_label("Any file or archive, or drop it here").set_input_files(str(dump))
        page.wait_for_selector("article .said", timeout=60_000)
        text = page.inner_text("main")
        assert "Persons whose data lie in dump.csv: 2." in text
        assert "example.org" in text
        for secret in ("078-05-1121", "219-09-9998", "hunter22"):
            assert secret not in page.content()
    with visiting(role="reader") as visit:
        page = visit.page
        page.goto(f"{visit.base}/leaks")
        page.get_by_text("This takes the role of an analyst.").wait_for()


def test_an_answer_goes_into_a_case_and_the_statement_is_written(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/ask?from=KP&since=2014-11-24&until=2014-12-01")
        settled(page)
        page.get_by_role("button", name="Put into a case").click()
        page.get_by_label("New case").fill("from-the-console")
        page.get_by_role("button", name="Open it and seal").click()
        page.get_by_text("Sealed as E1 in from-the-console").wait_for(timeout=60_000)
        page.get_by_role("link", name="Open the case").click()
        page.wait_for_selector(".entries .evidence")
        # A claim, a view on a hypothesis, the statement in both languages, and everything verified.
        page.get_by_role("button", name="Add a claim").click()
        page.get_by_label("Who claims it").fill("An agency")
        page.get_by_label("What exactly").fill("It came <b>through</b> you")
        page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
        page.wait_for_selector(".entries .claim")
        assert "It came <b>through</b> you" in page.inner_text(".entries .claim")
        # What was asked of whom, and what came of it: asked for no more once it is answered.
        page.get_by_role("button", name="Add a request").click()
        page.get_by_label("Of whom").fill("the upstream")
        page.get_by_label("What was asked").fill("its flows")
        page.get_by_label("Due").fill("2026-12-31")
        page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
        page.wait_for_selector(".entries .request")
        page.get_by_role("button", name="Add its answer").click()
        page.get_by_label("What came of it").fill("they kept none")
        page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
        page.wait_for_selector(".entries .reply")
        assert "they kept none" in page.inner_text(".entries .reply")
        assert page.get_by_role("button", name="Add its answer").count() == 0
        page.get_by_role("link", name="Hypotheses").click()
        page.locator(".matrix td button").nth(1).click()
        page.get_by_label("Your view").select_option("II")
        page.get_by_label("Reason").fill("nothing came in")
        page.get_by_role("button", name="Decide").click()
        page.wait_for_selector("dialog", state="detached")
        page.get_by_text("II", exact=True).wait_for()
        page.get_by_role("link", name="Statement").click()
        page.wait_for_selector(".statement h3")
        settled(page)
        english, chinese = (page.locator(".statement").nth(n) for n in (0, 1))
        assert "We did not see a surge of incoming traffic" in english.inner_text()
        assert "我們未看到來自 KP 的流入流量" in chinese.inner_text()
        english.get_by_role("button", name="Edit").click()
        text = english.locator("textarea")
        text.fill(text.input_value().replace("95%", "99%"))
        english.get_by_role("button", name="Hold it against the evidence").click()
        english.locator(".wrong li").first.wait_for()
        assert "99: not in E1" in english.locator(".wrong").inner_text()
        # A citation leads to its evidence.
        chinese.get_by_role("link", name="[E1]").first.click()
        page.wait_for_selector("#E1")
        page.get_by_role("link", name="Verify").click()
        page.get_by_role("button", name="Verify now").click()
        page.get_by_text("Everything is as it was sealed.").wait_for(timeout=60_000)
        page.get_by_role("link", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Bundle that verifies by itself").click()
        assert Path(download.value.path()).read_bytes()[:2] == b"PK"


def test_flows_are_paged_filtered_completed_and_saved(visiting: Visiting) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/flows")
        settled(page)
        starts = []
        for _ in range(4):
            starts.append(page.inner_text(".table tbody tr:first-child"))
            page.get_by_role("button", name="Next page").click()
            until(page, "before => document.querySelector('.table tbody tr').innerText !== before", starts[-1])
            settled(page)
        assert len(set(starts)) == 4
        page.go_back()
        settled(page)
        assert page.inner_text(".table tbody tr:first-child") == starts[3]
        field = page.get_by_label("Expression over flow columns")
        field.fill("dst_p")
        field.press("End")
        page.locator("[role=option]", has_text="dst_port").wait_for()
        field.press("Tab")
        assert field.input_value() == "dst_port"
        field.fill("dst_port = 445 AND srx = '192.0.2.1'")
        visit.trouble.clear()
        page.get_by_role("button", name="Show").click()
        page.wait_for_selector(".wrong")
        # The mark stands under the word that is wrong.
        shown, mark = page.locator(".wrong pre").text_content().split("\n")
        assert mark.index("^") == shown.index("srx")
        visit.trouble[:] = [one for one in visit.trouble if "400" not in one]  # the browser logs the refused question
        field.fill("dst_port = 443")
        page.get_by_label("Since", exact=True).fill("2014-11-30")
        page.get_by_role("button", name="Show").click()
        settled(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as CSV").click()
        lines = Path(download.value.path()).read_text().splitlines()
        assert lines[0].startswith("time_start,time_end,exporter")
        assert len(lines) > 10
        assert all(",443," in line for line in lines[1:])


def test_language_colours_and_zone_are_kept(visiting: Visiting, demonstration: Path) -> None:
    with visiting() as visit:
        page: Any = visit.page
        page.goto(f"{visit.base}/now")
        settled(page)
        page.get_by_label("Language").select_option("zh-TW")
        page.get_by_role("heading", name=words("view_now", "zh-TW"), exact=True).wait_for()
        page.get_by_label(words("colours", "zh-TW")).select_option("dark")
        until(page, "document.documentElement.dataset.theme === 'dark'")
        page.reload()
        settled(page)
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == [
            "zh-TW",
            "dark",
        ]
        # Nothing of what the service says stands there in English.
        page.goto(f"{visit.base}/ask?from=KP&since=2014-11-24")
        settled(page)
        items = page.locator("article li").all_inner_texts()
        assert items
        assert [text for text in items if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_a_question_in_a_link_waits_for_the_log_in(browser: Any, console: Running) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{console.base}/ask?from=RU&since=2014-11-28")
    page.wait_for_selector("input[name=password]")
    page.fill("input[name=name]", "reader")
    page.fill("input[name=password]", "a long enough password")
    page.click("button")
    page.wait_for_selector(".said", timeout=60_000)
    assert "from=RU" in page.url
    context.close()


def test_the_form_to_come_in_speaks_the_readers_language(browser: Any, console: Running) -> None:
    context = browser.new_context(locale="zh-TW")
    page = context.new_page()
    page.goto(f"{console.base}/login")
    assert page.evaluate("document.documentElement.lang") == "zh-TW"
    page.get_by_label("名稱").fill("reader")
    page.get_by_label("密碼").fill("not the password")
    page.get_by_role("button", name="登入").click()
    assert page.get_by_role("alert").inner_text() == "使用者不存在或密碼錯誤"
    context.close()


def test_a_token_in_the_address_works_once_and_leaves_it(browser: Any, console: Running) -> None:
    link = f"{console.base}/?token={People(Store.of(load_site(console.folder))).make_link()}"
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector("nav#views", state="attached")
    assert "token" not in page.url
    other = browser.new_context()
    refused = other.new_page()
    assert refused.goto(link).status == 403
    context.close()
    other.close()


MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.mark.parametrize(
    "path",
    ["/ask?from={}", "/ask?where={}&since=-7d", "/world?since={}", "/findings?subject={}&show={}", "/host/{}",
     "/origin/{}", "/origin?of={}&at={}", "/coverage?since={}", "/flows?where={}&cursor={}", "/cases/{}"],
)
def test_links_with_markup_show_text_and_run_nothing(browser: Any, console: Running, path: str) -> None:
    from urllib.parse import quote

    context = browser.new_context(locale="en-GB")
    context.add_cookies([cookie(console)])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(console.base + path.replace("{}", quote(MARKUP, safe="")))
    page.wait_for_selector("nav#views", state="attached")
    page.wait_for_timeout(400)
    assert page.title() != "taken"
    assert page.locator("main img, main script").count() == 0
    assert errors == []
    assert [url for url in asked if not url.startswith(console.base)] == []
    context.close()


def cookie(console: Running) -> dict[str, str]:
    with console.session("analyst") as client:
        return {"name": "tidegauge", "value": client.cookies["tidegauge"], "url": console.base}


def test_no_page_elsewhere_can_act_as_who_is_logged_in(browser: Any, console: Running, tmp_path: Path) -> None:
    """A form of another origin: the cookie does not go along, and the token that changes need is not known there."""
    page_elsewhere = tmp_path / "evil.html"
    page_elsewhere.write_text(f"<form method=post action='{console.base}/logout'><input name=csrf value=x></form>"
                              f"<script>document.forms[0].submit()</script>")
    context = browser.new_context()
    context.add_cookies([cookie(console)])
    page = context.new_page()
    page.goto(page_elsewhere.as_uri())
    page.wait_for_timeout(500)
    page.goto(f"{console.base}/ask")
    page.wait_for_selector("nav#views", state="attached")
    context.close()


def test_names_with_markup_in_data_come_out_as_text(browser: Any, tmp_path: Path) -> None:
    from tests.service.app import roles_of
    from tidegauge.ingest import Ingest
    from tidegauge.site import init_site

    folder = tmp_path / "site"
    init_site(folder, home=["192.0.2.0/24"], name=MARKUP)
    table = tmp_path / "flows.csv"
    table.write_text("time_start,time_end,src,dst,src_port,dst_port,proto,packets,bytes\n"
                     "2024-01-01T00:00:00Z,2024-01-01T00:00:01Z,203.0.113.9,192.0.2.1,1,2,6,1,100\n")
    Ingest(load_site(folder), exporter="<img src=x onerror=alert(1)>").run([str(table)])
    with roles_of(folder) as running:
        context = browser.new_context(locale="en-GB")
        context.add_cookies([cookie(running)])
        page = context.new_page()
        dialogs: list[str] = []
        page.on("dialog", lambda told: (dialogs.append(told.message), told.dismiss()))
        for path in ("/coverage", "/now", "/flows", "/ask?since=2024-01-01"):
            page.goto(running.base + path)
            page.wait_for_selector("nav#views", state="attached")
            page.wait_for_timeout(500)
            assert page.locator("img").count() == 0, path
            assert "taken" not in page.title()
        page.goto(f"{running.base}/flows")
        page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for()
        assert dialogs == []
        context.close()


def test_an_empty_site_says_the_next_step(browser: Any, tmp_path: Path) -> None:
    from tests.service.app import roles_of
    from tidegauge.site import init_site

    folder = tmp_path / "site"
    init_site(folder, home=["192.0.2.0/24"])
    with roles_of(folder) as running:
        context = browser.new_context(locale="en-GB")
        context.add_cookies([cookie(running)])
        page = context.new_page()
        page.goto(f"{running.base}/ask")
        page.get_by_text("tidegauge ingest PATH").wait_for()
        for path, said in (
            ("/now", "no flows here yet"),
            ("/findings", "Nothing was found"),
            ("/cases", "No cases yet"),
        ):
            page.goto(running.base + path)
            page.get_by_text(said).first.wait_for()
        context.close()


def test_the_bundle_is_told_by_its_manifest(console: Running) -> None:
    with console.session("reader") as client:
        page = client.get("/ask")
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["content-encoding"] == "gzip"
        script = re.search(r'src="(/assets/[\w.-]+\.js)"', page.text)
        assert script
        got = client.get(script[1])
        assert "immutable" in got.headers["cache-control"]
        assert got.headers["content-type"].startswith("text/javascript")
        assert client.get("/assets/nothing.js").status_code == 404
        assert client.get("/assets/..%2fapp.py").status_code == 404
        assert json.loads(client.get("/api/v1/me").text)["role"] == "reader"
