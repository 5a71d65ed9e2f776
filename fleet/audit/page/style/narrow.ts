import { CREDENTIAL_COLUMNS } from '../format.ts'

/** On a narrow screen each cell shows the head of its column, except the cell with the name. */
const cellHeads = CREDENTIAL_COLUMNS.map(
  (head, place) => `  .credentials td:nth-child(${place + 1})::before { content: '${head}'; }`,
)
  .slice(1)
  .join('\n')

/**
 * The styles for the widths of a tablet and a phone: the rows of the table of credentials are cards, and its head is a row of
 * buttons.
 */
export const NARROW_STYLES = `
@media screen and (max-width: 900px) {
  .figures, .pair, .findings li { grid-template-columns: minmax(0, 1fr); }
  .tiles { grid-template-columns: repeat(3, 1fr); } .tiles li:nth-child(4) { border-left: 0; padding-left: 0; } .tiles li:nth-child(n + 4) { border-top: 1px solid var(--line); }
  .facts { grid-template-columns: 1fr; }
  .credentials { display: block; }
  .credentials thead { display: block; } .credentials tbody { display: block; }
  .credentials thead tr { display: flex; flex-wrap: wrap; gap: 6px; padding: 10px 0; }
  .credentials thead tr::before { content: 'Sort by'; color: var(--muted); font-size: 13px; align-self: center; }
  html:not(.js) .credentials thead { display: none; }
  .credentials thead th:nth-child(n) { position: static; width: auto; padding: 0; border: 0; }
  .credentials thead button { display: inline-block; padding: 4px 10px; border: 1px solid var(--line); border-radius: 6px; background: var(--card); }
  .credentials tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 8px 16px; padding: 14px 0; border-bottom: 1px solid var(--line); }
  .credentials tbody th, .credentials tbody td { display: block; width: auto; padding: 0; border: 0; text-align: left; }
  .credentials tbody th { grid-column: 1 / -1; }
  .credentials tbody td::before { display: block; color: var(--muted); font-size: 12px; }
${cellHeads}
  .credentials a { align-items: start; }
}
@media screen and (max-width: 560px) {
  .page { padding: 24px 16px 48px; }
  h1 { font-size: 24px; }
  .bill { min-width: 560px; } .bill td:first-child { min-width: 11em; }
  main > section { margin-top: 44px; }
  .tiles li { padding: 12px 10px; } .tiles b { font-size: 25px; } .tiles span { font-size: 13px; }
  .rules li { grid-template-columns: 1fr auto; gap: 4px 12px; } .rules .mark { grid-row: 1; } .rules li > div { grid-column: 1 / -1; grid-row: 2; } .rules .total { grid-row: 1; }
  .total small { display: inline; } .total small::before { content: '· '; }
  figure, .card { padding: 14px; }
  .chart { font-size: 18px; }
}
`
