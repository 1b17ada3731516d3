"""Takes the picture of docs/demo.md anew: screenshot.py URL docs/demo.png."""

import sys

from browser import Browser

url, path = sys.argv[1:]
page = Browser(width=1280, height=1000).open(url + "?caption=a+bald+man+with+a+beard+and+round+glasses")
page.wait_for_faces(8)
page.wait("the large face", lambda: page.all(".large table"))
page.run("document.activeElement.blur()")
page.screenshot(path, whole=True)
page.close()
