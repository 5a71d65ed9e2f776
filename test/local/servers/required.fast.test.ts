import { expect, test } from 'vitest'
import { POSTGRES_VERSIONS } from '../../../local/servers/postgres.ts'
import {
  leaveOut,
  REQUIRED_SERVERS,
  type RequiredServer,
  type System,
  systemOf,
  whereThisRuns,
} from '../../../local/servers/required.ts'

const debian = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nID=debian\n'
const ubuntu = 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'

test.each([
  ['linux', 'x64', debian, 'Debian x64'],
  ['linux', 'arm64', debian, 'Debian arm64'],
  ['linux', 'riscv64', debian, 'other'],
  ['linux', 'x64', ubuntu, 'other'],
  ['linux', 'x64', '', 'other'],
  ['darwin', 'arm64', '', 'macOS'],
  ['darwin', 'x64', '', 'macOS'],
  ['win32', 'x64', '', 'other'],
])('%s on %s is told apart by its os-release %j', (platform, arch, osRelease, system) => {
  expect(systemOf(platform, arch, osRelease)).toBe(system)
})

test('the system of this machine has a row', () => {
  expect(REQUIRED_SERVERS[whereThisRuns().system]).toContain('PostgreSQL 18')
})

const everything = REQUIRED_SERVERS['Debian x64']
const less: [System, RequiredServer[]][] = [
  ['Debian x64', []],
  ['Debian arm64', ['PostgreSQL 14']],
  ['macOS', everything.filter(name => !/^PostgreSQL 1[5-8]$/.test(name))],
]

test.each(less)('%s must have all but %j', (system, but) => {
  expect(everything.filter(name => !REQUIRED_SERVERS[system].includes(name))).toEqual(but)
})

test('Debian on x64 must have every PostgreSQL that there is', () => {
  expect(everything).toEqual(
    expect.arrayContaining(POSTGRES_VERSIONS.map(version => `PostgreSQL ${version}`)),
  )
})

const missing = (...servers: RequiredServer[]) =>
  servers.map(server => ({ server, reason: new Error(`no ${server} here`) }))

test('in CI all that a system must have and that is missing is named in one error', () => {
  const act = () => leaveOut(missing('PostgreSQL 14', 'MySQL', 'Redis'), { system: 'Debian arm64', ci: true })
  expect(act).toThrow('Debian arm64 must have')
  expect(act).toThrow('MySQL: Error: no MySQL here\nRedis: Error: no Redis here')
  expect(act).not.toThrow('PostgreSQL 14')
})

test.each([
  ['PostgreSQL 14', 'Debian arm64', true],
  ['MySQL', 'macOS', true],
  ['Python', 'other', true],
  ['PostgreSQL 18', 'macOS', false],
  ['MySQL', 'Debian x64', false],
] as const)('%s is left out on %s, and said to be, where CI is %s', (server, system, ci) => {
  expect(leaveOut(missing(server), { system, ci })).toEqual([`${server}: Error: no ${server} here`])
})

test('two of a kind that are missing for one reason are one line', () => {
  expect(leaveOut(missing('MariaDB', 'MariaDB'), { system: 'macOS', ci: true })).toHaveLength(1)
})

test('what is not missing is not mentioned', () => {
  expect(leaveOut([], { system: 'Debian x64', ci: true })).toEqual([])
})
