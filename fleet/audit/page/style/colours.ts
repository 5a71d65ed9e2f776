/** The colours for light and dark screens and for print. Each text has a contrast of at least 4.5 with its background. */
export const COLOUR_STYLES = `
:root {
  color-scheme: light dark;
  --paper: #faf9f7; --card: #ffffff; --ink: #1d232b; --muted: #59636f; --line: #e2dfd9; --link: #1f5680;
  --within: #376a8c; --over: #b3372f; --rest: #e4b9b3; --bar: #c3d3df; --code: #f3f1ed; --focus: #1f5680;
  --critical: #8c1730; --critical-ground: #fae4e7; --high: #8a3f00; --high-ground: #fdebd9;
  --medium: #665200; --medium-ground: #f7efcc; --low: #2d566f; --low-ground: #e4eef4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --card: #1b2027; --ink: #e6e9ed; --muted: #a2adb9; --line: #2f3740; --link: #8fc3e8;
    --within: #6fa5c9; --over: #f0877c; --rest: #6b3a37; --bar: #37536a; --code: #12161a; --focus: #8fc3e8;
    --critical: #ffabb4; --critical-ground: #471a24; --high: #ffbd85; --high-ground: #40280f;
    --medium: #ecd67f; --medium-ground: #38310f; --low: #a8d0e8; --low-ground: #1a3443;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --card: #ffffff; --ink: #000000; --muted: #444444; --line: #cccccc; --link: #000000;
    --within: #376a8c; --over: #b3372f; --rest: #e4b9b3; --bar: #c3d3df; --code: #ffffff;
    --critical: #8c1730; --critical-ground: #ffffff; --high: #8a3f00; --high-ground: #ffffff;
    --medium: #665200; --medium-ground: #ffffff; --low: #2d566f; --low-ground: #ffffff;
  }
}
`
