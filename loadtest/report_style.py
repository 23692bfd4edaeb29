"""The style sheet of a report: system fonts, one column of text, two of figures, A4 in print."""

CSS = """
:root{--ink:#1f2937;--muted:#6b7280;--line:#e5e7eb;--pass:#0f9d6b;--fail:#dc2626;
--invalid:#b45309;--partial:#b45309}
*{box-sizing:border-box}
body{margin:0;background:#f8fafc;color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 28px 64px}
header{display:flex;gap:24px;align-items:flex-start;background:#fff;border:1px solid var(--line);
border-left:8px solid var(--muted);border-radius:10px;padding:22px 26px}
header h1{margin:0 0 2px;font-size:26px;line-height:1.2;letter-spacing:-.01em}
header p{margin:2px 0}header ul{margin:6px 0;padding-left:18px}
.meta{color:var(--muted);font-size:13px}
.badge{font-weight:700;font-size:22px;letter-spacing:.04em;color:#fff;background:var(--muted);
border-radius:8px;padding:10px 18px;min-width:120px;text-align:center}
header.pass{border-left-color:var(--pass)}header.pass .badge{background:var(--pass)}
header.fail{border-left-color:var(--fail)}header.fail .badge{background:var(--fail)}
header.invalid{border-left-color:var(--invalid)}header.invalid .badge{background:var(--invalid)}
header.partial{border-left-color:var(--partial)}header.partial .badge{background:var(--partial)}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:12px;margin:16px 0 4px}
.tiles div{background:#fff;border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tiles b{display:block;font-size:21px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{color:var(--muted);font-size:12.5px}
section{margin-top:30px}
h2{font-size:17px;margin:0 0 10px;letter-spacing:-.005em}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid var(--line);
font-size:13.5px}
th{font-weight:600;color:var(--muted);font-size:12.5px}
th,td{padding:7px 12px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
tr:last-child td{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}th.n{white-space:normal}
.result{display:inline-block;min-width:72px;text-align:center;border-radius:5px;padding:1px 8px;
font-size:12px;font-weight:700;color:#fff;background:var(--muted)}
.result.pass{background:var(--pass)}.result.fail{background:var(--fail)}
.result.info,.result.no-data{background:#e5e7eb;color:#374151}
.note{color:var(--muted);font-size:12.5px;margin:8px 2px 0}
.figures{display:grid;grid-template-columns:1fr 1fr;gap:14px}
figure{margin:0;background:#fff;border:1px solid var(--line);border-radius:10px;
padding:12px 14px 8px;break-inside:avoid}
figcaption{font-size:12.5px;color:var(--muted);margin-bottom:4px}
figcaption b{color:var(--ink);font-size:14px;margin-right:6px}
figure svg{width:100%;height:auto;display:block}
.facts thead{display:none}.facts td:first-child{color:var(--muted);width:130px}
code{font-size:12px;overflow-wrap:anywhere}
@media(max-width:820px){.figures{grid-template-columns:1fr}
.tiles{grid-template-columns:1fr 1fr 1fr}}
@page{size:A4;margin:12mm}
@media print{body{background:#fff;font-size:11px}main{max-width:none;padding:0 1px}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.meta,.note,figcaption,.tiles span,code{font-size:9.5px}figcaption b{font-size:11px}
h2{font-size:13px;margin-bottom:5px;break-after:avoid}
header{padding:12px 16px}.badge{font-size:17px}
header h1{font-size:19px}.tiles div{padding:7px 9px}.result{font-size:9px;min-width:54px}
section{margin-top:12px}section:has(table),tr,figure{break-inside:avoid}
table{font-size:10px}th,td{padding:4px 7px}.tiles b{font-size:15px}
.tiles{grid-template-columns:repeat(6,1fr)}.figures{grid-template-columns:1fr 1fr}}
"""
