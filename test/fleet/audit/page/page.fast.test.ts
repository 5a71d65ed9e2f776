import { parseHTML } from 'linkedom'
import { expect, test } from 'vitest'
import { sampleReportOf } from '../../../../bench/audit/sampleReports.ts'
import { billSection } from '../../../../fleet/audit/page/bill.ts'
import { breakdownTables } from '../../../../fleet/audit/page/breakdown.ts'
import { ageCharts } from '../../../../fleet/audit/page/charts/age.ts'
import { formatAmount, formatDollars, formatPrice, isOverAge } from '../../../../fleet/audit/page/format.ts'
import {
  html,
  isolateText,
  Markup,
  showDirectionMarks,
  withoutDirectionMarks,
} from '../../../../fleet/audit/page/markup.ts'
import { renderPage } from '../../../../fleet/audit/page/page.ts'
import { rulesSection } from '../../../../fleet/audit/page/rules.ts'
import { summarySection } from '../../../../fleet/audit/page/summary.ts'
import type { AuditReport, CredentialRow, Finding } from '../../../../fleet/audit/report.ts'

const empty: AuditReport = {
  ...sampleReportOf(0),
  counts: {
    credentials: 0,
    secrets: 0,
    replicas: 0,
    parameters: 0,
    findings: { critical: 0, high: 0, medium: 0, low: 0 },
    unread: 0,
    excepted: 0,
  },
  findings: [],
  days: [],
}
const { cost: _, ...withoutCost } = empty

/** @returns the text of these elements of a part of the page, one line each */
function read({ text }: Markup, selector: string): string[] {
  const { document } = parseHTML(`<body>${text}</body>`)
  return [...document.querySelectorAll(selector)].map(({ textContent }) =>
    textContent.replaceAll(/\s+/g, ' ').trim(),
  )
}

const [sample] = sampleReportOf(1).credentials
const aged = (place: number, ageDays: number, maxAgeDays = 90): CredentialRow => ({
  ...(sample as CredentialRow),
  kind: 'primary',
  name: `aged-${place}`,
  arn: `arn-${place}`,
  ageDays,
  maxAgeDays,
  findings: {},
})

test('markup writes text as text, in elements and in attributes', () => {
  expect(html`<p title="${`"'`}">${'<b>&'}${[1, undefined, false, html`<i>`]}</p>`.text).toBe(
    '<p title="&quot;&#39;">&lt;b&gt;&amp;1<i></p>',
  )
  expect(isolateText('a\u0000\u001b[31mb\ud800').text).toBe('<bdi>a[31mb\ufffd</bdi>')
  expect(withoutDirectionMarks('a\u202eb\u0007')).toBe('ab ')
  expect(showDirectionMarks('rm \u2066x')).toBe('rm <U+2066>x')
})

test('an amount shows its unconfirmed part separately, and a price has all digits', () => {
  expect(formatAmount({ confirmed: 1234.5, estimated: 0 })).toBe('$1,234.50')
  expect(formatAmount({ confirmed: 0, estimated: 2 })).toBe('~$2.00')
  expect(formatAmount({ confirmed: 0.4, estimated: 2 })).toBe('$0.40 + ~$2.00')
  expect(formatDollars(0)).toBe('$0.00')
  expect(formatDollars(0.0004)).toBe('<\u00a0$0.01')
  expect([formatPrice(0.4), formatPrice(0.025), formatPrice(0.0000002)]).toEqual([
    '$0.40',
    '$0.025',
    '$0.0000002',
  ])
})

test('an age that equals the limit is within it, and a replica has no age of its own', () => {
  expect(isOverAge(aged(0, 90))).toBe(false)
  expect(isOverAge(aged(0, 91))).toBe(true)
  expect(isOverAge({ ...aged(0, 91), kind: 'replica' })).toBeUndefined()
  const { maxAgeDays: _, ...unlimited } = aged(0, 91)
  expect(isOverAge(unlimited)).toBeUndefined()
})

const head = (report: AuditReport) => read(summarySection(report), 'h1')

test('the head counts credentials by their worst finding, and never rounds up to 100 %', () => {
  expect(head(empty)).toEqual(['No finding in 0 credentials'])
  const counts = { ...empty.counts, credentials: 300, unread: 2 }
  expect(head({ ...empty, counts })).toEqual(['No finding in 300 credentials, but not all could be read'])
  const findings = { critical: 0, high: 0, medium: 1, low: 0 }
  expect(head({ ...empty, counts: { ...counts, findings } })).toEqual(['1 medium finding in 300 credentials'])
  const worse = { critical: 0, high: 7, medium: 0, low: 1200 }
  expect(head({ ...empty, counts: { ...counts, findings: worse } })).toEqual([
    '7 high and 1,200 low findings in 300 credentials',
  ])
  const one = Array.from({ length: 300 }, (_, place) => aged(place, place ? 1 : 91))
  expect(read(summarySection({ ...empty, credentials: one }), '.facts p')).toContain(
    '99 % of those that have a limit are within it',
  )
})

test('an empty report becomes a page too', async () => {
  const whole = new Markup(await renderPage(withoutCost))
  expect(read(whole, 'h2')).toEqual(['What was found', 'Ages and rotations', 'All credentials'])
  expect(read(whole, '#rules > p')).toEqual(['Nothing: no rule is broken.'])
  expect(read(whole, 'svg[role=img]')).toEqual([])
})

test('a rule shows its count, and separately what is excepted, new or could not be read', () => {
  const [finding] = sampleReportOf(300).findings
  if (!finding) throw new Error('there is no finding')
  const [open, unread] = [finding, { ...finding, status: 'unread' as const }]
  const excepted = { ...finding, excepted: { until: '2027-01-01', reason: 'x' } }
  const findings = [open, { ...open, isNew: true }, unread, excepted]
  const [total] = read(rulesSection({ ...empty, findings }), '.total')
  expect(total).toMatch(/^2 findings: .*1 could not be read 1 excepted 1 new$/)
})

test('only with a baseline, a rule says how many of its findings are gone', () => {
  const [one] = sampleReportOf(300).findings
  const says = (gone?: Finding[]) => read(rulesSection({ ...empty, ...(gone && { gone }) }), '.remark')
  expect(says([one as Finding])).toContain("Of the baseline's findings 1 is gone.")
  expect(says([])).toContain("Of the baseline's findings none is gone.")
  expect(says().join()).not.toContain('gone')
})

test('dots are on their side of the limit, and do not overlap', async () => {
  const ages = [...Array(40).keys()].flatMap(n => [88, 89, 90, 91, 92, n * 30])
  const { text } = await ageCharts(ages.map((age, place) => aged(place, age)))
  const { document } = parseHTML(text)
  const dots = [...document.querySelectorAll('svg circle')]
  const limit = Number(
    document.querySelector('line[stroke-dasharray]')?.getAttribute('x1') ??
      document.querySelector('[stroke-dasharray] line')?.getAttribute('x1'),
  )
  expect(limit).toBeGreaterThan(200)
  expect(dots.length).toBe(ages.length)
  const places = dots.map(dot => ({
    x: Number(dot.getAttribute('cx')),
    y: Number(dot.getAttribute('cy')),
    over: dot.getAttribute('fill') === 'var(--over)',
  }))
  expect(places.every(({ x, over }) => x > limit === over)).toBe(true)
  expect(new Set(places.map(({ x, y }) => `${x.toFixed(3)} ${y.toFixed(3)}`)).size).toBe(dots.length)
})

test('2,000 credentials are dots, and 2,001 are bars, none of which spans the limit', async () => {
  const of = async (count: number) => {
    const credentials = Array.from({ length: count }, (_, place) => aged(place, place % 2 ? 90 : 91))
    const { text } = await ageCharts(credentials)
    return {
      dots: text.split('<circle').length - 1,
      bars: [...text.matchAll(/<rect [^>]*fill="([^"]*)"[^>]*><title>([^<]*)/g)]
        .map(([, ...bar]) => bar.join(' '))
        .sort(),
    }
  }
  expect(await of(2000)).toEqual({ dots: 2000, bars: [] })
  expect(await of(2001)).toEqual({
    dots: 0,
    bars: ['var(--over) 1,001 credentials', 'var(--within) 1,000 credentials'],
  })
})

test('the counts of teams, and of servers, add up to all credentials', () => {
  const report = sampleReportOf(300)
  const sum = (cells: string[]) => cells.reduce((total, cell) => total + Number(cell.replace(',', '')), 0)
  const cells = read(breakdownTables(report), '.pair > section:first-child tbody tr td:nth-child(2)')
  const servers = read(breakdownTables(report), '.pair > section:nth-child(2) tbody tr td:nth-child(2)')
  expect(sum(cells)).toBe(300)
  expect(sum(servers)).toBe(report.credentials.filter(({ kind, host }) => kind !== 'replica' && host).length)
})

test('the bill names its day, its prices and what is not confirmed', () => {
  const report = sampleReportOf(300)
  const bill = billSection(report.cost)
  const [lead] = read(bill, '.lead')
  expect(lead).toContain('in US dollars, as of 2026-11-30')
  expect(lead).toContain('By the prices of 2026-09-14 in eu-west-1 and eu-central-1.')
  const lines = read(bill, '.bill tbody tr:not(.group)')
  expect(lines.length).toBe(report.cost?.lines.length)
  expect(lines.filter(line => line.includes('not confirmed')).every(line => line.includes('~$'))).toBe(true)
  expect(lines.filter(line => line.includes('~')).length).toBe(
    report.cost?.lines.filter(({ confirmed }) => !confirmed).length,
  )
})
