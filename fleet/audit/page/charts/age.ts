import { counted, grouped } from '../../../counted.ts'
import type { Row } from '../../report.ts'
import { html, type Markup, undirected } from '../markup.ts'
import { isOver, kinds } from '../words.ts'
import { type Draw, drawing, WIDTH } from './draw.ts'

/** More than this would be a smear, and a page of megabytes: they are counted in bars instead. */
const MOST_DOTS = 2000
/** Ages are drawn as multiples of what is allowed; whatever lies outside is drawn at the edge. */
const [LEAST, MOST] = [1 / 8, 8]
const HEIGHT = 190
/** Of dots, in units of the chart: the largest that fit are taken. */
const radii = [5, 4, 3.4, 2.8, 2.3]
const SMALLEST = 1.8
const GAP = 0.8
const margins = { marginTop: 26, marginBottom: 28, marginLeft: 14, marginRight: 14 }
const ticks = new Map([
  [1 / 8, '⅛'],
  [1 / 4, '¼'],
  [1 / 2, '½'],
  [1, 'limit'],
  [2, '2×'],
  [4, '4×'],
  [8, '8×'],
])

type Plot = Awaited<ReturnType<typeof drawing>>['plot']
type Aged = { row: Row; ratio: number; over: boolean }

/** Age against policy: a chart for secrets and one for parameters. Replicas are as old as their primaries, and left out. */
export async function ageCharts(rows: Row[]): Promise<Markup> {
  const { plot, draw } = await drawing()
  const chosen = (['primary', 'parameter'] as const).map(kind => ({
    kind,
    all: rows.filter(row => row.kind === kind),
  }))
  const dots = rows.filter(row => isOver(row) !== undefined).length <= MOST_DOTS
  return html`${chosen.map(({ kind, all }) => all.length > 0 && figure(kinds[kind].many, all, dots, plot, draw))}`
}

function figure(title: string, all: Row[], dots: boolean, plot: Plot, draw: Draw): Markup {
  const aged = all.flatMap(agedOf)
  const over = aged.filter(each => each.over).length
  const within = aged.length - over
  const unjudged = all.length - aged.length
  const label = `${title} by age, as a share of what the policy allows: ${grouped(within)} within it, ${grouped(over)} older. The table of credentials has each age.`
  const marks = dots ? dotMarks(aged, plot) : barMarks(aged, plot)
  return html`<figure><figcaption><b>${title}: age against policy</b><span>${grouped(within)} within, <strong class="${over > 0 && 'over'}">${grouped(over)} older</strong>${
    unjudged > 0 && html`; ${grouped(unjudged)} without a limit or a known age`
  }</span></figcaption>${
    aged.length > 0 &&
    draw({
      ...margins,
      ...(!dots && { marginLeft: 46 }),
      height: HEIGHT,
      ariaLabel: label,
      x: { type: 'log', base: 2, label: null, domain: [LEAST / 1.1, MOST * 1.1] },
      y: { axis: null, ...(dots && { domain: [0, HEIGHT - margins.marginTop - margins.marginBottom] }) },
      marks: [
        plot.axisX([...ticks.keys()], { tickFormat: (tick: number) => ticks.get(tick) ?? '', tickSize: 0 }),
        ...(dots ? [] : scale(plot)),
        plot.ruleY([0], { stroke: 'var(--line)' }),
        ...marks,
        plot.ruleX([1], { stroke: 'var(--ink)', strokeDasharray: '3 3' }),
        side('within policy', -8, 'end', plot),
        side('older', 8, 'start', plot),
      ],
    })
  }${!dots && html`<p class="remark">${counted(aged.length, 'credential')}, counted in bars.</p>`}</figure>`
}

/** How high the bars are. */
const scale = ({ axisY, gridY }: Plot) => [
  gridY({ ticks: 3, stroke: 'var(--line)', strokeOpacity: 1 }),
  axisY({ ticks: 3, tickSize: 0, label: null }),
]

const side = (text: string, dx: number, textAnchor: 'start' | 'end', { text: mark }: Plot) =>
  mark([text], { x: () => 1, frameAnchor: 'top', dx, dy: -16, textAnchor, fill: 'var(--muted)' })

function agedOf(row: Row): Aged[] {
  const over = isOver(row)
  if (over === undefined || row.ageDays === undefined || !row.maxAgeDays) return []
  const ratio = Math.min(MOST, Math.max(LEAST, row.ageDays / row.maxAgeDays))
  return [{ row, ratio, over }]
}

/** Dots, stacked where they would cover each other, as large as the highest stack allows. */
function dotMarks(aged: Aged[], { dot }: Plot) {
  const room = HEIGHT - margins.marginTop - margins.marginBottom
  const stacked = radii.map(radius => stacksOf(aged, radius))
  const fits = ({ radius, highest }: (typeof stacked)[number]) => highest * (2 * radius + GAP) <= room
  const { radius, highest, placed } = stacked.find(fits) ?? stacksOf(aged, SMALLEST)
  const step = Math.min(2 * radius + GAP, (room - 2 * radius) / highest)
  return [
    dot(placed, {
      x: 'x',
      y: ({ height }) => radius + 1 + height * step,
      r: radius,
      fill: ({ over }) => (over ? 'var(--over)' : 'var(--within)'),
      title: ({ row }) =>
        undirected(`${row.name}, ${row.region}: ${row.ageDays} days old, ${row.maxAgeDays} allowed`),
    }),
  ]
}

/** Where each dot of this radius stands: on none that came before. No column holds both sides of the limit. */
function stacksOf(aged: Aged[], radius: number) {
  const columns = (WIDTH - margins.marginLeft - margins.marginRight) / (2 * radius + GAP)
  const octaves = Math.log2(MOST / LEAST)
  const heights = new Map<number, number>()
  const placed = aged.map(({ row, ratio, over }) => {
    const place = (Math.log2(ratio) * columns) / octaves
    const column = over ? Math.max(0, Math.floor(place)) : Math.min(-1, Math.floor(place))
    const height = heights.get(column) ?? 0
    heights.set(column, height + 1)
    return { row, over, x: 2 ** (((column + 0.5) * octaves) / columns), height }
  })
  return { radius, placed, highest: Math.max(1, ...heights.values()) }
}

/** Bars, four to each doubling of the age. None holds both sides of the limit. */
function barMarks(aged: Aged[], { rectY }: Plot) {
  const PARTS = 4
  const bins = new Map<number, { over: boolean; count: number }>()
  const last = Math.log2(MOST) * PARTS - 1
  for (const { ratio, over } of aged) {
    const place = Math.log2(ratio) * PARTS
    const bin = over ? Math.min(last, Math.max(0, Math.floor(place))) : Math.min(-1, Math.floor(place))
    const { count } = bins.get(bin) ?? { count: 0 }
    bins.set(bin, { over, count: count + 1 })
  }
  const bars = [...bins].map(([bin, { over, count }]) => ({
    x1: 2 ** (bin / PARTS),
    x2: 2 ** ((bin + 1) / PARTS),
    over,
    count,
  }))
  return [
    rectY(bars, {
      x1: 'x1',
      x2: 'x2',
      y: 'count',
      inset: 1,
      fill: ({ over }) => (over ? 'var(--over)' : 'var(--within)'),
      title: ({ count }) => counted(count, 'credential'),
    }),
  ]
}
