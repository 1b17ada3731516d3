"""Checks of the page of `t2f demo`: page.py URL FOLDER. Screenshots are written to the folder."""

import json
import pathlib
import sys
import urllib.request

from axe_core_python.selenium import Axe
from browser import Browser
from openapi_spec_validator import validate
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

CAPTION = "a bald man with a zxcvb beard and round glasses"
OTHER = "a bald man with a zxcvb beard and sunglasses"


def types_a_caption(url, folder):
    """Faces appear as a caption is typed, unknown words are marked, and a copied link shows the same faces."""
    first = Browser().open(url)
    first.wait("examples with faces", lambda: first.run(
        "return [...document.querySelectorAll('.example img')].filter((image) => image.naturalWidth).length") >= 4)
    first.screenshot(folder / "examples.png")
    first.find("#caption").send_keys(CAPTION)
    first.wait_for_faces(8)
    first.wait("the mark", lambda: [mark.text for mark in first.all("mark.letters")] == ["zxcvb"])
    assert "zxcvb" in first.find("#caption-notes").text
    first.wait("faces of the whole caption", lambda: first.find(".large img").get_attribute("alt") == CAPTION)
    assert all(image.get_attribute("alt") == CAPTION for image in first.all(".tile img"))
    assert "hair length" in first.find(".large table").text
    first.wait("the announcement", lambda: "8 faces" in first.run("return document.getElementById('live').textContent"))
    first.run("const count = document.getElementById('count'); count.value = 3; count.dispatchEvent(new Event('input'))")
    first.wait_for_faces(3)
    first.find("#new-seeds").click()
    first.wait("other seeds", lambda: [seed.text for seed in first.all(".tile .seed")] == ["seed 3", "seed 4", "seed 5"])
    first.wait_for_faces(3)
    first.screenshot(folder / "faces.png", whole=True)
    link, faces = first.run("return location.href"), first.sources()
    assert len(set(faces)) == 3

    second = Browser().open(link)
    second.wait_for_faces(3)
    assert second.sources() == faces, "a link shows the same faces"
    assert second.find("#caption").get_attribute("value") == CAPTION
    download = second.find(".large a.button").get_attribute("href")
    with urllib.request.urlopen(download) as answer:
        file = answer.read()
    assert file.startswith(b"\x89PNG") and CAPTION.encode() in file and b"trainedAlgorithmicMedia" in file
    return first.close() | second.close()


def edits_a_word(url, folder):
    """Two captions with the same noise are shown in pairs with their difference."""
    page = Browser(dark=True).open(url)
    page.find("#caption").send_keys(CAPTION)
    page.wait_for_faces(8)
    page.find("#tab-compare").click()
    other = page.find("#other")
    page.wait("the caption as a start", lambda: other.get_attribute("value") == CAPTION)
    page.wait("pairs without a difference", lambda: len(page.all(".row canvas")) == 8 and "0 % of the pixels" in page.find(".row").text)
    other.send_keys(Keys.BACKSPACE * len("round glasses") + "sunglasses")
    page.wait("the changed words", lambda: [word.text for word in page.all(".heads strong")] == ["round", "glasses", "sunglasses"])
    page.wait("the changed attribute", lambda: "glasses: round → sun" in page.find(".row").text)
    alts = [image.get_attribute("alt") for image in page.all(".row:nth-child(2) img")]
    assert alts == [CAPTION, OTHER], alts
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(22, 22, 20)", back
    page.screenshot(folder / "other-words-dark.png")

    page.find("#tab-walk").click()
    page.wait("the player", lambda: page.all(".screen img"))
    slider = page.find(".walk input[type=range]")
    slider.send_keys(Keys.END)
    assert slider.get_attribute("aria-valuetext") == "frame 24 of 24, 100 % of the way"
    assert page.find(".screen img").get_attribute("alt") == OTHER
    page.find(".walk .main").click()
    page.wait("the animation", lambda: slider.get_attribute("value") != "23")
    page.find(".walk .main").click()
    page.screenshot(folder / "walk-dark.png")
    with urllib.request.urlopen(page.find(".walk a.button").get_attribute("href")) as answer:
        assert b"acTL" in answer.read(), "the download is an APNG"
    return page.close()


def needs_no_mouse(url, folder):
    """Everything is reached by the keyboard, and the focus is visible."""
    page = Browser().open(url)
    page.wait("examples", lambda: page.all(".example"))
    page.find("#caption").click()
    reached = ["caption"]

    def press(*keys):
        ActionChains(page.driver).send_keys(*keys).perform()
        return page.run("const e = document.activeElement; return e.id || e.className || e.tagName")

    for _ in range(3):
        ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
        reached.append(press())
    for _ in range(15):
        reached.append(press(Keys.TAB))
        outline = page.run("const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow")
        assert outline != "nonenone", f"{reached[-1]} shows no focus"
    for name in ["skip", "copy-link", "tab-faces", "caption", "count", "new-seeds", "seed", "truncation", "guidance", "example"]:
        assert name in reached, f"{name} is not reached: {reached}"
    page.find(".example").send_keys(Keys.ENTER)
    page.wait_for_faces(8)
    page.run("document.getElementById('truncation').focus()")
    before = page.sources()
    press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    page.wait("other faces", lambda: "truncation=0.9" in page.run("return location.search") and page.sources() != before)
    page.run("document.getElementById('guidance').focus()")
    press(Keys.TAB)
    press(Keys.TAB)
    press(Keys.ENTER)
    page.wait("the second face", lambda: page.run("return document.querySelectorAll('.tile')[1].ariaPressed") == "true")
    page.run("document.getElementById('tab-faces').focus()")
    assert press(Keys.ARROW_RIGHT) == "tab-compare"
    page.wait("the other field", lambda: page.find("#other").is_displayed())
    return page.close()


def fits_a_phone(url, folder):
    """At 360 pixels nothing is cut and nothing scrolls to the side, in every mode."""
    hosts = set()
    for mode in ["faces", "compare", "walk"]:
        for dark in [False, True]:
            query = f"?mode={mode}&caption=a+bald+man+with+a+beard&other=a+young+woman&count=4"
            page = Browser(width=360, height=740, dark=dark).open(url + query)
            page.wait("a picture", lambda: page.all("#results img"))
            wide = page.run("return document.documentElement.scrollWidth")
            assert wide <= 360, f"{mode} is {wide} pixels wide"
            page.screenshot(folder / f"phone-{mode}-{'dark' if dark else 'light'}.png", whole=True)
            hosts |= page.close()
    return hosts


def is_accessible(url, folder):
    """axe-core finds no violation, in every mode and both colour schemes."""
    hosts = set()
    for dark in [False, True]:
        page = Browser(dark=dark)
        for query in ["", "?caption=a+zxcvb+man", "?mode=compare&caption=a+man&other=a+woman", "?mode=walk&caption=a+man&other=a+woman"]:
            page.open(url + query)
            page.wait("a picture", lambda: page.all("#results img"))
            found = Axe().run(page.driver)["violations"]
            told = [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"]]) for one in found]
            assert not found, f"{query}, dark {dark}: {told}"
        hosts |= page.close()
    return hosts


def says_what_is_wrong(url, folder):
    """A link of another model and a program that does not answer are told."""
    page = Browser().open(url + "?caption=a+man&count=2&model=00000000")
    page.wait_for_faces(2)
    assert "another model" in page.find("#notice").text
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/api/v1/*"]})
    page.find("#new-seeds").click()
    page.wait("the problem", lambda: "does not answer" in page.find("#problem").text)
    page.screenshot(folder / "problem.png")
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    page.wait("the page continues", lambda: not page.find("#problem").is_displayed())
    page.driver.get_log("browser")  # the blocked requests
    return page.close()


def main():
    url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    with urllib.request.urlopen(url + "api/v1/openapi.json") as answer:
        validate(json.load(answer))
    checks = [types_a_caption, edits_a_word, needs_no_mouse, fits_a_phone, is_accessible, says_what_is_wrong]
    own = url.split("/")[2]
    for check in checks:
        hosts = check(url, folder)
        assert hosts <= {own}, f"{check.__name__}: requests to {hosts - {own}}"
        print(f"{check.__name__}: passed", flush=True)


main()
