"""The playground in a real browser, before a real stack: words typed on the page become webhooks, answers show in the chats."""
import re

import pytest
from conftest import wait_for
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CODE = re.compile(r"(?<![A-Z0-9])[ABCDEFGHJKMNPQRSTUVWXYZ23456789]{6}(?![A-Z0-9])")
SECONDS = 8


class Page:
    """One window on the playground."""

    def __init__(self, window, url):
        self.window = window
        window.get(url)
        self.loaded()

    def loaded(self):
        self.until(lambda: self.all(".person[aria-checked=true]"), "the state loads")

    def all(self, css):
        return self.window.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css):
        """What elements say, in one look: the page may be redrawing them."""
        return self.window.execute_script("return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)", css)

    def one(self, css):
        return self.window.find_element(By.CSS_SELECTOR, css)

    def until(self, condition, what):
        return wait_for(condition, SECONDS, what)

    def field(self, side):
        return self.one(f"#{side}-composer textarea")

    def say(self, side, text):
        """Types a line and sends it; Escape shuts the menu of commands."""
        self.field(side).send_keys(text, Keys.ESCAPE, Keys.ENTER)

    def answers(self, side):
        """The texts of what the bot wrote in the chat that is shown."""
        css = "#telegram-log .turn:not(.mine) .bubble" if side == "telegram" else "#discord-log .post:has(.badge)"
        return self.texts(css)

    def ask(self, side, text):
        """Says something; the answer, which is one message more."""
        before = len(self.answers(side))
        self.say(side, text)
        return self.until(lambda: self.answers(side)[before:], f"an answer to {text}")[0]

    def person(self, number):
        self.all("#people .person")[number].click()

    def new_person(self, name):
        """Makes up a person of this test's own, and plays it from now on."""
        self.one(".person.add").click()
        self.until(lambda: self.all("dialog input"), "the dialog")[0].send_keys(name, Keys.ENTER)
        self.until(lambda: any(name in each for each in self.texts(".person[aria-checked=true]")), "the new person")

    def place(self, side, number):
        self.all(f"#{side}-places button")[number].click()

    def overflows(self):
        """Whether the page scrolls sideways, or something that is shown begins or ends beside the window (but for people, who scroll)."""
        return self.window.execute_script("""
            const shown = [...document.querySelectorAll("body > *, .top > *, main > *, .panel > *, .panel > header > *, .composer *, .tabs > *, .person.add")];
            const out = shown.filter((each) => each.offsetParent && (each.getBoundingClientRect().right > innerWidth + 1 || each.getBoundingClientRect().left < -1));
            return document.documentElement.scrollWidth > innerWidth || out.length > 0;""")


@pytest.fixture
def page(stack, browser):
    made = Page(browser(), stack.env["BASE_URL"] + "/playground/")
    made.new_person("Test")
    return made


def test_the_first_screen_invites(page):
    page.place("discord", 1)
    assert "/getcode" in page.one("#telegram-log .invite").text and "/code" in page.one("#discord-log .invite").text
    assert page.one("h1").text.startswith("Trivet")
    assert not page.overflows()


def test_a_code_from_telegram_links_discord(page):
    code = CODE.search(page.ask("telegram", "/getcode")).group()
    told = len(page.answers("telegram"))
    assert "Only you can see this" in page.ask("discord", f"/code {code}")
    page.until(lambda: len(page.answers("telegram")) > told, "the issuer is told")
    assert set(page.texts("#wire-entries li:nth-child(-n+4) .status")) == {"200"}


def test_a_wrong_code_is_refused_in_words(page):
    assert not CODE.search(page.ask("discord", "/code ZZZZZZ").replace("ZZZZZZ", ""))


def test_an_ephemeral_answer_is_for_one_person(page):
    page.ask("discord", "/getcode")
    assert len(page.all("#discord-log .ephemeral")) == 1
    page.new_person("Other")
    assert page.all("#discord-log .ephemeral") == []


def test_a_link_button_on_discord_leads_into_telegram(page):
    page.ask("discord", "/getcode")
    page.one("#discord-log .ephemeral button.link").click()
    page.until(lambda: page.answers("telegram"), "the bot's answer to the deep link")
    assert page.texts("#telegram-log .mine .text")[0].startswith("/start link_")


def test_a_button_is_pressed(page):
    code = CODE.search(page.ask("telegram", "/getcode")).group()
    page.ask("discord", f"/code {code}")
    button = page.until(lambda: page.all("#telegram-log .key"), "the button that undoes the link")[-1]
    before = page.answers("telegram")
    button.click()
    page.until(lambda: page.answers("telegram") != before, "what the button does")


def test_a_reload_keeps_the_history(page):
    page.ask("telegram", "/start")
    before = page.answers("telegram")
    number = len(page.all("#people .person")) - 1
    page.window.refresh()
    page.loaded()
    page.person(number)
    page.until(lambda: page.answers("telegram") == before, "the same messages")


def test_foreign_text_stays_text(page):
    evil = "<img src=x onerror=document.title='x'> [a](javascript:alert(1)) **b**"
    page.place("telegram", 2)
    page.say("telegram", evil)
    page.until(lambda: any(evil in each for each in page.texts("#telegram-log .text")), "the words as they were typed")
    page.say("discord", evil)
    page.until(lambda: any("<img src=x" in each for each in page.texts("#discord-log .text")), "the words on Discord")
    assert page.all(".log img, .log [href^='javascript']") == [] and page.window.title == "Trivet playground"


def test_the_menu_of_commands_by_keyboard_alone(page):
    field = page.field("telegram")
    field.send_keys("/getc")
    page.until(lambda: page.all("#telegram-composer [aria-selected=true]"), "the menu")
    assert field.get_attribute("aria-expanded") == "true"
    field.send_keys(Keys.ENTER)
    page.until(lambda: page.answers("telegram"), "the answer")
    assert page.texts("#telegram-log .mine .text") == ["/getcode"]


def test_a_command_with_options_asks_for_them(page):
    page.field("discord").send_keys("/code", Keys.ENTER)
    form = page.until(lambda: page.all("#discord-composer form"), "the form of options")[0]
    form.find_element(By.CSS_SELECTOR, "input").send_keys("ZZZZZZ", Keys.ENTER)
    page.until(lambda: page.answers("discord"), "the answer")


def test_blocking_and_unblocking_the_bot(page):
    page.one("#telegram-menu").click()
    page.until(lambda: page.all("dialog input[type=checkbox]"), "the settings")[0].click()
    page.one("dialog footer button").click()
    page.until(lambda: page.all("#telegram-composer .blocked button"), "the bar that unblocks")[0].click()
    page.until(lambda: page.all("#telegram-composer textarea"), "the field again")
    page.until(lambda: page.texts("#wire-entries .title").count("my_chat_member") >= 2, "both changes went out")


def test_what_went_over_the_wire(page):
    page.ask("telegram", "/help")
    entry = next(each for each in page.all("#wire-entries details") if "/help" in each.text)
    entry.find_element(By.CSS_SELECTOR, "summary").click()
    shown = page.until(lambda: entry.find_elements(By.CSS_SELECTOR, "pre"), "the raw JSON")
    assert '"update_id"' in shown[0].text and "ms" in entry.text


def test_the_clock(page, stack):
    page.all("#clock .row button")[0].click()
    try:
        assert "3 min" in page.until(lambda: page.texts("#clock .ahead"), "the clock runs ahead")[0]
        with open(f"{stack.run_dir}/clock") as file:
            assert file.read() == "180\n"
    finally:
        page.one("#clock p button").click()
        page.until(lambda: not page.all("#clock .ahead"), "the clock runs true")


def test_the_page_speaks_russian(page):
    page.one("#language").click()
    assert "Попросите код" in page.one("#telegram-log").text and page.one("html").get_attribute("lang") == "ru"
    page.window.refresh()
    page.loaded()
    page.until(lambda: "Попросите код" in page.one("#telegram-log").text or page.answers("telegram"), "the choice is kept")
    assert page.one("#language").text == "English"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_on_a_phone_there_are_tabs_and_nothing_sticks_out(stack, browser, language):
    page = Page(browser(390, 844, language=language), stack.env["BASE_URL"] + "/playground/")
    page.new_person("Phone")
    tabs = page.all("#tabs button")
    for number, panel in enumerate(("telegram", "discord", "wire")):
        tabs = page.all("#tabs button")
        tabs[number].click()
        assert [each.is_displayed() for each in page.all(".panel")] == [each == number for each in range(3)], panel
        assert not page.overflows()
    page.all("#tabs button")[0].click()
    page.ask("telegram", "/getcode")
    assert not page.overflows()


def test_many_people_stay_within_the_head(stack, browser):
    page = Page(browser(), stack.env["BASE_URL"] + "/playground/")
    while len(page.all(".person")) < 13:
        page.new_person(f"Number {len(page.all('.person'))}")
    assert not page.overflows()
    add = page.one(".person.add").rect
    assert add["x"] + add["width"] < page.one("#language").rect["x"]


def test_in_the_dark(stack, browser):
    page = Page(browser(dark=True), stack.env["BASE_URL"] + "/playground/")
    ground = page.window.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", ground)[:3]) < 80
