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

/** @returns axe's findings about a page: each rule, with the first element */
async function violations(page: Page, options: RunOptions = {}): Promise<string[]> {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(
    options =>
      (globalThis as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } }).axe.run(options),
    { resultTypes: ['violations' as const], ...options },
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
}

/** @returns elements that are wider than the page, except those in a region that scrolls */
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
    'at $width, $colorScheme: there is no message, request, overflow or finding of axe',
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

  test('on a phone the counts of a rule are labelled: found, unread, excepted, and new', async () => {
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

  test('with 10,000 credentials axe has no finding either, and few rows are rendered', async () => {
    const { page, seen, close } = await open(large)
    expect(await laidOut(page, '#credentials tbody tr')).toBe(200)
    expect(await laidOut(page, '#findings li')).toBe(200)
    expect(await page.evaluate(() => document.querySelectorAll('tbody[data-rows] tr').length)).toBe(200)
    expect(await page.locator('#credentials output').textContent()).toBe(
      '10,000 credentials, 200 of them shown',
    )
    // Without the check of contrasts, which takes longest, and whose colours the test above covers.
    expect(await violations(page, { rules: { 'color-contrast': { enabled: false } } })).toEqual([])
    expectQuiet(seen)
    await close()
  })

  test('in print the page is light, without buttons, and no wider than the sheet', async () => {
    const { page, seen, close } = await open(report, { colorScheme: 'dark' })
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(await ground()).toBe('rgb(255, 255, 255)')
    // The widths of A4 between its margins: portrait, and landscape for the table of credentials.
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

  test('more than 2,000 dots become bars, which count every credential', async () => {
    const { page, close } = await open(large)
    expect(await page.locator('svg circle').count()).toBe(0)
    const titles = await page.locator('svg rect title').allTextContents()
    const judged = large.credentials.filter(({ kind, maxAgeDays }) => kind !== 'replica' && maxAgeDays)
    const counts = titles.map(title => Number(title.replace(/ credentials?$/, '').replace(',', '')))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(judged.length)
    await close()
  })
})
