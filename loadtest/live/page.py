"""The live page: one file without a network, drawn by the script in it from /events."""

from html import escape

CSS = """
:root{--ink:#1f2937;--muted:#6b7280;--line:#e5e7eb;--blue:#2563eb}
*{box-sizing:border-box}
body{margin:0;background:#f8fafc;color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px}
header{background:#fff;border:1px solid var(--line);border-left:8px solid var(--blue);
border-radius:10px;padding:18px 24px}
header.over{border-left-color:#0f9d6b}header.lost{border-left-color:#b45309}
h1{margin:0;font-size:24px}#state{color:var(--muted)}
#bar{height:8px;border-radius:4px;background:var(--line);margin-top:12px;overflow:hidden}
#bar div{height:100%;width:0;background:var(--blue)}
#tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:12px;margin:14px 0}
#tiles div,figure{background:#fff;border:1px solid var(--line);border-radius:10px;padding:12px 14px}
#tiles b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
#tiles span,figcaption span{color:var(--muted);font-size:12.5px}
#figures{display:grid;grid-template-columns:1fr 1fr;gap:14px}
figure{margin:0}figure svg{width:100%;height:150px;display:block}
figcaption b{margin-right:10px}figcaption span{margin-right:10px;white-space:nowrap}
i{display:inline-block;width:10px;height:3px;margin-right:5px;vertical-align:middle}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid var(--line);
font-size:13.5px;margin-top:14px}
th{color:var(--muted);font-size:12.5px;font-weight:600}
th,td{padding:5px 12px;border-bottom:1px solid var(--line);text-align:left}
td:nth-child(n+2),th:nth-child(n+2){text-align:right;font-variant-numeric:tabular-nums}
.gauge{display:inline-block;width:110px;height:8px;background:var(--line);margin-left:10px}
.gauge div{height:100%;background:var(--blue);max-width:100%}
text{font-size:10px;fill:#6b7280}
@media(max-width:820px){#figures{grid-template-columns:1fr}#tiles{grid-template-columns:1fr 1fr}}
"""
SCRIPT = """
'use strict';
const moments = [], KEPT = 7200, POINTS = 300;
const charts = [
  ['Requests per second', [['answered', '#2563eb', m => m.request_rate]]],
  ['Latency p99, ms', [['mutating', '#dc2626', m => m.latency_ms.mutating],
    ['get', '#2563eb', m => m.latency_ms.get], ['list', '#ea8a0a', m => m.latency_ms.list]]],
  ['Pods per second', [['created', '#ea8a0a', m => m.pod_rates[0]],
    ['bound', '#7c3aed', m => m.pod_rates[1]], ['Running', '#0f9d6b', m => m.pod_rates[2]]]],
  ['In flight', [['requests', '#2563eb', m => m.in_flight]]],
];
const at = id => document.getElementById(id);
const short = n => n >= 100 ? Math.round(n).toLocaleString('en') : +n.toPrecision(3);
function make(tag, parent, text) {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  parent.appendChild(one);
  return one;
}
function svg(tag, parent, attributes, text) {
  const one = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const key in attributes) one.setAttribute(key, attributes[key]);
  if (text !== undefined) one.textContent = text;
  parent.appendChild(one);
  return one;
}
function thinned(load) {
  const step = Math.ceil(load.length / POINTS);
  return load.filter((m, i) => i % step === 0 || i === load.length - 1);
}
function chart([title, lines], points) {
  const figure = make('figure', at('figures'));
  const caption = make('figcaption', figure);
  make('b', caption, title);
  const drawing = svg('svg', figure, {viewBox: '0 0 520 150', preserveAspectRatio: 'none'});
  const from = points.length ? points[0].t : 0;
  const to = Math.max(points.length ? points[points.length - 1].t : 0, from + 1);
  const values = lines.flatMap(([, , of]) => points.map(of)).filter(v => v != null);
  const top = Math.max(1e-9, ...values) * 1.05;
  const x = t => 38 + (t - from) / (to - from) * 476, y = v => 132 - v / top * 122;
  for (const share of [0, 0.5, 1]) {
    svg('line', drawing, {x1: 38, x2: 514, y1: y(top * share / 1.05),
      y2: y(top * share / 1.05), stroke: '#e5e7eb'});
    svg('text', drawing, {x: 34, y: y(top * share / 1.05) + 3, 'text-anchor': 'end'},
      short(top * share / 1.05));
  }
  svg('text', drawing, {x: 38, y: 147}, short(from) + ' s');
  svg('text', drawing, {x: 514, y: 147, 'text-anchor': 'end'}, short(to) + ' s');
  for (const [name, colour, of] of lines) {
    const known = points.filter(m => of(m) != null);
    const label = make('span', caption);
    make('i', label).style.background = colour;
    const last = known.length ? short(of(known[known.length - 1])) : '\\u2013';
    label.appendChild(document.createTextNode(name + ' ' + last));
    const path = known.map(m => x(m.t).toFixed(1) + ',' + y(of(m)).toFixed(1)).join(' ');
    svg('polyline', drawing, {points: path, fill: 'none', stroke: colour, 'stroke-width': 1.6});
  }
}
function draw() {
  const now = moments[moments.length - 1], load = moments.filter(m => m.total > 0);
  at('state').textContent = now.phase + ', ' + short(now.t) + ' s'
    + (now.total ? ' of ' + short(now.total) + ' s' : '');
  at('bar').firstChild.style.width = now.total ? Math.min(100, 100 * now.t / now.total) + '%' : 0;
  const tiles = {'nodes Ready': short(now.nodes[0]) + ' / ' + short(now.nodes[1]),
    'requests answered': short(now.requests), 'in flight': short(now.in_flight),
    'not sent': short(now.overflow), 'pods created': short(now.pods[0]),
    'pods Running': short(now.pods[2])};
  at('tiles').replaceChildren();
  for (const name in tiles) {
    const tile = make('div', at('tiles'));
    make('b', tile, tiles[name]);
    make('span', tile, name);
  }
  at('figures').replaceChildren();
  const points = thinned(load);
  for (const one of charts) chart(one, points);
  const body = at('components');
  body.replaceChildren();
  for (const [name, cores, queue, bytes] of now.components) {
    const row = make('tr', body);
    make('td', row, name);
    const used = make('td', row, cores.toFixed(2));
    const gauge = make('div', used);
    gauge.className = 'gauge';
    make('div', gauge).style.width = Math.min(100, 100 * cores) + '%';
    make('td', row, queue == null ? '\\u2013' : short(queue));
    make('td', row, short(bytes / 1048576) + ' MiB');
  }
}
let due = false;
const source = new EventSource('events');
source.onmessage = event => {
  moments.push(JSON.parse(event.data));
  if (moments.length > KEPT) moments.shift();
  if (!due) { due = true; setTimeout(() => { due = false; draw(); }, 0); }
};
source.addEventListener('end', () => {
  source.close();
  document.querySelector('header').className = 'over';
  at('over').textContent = 'The run is over; its report is a file.';
});
source.onopen = () => { document.querySelector('header').className = ''; };
source.onerror = () => { document.querySelector('header').className = 'lost'; };
"""


def page_html(name: str) -> str:
    """The whole file. ``name``: of the campaign."""
    title = f"hollowfleet: {escape(name)}, live"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body><main>"
        f"<header><h1>{escape(name)}</h1>"
        '<span id="state">waiting for the run</span> <span id="over"></span>'
        '<div id="bar"><div></div></div></header><div id="tiles"></div><div id="figures"></div>'
        "<table><thead><tr><th>Component</th><th>Cores</th><th>Queue</th><th>Memory (PSS)</th>"
        '</tr></thead><tbody id="components"></tbody></table>'
        f"</main><script>{SCRIPT}</script></body></html>\n"
    )
