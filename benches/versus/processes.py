"""Processes that this run started: what they cost, and their end. Nothing else is ever signalled."""
import os, pathlib, re, signal, subprocess, sys, time

STARTED = []    # every Process and every adopted pid that may still be there, oldest first


class Process:
    """A child in a session of its own (so Ctrl-C reaches this program alone), its output in a file."""

    def __init__(self, command, folder, name, environment=None, pipes=False):
        self.name, self.command = name, [str(word) for word in command]
        self.log = folder / f"{name}.log"
        with self.log.open("a") as log:
            self.child = subprocess.Popen(self.command, cwd=folder, start_new_session=True, env={**os.environ, **(environment or {})},
                                          stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                                          stdout=subprocess.PIPE if pipes else log, stderr=log, text=True)
        STARTED.append(self)

    @property
    def pid(self):
        return self.child.pid

    def stop(self, patience=10):
        """Asks it to end, and its descendants; then ends them."""
        family = [(each, started_at(each)) for each in tree(self.pid)] if self.child.poll() is None else []
        if family:
            send(self.pid, signal.SIGCONT)
            send(self.pid, signal.SIGTERM)
        try:
            self.child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for pid, birth in family:
            if pid != self.pid and birth and started_at(pid) == birth:
                send(pid, signal.SIGKILL)
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        if self in STARTED:
            STARTED.remove(self)

    def kill(self):
        send(self.pid, signal.SIGKILL)


class Adopted:
    """A process that a process of ours left behind when it handed over: known by pid and moment of birth."""

    def __init__(self, pid, name):
        self.pid, self.name, self.birth = pid, name, started_at(pid)
        STARTED.append(self)

    def stop(self, patience=10):
        family = [(each, started_at(each)) for each in tree(self.pid)]
        if self.birth and started_at(self.pid) == self.birth:
            send(self.pid, signal.SIGTERM)
        until = time.monotonic() + patience
        while started_at(self.pid) == self.birth and state(self.pid) != "Z" and time.monotonic() < until:
            time.sleep(0.02)
        for pid, birth in family:
            if birth and started_at(pid) == birth:
                send(pid, signal.SIGKILL)
        if self in STARTED:
            STARTED.remove(self)


def stop_all():
    for process in reversed(list(STARTED)):
        process.stop(3)


def send(pid, which):
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        pass


def fields(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def started_at(pid):
    """Ticks since boot at which it began: tells a process from a later one with its pid. None when there is none."""
    return (fields(pid) or [None] * 20)[19]


def state(pid):
    return (fields(pid) or ["Z"])[0]


def tree(pid):
    """A process and its descendants."""
    found, ahead = [], [pid]
    while ahead:
        each = ahead.pop()
        found.append(each)
        for children in pathlib.Path(f"/proc/{each}/task").glob("*/children"):
            try:
                ahead += [int(word) for word in children.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def cpu_ns(pid):
    """CPU time, user and system, of a process and its descendants in nanoseconds: of every thread, from the scheduler."""
    total = 0
    for each in tree(pid):
        for task in pathlib.Path(f"/proc/{each}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return total


def resident(pid):
    """Bytes of memory of a process and its descendants. Pages that they share count once; pages of files count whole, though
    others on the machine may have the same library in memory (PSS alone would give those a share of it)."""
    own, files = 0, {}
    for each in tree(pid):
        try:
            rollup = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
            mappings = pathlib.Path(f"/proc/{each}/smaps").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        own += sum(int(number) for number in re.findall(r"^Pss_(?:Anon|Shmem): +(\d+)", rollup, re.M))
        for place, held in file_pages(mappings):
            files[place] = max(files.get(place, 0), held)
    return (own + sum(files.values())) * 1024


def file_pages(mappings):
    """((file, offset), KiB that are in memory and as they are in the file) of each mapping of a file."""
    place, held = None, 0
    for line in mappings.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            # Shared memory has a name and an inode, too: it was counted.
            shared = len(words) < 6 or words[4] == "0" or words[5].startswith(("/dev/", "/memfd", "/SYSV"))
            place = None if shared else (words[4], words[2])
        elif place and words[0] == "Rss:":
            held = int(words[1])
        elif place and words[0] == "Anonymous:":
            yield place, held - int(words[1])


def wait_until(what, condition, patience=20):
    """Waits for a condition; gives up with what was waited for."""
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"still not after {patience} s: {what}")
        time.sleep(0.02)


def complain(text):
    print(f"benches/versus: {text}", file=sys.stderr, flush=True)
