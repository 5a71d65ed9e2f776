import { readFileSync } from 'node:fs'
import type { PostgresVersion } from './postgres.ts'

/** A kind of server or tool that tests use. */
export type TestServer =
  | `PostgreSQL ${PostgresVersion}`
  | (typeof FROM_DEBIAN)[number]
  | 'Python'
  | 'Java and Maven'

/** The systems that are told apart; `other` is any that has no row of its own, such as Ubuntu. */
export type System = 'Debian x64' | 'Debian arm64' | 'macOS' | 'other'

/** Those that come with `npm ci` on every system. */
const FROM_NPM = ['PostgreSQL 18', 'PostgreSQL 17', 'PostgreSQL 16', 'PostgreSQL 15'] as const

/** Those that debian.ts unpacks from the packages of Debian. */
const FROM_DEBIAN = ['MySQL', 'MariaDB', 'DocumentDB', 'Redis', 'Valkey', 'PgBouncer', 'Chromium'] as const

const TOOLS = ['Python', 'Java and Maven'] as const

/**
 * The servers and tools that each system must have: in CI a test run fails where one of these is missing. Any other is
 * left out where it is missing, and the test run says so. PostgreSQL 14 has an npm package for Linux on x64 alone.
 */
export const REQUIRED_SERVERS: Record<System, readonly TestServer[]> = {
  'Debian x64': [...FROM_NPM, 'PostgreSQL 14', ...FROM_DEBIAN, ...TOOLS],
  'Debian arm64': [...FROM_NPM, ...FROM_DEBIAN, ...TOOLS],
  macOS: FROM_NPM,
  other: FROM_NPM,
}

/** @param osRelease the text of /etc/os-release; '' where there is no such file @returns the system that has these */
export function systemOf(platform: string, arch: string, osRelease: string): System {
  if (platform === 'darwin') return 'macOS'
  const isDebian = platform === 'linux' && /^ID=debian$/m.test(osRelease)
  if (isDebian && arch === 'x64') return 'Debian x64'
  if (isDebian && arch === 'arm64') return 'Debian arm64'
  return 'other'
}

/** The system that this process runs on, and whether it runs in CI. */
export function whereThisRuns(): { system: System; ci: boolean } {
  let osRelease = ''
  try {
    osRelease = readFileSync('/etc/os-release', 'utf8')
  } catch {
    // Only Linux has this file.
  }
  return { system: systemOf(process.platform, process.arch, osRelease), ci: process.env.CI === 'true' }
}

/** A server or tool that could not be started or found, and what was thrown then. */
export type Missing = { server: TestServer; reason: unknown }

/**
 * Decides whether tests may go on without what is missing.
 * @returns a line for each server whose tests are left out
 * @throws Error, naming every one that is missing and that the system must have, in CI
 */
export function leaveOut(missing: Missing[], { system, ci } = whereThisRuns()): string[] {
  const failing = missing.filter(({ server }) => ci && REQUIRED_SERVERS[system].includes(server))
  if (failing.length)
    throw new Error(
      `${system} must have all that REQUIRED_SERVERS (local/servers/required.ts) lists for it. What is missing:\n${lines(failing).join('\n')}`,
    )
  return lines(missing)
}

/** Each with its reason; once, where several of a kind have the same. */
const lines = (missing: Missing[]) => [
  ...new Set(missing.map(({ server, reason }) => `${server}: ${String(reason).replaceAll('\n', ' ')}`)),
]
