import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { sampleReportOf } from '../../../../bench/audit/sampleReports.ts'
import { browserServer, browsing, expectQuiet, laidOut, names } from './browser.ts'

const report = sampleReportOf(300)
const large = sampleReportOf(10_000)
const rowOf = (name: string) => report.credentials.find(row => row.name === name)

const count = (page: Page, section = 'credentials') => page.locator(`#${section} output`).textContent()
const search = (page: Page, section = 'credentials') => page.locator(`#${section} input[type=search]`)
/** @returns the element that has the focus */
const focused = (page: Page) =>
  page.evaluate(() => document.activeElement?.textContent || document.activeElement?.tagName)

describe.skipIf(!browserServer)('the page at work', () => {
  const { open } = browsing()

  test('a search shows the rows with all its words and their number, keeps the focus, and can be cleared', async () => {
    const { page, seen, close } = await open(report)
    await search(page).focus()
    await page.keyboard.type('LEDGER reader')
    const found = report.credentials.filter(({ name, host = '' }) =>
      ['ledger', 'reader'].every(word => `${name} ${host}`.includes(word)),
    )
    expect(found.length).toBeGreaterThan(3)
    expect((await names(page)).sort()).toEqual(found.map(({ name }) => name).sort())
    expect(await count(page)).toBe(`${found.length} of 300 credentials`)
    expect(await focused(page)).toBe('INPUT')
    await page.keyboard.type(' nothing has this')
    expect(await names(page)).toEqual([])
    expect(await count(page)).toBe('0 of 300 credentials')
    await search(page).fill('')
    expect(await count(page)).toBe('300 credentials, 200 of them shown')
    await page.keyboard.press('Enter')
    expectQuiet(seen)
    await close()
  })

  test('choices narrow each other and the search', async () => {
    const { page, close } = await open(report)
    await page.getByRole('search', { name: 'Credentials' }).getByLabel('Kind').selectOption({ index: 1 })
    await page.locator('#credentials [data-facet=g]').selectOption({ index: 2 })
    const [kind = '', region = ''] = await page
      .locator('#credentials')
      .evaluate(section =>
        [...section.querySelectorAll('select')].map(each => each.selectedOptions[0]?.text ?? ''),
      )
    expect(kind).toMatch(/^Secret \(\d+\)$/)
    expect(region).toMatch(/^eu-central-1 \(\d+\)$/)
    const shown = (await names(page)).map(rowOf)
    const expected = report.credentials.filter(row => row.kind === 'primary' && row.region === 'eu-central-1')
    expect(shown.length).toBe(expected.length)
    expect(shown.every(row => row?.kind === 'primary' && row.region === 'eu-central-1')).toBe(true)
    await search(page).fill('ledger')
    const fewer = expected.filter(({ name, host = '' }) => `${name}${host}`.includes('ledger'))
    expect(await count(page)).toBe(`${fewer.length} of 300 credentials`)
    await close()
  })

  test('a column sorts by its numbers in both directions, with unknown ones last, and keeps the focus', async () => {
    const { page, close } = await open(report)
    const head = page.locator('#credentials thead th', { hasText: 'Age, days' })
    await head.getByRole('button').focus()
    const ages = async () => (await names(page)).map(name => rowOf(name)?.ageDays ?? -1)
    await page.keyboard.press('Enter')
    expect(await head.getAttribute('aria-sort')).toBe('descending')
    const falling = await ages()
    expect(falling).toEqual(falling.toSorted((a, b) => b - a))
    expect(falling[0]).toBe(Math.max(...report.credentials.map(({ ageDays = 0 }) => ageDays)))
    await page.keyboard.press('Enter')
    expect(await head.getAttribute('aria-sort')).toBe('ascending')
    const rising = await ages()
    expect(rising).toEqual(rising.toSorted((a, b) => a - b))
    expect(await focused(page)).toBe('Age, days')

    const team = page.locator('#credentials thead th', { hasText: 'Team' })
    for (const ascending of [true, false]) {
      await team.getByRole('button').click()
      expect(await page.locator('#credentials [aria-sort]').count()).toBe(1)
      await page.locator('#credentials [data-more=all]').click()
      const teams = (await names(page)).map(name => rowOf(name)?.team)
      const known = teams.filter(name => name !== undefined)
      expect(teams.slice(known.length).every(name => name === undefined)).toBe(true)
      expect(known).toEqual(ascending ? known.toSorted() : known.toSorted().reverse())
    }
    await close()
  })

  test('"more" shows the next 200 and moves the focus to the first of them, and "all" shows all', async () => {
    const { page, close } = await open(large)
    const rows = page.locator('#credentials tbody tr')
    await search(page).fill('prod/ledger')
    const matching = large.credentials.filter(({ name }) => name.includes('prod/ledger')).length
    const format = (value: number) => value.toLocaleString('en-US')
    expect(await count(page)).toBe(`${format(matching)} of 10,000 credentials, 200 of them shown`)
    const [next, all] = [
      page.locator('#credentials [data-more="200"]'),
      page.locator('#credentials [data-more=all]'),
    ]
    expect(await next.textContent()).toBe('Show 200 more')
    expect(await all.textContent()).toBe(`Show all ${format(matching)}`)
    await next.press('Enter')
    expect(await laidOut(page, '#credentials tbody tr')).toBe(400)
    expect(await rows.nth(200).evaluate(row => row === document.activeElement)).toBe(true)
    await all.press('Enter')
    expect(await rows.count()).toBe(matching)
    expect(await page.locator('#credentials .more').isHidden()).toBe(true)
    await search(page).fill('')
    expect(await rows.count()).toBe(200)
    await close()
  })

  test('the count of a rule leads to its findings, and the findings of a credential to them', async () => {
    const { page, close } = await open(report)
    const rule = page.locator('#rules li', { hasText: 'Its rotations fail' })
    await rule.getByRole('link').click()
    const failing = report.findings.filter(({ rule }) => rule === 'failing-since')
    expect(await count(page, 'findings')).toBe(`${failing.length} of ${report.findings.length} findings`)
    expect(await focused(page)).toBe('Findings and their remedies')
    expect(await page.locator('#findings [data-facet=r] option:checked').textContent()).toMatch(
      /^Its rotations fail/,
    )

    const [worst] = report.findings.filter(({ credential }) => credential)
    const row = page.locator('#credentials tbody tr', { hasText: worst?.credential?.name ?? '' }).first()
    await row.getByRole('link').click()
    const found = await page.locator('#findings .name').allTextContents()
    expect(new Set(found)).toEqual(new Set([worst?.credential?.name]))
    await close()
  })

  test('a remedy is copied exactly, with a message', async () => {
    const { page, seen, close } = await open(report, { permissions: ['clipboard-read', 'clipboard-write'] })
    const button = page.locator('#findings li').first().getByRole('button')
    await button.press('Enter')
    await expect.poll(() => button.textContent()).toBe('Copied')
    expect(await page.getByRole('status').last().textContent()).toBe('The remedy is copied.')
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(report.findings[0]?.remedy)
    expectQuiet(seen)
    await close()
  })

  test('without access to the clipboard, the remedy is selected', async () => {
    const { page, close } = await open(report)
    await page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))
    })
    const button = page.locator('#findings li').first().getByRole('button')
    await button.click()
    await expect.poll(() => button.textContent()).toBe('Selected')
    expect(await page.evaluate(() => `${getSelection()}`)).toBe(report.findings[0]?.remedy)
    await close()
  })

  test('the keyboard reaches all controls, in the order of the page, with a visible focus', async () => {
    const { page, close } = await open(sampleReportOf(20))
    const usable = await page.evaluate(() => {
      const all = document.querySelectorAll<HTMLElement>('a, button, input, select, summary, [tabindex="0"]')
      const shown = [...all].filter(element => element.checkVisibility())
      for (const [place, element] of shown.entries()) element.dataset.place = `${place}`
      return shown.length
    })
    expect(usable).toBeGreaterThan(40)
    const places: (string | undefined)[] = []
    for (let n = 0; n < usable; n++) {
      await page.keyboard.press('Tab')
      const [place, outline] = await page.evaluate(() => {
        const active = document.activeElement as HTMLElement
        return [active.dataset.place, getComputedStyle(active).outlineStyle]
      })
      expect(outline, `where the keyboard is at ${place}`).not.toBe('none')
      places.push(place)
    }
    expect(places).toEqual(Array.from({ length: usable }, (_, place) => `${place}`))
    await close()
  })
})
