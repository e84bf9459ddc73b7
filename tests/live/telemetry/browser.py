"""Looks at the status page in a real browser.

browser.py URL FOLDER: prints one JSON object of what was found, and leaves a picture of each view.
"""
import json, sys, time

# Of scripts/lib.
from chromium import Browser

VIEWS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]


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

# What the page says of a collector that records last arrived at two days ago, and were last written to three.
OLD = """fetch('status.json').then(answer => answer.json()).then(status => {
  const [one] = status.targets;
  [one.last_success, one.last_written] = [2, 3].map(days => status.now - days * 86400);
  status.targets = [one];
  show(status);
  return [byId('targets').innerText, status.now];
})"""


def look(browser, folder, width, scheme):
    browser.view(width, scheme)
    browser.picture(f"{folder}/{width}-{scheme}.png")
    return {
        "width": width, "scheme": scheme, "poor_contrast": browser.evaluate(CONTRAST),
        "overflow": browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
        "ground": browser.evaluate("getComputedStyle(document.body).backgroundColor"),
    }


def main(url, folder):
    browser = Browser(folder)
    try:
        browser.open(url)
        browser.wait_for("document.body?.dataset.shown", 100)
        # The charts have two points or more, and the page has asked more than once.
        browser.wait_for(
            "document.querySelector('path.series')?.outerHTML.includes('L')", 150)
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
        found["old"], now = browser.evaluate(OLD)
        found["old_days"] = [time.strftime("%Y-%m-%d ", time.localtime(now - ago * 86400)) for ago in (0, 2, 3)]
        said = [event["params"] for event in browser.events
                if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
        asked = {event["params"]["request"]["url"] for event in browser.events
                 if event.get("method") == "Network.requestWillBeSent"}
        found["complaints"], found["asked"] = said, sorted(asked)
        print(json.dumps(found))
    finally:
        browser.end()


main(*sys.argv[1:])
