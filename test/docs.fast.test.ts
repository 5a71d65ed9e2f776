import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { EXIT_MEANINGS } from '../cli/exit.ts'
import { renderPage as reference } from '../cli/reference.ts'
import { DEFAULT_POLICY } from '../fleet/audit/policy/policy.ts'
import { readPolicy } from '../fleet/audit/policy/readPolicy.ts'
import { ENDINGS_BY_STATE } from '../fleet/endings.ts'
import { REMEDIES } from '../fleet/remedies.ts'
import * as errors from '../rotation/errors.ts'
import { parseTags } from '../rotation/options.ts'
import { auditPage as rulesWritten } from '../scripts/auditRules.ts'
import { MACHINES_BY_PAGE as drawnPages, pageWithFlowcharts } from '../scripts/diagram.ts'
import { replaceBlock } from '../scripts/replaceBlock.ts'
import { strategiesPage } from '../scripts/strategyTable.ts'
import { read as alarmOf, endedIn } from './functions/alarm/reading.ts'
import {
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  criticalReportEvent,
  executionFailedEvent,
  managedRotationAbandonedEvent,
  managedRotationFailedEvent,
  parkedReportEvent,
  replicasBehindEvent,
  retirementFailedEvent,
  rotationFailedEvent,
  runFailedEvent,
  runReportEvent,
} from './support/alarmEvents.ts'

const project = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(project, path), 'utf8')
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...globSync('docs/**/*.md', { cwd: project }).sort(),
]
const headings = (page: string) => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading ?? '')

const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

test.each(Object.keys(drawnPages) as (keyof typeof drawnPages)[])(
  'the picture in %s is the state machine',
  page => {
    expect(read(page)).toBe(pageWithFlowcharts(page))
  },
)

test('the table in docs/strategies.md is what the engines allow', () => {
  expect(read('docs/strategies.md')).toBe(strategiesPage())
})

test('docs/audit.md has every rule of the audit, and a valid policy', () => {
  const page = read('docs/audit.md')
  expect(page).toBe(rulesWritten())
  const [, example = ''] = /```yaml\n([^`]*)```/.exec(page) ?? []
  const policy = readPolicy(example)
  expect(policy).toMatchObject({ sections: [{ maxAge: 2_592_000 }, {}], exceptions: [{}] })
  // Its first example is the default policy, except two lists that are cut short.
  const { sections, exceptions, secretNames, trustedAccounts, ...rest } = policy
  expect(DEFAULT_POLICY).toMatchObject(rest)
})

test('docs/cli.md has the text of --help, and each exit code', () => {
  const page = read('docs/cli.md')
  expect(page).toBe(reference())
  for (const [code, meaning] of Object.entries(EXIT_MEANINGS))
    expect(page).toMatch(new RegExp(`^\\| ${code} \\| ${meaning}\\b`, 'm'))
})

test('a page with no block to compare, or two, is an error', () => {
  expect(replaceBlock('a block', /block/, '$&')).toBe('a $&')
  for (const page of ['', 'a block, and another block'])
    expect(() => replaceBlock(page, /block/, 'x'), page).toThrow('there should be one')
})

const errorNames = Object.values(errors)
  .map(error => error.name)
  .filter(name => name !== 'RotationError')

test('the runbook has an entry for every error name, and for no other', () => {
  const entries = headings('docs/runbook.md').slice(1)
  const errors = entries.filter(
    entry =>
      !entry.endsWith(' failed') &&
      !['Late credentials', 'Rotations parked', 'Promotion not ready'].includes(entry),
  )
  expect(errors.sort()).toEqual(errorNames.toSorted())
})

test('every entry of the runbook has a remedy of one or two sentences, and nothing else has one', () => {
  const anchors = headings('docs/runbook.md').slice(1).map(anchor)
  expect(Object.keys(REMEDIES).sort()).toEqual(anchors.toSorted())
  for (const remedy of Object.values(REMEDIES)) expect(remedy).toMatch(/^[A-Z][^\n]{20,220}\.$/)
})

test('every alarm leads to an entry of the runbook', () => {
  const anchors = headings('docs/runbook.md').map(anchor)
  const alarms = [
    ...errorNames.map(name => ({ detail: { rotation: { failure: { Error: name } } } })),
    { detail: { severity: 'critical' } },
    { detail: {} },
  ].map(event => ({ ...rotationFailedEvent, ...event }))
  const ended = [
    ['FAILED', 'Unreachable', 'retireSecret: no answer'],
    ['FAILED', 'EventBridge.FailedEntry', 'no such bus'],
    ['FAILED', 'States.Timeout', 'too long'],
    ['ABORTED'],
  ].map(([status = '', ...error]) => executionFailedEvent(status, ...error))
  const several = { ...runReportEvent, detail: {} }
  const changes = [
    'locked-out',
    'late',
    'alarm-dead-letters',
    'start-dead-letters',
    'record-dead-letters',
  ].map(name => cloudWatchAlarmEvent(`keyturn-test-${name}`, 'ALARM', ''))
  const all = [
    ...alarms,
    ...ended,
    ...changes,
    managedRotationFailedEvent,
    managedRotationAbandonedEvent,
    runReportEvent,
    criticalReportEvent,
    parkedReportEvent,
    several,
    credentialsLateEvent,
    runFailedEvent,
    {},
  ]
  const links = [
    ...[...all, retirementFailedEvent, replicasBehindEvent].map(event => alarmOf(event)),
    alarmOf(rotationFailedEvent, 'denied'),
    ...Object.keys(ENDINGS_BY_STATE).map(state =>
      alarmOf(executionFailedEvent('ABORTED'), 'proven', endedIn(state)),
    ),
  ].flatMap(
    ({ runbook, facts }) =>
      [runbook, ...facts.map(([, value]) => value)].join(' ').match(/(?<=runbook\.md#)[\w-]+/g) ?? [],
  )
  expect(links.length).toBeGreaterThan(60)
  for (const link of links) expect(anchors).toContain(link)
})

test('every tag in docs/strategies.md is accepted, and every other is refused', () => {
  const tags = new Set(
    [...read('docs/strategies.md').matchAll(/`(keyturn:[\w-]+)`/g)].map(([, tag]) => tag ?? ''),
  )
  const values: Record<string, string> = {
    'keyturn:strategy': 'single-user',
    'keyturn:grace': '24h',
    'keyturn:clone': 'keep',
    'keyturn:every': '30d',
    'keyturn:window': '02:00-05:00',
    'keyturn:jitter': '6h',
    'keyturn:engine': 'opaque',
    'keyturn:PASSWORD_LENGTH': '40',
    'keyturn:pooler': 'auth-query',
    'keyturn:home': 'eu-west-1',
  }
  const defaults = { grace: 60, password: {} }
  const beside = { 'keyturn:clone': { 'keyturn:strategy': 'temporary-clone' } }
  for (const tag of tags) {
    const others = beside[tag as keyof typeof beside] ?? {}
    expect(() => parseTags({ [tag]: values[tag] ?? 'true', ...others }, defaults), tag).not.toThrow()
  }
  const known = (message: string) => message.split('there are ')[1]?.split(', ') ?? []
  try {
    parseTags({ 'keyturn:nonsense': '' }, defaults)
    expect.unreachable()
  } catch (error) {
    expect([...tags].sort()).toEqual(
      known((error as Error).message)
        .map(name => `keyturn:${name}`)
        .sort(),
    )
  }
})

test.each(pages)('%s: every link leads somewhere', page => {
  for (const [, target = ''] of read(page).matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('https://')) continue
    const [path = '', fragment] = target.split('#')
    const file = path ? join(dirname(page), path) : page
    expect(existsSync(join(project, file)), target).toBe(true)
    if (fragment) expect(headings(file).map(anchor), target).toContain(fragment)
  }
})

/** The pages that are about the code. */
const codePages = pages.filter(page => /^docs\/(architecture|design\/.*)\.md$/.test(page))

test('the pages about the code are found', () => {
  expect(codePages).toContain('docs/architecture.md')
  expect(codePages).toContain('docs/design/failures.md')
})

const files = globSync('**/*.*', { cwd: project, exclude: ['node_modules', '.*'] }).map(file => `/${file}`)
const looksLikeFile = (name: string) => /^\w[\w/.-]*(\/|\.(ts|json|md|yml|py))$/.test(name)

test.each(codePages)('%s: every file and folder that it names exists', page => {
  const names = [...read(page).matchAll(/`([^`\n]+)`/g)].map(([, name]) => name ?? '').filter(looksLikeFile)
  // A page names it by its path, or by the end of the path.
  for (const name of names)
    expect(
      files.some(file => file.includes(`/${name}`)),
      name,
    ).toBe(true)
})

test('every file and folder in the tree of docs/architecture.md exists', () => {
  const [, tree = ''] = /^## Where things are\n+```\n([^`]*)```/m.exec(read('docs/architecture.md')) ?? []
  let top = ''
  for (const line of tree.trimEnd().split('\n')) {
    const names = line.split(/[\s,:;()]+/).filter(looksLikeFile)
    const [first = ''] = names
    if (!line.startsWith(' ')) top = first.endsWith('/') ? first : ''
    // A name is relative to the project's folder, to the folder above these lines, or to the line's own folder.
    for (const name of names) {
      const paths = ['', top, `${top}${first}`].map(folder => join(project, folder, name))
      expect(paths.some(existsSync), `${name} in ${line}`).toBe(true)
    }
  }
  expect(top).toBe('docs/')
})

test.each(codePages)('%s: no line is wider than 132 characters, but for rows of tables', page => {
  const wide = read(page)
    .split('\n')
    .filter(line => line.length > 132 && !line.startsWith('|'))
  expect(wide).toEqual([])
})

test('each page in docs/design/ is in the table of docs/architecture.md', () => {
  const links = [...read('docs/architecture.md').matchAll(/^\| \[[^\]]*\]\((design\/[^)]*)\) \|/gm)]
  expect(links.map(([, link]) => `docs/${link}`).sort()).toEqual(
    pages.filter(page => page.startsWith('docs/design/')),
  )
})
