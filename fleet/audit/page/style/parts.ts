/** The styles of text, of the head of the page, and of the parts of its sections. */
export const PART_STYLES = `
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif; }
.page { max-width: 1200px; margin: 0 auto; padding: 40px 28px 64px; }
p, ul, ol, dl, figure, h1, h2, h3, h4 { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1, h2, h3, h4 { line-height: 1.25; font-weight: 600; letter-spacing: -.01em; text-wrap: balance; }
h1 { font-size: 31px; letter-spacing: -.02em; max-width: 22em; }
h2 { font-size: 21px; margin-bottom: 16px; scroll-margin-top: 24px; }
h3 { font-size: 16px; margin-bottom: 10px; }
main > section { margin-top: 56px; scroll-margin-top: 24px; }
a { color: var(--link); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
h2:focus { outline: none; }
bdi, td, th, p, li, dd, pre { overflow-wrap: anywhere; }
small { display: block; color: var(--muted); font-size: 12.5px; font-weight: 400; line-height: 1.4; }
.remark { color: var(--muted); font-size: 13px; }
.over { color: var(--over); }
.none { color: var(--muted); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 12px; top: -60px; background: var(--card); padding: 8px 14px; }
.skip:focus { top: 12px; }
html:not(.js) .scripted, [hidden] { display: none !important; }

header { display: flex; flex-wrap: wrap; gap: 24px 48px; justify-content: space-between; align-items: end; }
.over-title { color: var(--muted); font-size: 13px; margin-bottom: 8px; letter-spacing: .02em; }
.about { display: grid; grid-template-columns: auto auto; gap: 2px 20px; font-size: 13.5px; }
.about div { display: contents; }
dt { color: var(--muted); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.tiles { display: grid; grid-template-columns: repeat(6, 1fr); margin-top: 32px; border-block: 1px solid var(--line); }
.tiles li { padding: 16px 18px; border-left: 1px solid var(--line); }
.tiles li:first-child { border-left: 0; padding-left: 0; }
.tiles b { display: block; font-size: 32px; line-height: 1.15; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
.tiles span { color: var(--muted); font-size: 13.5px; }
.tiles .critical b { color: var(--critical); } .tiles .high b { color: var(--high); } .tiles .medium b { color: var(--medium); } .tiles .low b { color: var(--low); }
.facts { display: grid; grid-template-columns: 1.3fr 1fr 1fr; gap: 8px 40px; margin-top: 18px; color: var(--muted); font-size: 13.5px; }
.facts b { color: var(--ink); }
.bar { display: block; width: 100%; height: 4px; margin-top: 6px; fill: var(--bar); border-radius: 2px; }
.facts .bar { fill: var(--within); } .facts .rest { fill: var(--rest); }
nav { display: flex; flex-wrap: wrap; gap: 6px 24px; margin-top: 28px; font-size: 14px; }

.mark { display: inline-block; padding: 1px 8px; border-radius: 4px; font-size: 12.5px; font-weight: 600; white-space: nowrap; }
.critical.mark { color: var(--critical); background: var(--critical-ground); } .high.mark { color: var(--high); background: var(--high-ground); }
.medium.mark { color: var(--medium); background: var(--medium-ground); } .low.mark { color: var(--low); background: var(--low-ground); }
.tag { border: 1px solid var(--line); border-radius: 4px; padding: 0 6px; font-size: 12.5px; color: var(--muted); white-space: nowrap; }

.figures, .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; margin-bottom: 20px; align-items: start; }
.pair { margin-top: 28px; gap: 40px; }
.pair > section, figure { min-width: 0; }
figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 12px; justify-content: space-between; margin-bottom: 10px; font-size: 14px; }
figcaption span { color: var(--muted); font-size: 13.5px; }
.chart { display: block; width: 100%; height: auto; overflow: visible; font-family: inherit; font-size: 12px; color: var(--muted); }
.chart text, .chart tspan { white-space: pre; }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--link); font-size: 14px; width: fit-content; }
.scroll { overflow-x: auto; }
.lead b { font-size: 19px; }
.lead { max-width: 50em; margin-bottom: 6px; color: var(--muted); } .lead b { color: var(--ink); }
.card .figure { font-size: 24px; font-weight: 600; letter-spacing: -.01em; margin: 4px 0 8px; font-variant-numeric: tabular-nums; }
.card p, .card li, .assumptions { color: var(--muted); font-size: 14px; }
.card ul, .assumptions { list-style: disc; padding-left: 1.2em; }
.assumptions { max-width: 60em; }
#cost h3 { margin-top: 32px; } #cost .pair { margin-top: 0; gap: 20px; } .bill { margin-top: 20px; }
footer { margin-top: 64px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--muted); font-size: 13px; }
footer p { max-width: 60em; margin-bottom: 6px; }
`
