"""A Chromium of its own, without access to other hosts, and what the checks need of it."""

import json

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Browser:
    """A window of a size, with a colour scheme."""

    def __init__(self, width=1280, height=900, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url):
        self.driver.get(url)
        return self

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, what, condition):
        """Waits until a condition of no arguments holds; the page may replace elements meanwhile."""
        missing = [NoSuchElementException, StaleElementReferenceException]
        WebDriverWait(self.driver, 30, ignored_exceptions=missing).until(lambda _: condition(), message=what)

    def wait_for_faces(self, count):
        self.wait(f"{count} faces", lambda: len(self.all(".tile img")) == count)

    def sources(self):
        """The pictures of the tiles, as their addresses, which have the whole files."""
        return self.run("return [...document.querySelectorAll('.tile img')].map((image) => image.src)")

    def screenshot(self, path, whole=False):
        """A picture of the window, or of the whole page."""
        if whole:
            size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
            metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.save_screenshot(str(path))

    def close(self):
        """Ends the browser. Fails if the page logged an error or asked another host."""
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        hosts = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                hosts |= {url.split("/")[2]} if "://" in url else set()
        self.driver.quit()
        assert not errors, errors
        return hosts
