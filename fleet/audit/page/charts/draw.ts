import type { PlotOptions } from '@observablehq/plot'
import { Markup, withoutDirectionMarks } from '../markup.ts'

type Plot = typeof import('@observablehq/plot')

/** The width of a chart in pixels, at half the width of a large page. On a phone it is scaled to the whole width. */
export const CHART_WIDTH = 540

/** Draws a chart as SVG. `ariaLabel` is its description for a screen reader. */
export type DrawChart = (options: PlotOptions & { ariaLabel: string }) => Markup

/**
 * Loads Observable Plot, by which charts are described, and makes the function that draws them without a browser. It is loaded
 * when a page is written, as every start of the command would take longer otherwise.
 */
export async function loadDrawing(): Promise<{ plot: Plot; draw: DrawChart }> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const draw: DrawChart = options => {
    const svg = plot.plot({
      document: document as unknown as Document,
      className: 'chart',
      width: CHART_WIDTH,
      ...options,
      ariaLabel: withoutDirectionMarks(options.ariaLabel),
    })
    svg.setAttribute('role', 'img')
    // The page's Content-Security-Policy forbids other style sheets than the page's, which has these rules as well.
    for (const style of svg.querySelectorAll('style')) style.remove()
    // The chart is one image with one name, so its parts may not have names of their own.
    for (const part of svg.querySelectorAll('g')) part.removeAttribute('aria-label')
    return new Markup(svg.outerHTML)
  }
  return { plot, draw }
}
