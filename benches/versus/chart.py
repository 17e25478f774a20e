"""A small line chart as SVG: enough to see whether a curve is flat."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 240, 64, 40, 34


def lines(title, across, up, points):
    """Points (x, y) in order, evenly spaced by their place: the x are powers of ten apart. The y axis begins at 0."""
    highest = max(y for _, y in points) * 1.15 or 1
    step = (WIDTH - LEFT - 24) / max(len(points) - 1, 1)

    def place(index, value):
        return LEFT + index * step, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / highest
    spots = [place(index, value) for index, (_, value) in enumerate(points)]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        _, y = place(0, highest * share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{highest * share:.3g}</text>')
    parts.append('<polyline fill="none" stroke="#1565c0" stroke-width="2" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in spots) + '"/>')
    for (x, y), (name, value) in zip(spots, points):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1565c0"/><text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:.3g}</text>'
                     f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{name:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>'
                 f'<text x="12" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 12 {HEIGHT / 2})">{up}</text></svg>')
    return "\n".join(parts) + "\n"
