"""Results as Markdown: the table of the README, and the page with all that differs."""
import re

import servers

BEGIN, END = "<!-- tests/safety/run: begin -->", "<!-- tests/safety/run: end -->"


def table(results):
    """One row for each figure, one column for each server."""
    steps, versions = results["steps"], results["versions"]
    names = [name for name in servers.NAMES if any(name in step["figures"] for step in steps.values())]
    lines = [f"| {days(steps)} | " + " | ".join(version(name, versions) for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, cell in ROWS:
        cells = [cell(steps, name) for name in names]
        if any(cells):
            lines.append(f"| {title(steps, versions)} | " + " | ".join(each or "–" for each in cells) + " |")
    return "\n".join(lines)


def days(steps):
    on = sorted({step["on"] for step in steps.values()})
    return " to ".join(dict.fromkeys((on[0], on[-1]))) if on else ""


def version(name, versions):
    number = re.search(r"\d+(\.\d+)+", versions.get(name, ""))
    return f"{servers.TITLES[name]} {number[0] if number else ''}".strip()


def figures(steps, step, name):
    return steps.get(step, {}).get("figures", {}).get(name)


def corpus_title(steps, _):
    cases = max((each["cases"] for each in steps["corpus"]["figures"].values()), default=0)
    return (f"{cases} cases of smuggling and framing, both sides watched: as the strictest reading asks · "
            "tolerated, but made sound · too strict · **harmful**")


def corpus_cell(steps, name):
    own = figures(steps, "corpus", name)
    return own and f"{own['strict']} · {own['tolerated']} · {own['too-strict']} · **{own['harmful']}**"


def h2spec_cell(steps, name):
    own = figures(steps, "h2spec", name)
    return own and f"{own['passed']} of {own['cases']}" + (f", {own['skipped']} skipped" if own["skipped"] else "")


def testssl_cell(steps, name):
    own = figures(steps, "testssl", name)
    if not own:
        return None
    grade = f"{own['grade']} ({own['score']}), " if own["grade"] else ""
    return f"{grade}{len(own['findings'])}"


def slow(attack):
    def cell(steps, name):
        own = (figures(steps, "slowhttptest", name) or {}).get(attack)
        return own and (f"{own['served'] / own['asked']:.0%}, {own['p99_ms']} ms; "
                        f"{own['held_at_most']}, {own['held_at_the_end']}")

    def title(steps, _):
        count = max(each[attack]["attackers"] for each in steps["slowhttptest"]["figures"].values() if attack in each)
        return f"slowhttptest, {attack}, {count} connections: good clients served, p99; attackers held at most, and at the end"

    return title, cell


def websocket_title(steps, versions):
    direct = figures(steps, "websocket", "direct") or {"cases": 0, "failed": []}
    return (f"Autobahn {versions.get('autobahntestsuite', '')} through the tunnel, {direct['cases']} cases: failed "
            f"(straight to the echo: {len(direct['failed'])}) · answered otherwise than straight")


def websocket_cell(steps, name):
    own = figures(steps, "websocket", name)
    return own and f"{len(own['failed'])} · {len(own['differs'])}"


ROWS = [
    (corpus_title, corpus_cell),
    (lambda _, versions: f"h2spec {number(versions, 'h2spec')}: passed", h2spec_cell),
    (lambda _, versions: f"testssl.sh {versions.get('testssl.sh', '')}: grade, findings", testssl_cell),
    *(slow(attack) for attack in ("slow header", "slow body", "slow read")),
    (websocket_title, websocket_cell),
]


def number(versions, name):
    found = re.search(r"\d+(\.\d+)+", versions.get(name, ""))
    return found[0] if found else ""


def whole(results):
    """The table, and behind it everything that differs."""
    steps, parts = results["steps"], ["# Safety: what was measured", table(results)]
    parts.append("Versions: " + "; ".join(f"{name}: {version}" for name, version in sorted(results["versions"].items())) + ".")
    for step, result in steps.items():
        parts.append(f"## {step} ({result['on']}{', short form' if result['short'] else ''})")
        if "left_out" in result["figures"]:
            parts.append(f"Left out: {result['figures']['left_out']}.")
            continue
        for name, own in result["figures"].items():
            lines = list(differs(step, own))
            parts.append(f"### {servers.TITLES.get(name, name)}\n\n" + ("\n".join(f"- {line}" for line in lines) or "Nothing differs."))
    return "\n\n".join(parts) + "\n"


def differs(step, own):
    if step == "corpus":
        for row in sorted(own["differs"], key=lambda row: (row["verdict"], row["class"])):
            yield f"{row['verdict']}: {row['class']}: {row['case']}. {clean(row['because'])}"
    elif step == "slowhttptest":
        for attack, figure in own.items():
            yield (f"{attack}: {figure['served']} of {figure['asked']} good requests served, median {figure['median_ms']} ms, p99 {figure['p99_ms']} ms; "
                   f"of {figure['attackers']} attackers {figure['held_at_most']} were held at most, {figure['held_at_the_end']} at the end")
    elif step == "testssl":
        yield f"grade {own['grade']}, score {own['score']}" + "".join(f"; {cap}" for cap in own["grade_caps"])
        yield from map(clean, own["findings"])
    elif step == "h2spec":
        yield from map(clean, own["failed"])
    else:
        yield f"{own['count']}"
        yield from map(clean, own["differs"])


def clean(text):
    """No byte of an attack, nor its length, on a page."""
    text = "".join(each if each.isprintable() and each not in "|<>`" else " " for each in text)
    return text if len(text) < 300 else text[:297] + "…"


def into_readme(readme, results):
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def troubles(results, name="botgate"):
    """What must not be in the results of this server; a step that was left out is none."""
    found = []
    for step, result in results["steps"].items():
        own = result["figures"].get(name)
        if not own:
            continue
        if step == "corpus":
            found += [f"corpus: {row['verdict']}: {row['class']}: {row['case']}" for row in own["differs"] if row["verdict"] != "tolerated"]
        elif step == "slowhttptest":
            found += [f"slowhttptest: {attack}: {figure['asked'] - figure['served']} of {figure['asked']} good requests failed"
                      for attack, figure in own.items() if figure["served"] < figure["asked"]]
        else:
            found += [f"{step}: {line}" for line in own["findings" if step == "testssl" else "failed"]]
    return found
