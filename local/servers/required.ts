import { readFileSync } from 'node:fs'
import type { PostgresVersion } from './postgres.ts'

/** A kind of server or tool that tests use, and that REQUIRED_SERVERS may ask a system for. */
export type RequiredServer =
  | `PostgreSQL ${PostgresVersion}`
  | (typeof FROM_DEBIAN)[number]
  | 'Python'
  | 'Java and Maven'

/** The systems in REQUIRED_SERVERS. `other` is any other system, such as Ubuntu. */
export type System = 'Debian x64' | 'Debian arm64' | 'macOS' | 'other'

/** The servers that `npm ci` installs on every system. */
const FROM_NPM = ['PostgreSQL 18', 'PostgreSQL 17', 'PostgreSQL 16', 'PostgreSQL 15'] as const

/** The servers that debian.ts unpacks from Debian packages. */
const FROM_DEBIAN = ['MySQL', 'MariaDB', 'DocumentDB', 'Redis', 'Valkey', 'PgBouncer', 'Chromium'] as const

const TOOLS = ['Python', 'Java and Maven'] as const

/**
 * The servers and tools that each system must have: in CI a test run fails if one of these is missing. If any other is missing, the
 * test run leaves its tests out and says so. The npm package of PostgreSQL 14 is for Linux on x64 only. A server that comes neither
 * from npm nor from Debian is to be listed for each system that has a download of it.
 */
export const REQUIRED_SERVERS: Record<System, readonly RequiredServer[]> = {
  'Debian x64': [...FROM_NPM, 'PostgreSQL 14', ...FROM_DEBIAN, ...TOOLS],
  'Debian arm64': [...FROM_NPM, ...FROM_DEBIAN, ...TOOLS],
  macOS: FROM_NPM,
  other: FROM_NPM,
}

/**
 * The system with this platform and architecture, as `process` names them.
 * @param osRelease the text of /etc/os-release, or '' if there is no such file
 */
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

/** A server or tool that could not be found or started, and the error. */
export type Missing = { server: RequiredServer; reason: unknown }

/**
 * Decides whether a test run may leave out the tests of missing servers.
 * @returns a line for each server whose tests are left out
 * @throws Error in CI, if the system must have one of them
 */
export function leaveOut(missing: Missing[], { system, ci } = whereThisRuns()): string[] {
  const failing = missing.filter(({ server }) => ci && REQUIRED_SERVERS[system].includes(server))
  if (failing.length)
    throw new Error(
      `${system} must have all that REQUIRED_SERVERS (local/servers/required.ts) lists for it. What is missing:\n${lines(failing).join('\n')}`,
    )
  return lines(missing)
}

/** A line for each missing server with its reason. Several servers of a kind with the same reason are one line. */
const lines = (missing: Missing[]) => [
  ...new Set(missing.map(({ server, reason }) => `${server}: ${String(reason).replaceAll('\n', ' ')}`)),
]
