"""What every proxy has in common."""
import contextlib, subprocess

import processes, scene


class Proxy:
    """One instance in front of two backends. A subclass writes its files and knows its commands."""

    name, title = "", ""
    # The programs of all of them, by name: set by whoever has installed them.
    programs = {}
    # What a reader must know of how it was set up for retries and health.
    told = ""

    def __init__(self, site, backends, **more):
        self.site, self.first, self.second = site, *backends
        self.place, self.port, self.admin = site.place(self.name), site.port(), site.port()
        self.generation, self.more = 0, more
        self.configure()
        self.process = self.spawn(self.command())
        scene.wait_for_port(self.port)

    def configure(self):
        """Writes its files, as `self.generation` wants them: a reload must find something changed."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def reload(self):
        """Has it apply its changed files, while it serves; back when it has, as far as it tells."""
        raise NotImplementedError

    def replace(self):
        """A new process takes over from the old one, as its documentation says, while it serves."""
        raise NotImplementedError

    def spawn(self, command):
        return processes.Process(command, self.place, self.name, self.environment())

    def write(self, name, text):
        (self.place / name).write_text(text)

    @property
    def pid(self):
        return self.process.pid

    @property
    def program(self):
        return self.programs[self.name.partition("-")[0]]

    def cpu_ns(self):
        return processes.cpu_ns(self.pid)

    def resident(self):
        return processes.resident(self.pid)

    def stop(self):
        self.process.stop()

    def run(self, *command):
        return subprocess.run([str(word) for word in command], cwd=self.place, env=None, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def running(kind, site, backends, **more):
    """An instance that answers, until the end of the block."""
    proxy = kind(site, backends, **more)
    try:
        scene.wait_for_answer(proxy.port)
        yield proxy
    finally:
        proxy.stop()
