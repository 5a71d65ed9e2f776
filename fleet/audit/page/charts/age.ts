import { formatCount, formatNumber } from '../../../formatCount.ts'
import type { CredentialRow } from '../../report.ts'
import { isOverAge, KIND_NAMES } from '../format.ts'
import { html, type Markup, withoutDirectionMarks } from '../markup.ts'
import { CHART_WIDTH, type DrawChart, loadDrawing } from './draw.ts'

/** With more credentials than this, a chart has bars instead of dots: dots would cover each other, and make a file of megabytes. */
const MAX_DOT_COUNT = 2000
/** The range of the axis: ages as multiples of the allowed age. Ages outside of it are drawn at its ends. */
const [MIN_AGE_RATIO, MAX_AGE_RATIO] = [1 / 8, 8]
const CHART_HEIGHT = 190
/** The radii of dots in units of the chart: the largest one with which all dots fit is used. */
const DOT_RADII = [5, 4, 3.4, 2.8, 2.3]
const MIN_DOT_RADIUS = 1.8
const DOT_GAP = 0.8
const CHART_MARGINS = { marginTop: 26, marginBottom: 28, marginLeft: 14, marginRight: 14 }
const TICK_LABELS = new Map([
  [1 / 8, '⅛'],
  [1 / 4, '¼'],
  [1 / 2, '½'],
  [1, 'limit'],
  [2, '2×'],
  [4, '4×'],
  [8, '8×'],
])

type Plot = Awaited<ReturnType<typeof loadDrawing>>['plot']
/** A credential with its age as a multiple of the allowed age. `over`: it is older than allowed. */
type AgedRow = { row: CredentialRow; ratio: number; over: boolean }

/**
 * The charts of ages as multiples of what the policy allows: one for secrets and one for parameters. Replicas are left out, as they
 * are as old as their primaries.
 */
export async function ageCharts(rows: CredentialRow[]): Promise<Markup> {
  const { plot, draw } = await loadDrawing()
  const kinds = (['primary', 'parameter'] as const).map(kind => ({
    kind,
    all: rows.filter(row => row.kind === kind),
  }))
  const dots = rows.filter(row => isOverAge(row) !== undefined).length <= MAX_DOT_COUNT
  return html`${kinds.map(({ kind, all }) => all.length > 0 && ageFigure(KIND_NAMES[kind].many, all, dots, plot, draw))}`
}

function ageFigure(title: string, all: CredentialRow[], dots: boolean, plot: Plot, draw: DrawChart): Markup {
  const aged = all.flatMap(agedOf)
  const over = aged.filter(each => each.over).length
  const within = aged.length - over
  const unjudged = all.length - aged.length
  const label = `${title} by age, as a share of what the policy allows: ${formatNumber(within)} within it, ${formatNumber(over)} older. The table of credentials has each age.`
  const marks = dots ? dotMarks(aged, plot) : barMarks(aged, plot)
  return html`<figure><figcaption><b>${title}: age against policy</b><span>${formatNumber(within)} within, <strong class="${over > 0 && 'over'}">${formatNumber(over)} older</strong>${
    unjudged > 0 && html`; ${formatNumber(unjudged)} without a limit or a known age`
  }</span></figcaption>${
    aged.length > 0 &&
    draw({
      ...CHART_MARGINS,
      ...(!dots && { marginLeft: 46 }),
      height: CHART_HEIGHT,
      ariaLabel: label,
      x: { type: 'log', base: 2, label: null, domain: [MIN_AGE_RATIO / 1.1, MAX_AGE_RATIO * 1.1] },
      y: {
        axis: null,
        ...(dots && { domain: [0, CHART_HEIGHT - CHART_MARGINS.marginTop - CHART_MARGINS.marginBottom] }),
      },
      marks: [
        plot.axisX([...TICK_LABELS.keys()], {
          tickFormat: (tick: number) => TICK_LABELS.get(tick) ?? '',
          tickSize: 0,
        }),
        ...(dots ? [] : countAxis(plot)),
        plot.ruleY([0], { stroke: 'var(--line)' }),
        ...marks,
        plot.ruleX([1], { stroke: 'var(--ink)', strokeDasharray: '3 3' }),
        sideLabel('within policy', -8, 'end', plot),
        sideLabel('older', 8, 'start', plot),
      ],
    })
  }${!dots && html`<p class="remark">${formatCount(aged.length, 'credential')}, counted in bars.</p>`}</figure>`
}

/** The axis with the numbers of credentials that the bars stand for. */
const countAxis = ({ axisY, gridY }: Plot) => [
  gridY({ ticks: 3, stroke: 'var(--line)', strokeOpacity: 1 }),
  axisY({ ticks: 3, tickSize: 0, label: null }),
]

const sideLabel = (text: string, dx: number, textAnchor: 'start' | 'end', { text: mark }: Plot) =>
  mark([text], { x: () => 1, frameAnchor: 'top', dx, dy: -16, textAnchor, fill: 'var(--muted)' })

function agedOf(row: CredentialRow): AgedRow[] {
  const over = isOverAge(row)
  if (over === undefined || row.ageDays === undefined || !row.maxAgeDays) return []
  const ratio = Math.min(MAX_AGE_RATIO, Math.max(MIN_AGE_RATIO, row.ageDays / row.maxAgeDays))
  return [{ row, ratio, over }]
}

/** A dot for each credential, in stacks so that none covers another one. The dots are as large as the highest stack allows. */
function dotMarks(aged: AgedRow[], { dot }: Plot) {
  const room = CHART_HEIGHT - CHART_MARGINS.marginTop - CHART_MARGINS.marginBottom
  const stacked = DOT_RADII.map(radius => stackDots(aged, radius))
  const fits = ({ radius, highest }: (typeof stacked)[number]) => highest * (2 * radius + DOT_GAP) <= room
  const { radius, highest, placed } = stacked.find(fits) ?? stackDots(aged, MIN_DOT_RADIUS)
  const step = Math.min(2 * radius + DOT_GAP, (room - 2 * radius) / highest)
  return [
    dot(placed, {
      x: 'x',
      y: ({ height }) => radius + 1 + height * step,
      r: radius,
      fill: ({ over }) => (over ? 'var(--over)' : 'var(--within)'),
      title: ({ row }) =>
        withoutDirectionMarks(
          `${row.name}, ${row.region}: ${row.ageDays} days old, ${row.maxAgeDays} allowed`,
        ),
    }),
  ]
}

/** Places dots of a radius in columns, each dot above those before it. No column has ages on both sides of the limit. */
function stackDots(aged: AgedRow[], radius: number) {
  const columns =
    (CHART_WIDTH - CHART_MARGINS.marginLeft - CHART_MARGINS.marginRight) / (2 * radius + DOT_GAP)
  const octaves = Math.log2(MAX_AGE_RATIO / MIN_AGE_RATIO)
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

/** Bars with the numbers of credentials, four bars for each doubling of the age. No bar has ages on both sides of the limit. */
function barMarks(aged: AgedRow[], { rectY }: Plot) {
  const PARTS = 4
  const bins = new Map<number, { over: boolean; count: number }>()
  const last = Math.log2(MAX_AGE_RATIO) * PARTS - 1
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
      title: ({ count }) => formatCount(count, 'credential'),
    }),
  ]
}
