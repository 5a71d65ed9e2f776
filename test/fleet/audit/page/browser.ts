import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject } from 'vitest'
import { renderPage as written } from '../../../../fleet/audit/page/page.ts'
import type { AuditReport } from '../../../../fleet/audit/report.ts'

/** The browser, if this system has one. */
export const [browserServer] = inject('chromium')

/** What a page did that it may not do: errors, console messages and requests. */
export type Seen = { told: string[]; asked: string[] }
export type Opened = { page: Page; seen: Seen; close(): Promise<void> }

/** Starts a browser for the tests of a file. @returns a function that opens a page */
export function browsing() {
  let browser: Browser
  let folder = ''
  let files = 0
  const kept = new Map<AuditReport, string>()
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyturn-page-'))
    if (browserServer) browser = await chromium.connect(browserServer.endpoint)
  })
  afterAll(async () => {
    await browser?.close()
    await rm(folder, { recursive: true })
  })

  /** Writes HTML into a file. @returns its URL */
  const save = async (html: string): Promise<string> => {
    const file = join(folder, `${files++}.html`)
    await writeFile(file, html)
    return file
  }

  /** The file of each report, which is written once. */
  const fileOf = async (report: AuditReport): Promise<string> => {
    const file = kept.get(report) ?? (await save(await written(report)))
    kept.set(report, file)
    return file
  }

  const openFile = async (file: string, options: BrowserContextOptions = {}): Promise<Opened> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    const page = await context.newPage()
    const seen: Seen = { told: [], asked: [] }
    page.on('console', message => seen.told.push(message.text()))
    page.on('pageerror', error => seen.told.push(error.message))
    page.on('dialog', dialog => {
      seen.told.push(dialog.message())
      void dialog.dismiss()
    })
    page.on('request', request => {
      if (!request.url().startsWith('data:')) seen.asked.push(request.url())
    })
    await page.goto(`file://${file}`)
    return { page, seen, close: () => context.close() }
  }

  return {
    save,
    openFile,
    /** Opens a report's file in the browser. */
    open: async (report: AuditReport, options: BrowserContextOptions = {}): Promise<Opened> =>
      openFile(await fileOf(report), options),
  }
}

/** Expects that the page logged nothing and requested nothing except itself. */
export function expectQuiet({ told, asked }: Seen): void {
  expect(told).toEqual([])
  expect(asked).toEqual([expect.stringMatching(/^file:/)])
}

/** @returns the names of the credentials that are shown, in their order */
export const names = (page: Page): Promise<string[]> =>
  page.locator('#credentials tbody .name').allTextContents()

/** @returns how many of these elements are visible */
export const laidOut = (page: Page, selector: string): Promise<number> =>
  page.evaluate(
    selector => [...document.querySelectorAll(selector)].filter(element => element.checkVisibility()).length,
    selector,
  )
