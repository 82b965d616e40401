"""Tests of pages: the stack of the end-to-end tests (tests/e2e/conftest.py) and a headless Chromium.

`browser(width, height, dark=False, language="en")` opens a window of its own; every window closes after the test, and a page that
wrote an error to the console (a refused script, a broken request) fails it.
"""
import importlib.util
import os
import sys
import tempfile

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

E2E = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e", "conftest.py")
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run",
             "--disable-component-update", "--disable-default-apps", "--hide-scrollbars", "--no-proxy-server")

if "trivet_e2e" not in sys.modules:
    specification = importlib.util.spec_from_file_location("trivet_e2e", E2E)
    sys.modules["trivet_e2e"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(sys.modules["trivet_e2e"])
from trivet_e2e import db, fakes, new_id, pytest_terminal_summary, stack, wait_for  # noqa: E402, F401


def open_window(folder, width, height, dark, language):
    options = webdriver.ChromeOptions()
    for argument in (*ARGUMENTS, f"--user-data-dir={folder}", f"--window-size={width},{height}", f"--lang={language}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    scheme = "dark" if dark else "light"
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    return window


@pytest.fixture
def browser():
    windows = []
    with tempfile.TemporaryDirectory(prefix="trivet-chromium-", ignore_cleanup_errors=True) as folder:

        def make(width=1280, height=800, dark=False, language="en"):
            window = open_window(os.path.join(folder, str(len(windows))), width, height, dark, language)
            windows.append(window)
            return window

        try:
            yield make
            errors = [entry["message"] for window in windows for entry in window.get_log("browser") if entry["level"] == "SEVERE"]
        finally:
            for window in windows:
                window.quit()
    assert errors == []
