/** The styles of tables, of the lists of rules and findings, and of the search and the filters. */
export const LIST_STYLES = `
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 9px 14px 9px 0; border-bottom: 1px solid var(--line); font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th, .n { overflow-wrap: normal; }
thead th { color: var(--muted); font-size: 13px; vertical-align: bottom; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.plain td, .plain th { padding-block: 6px; }
.plain tbody th { min-width: 9em; }
.plain thead th { white-space: normal; line-height: 1.3; }
.bill .group th, .bill .group td { font-weight: 600; padding-top: 16px; }
.bill tfoot th, .bill tfoot td { font-weight: 600; border-bottom: 0; }
.bill td:nth-child(2) { white-space: nowrap; }
.unit { color: var(--muted); }

.rules { border-top: 1px solid var(--line); }
.rules li { display: grid; grid-template-columns: 84px 1fr 150px; gap: 16px; padding: 14px 0; border-bottom: 1px solid var(--line); }
.rules h3 { margin-bottom: 2px; font-size: 15px; }
.rules .mark { justify-self: start; align-self: start; margin-top: 1px; }
.rules div p { max-width: 58em; color: var(--muted); font-size: 14px; }
.rules div .remark { font-size: 12.5px; margin-top: 2px; }
.total { text-align: right; }
.total b { font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
.kept { margin-top: 12px; } .kept b { color: var(--muted); font-weight: 400; }

.tools { display: grid; grid-template-columns: repeat(auto-fit, minmax(116px, 1fr)); gap: 10px 14px; padding: 14px 16px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.tools label { color: var(--muted); font-size: 12.5px; display: grid; gap: 3px; }
.tools .wide { grid-column: span 2; }
input, select, button { font: inherit; font-size: 14px; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 6px; }
input, select { height: 36px; padding: 0 10px; width: 100%; min-width: 0; border-color: color-mix(in srgb, var(--muted) 55%, var(--line)); }
::placeholder { color: var(--muted); opacity: 1; }
button { padding: 6px 14px; cursor: pointer; background: var(--card); border-color: color-mix(in srgb, var(--muted) 55%, var(--line)); }
button:hover { border-color: var(--ink); }
.count { margin: 14px 0 8px; color: var(--muted); font-size: 14px; font-variant-numeric: tabular-nums; }
.more { margin-top: 18px; display: flex; gap: 10px; }
.js [data-list]:not(.ready) [data-rows] { display: none; }

.findings { border-top: 1px solid var(--line); }
.findings li { display: grid; grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 8px 32px; padding: 16px 0; border-bottom: 1px solid var(--line); }
.head b { font-weight: 600; }
.head .mark { margin-right: 4px; }
.whom { margin-top: 4px; font-size: 14px; }
.whom span { color: var(--muted); } .whom span::before { content: '· '; }
.name { font-family: ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; font-size: .93em; }
.case > p:not(.head, .whom) { color: var(--muted); font-size: 14px; margin-top: 2px; max-width: 46em; }
.remedy { position: relative; align-self: start; }
pre { margin: 0; padding: 10px 12px; background: var(--code); border: 1px solid var(--line); border-radius: 6px; font: 13px/1.5 ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; white-space: pre-wrap; }
pre.prose { font-family: inherit; font-size: 14px; }
pre span { display: inline-block; max-width: 100%; }
.js pre { padding-right: 84px; }
.copy { position: absolute; top: 6px; right: 6px; padding: 2px 10px; font-size: 12.5px; min-width: 68px; }

.credentials { table-layout: fixed; margin-top: 4px; }
.credentials thead th { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--muted); }
.credentials thead th:nth-child(1) { width: 22%; } .credentials thead th:nth-child(2) { width: 9.5%; } .credentials thead th:nth-child(3) { width: 20%; }
.credentials thead th:nth-child(4) { width: 6%; } .credentials thead th:nth-child(5) { width: 10%; } .credentials thead th:nth-child(6), .credentials thead th:nth-child(7) { width: 8.5%; }
.credentials thead th:nth-child(8) { width: 6%; } .credentials thead th:nth-child(9) { width: 9.5%; }
.credentials td:nth-child(3) { font-size: 13px; }
.credentials thead th { white-space: normal; line-height: 1.3; }
.credentials a { text-decoration: none; display: inline-flex; flex-direction: column; align-items: end; gap: 3px; }
.credentials a:hover .mark { text-decoration: underline; }
thead button { all: unset; cursor: pointer; color: var(--link); }
thead button:focus-visible { outline: 2px solid var(--focus); outline-offset: 3px; border-radius: 2px; }
thead button:hover { text-decoration: underline; text-underline-offset: .2em; }
[aria-sort] button { font-weight: 600; color: var(--ink); }
[aria-sort='ascending'] button::after { content: ' ↑'; } [aria-sort='descending'] button::after { content: ' ↓'; }
li:focus, tr:focus { outline: none; box-shadow: inset 3px 0 0 var(--focus); }
`
