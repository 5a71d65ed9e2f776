import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sampleReportOf } from '../../../../bench/audit/sampleReports.ts'
import { renderPage as written } from '../../../../fleet/audit/page/page.ts'
import type { AuditReport, Finding } from '../../../../fleet/audit/report.ts'
import { bundleProgram } from '../../../../scripts/pack.ts'
import { browserServer, browsing, expectQuiet, names } from './browser.ts'

const report = sampleReportOf(300)

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(2)>',
  "' onmouseover='alert(3)",
  '</style><script>alert(4)</script>',
  '--><script>alert(5)</script><!--',
  ']]><svg onload=alert(6)>',
  '&lt;b&gt; &amp; &#x27;',
  '\u202eyarra\u202d \u2066left open',
  'عربي مفتاح קוד',
  '🔑👩🏽‍💻 key',
  `long-${'x'.repeat(1990)}end`,
  'javascript:alert(7)',
]

/** A report in which every text from outside is hostile. */
function hostileReport(): AuditReport {
  const at = (place: number) => hostile[place % hostile.length] as string
  const made = sampleReportOf(2 * hostile.length, (row, place) => ({
    ...row,
    kind: 'primary',
    name: at(place),
    team: at(place + 1),
    host: at(place + 2),
    engine: at(place + 3),
    ageDays: 100,
    maxAgeDays: 90,
  }))
  const spoiled = (finding: Finding, place: number): Finding => ({
    ...finding,
    detail: at(place),
    remedy: `keyturn rotate ${at(place)}`,
    excepted: { until: '2027-01-01', reason: at(place + 1) },
  })
  return {
    ...made,
    account: at(0),
    stage: at(1),
    rules: made.rules.map((rule, place) => ({
      ...rule,
      title: at(place),
      why: at(place),
      references: [at(place)],
    })),
    findings: made.findings.map(spoiled),
  }
}

describe.skipIf(!browserServer)("the page's text", () => {
  const { open, openFile, save } = browsing()

  test('without scripts the page has all rows and remedies, and no controls that need a script', async () => {
    const { page, seen, close } = await open(report, { javaScriptEnabled: false })
    expect(await page.locator('#credentials tbody tr').count()).toBe(300)
    expect(await page.locator('#credentials tbody tr:visible').count()).toBe(300)
    expect((await names(page)).sort()).toEqual(report.credentials.map(({ name }) => name).sort())
    expect(await page.locator('#findings pre:visible').allTextContents()).toEqual(
      report.findings.map(({ remedy }) => remedy),
    )
    expect(await page.locator('button:visible, input:visible, select:visible').count()).toBe(0)
    expect(await page.locator('#credentials .count').textContent()).toBe('300 credentials')
    expectQuiet(seen)
    await close()
  })

  test('text from outside stays text everywhere', async () => {
    const made = hostileReport()
    const { page, seen, close } = await open(made, { viewport: { width: 360, height: 800 } })
    expect((await names(page)).sort()).toEqual(made.credentials.map(({ name }) => name).sort())
    const details = await page.locator('#findings .case p:nth-of-type(3)').allTextContents()
    expect(details).toEqual(made.findings.map(({ detail }) => detail))
    expect(await page.locator('script').count()).toBe(2)
    expect(await page.locator('img, svg[onload], [onmouseover], [onerror]').count()).toBe(0)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    await page.locator('#credentials input').fill('<script>alert')
    expect(await page.locator('#credentials tbody tr').count()).toBeGreaterThan(0)
    expectQuiet(seen)
    await close()
  })

  test('a direction mark affects no text around it, and is visible in commands', async () => {
    const made = hostileReport()
    const { page, close } = await open(made)
    const turned = made.findings.find(({ remedy }) => remedy.includes('\u202e'))
    const remedies = await page.locator('#findings pre').allTextContents()
    expect(remedies[made.findings.indexOf(turned as Finding)]).toBe(
      'keyturn rotate <U+202E>yarra<U+202D> <U+2066>left open',
    )
    const isolated = await page
      .locator('#credentials .name, #findings .name')
      .evaluateAll(elements => elements.every(each => getComputedStyle(each).unicodeBidi.includes('isolate')))
    expect(isolated).toBe(true)
    await close()
  })

  test('the page’s content security policy blocks other scripts and requests', async () => {
    const html = await written(sampleReportOf(3))
    const evil =
      '<script>alert(1)</script><p style="color:red" onclick="alert(2)">x</p><img src="http://127.0.0.1:9/x">'
    const { page, seen, close } = await openFile(await save(html.replace('<main>', `<main>${evil}`)))
    expect(await page.locator('main > p').evaluate(element => getComputedStyle(element).color)).not.toBe(
      'rgb(255, 0, 0)',
    )
    expect(seen.told.filter(text => /^\d$/.test(text))).toEqual([])
    expect(seen.told.filter(text => text.includes('Content Security Policy')).length).toBeGreaterThan(2)
    // The page's own script still works.
    expect(await page.locator('#credentials thead button').count()).toBe(9)
    await close()
  })

  test('a page made by the packed command, whose code is minified, works too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyturn-packed-'))
    try {
      const entry = join(import.meta.dirname, '../../../../fleet/audit/page/page.ts')
      await writeFile(join(folder, 'package.json'), '{"type":"module"}')
      await bundleProgram(entry, folder)
      const { renderPage } = await import(join(folder, 'page.js'))
      const { page, seen, close } = await openFile(await save(await renderPage(report)))
      await page.locator('#credentials input').fill('ledger')
      expect(await page.locator('#credentials output').textContent()).toMatch(/^\d+ of 300 credentials$/)
      expect(await page.locator('#findings .copy').count()).toBe(report.findings.length)
      expect(await page.locator('svg[role=img]').count()).toBe(4)
      expectQuiet(seen)
      await close()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('every element is in a place that HTML allows', async () => {
    const html = await written(report)
    const { page, close } = await openFile(await save(html))
    // A browser corrects invalid nesting, which would make the two differ.
    const kinds = ['tr', 'td', 'li', 'p', 'pre', 'section', 'option'] as const
    const counted = await page.evaluate(
      ([html, ...kinds]) => {
        const parsed = new DOMParser().parseFromString(html ?? '', 'text/html')
        return kinds.map(kind => parsed.querySelectorAll(kind).length)
      },
      [html, ...kinds],
    )
    expect(counted).toEqual(kinds.map(kind => html.split(new RegExp(`<${kind}[ >]`)).length - 1))
    await close()
  })
})

test('its file has the licences of what it contains, and names no other file', async () => {
  const html = await written(report)
  expect(html).toContain('<title>Keyturn audit prod 2026-11-30</title>')
  expect(html).not.toMatch(/(?:src|href)="(?!#|data:)/)
  expect(html).not.toMatch(/ style="/)
})
