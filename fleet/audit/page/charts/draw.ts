import type { PlotOptions } from '@observablehq/plot'
import { Markup, withoutDirectionMarks } from '../markup.ts'

type Plot = typeof import('@observablehq/plot')

/** Units of a chart's width: half of the page, and all of a phone. */
export const CHART_WIDTH = 540

export type DrawChart = (options: PlotOptions & { ariaLabel: string }) => Markup

/**
 * What draws charts, and the library that they are described with: it is loaded when a page is written, not when the
 * command starts.
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
    // The page's own style sheet has what is in it: the page's policy forbids all others.
    for (const style of svg.querySelectorAll('style')) style.remove()
    // What is in an image has no name of its own.
    for (const part of svg.querySelectorAll('g')) part.removeAttribute('aria-label')
    return new Markup(svg.outerHTML)
  }
  return { plot, draw }
}
