import { formatNumber } from '../../../formatCount.ts'
import type { DayOfRotations } from '../../facts.ts'
import { html, type Markup } from '../markup.ts'
import { loadDrawing } from './draw.ts'

const CHART_LAYOUT = { height: 210, marginTop: 14, marginBottom: 34, marginLeft: 46, marginRight: 10 }

/** With at most so many days, the line of durations also has a dot for each day. */
const MAX_DOTTED_DAY_COUNT = 7

/** The charts of rotations by day: how many succeeded and failed, and how long they took. */
export async function dayCharts(days: DayOfRotations[]): Promise<Markup> {
  const [first, last] = [days[0], days.at(-1)]
  if (!first || !last) return html``
  const { plot, draw } = await loadDrawing()
  const dated = days.map(day => ({ ...day, date: new Date(`${day.day}T00:00:00Z`) }))
  const timed = dated.filter(({ medianMilliseconds }) => medianMilliseconds !== undefined)
  const sum = (key: 'rotated' | 'failed') => days.reduce((total, day) => total + day[key], 0)
  const [rotated, failed] = [sum('rotated'), sum('failed')]
  const worst = days.reduce((worst, day) => (day.failed > worst.failed ? day : worst))
  const span = `${first.day} to ${last.day}`
  const x = { type: 'utc' as const, label: null, ticks: 4 }
  const outcomes = draw({
    ...CHART_LAYOUT,
    ariaLabel: `Rotations a day, ${span}: ${formatNumber(rotated)} went well, ${formatNumber(failed)} failed${failed > 0 ? `, most of them on ${worst.day}` : ''}.`,
    x,
    y: { ticks: 4, label: null, tickFormat: (tick: number) => formatNumber(Math.abs(tick)) },
    marks: [
      plot.gridY({ ticks: 4, stroke: 'var(--line)', strokeOpacity: 1 }),
      plot.rectY(dated, { x: 'date', interval: 'day', y: 'rotated', inset: 0.5, fill: 'var(--within)' }),
      plot.rectY(dated, {
        x: 'date',
        interval: 'day',
        y: ({ failed }) => -failed,
        inset: 0.5,
        fill: 'var(--over)',
      }),
      plot.ruleY([0], { stroke: 'var(--ink)' }),
    ],
  })
  const longest = Math.max(0, ...timed.map(({ medianMilliseconds = 0 }) => medianMilliseconds))
  const durations = draw({
    ...CHART_LAYOUT,
    ariaLabel: `Median duration of the rotations that went well, by day, ${span}: ${formatSeconds(longest)} at most.`,
    x,
    y: { ticks: 4, label: null, zero: true, tickFormat: (tick: number) => `${formatNumber(tick)} s` },
    marks: [
      plot.gridY({ ticks: 4, stroke: 'var(--line)', strokeOpacity: 1 }),
      plot.areaY(timed, { x: 'date', y: inSeconds, fill: 'var(--within)', fillOpacity: 0.14 }),
      plot.lineY(timed, { x: 'date', y: inSeconds, stroke: 'var(--within)', strokeWidth: 1.75 }),
      // A line through one day or a few is hardly visible.
      ...(timed.length > MAX_DOTTED_DAY_COUNT
        ? []
        : [plot.dot(timed, { x: 'date', y: inSeconds, r: 3, fill: 'var(--within)' })]),
      plot.ruleY([0], { stroke: 'var(--ink)' }),
    ],
  })
  return html`<figure><figcaption><b>Rotations a day</b><span>${formatNumber(rotated)} went well (up), <strong class="${failed > 0 && 'over'}">${formatNumber(failed)} failed</strong> (down)</span></figcaption>${outcomes}</figure>
${timed.length > 0 && html`<figure><figcaption><b>Median duration, by day</b><span>of the rotations that went well; ${formatSeconds(longest)} at most</span></figcaption>${durations}</figure>`}`
}

const inSeconds = ({ medianMilliseconds = 0 }: DayOfRotations) => medianMilliseconds / 1000
const formatSeconds = (milliseconds: number) => `${formatNumber(Math.round(milliseconds / 100) / 10)} s`

/** The table with the numbers of both charts. */
export const dayTable = (days: DayOfRotations[]): Markup =>
  days.length === 0
    ? html``
    : html`<details class="days"><summary>These days as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Rotations by day"><table class="plain"><thead><tr><th scope="col">Day (UTC)</th><th scope="col" class="n">Went well</th><th scope="col" class="n">Failed</th><th scope="col" class="n">Median</th></tr></thead><tbody>${days.map(
        ({ day, rotated, failed, medianMilliseconds }) =>
          html`<tr><th scope="row">${day}</th><td class="n">${formatNumber(rotated)}</td><td class="n">${formatNumber(failed)}</td><td class="n">${
            medianMilliseconds === undefined ? '–' : formatSeconds(medianMilliseconds)
          }</td></tr>`,
      )}</tbody></table></div></details>`
