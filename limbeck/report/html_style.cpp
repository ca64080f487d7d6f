#include "limbeck/report/html_style.h"

namespace limbeck::report {

std::string_view style_sheet() noexcept {
  // Contrast of text is at least 4.5 in both schemes.
  return R"css(
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--page:#f6f7f9;--card:#fff;--accent:#0b6e5f;--bad:#b3261e;--zebra:#f0f2f5;--w0:#1b1f24;--w1:#1f5fbf;--w2:#0b6e5f;--w3:#b54708;--w4:#6e40a8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#a5afbb;--line:#343b46;--page:#12151a;--card:#1a1e25;--accent:#4fd1b8;--bad:#ff8f85;--zebra:#222730;--w0:#e6e9ee;--w1:#7db1ff;--w2:#4fd1b8;--w3:#ffb26b;--w4:#c9a7ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:2rem 1.2rem 4rem}
a{color:var(--accent)}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.6rem 0 .8rem;letter-spacing:-.01em}
.sub,.note,figcaption,caption{color:var(--soft);font-size:.9rem}
caption{text-align:left;padding:.6rem .8rem;white-space:normal;position:sticky;left:0}
nav{margin:.8rem 0 0;font-size:.9rem}nav a{margin-right:1rem;display:inline-block}
.skip{position:absolute;left:-9999px}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.verdict{background:var(--card);border:1px solid var(--line);border-left:6px solid var(--accent);border-radius:10px;padding:1.2rem 1.4rem;margin:1.4rem 0}
.verdict p{margin:.3rem 0;font-size:1.2rem;line-height:1.4;overflow-wrap:anywhere}
.verdict .alternative{font-size:1.02rem;color:var(--soft)}.verdict .conf{font-size:.92rem;color:var(--soft)}
.badge{display:inline-block;border:1px solid currentColor;color:var(--accent);border-radius:99px;padding:0 .7rem;font-size:.82rem;margin-right:.5rem;font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:.8rem 2.4rem;margin:1rem 0 .2rem;padding:0}
.facts div{min-width:6rem}.facts dt{color:var(--soft);font-size:.85rem}.facts dd{margin:0;font-size:1.5rem;font-weight:650;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--card);max-width:100%}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.89rem}
th,td{padding:.42rem .55rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
tbody tr:last-child>*{border-bottom:0}
thead th{border-bottom:2px solid var(--line);font-weight:600;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:inherit}
tr{background:var(--card)}tr.section{background:var(--zebra)}tr.section th{text-align:left;font-weight:600;padding-top:.6rem}
tr.pick{background:var(--zebra)}tr.pick th:first-child{font-weight:650}
td.left,th.left{text-align:left}td.wrap,th.wrap{white-space:normal;min-width:11rem;max-width:26rem;overflow-wrap:anywhere}
.right{color:var(--w2)}.wrong{color:var(--bad)}.quiet{color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem}
figure h3{font-size:1rem;margin:0 0 .5rem}figcaption{margin-top:.5rem}
svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font-size:12px}
.grid{stroke:var(--line);stroke-width:1}.leader{stroke:var(--soft);stroke-width:.8}.bar{stroke:var(--soft);stroke-width:1.3}
.mark{stroke-width:2}.w0{stroke:var(--w0);fill:var(--w0)}.w1{stroke:var(--w1);fill:var(--w1)}.w2{stroke:var(--w2);fill:var(--w2)}.w3{stroke:var(--w3);fill:var(--w3)}.w4{stroke:var(--w4);fill:var(--w4)}
.mark.off{fill:var(--card)}.curve{fill:none;stroke-width:2}.frontier{fill:none;stroke:var(--soft);stroke-width:1.3;stroke-dasharray:5 4}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;list-style:none;padding:0;margin:0 0 .8rem;font-size:.9rem}.legend li{display:flex;align-items:center;gap:.4rem}.legend svg{width:18px;height:18px}
.key{display:inline-block;width:14px;height:14px;vertical-align:-2px;margin-right:.45rem}
details{margin:.8rem 0}summary{cursor:pointer;padding:.4rem 0;color:var(--accent);font-weight:600}
pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem;overflow-x:auto;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
code{font-size:.85em;overflow-wrap:anywhere}
ul{padding-left:1.2rem}li{margin:.2rem 0;overflow-wrap:anywhere}
@media (max-width:640px){main{padding:1.2rem .8rem 3rem}h1{font-size:1.4rem}.verdict{padding:1rem}.verdict p{font-size:1.08rem}th,td{padding:.4rem .55rem}table{font-size:.86rem}th:first-child,td:first-child{min-width:7.6rem;max-width:9.5rem;white-space:normal;overflow-wrap:anywhere}td.wrap:first-child,th.wrap:first-child{min-width:10rem;position:static}caption{max-width:calc(100vw - 2.4rem)}tr.section th{max-width:none;white-space:nowrap}figure{padding:.6rem}svg text{font-size:15px}}
@media print{body{background:#fff}.scroll{overflow:visible}nav{display:none}figure,.verdict{break-inside:avoid}}
)css";
}

}  // namespace limbeck::report
