import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { renderPage } from '../../fleet/audit/page/page.ts'
import { startChromium } from '../../local/servers/chromium.ts'
import { measuredHere } from '../machine.ts'
import { median } from '../median.ts'
import { sampleReportOf } from './sampleReports.ts'

/** How often each time is measured, beside a first time that is not counted. */
const TURN_COUNT = 9

/** The median of TURN_COUNT measurements, in whole milliseconds. */
async function medianOf(measure: () => Promise<number>): Promise<string> {
  const times: number[] = []
  for (let turn = 0; turn <= TURN_COUNT; turn++) {
    const time = await measure()
    if (turn) times.push(time)
  }
  return `${Math.round(median(times))}`
}

/** Milliseconds until the table is filtered by these words and its visible part is laid out. */
const measureSearch = (words: string) => (page: Page) =>
  page.evaluate(words => {
    const input = document.querySelector<HTMLInputElement>('#credentials input')
    if (!input) throw new Error('there is no search')
    const began = performance.now()
    input.value = words
    input.dispatchEvent(new Event('input'))
    document.body.getBoundingClientRect()
    return performance.now() - began
  }, words)

/** Milliseconds until the table is sorted by a column and its visible part is laid out. */
const measureSort = (page: Page) =>
  page.evaluate(() => {
    const began = performance.now()
    document.querySelectorAll<HTMLElement>('#credentials thead button')[3]?.click()
    document.body.getBoundingClientRect()
    return performance.now() - began
  })

const folder = await mkdtemp(join(tmpdir(), 'keyturn-page-'))
const server = await startChromium()
try {
  const browser = await chromium.connect(server.endpoint)
  const columns: string[][] = []
  for (const count of [300, 2000, 10_000]) {
    const report = sampleReportOf(count)
    const file = join(folder, `${count}.html`)
    const wrote = await medianOf(async () => {
      const began = performance.now()
      await writeFile(file, await renderPage(report))
      return performance.now() - began
    })
    const tab = await browser.newPage()
    const opened = await medianOf(async () => {
      const began = performance.now()
      await tab.goto(`file://${file}`)
      return performance.now() - began
    })
    const found = await medianOf(async () => {
      await measureSearch('')(tab)
      return measureSearch('ledger reader')(tab)
    })
    const cleared = await medianOf(async () => {
      await measureSearch('ledger reader')(tab)
      return measureSearch('')(tab)
    })
    const sorted = await medianOf(() => measureSort(tab))
    const megabytes = ((await stat(file)).size / 1e6).toFixed(1)
    columns.push([`${count.toLocaleString('en-US')}`, megabytes, wrote, opened, found, cleared, sorted])
    await tab.close()
  }
  await browser.close()
  const rowsOf = (columns: string[][]) => columns.map(cells => `| ${cells.join(' | ')} |`)
  const size = [
    "# How large an audit's page is",
    '',
    'Written by `npm run bench:page`; do not edit. [PAGE_TIMES.md](PAGE_TIMES.md) says how long it takes to write a page and to search in it.',
    '',
    '| credentials | megabytes |',
    '| ---: | ---: |',
    ...rowsOf(columns.map(([count = '', megabytes = '']) => [count, megabytes])),
    '',
  ].join('\n')
  const times = [
    "# How long an audit's page takes",
    '',
    'Written by `npm run bench:page`, beside [PAGE.md](PAGE.md); do not edit.',
    '',
    measuredHere(),
    '',
    `Milliseconds, medians of ${TURN_COUNT} turns. A page is rendered and written to a file (write), and loaded by Chromium ${server.version}`,
    'without a window (open). A search, its clearing and a sort end when the visible part of the table is laid out.',
    '',
    '| credentials | write | open | search two words | clear | sort by age |',
    '| ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rowsOf(columns.map(([count = '', , ...others]) => [count, ...others])),
    '',
  ].join('\n')
  await writeFile(join(import.meta.dirname, 'PAGE.md'), size)
  await writeFile(join(import.meta.dirname, 'PAGE_TIMES.md'), times)
  console.log(`${size}\n${times}`)
} finally {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}
