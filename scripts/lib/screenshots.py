"""Pictures of what flowtap shows, for scripts/screenshots.

screenshots.py page FOLDER: the status page of the probe on this host, light and dark.
screenshots.py terminal FILE PICTURE: a screen as `tmux capture-pane -e` gives it.
"""
import html, pathlib, re, sys, tempfile

from chromium import Browser

# Of a terminal: the 16 colours of SGR 30-37 and 90-97, here those of the status page's dark look.
COLOURS = ["#2e3436", "#f07178", "#7fd88f", "#e6c35c", "#7aa2f7", "#c792ea", "#5ccfe6", "#d8dee9",
           "#7a8494", "#ff8b92", "#a5e9b4", "#ffdd85", "#a4bfff", "#ddb6ff", "#95e6cb", "#ffffff"]
# Of the status page: the heading that is shown no more.
BELOW = "interfaces-title"
GROUND, TEXT = "#11151a", "#d8dee9"


def page(folder):
    with_browser(lambda browser: look_at_page(browser, folder))


def look_at_page(browser, folder):
    browser.open("http://127.0.0.1:9739/")
    browser.wait_for("document.body?.dataset.shown", 100)
    browser.wait_for("document.querySelector('path.series')?.outerHTML.includes('L')", 150)
    for scheme in ("light", "dark"):
        browser.view(1280, scheme)
        height = browser.evaluate(f"document.getElementById('{BELOW}').getBoundingClientRect().top")
        browser.picture(f"{folder}/page-{scheme}.webp", format="webp", quality=80,
                        clip={"x": 0, "y": 0, "width": 1280, "height": height, "scale": 1})


def terminal(file, picture):
    text = pathlib.Path(file).read_text().rstrip()
    with tempfile.NamedTemporaryFile("w", suffix=".html") as document:
        document.write(f"<!doctype html><meta charset=utf-8><style>body{{margin:0;background:{GROUND};"
                       f"color:{TEXT}}}pre{{display:inline-block;margin:0;padding:16px 20px;"
                       f"font:14px/1.25 'DejaVu Sans Mono',monospace}}</style><pre>{marked(text)}</pre>")
        document.flush()
        with_browser(lambda browser: look_at_terminal(browser, document.name, picture))


def look_at_terminal(browser, document, picture):
    browser.open(f"file://{document}")
    browser.wait_for("document.readyState === 'complete'", 100)
    browser.view(1280, "dark")
    width, height = browser.evaluate(
        "(box => [box.width, box.height])(document.querySelector('pre').getBoundingClientRect())")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    browser.picture(picture, format="webp", quality=85, clip=clip)


def marked(text):
    """The text with its colours (ECMA-48 SGR) as HTML."""
    parts, style = [], {}
    for octets in re.split(r"(\x1b\[[\d;]*m)", text):
        if octets.startswith("\x1b["):
            style = styled(style, [int(it or 0) for it in octets[2:-1].split(";")])
        elif octets:
            parts.append(f'<span style="{css(style)}">{html.escape(octets)}</span>')
    return "".join(parts)


def styled(style, numbers):
    style = dict(style)
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style = {}
        elif number in (1, 2, 7):
            style[number] = True
        elif number in (22, 27):
            for it in ((1, 2) if number == 22 else (7,)):
                style.pop(it, None)
        elif number in (38, 48):
            kind = numbers.pop(0)
            style[number] = indexed(numbers.pop(0)) if kind == 5 else "rgb({},{},{})".format(
                *[numbers.pop(0) for _ in range(3)])
        elif number in (39, 49):
            style.pop(number - 1, None)
        else:
            for first, ground, bright in ((30, 38, 0), (40, 48, 0), (90, 38, 8), (100, 48, 8)):
                if first <= number < first + 8:
                    style[ground] = COLOURS[number - first + bright]
    return style


def indexed(number):
    """One of 256 colours, as xterm has them."""
    if number < 16:
        return COLOURS[number]
    if number >= 232:
        return "rgb({0},{0},{0})".format(8 + 10 * (number - 232))
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "rgb({},{},{})".format(levels[number // 36], levels[number // 6 % 6], levels[number % 6])


def css(style):
    colour, ground = style.get(38, TEXT), style.get(48, "transparent")
    if 7 in style:
        colour, ground = (GROUND if ground == "transparent" else ground), colour
    rules = [f"color:{colour}", f"background:{ground}"]
    if 1 in style:
        rules.append("font-weight:bold")
    if 2 in style:
        rules.append("opacity:.65")
    return ";".join(rules)


def with_browser(look):
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(folder)
        try:
            look(browser)
        finally:
            browser.end()


{"page": page, "terminal": terminal}[sys.argv[1]](*sys.argv[2:])
