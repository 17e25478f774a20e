"""Tables of a result: what is held against what, and what may be called a difference."""
import statistics

import peers
from figures import BY_KEY, CHANGES, FAULTS, FIGURES

BEGIN, END = "<!-- benches/versus/run: begin -->", "<!-- benches/versus/run: end -->"
NOT_MET = "**not met**"
OWN = {"botgate", "botgate-kit", "botgate-tokens"}


def noise(result):
    """Within how much of their median nine in ten runs of the yardstick were."""
    values = sorted(result["yardstick_ms"])
    if len(values) < 3:
        return 0.0
    middle = statistics.median(values)
    off = sorted(abs(value - middle) / middle for value in values)
    return off[min(len(off) - 1, int(len(off) * 0.9))]


def shown(value, unit):
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 or unit in ("", "/s") else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def cell(result, key, name):
    """Median and range."""
    values = result["samples"].get(key, {}).get(name)
    if not values:
        return "–"
    unit = BY_KEY[key].unit
    text = shown(statistics.median(values), unit)
    low, high = shown(min(values), unit), shown(max(values), unit)
    return text if low == high else f"{text} ({low}–{high})"


def median(result, key, name):
    values = result["samples"].get(key, {}).get(name)
    return statistics.median(values) if values else None


def against(result, figure):
    """The best peer, botgate's ratio to it, and whether the run can tell them apart; none without both."""
    key = figure.peers_key or figure.key
    peers_ = {name: median(result, key, name) for name in result["samples"].get(key, {}) if name not in OWN}
    own = median(result, figure.key, figure.own)
    if own is None or not peers_:
        return None
    best = (max if figure.more_is_better else min)(peers_, key=peers_.get)
    if not peers_[best]:
        return best, None, own != peers_[best]
    ratio = own / peers_[best]
    mine, theirs = result["samples"][figure.key][figure.own], result["samples"][key][best]
    apart = max(mine) < min(theirs) or min(mine) > max(theirs)
    return best, ratio, apart and abs(ratio - 1) > noise(result)


def ratio_cell(result, figure):
    found = against(result, figure)
    if not found:
        return "–"
    best, ratio, differs = found
    number = "" if ratio is None else f"{ratio:.2f}"
    return f"{number} of {peers.PEERS[best].title}" if differs and number else f"{number} (no difference)".strip() if number else "–"


def goals(result):
    """[(what, asked, found, verdict)] of what is asked of botgate."""
    rows = []
    for figure in FIGURES:
        own = median(result, figure.key, figure.own)
        if figure.goal is not None:
            found = against(result, figure)
            if found and found[1] is not None:
                met = found[1] <= figure.goal
                verdict = "met" if met else "cannot be told apart" if figure.goal == 1 and not found[2] else NOT_MET
                rows.append((figure.title, f"{figure.goal:.2f} of the best peer", ratio_cell(result, figure), verdict))
        if figure.limit is not None and own is not None:
            worst = max(result["samples"][figure.key][figure.own])
            unit = f" {figure.unit}" if figure.unit else ""
            rows.append((figure.title, f"{figure.limit:g}{unit}", f"{shown(own, figure.unit)}{unit} (at worst {shown(worst, figure.unit)})", "met" if own <= figure.limit else NOT_MET))
    return rows


def names(result):
    return [name for name in result["names"] if name != "botgate"]


def heading(result):
    cells = [f"{result['date'][:10]}", f"botgate {result['versions']['botgate']}"]
    return cells + [f"{peers.PEERS[name].title} {result['versions'][name]}" for name in names(result)]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def costs_table(result):
    """Everything that is no failover."""
    faults = {*FAULTS, *CHANGES}
    lines = [line([*heading(result), "botgate's ratio to the best"]), line(["---"] * (len(heading(result)) + 1))]
    for figure in FIGURES:
        if figure.key.split()[0] in faults or figure.key not in result["samples"]:
            continue
        key = figure.peers_key or figure.key
        title = figure.title.replace("a fixed rate", f"{result['steady_rate']:,} requests/s" if result.get("steady_rate") else "a fixed rate")
        others = ["" if figure.peers_key else cell(result, key, name) for name in names(result)]
        unit = f", {figure.unit}" if figure.unit and figure.unit != "/s" else ""
        lines.append(line([f"{title}{unit}", cell(result, figure.key, figure.own), *others, ratio_cell(result, figure)]))
    return lines


def failover_table(result):
    """Failed requests, the longest wait, and until when."""
    lines = [line(heading(result)), line(["---"] * len(heading(result)))]
    for name, title in {**FAULTS, **CHANGES}.items():
        if f"{name} failed" not in result["samples"]:
            continue
        cells = []
        for kind in ["botgate-kit", *names(result)]:
            if median(result, f"{name} failed", kind) is None:
                cells.append("–")
                continue
            parts = [cell(result, f"{name} failed", kind), cell(result, f"{name} longest", kind) + " ms"]
            last, unit = ("resent", "") if name in CHANGES else ("until", " ms")
            cells.append(" · ".join([*parts, cell(result, f"{name} {last}", kind) + unit]))
        lines.append(line([title, *cells]))
    return lines


def goals_table(result):
    rows = goals(result)
    lines = [line(["asked of botgate", "at most", "found", ""]), line(["---"] * 4)]
    return lines + [line(row) for row in rows]


def tables(result):
    """What the README has, too."""
    rounds = result["options"]["rounds"]
    machine = result["machine"]
    head = (f"{machine['cores']} cores ({machine['cpu']}, Linux {machine['kernel']}), which load, backends and proxy share: read ratios. Median and range of "
            f"{rounds} interleaved round{'s' * (rounds != 1)}; the machine's noise was ±{noise(result):.1%}, and no difference within it, or with ranges that overlap, is called one.")
    caption = ("500 POSTs per second over TLS while the active backend fails: failed requests · longest wait · until all succeed within 0.5 s; "
               "for reload and restart: failed · longest wait · sent again by the client, since its kept connection was closed.")
    head = f"{result['remark']} {head}" if result.get("remark") else head
    return "\n".join([head, "", *costs_table(result), "", caption, "", *failover_table(result)])


def whole(result):
    """The Markdown beside the JSON."""
    told = [f"- **{peers.ALL[name].title}**: {peers.ALL[name].told}." for name in result["names"]]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    notes = ["", "## What failed, and how", "", *[f"- {note}" for note in result["notes"]]] if result["notes"] else []
    return "\n".join([
        "# botgate beside its peers", "",
        f"Made by `benches/versus/run` on {result['date']} ({versions}), in {result['seconds_taken']} s. The load average was "
        f"{result['machine']['load_average_at_start']:.1f} when it began.", "",
        "## What is asked", "", *goals_table(result), "", "## What was measured", "", tables(result), "",
        "## How each was set up", "",
        "The same P-256 certificate, TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2, kept connections to two backends by priority, two threads, no access log, "
        "no limit on requests per connection; requests of 1 KiB with an `Authorization` of 800 bytes, 64 connections over HTTP/1.1, 16 with 32 streams over HTTP/2. "
        "CPU is user and system time of all its threads, from the scheduler. Memory counts pages that the processes of a proxy share once. "
        "The fixed rate is half of what the slowest good peer answers at most; good is one whose CPU per request is at most 3 times that of the best.", "",
        *told, *notes, ""])


def into_readme(text, result):
    """The README's text with the tables of this result."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(result)}\n{END}{after}"
