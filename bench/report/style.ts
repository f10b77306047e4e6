/** The style sheet of the report. Series colours keep their distance for the colour-blind (after Okabe and Ito). */
export const STYLE = `
:root { color-scheme: light dark; --text: #1a1d21; --soft: #5b6470; --line: #d9dde2; --back: #ffffff;
  --good: #11703a; --bad: #b3401b;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #a07800; --c5: #56a5d8; --c6: #6b4fa3; --c7: #777777; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7eb; --soft: #9aa4b0; --line: #363c44; --back: #15181c; --good: #5fc98b; --bad: #f0875e;
    --c0: #4da9e0; --c1: #f08a3c; --c2: #2fc79d; --c3: #e29cc4; --c4: #d9b13a; --c5: #8cc8ee; --c6: #a78ee0; --c7: #a5a5a5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--back); }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 3rem 0 0; font-size: 1.3rem; }
header p, .options, .note, dt { color: var(--soft); }
.options, .note { font-size: 0.875rem; margin: 0.25rem 0 1rem; }
dl { margin: 1rem 0; font-size: 0.875rem; } dl div { display: flex; gap: 0.75rem; }
dt { flex: 0 0 5rem; } dd { margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; } a { color: var(--c0); }
figure { margin: 1.5rem 0 2rem; } figcaption { font-weight: 600; }
figure > svg { display: block; width: 100%; height: auto; margin: 0.5rem 0; color: var(--text); }
.legend { list-style: none; margin: 0.25rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; font-size: 0.8125rem; }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.8125rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.2rem 0.75rem 0.2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 400; } thead th { color: var(--soft); } .number { text-align: right; white-space: nowrap; }
.reached { color: var(--good); white-space: nowrap; } .missed { color: var(--bad); white-space: nowrap; }
@media print {
  :root { color-scheme: light; } body { max-width: none; font-size: 10pt; padding: 0; } nav { display: none; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } .wide { overflow: visible; }
}
`;
