/** The styles for print: controls that only work on a screen are left out. */
export const PRINT_STYLES = `
@media print {
  @page { margin: 14mm; }
  @page wide { size: landscape; }
  #credentials { page: wide; break-before: page; }
  body { font-size: 9.5pt; line-height: 1.4; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  thead { break-inside: avoid; } tfoot { display: table-row-group; }
  .page { max-width: none; padding: 0; }
  nav, .tools, .more, .copy, .skip { display: none; }
  .js pre { padding-right: 12px; }
  a { text-decoration: none; }
  thead button { color: inherit; }
  .credentials thead th { position: static; }
  .scroll { overflow: visible; }
  main > section { margin-top: 28px; }
  h2, h3 { break-after: avoid; }
  .findings li, .rules li, tr, figure, .card { break-inside: avoid; }
  table, .credentials td:nth-child(n) { font-size: 8.5pt; }
  .credentials td:nth-child(n), .credentials tbody th { padding-block: 5px; }
  .findings li, .rules li { padding-block: 8px; }
  pre { font-size: 8pt; padding: 4px 8px; }
  small, .rules div .remark { font-size: 7.5pt; }
  .mark { border: 1px solid currentColor; padding: 0 5px; }
  .bar rect, .chart { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`
