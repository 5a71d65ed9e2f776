import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults, RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { sampleReportOf } from '../../../../bench/audit/sampleReports.ts'
import { browserServer, browsing, expectQuiet, laidOut } from './browser.ts'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const report = sampleReportOf(300)
const large = sampleReportOf(10_000)

/** What axe holds against a page: each rule, with the first place. */
async function violations(page: Page, options: RunOptions = {}): Promise<string[]> {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(
    options =>
      (globalThis as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } }).axe.run(options),
    { resultTypes: ['violations' as const], ...options },
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
}

/** Elements that reach out of the page to the right, but for those in a region that scrolls by itself. */
const outside = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('body *')]
      .filter(element => !element.closest('.scroll, svg, .unseen'))
      .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5)
      .map(element => `${element.closest('section')?.id}: ${element.outerHTML.slice(0, 80)}`),
  )

describe.skipIf(!browserServer)('the page in a browser', () => {
  const { open } = browsing()

  test.each([
    { width: 360, colorScheme: 'light', judged: true },
    { width: 768, colorScheme: 'light', judged: false },
    { width: 1280, colorScheme: 'dark', judged: true },
  ] as const)(
    'at $width, $colorScheme: nothing is told, asked for or cut off, or against axe',
    async options => {
      const { width, colorScheme, judged } = options
      const { page, seen, close } = await open(report, { viewport: { width, height: 800 }, colorScheme })
      expect(await outside(page)).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
      if (judged) expect(await violations(page)).toEqual([])
      expectQuiet(seen)
      await close()
    },
  )

  test('on a phone what a rule has found, could not read, excepted and found anew is told apart', async () => {
    const { page, close } = await open(report, { viewport: { width: 360, height: 800 } })
    const totals = page.locator('#rules .total').filter({ has: page.locator('small + small') })
    expect(await totals.count()).toBeGreaterThan(1)
    for (const total of await totals.all()) {
      expect(await total.innerText()).toMatch(
        /^[\d,]+\s+findings: .*?(\s[\d,]+ (could not be read|excepted|new))+$/s,
      )
      const marks = await total
        .locator('small')
        .evaluateAll(parts => parts.map(part => getComputedStyle(part, '::before').content))
      expect(new Set(marks)).toEqual(new Set(['"· "']))
    }
    await close()
  })

  test('with 10,000 credentials nothing is against axe either, and so few rows are laid out', async () => {
    const { page, seen, close } = await open(large)
    expect(await laidOut(page, '#credentials tbody tr')).toBe(200)
    expect(await laidOut(page, '#findings li')).toBe(200)
    expect(await page.evaluate(() => document.querySelectorAll('tbody[data-rows] tr').length)).toBe(200)
    expect(await page.locator('#credentials output').textContent()).toBe(
      '10,000 credentials, 200 of them shown',
    )
    // Its colours are those of the page above, and take most of the time.
    expect(await violations(page, { rules: { 'color-contrast': { enabled: false } } })).toEqual([])
    expectQuiet(seen)
    await close()
  })

  test('on paper it is light, without what can only be pressed, and no wider than the sheet', async () => {
    const { page, seen, close } = await open(report, { colorScheme: 'dark' })
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(await ground()).toBe('rgb(255, 255, 255)')
    // Between its margins a sheet of A4 is so wide, upright and, for the table of credentials, lying.
    await page.setViewportSize({ width: 688, height: 1000 })
    expect((await outside(page)).filter(found => !found.startsWith('credentials:'))).toEqual([])
    await page.setViewportSize({ width: 1016, height: 700 })
    expect(await outside(page)).toEqual([])
    for (const selector of ['nav', '.tools', '.more', '.copy']) expect(await laidOut(page, selector)).toBe(0)
    expect(await laidOut(page, '#findings pre')).toBe(report.findings.length)
    expect(await laidOut(page, '.kept li')).toBeGreaterThan(0)
    expectQuiet(seen)
    await close()
  })

  test('each chart says in words what it shows, and its dots are the credentials that have a limit', async () => {
    const { page, close } = await open(report)
    const labels = await page
      .locator('svg[role=img]')
      .evaluateAll(charts => charts.map(chart => chart.getAttribute('aria-label') ?? ''))
    const judged = report.credentials.filter(({ kind, maxAgeDays }) => kind !== 'replica' && maxAgeDays)
    const older = (kind: string) =>
      judged.filter(({ ageDays = 0, maxAgeDays = 0, ...row }) => row.kind === kind && ageDays > maxAgeDays)
        .length
    expect(labels).toEqual([
      expect.stringContaining(`${older('primary')} older`),
      expect.stringContaining(`${older('parameter')} older`),
      expect.stringMatching(/^Rotations a day, 2026-09-01 to 2026-11-29: \d+ went well, \d+ failed/),
      expect.stringMatching(/^Median duration/),
    ])
    expect(await page.locator('svg circle').count()).toBe(judged.length)
    expect(await page.locator('svg circle[fill="var(--over)"]').count()).toBe(
      older('primary') + older('parameter'),
    )
    await close()
  })

  test('above 2,000 dots they are counted in bars, which hold every one of them', async () => {
    const { page, close } = await open(large)
    expect(await page.locator('svg circle').count()).toBe(0)
    const titles = await page.locator('svg rect title').allTextContents()
    const judged = large.credentials.filter(({ kind, maxAgeDays }) => kind !== 'replica' && maxAgeDays)
    const counts = titles.map(title => Number(title.replace(/ credentials?$/, '').replace(',', '')))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(judged.length)
    await close()
  })
})
