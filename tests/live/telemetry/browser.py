"""Looks at the status page in a real browser, over the DevTools protocol (pipe, no port).

browser.py URL FOLDER: prints one JSON object of what was found, and leaves a picture of each view.
"""
import base64, json, os, select, subprocess, sys, time

VIEWS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]


class Browser:
    def __init__(self, folder):
        (theirs, self.writes), (self.reads, ours) = os.pipe(), os.pipe()

        def as_three_and_four():
            # First out of the way of each other.
            for end, number in [(os.dup(theirs), 3), (os.dup(ours), 4)]:
                os.dup2(end, number)

        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-dev-shm-usage", "--disable-background-networking",
                   "--user-data-dir=" + folder + "/profile", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(command, close_fds=False, preexec_fn=as_three_and_four,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(folder + "/chromium.log", "wb"))
        os.close(theirs)
        os.close(ours)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []

    def receive(self):
        until = time.monotonic() + 30
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.reads], [], [], max(0, until - time.monotonic()))
            octets = os.read(self.reads, 1 << 20) if ready else b""
            if not octets:
                raise SystemExit("the browser does not answer")
            self.buffer += octets
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


# Text whose colour is too near to that of its ground (WCAG 2.1, 1.4.3: 4.5, for large text 3).
CONTRAST = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = element => {
    for (let it = element; it; it = it.parentElement) {
      const color = parse(getComputedStyle(it).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue;
    const style = getComputedStyle(element), svg = element instanceof SVGElement;
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 ||
      parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) poor.push(element.textContent.trim().slice(0, 40) + ' ' + ratio);
  }
  return poor;
})()"""

# What a keyboard or a screen reader would miss.
UNREACHABLE = """(() => {
  const missing = [];
  for (const name of ['header', 'main', 'footer', 'h1'])
    if (document.querySelectorAll(name).length !== 1) missing.push(name);
  for (const chart of document.querySelectorAll('svg[role=img]')) {
    const [label, text] = ['labelledby', 'describedby'].map(it => chart.getAttribute('aria-' + it));
    if (!document.getElementById(label)?.textContent) missing.push('a name of a chart');
    if (!document.getElementById(text)?.textContent) missing.push('a description of a chart');
    if (chart.tabIndex !== 0) missing.push('a way to a chart');
    if (!chart.closest('figure').querySelector('details table')) missing.push('a table of a chart');
  }
  for (const table of document.querySelectorAll('table'))
    if (!table.querySelector('th[scope]')) missing.push('a heading of a table');
  for (const section of document.querySelectorAll('section[aria-labelledby]'))
    if (!document.getElementById(section.getAttribute('aria-labelledby'))) missing.push('a title');
  if (!document.documentElement.lang) missing.push('a language');
  return missing;
})()"""


def look(browser, folder, width, scheme):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800,
                 deviceScaleFactor=1, mobile=width < 500)
    browser.call("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
    picture = browser.call("Page.captureScreenshot", captureBeyondViewport=True)
    with open(f"{folder}/{width}-{scheme}.png", "wb") as file:
        file.write(base64.b64decode(picture["data"]))
    return {
        "width": width, "scheme": scheme, "poor_contrast": browser.evaluate(CONTRAST),
        "overflow": browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
        "ground": browser.evaluate("getComputedStyle(document.body).backgroundColor"),
    }


def main(url, folder):
    browser = Browser(folder)
    try:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        browser.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            browser.call(domain + ".enable")
        browser.call("Page.navigate", url=url)
        for _ in range(100):
            if browser.evaluate("document.body?.dataset.shown"):
                break
            time.sleep(0.1)
        # The charts have two points or more, and the page has asked more than once.
        for _ in range(150):
            if browser.evaluate("document.querySelector('path.series')?.outerHTML.includes('L')"):
                break
            time.sleep(0.1)
        browser.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
        browser.evaluate("new Promise(done => setTimeout(done, 200))")
        found = {"unreachable": browser.evaluate(UNREACHABLE)}
        browser.evaluate("document.querySelectorAll('details').forEach(it => it.open = false)")
        found["views"] = [look(browser, folder, *view) for view in VIEWS]
        browser.evaluate("document.querySelector('svg[role=img]').focus()")
        readout = "document.querySelector('.readout').textContent"
        found["summary"] = browser.evaluate(readout)
        browser.key("ArrowLeft")
        found["readout"] = browser.evaluate(readout)
        found["text"] = browser.evaluate("document.body.innerText")
        found["html"] = browser.evaluate("document.documentElement.outerHTML")
        found["paths"] = browser.evaluate(
            "[...document.querySelectorAll('path.series')].map(path => path.getAttribute('d'))")
        said = [event["params"] for event in browser.events
                if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
        asked = {event["params"]["request"]["url"] for event in browser.events
                 if event.get("method") == "Network.requestWillBeSent"}
        found["complaints"], found["asked"] = said, sorted(asked)
        print(json.dumps(found))
    finally:
        browser.process.terminate()
        browser.process.wait(10)


main(*sys.argv[1:])
