import type { PlotOptions } from '@observablehq/plot'
import { Markup, undirected } from '../markup.ts'

type Plot = typeof import('@observablehq/plot')

/** Units of a chart's width: half of the page, and all of a phone. */
export const WIDTH = 540

export type Draw = (options: PlotOptions & { ariaLabel: string }) => Markup

/**
 * What draws charts, and the library that they are described with: it is loaded when a page is written, not when the
 * command starts.
 */
export async function drawing(): Promise<{ plot: Plot; draw: Draw }> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const draw: Draw = options => {
    const svg = plot.plot({
      document: document as unknown as Document,
      className: 'chart',
      width: WIDTH,
      ...options,
      ariaLabel: undirected(options.ariaLabel),
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
