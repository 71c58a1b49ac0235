"""The look of the pages: one style sheet, light and dark by the reader's own setting."""

STYLE = """
:root{color-scheme:light dark;--ground:#f6f7f9;--sheet:#fff;--ink:#1b2229;--faint:#66717d;--line:#dfe4ea;
--accent:#2563c9;--mark:#d9480f;--soft:#eef2f7;--series-1:#2563c9;--series-2:#d9480f;--series-3:#12885f;
--series-4:#8a3ffc;--series-5:#a56a00;--series-6:#c2255c}
@media (prefers-color-scheme:dark){:root{--ground:#0e1114;--sheet:#171b20;--ink:#e6e9ed;--faint:#98a3af;--line:#2a313a;
--accent:#79aefc;--mark:#ff9a5c;--soft:#1e242b;--series-1:#79aefc;--series-2:#ff9a5c;--series-3:#4fd1a5;
--series-4:#bb98ff;--series-5:#e3b341;--series-6:#ff7eb0}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:36px 24px 48px}
header{margin-bottom:24px}
.kicker{margin:0;color:var(--accent);font-size:12px;font-weight:600;letter-spacing:.09em;text-transform:uppercase}
h1{margin:4px 0 4px;font-size:30px;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
.subtitle{margin:0;color:var(--faint);max-width:80ch}
h2{margin:0 0 4px;font-size:19px;letter-spacing:-.005em}
h3{margin:0;font-size:15px}
.scroll+h3{margin-top:16px}
.lead{margin:0 0 12px;color:var(--faint);max-width:90ch}
section{background:var(--sheet);border:1px solid var(--line);border-radius:12px;padding:20px 22px 22px;margin:0 0 18px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 18px}
.card{background:var(--sheet);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.card-label{font-size:12px;color:var(--faint)}
.card-value{font-size:25px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.card-note{font-size:12px;color:var(--faint);min-height:1.5em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{padding:6px 12px 6px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
th{color:var(--faint);font-weight:600;font-size:12px;vertical-align:bottom}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th.number{white-space:normal}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:18px}
.chart{max-width:620px}
.chart svg{width:100%;height:auto;display:block}
.chart h3{font-size:13px;font-weight:600;color:var(--faint)}
figure{margin:10px 0 0}
figure img{display:block;max-width:100%;height:auto;border-radius:8px;background:#14181d}
figcaption{font-size:12.5px;color:var(--faint);margin-top:4px}
.case{border-top:1px solid var(--line);padding:16px 0 4px;margin-top:14px}
.case:first-of-type{border-top:0;margin-top:0;padding-top:4px}
.case-head{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:baseline}
.chip{font-size:12px;color:var(--faint);background:var(--soft);border-radius:99px;padding:1px 9px;
font-variant-numeric:tabular-nums}
.chip b{color:var(--ink);font-weight:600}
.strip{display:flex;gap:14px;overflow-x:auto;padding-bottom:8px;scroll-snap-type:x proximity}
.strip figure{flex:0 0 min(88%,860px);scroll-snap-align:start}
.notice{border-left:3px solid var(--mark);padding:6px 12px;margin:8px 0;
background:var(--soft);border-radius:0 6px 6px 0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:4px 28px;
margin:6px 0 0;font-size:13.5px}
.facts div{display:flex;gap:10px;justify-content:space-between;border-bottom:1px solid var(--line);padding:3px 0}
dt{color:var(--faint)}
dd{margin:0;text-align:right;overflow-wrap:anywhere}
details{margin-top:8px}
summary{cursor:pointer;color:var(--accent);font-size:13.5px}
pre{background:var(--soft);border-radius:8px;padding:14px 16px;overflow:auto;max-height:560px;
font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,monospace;margin:8px 0 0}
footer{color:var(--faint);font-size:13px;text-align:center;padding-top:14px}
@media print{body{background:#fff}section,.card{break-inside:avoid}.strip{flex-wrap:wrap}}
"""
"""Style sheet of every page."""
