"""A real browser, driven over the DevTools protocol (a pipe, no port)."""
import base64, json, os, select, subprocess, time


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

    def open(self, url):
        """A page of its own at `url`, with all that it says and asks for among the events."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Page.navigate", url=url)

    def wait_for(self, expression, tries):
        for _ in range(tries):
            if self.evaluate(expression):
                return
            time.sleep(0.1)

    def view(self, width, scheme, scale=1):
        """How wide the window is, and whether its user likes it dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800,
                  deviceScaleFactor=scale, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")

    def picture(self, path, **params):
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True, **params)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def end(self):
        self.process.terminate()
        self.process.wait(10)
