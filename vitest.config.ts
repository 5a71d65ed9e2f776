import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The long ones, the longest first: else one of them runs alone in the end. */
const LONG_TESTS = [
  'world/(postgres|mysql|mariadb)',
  'faults/postgresAlternatingUsers',
  'faults/(mysql|mariadb)AlternatingUsers',
  'faults/postgres',
  'emulator/',
  'faults/(mysql|mariadb)',
  'faults/',
  'stack/',
  'rotation/engines/',
].map(path => new RegExp(`/test/${path}`))

/** Begins with the long files, also where no earlier run has left its times. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = LONG_TESTS.findIndex(path => path.test(moduleId))
      return found === -1 ? LONG_TESTS.length : found
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

const FAST_TESTS = 'test/**/*.fast.test.ts'

export default defineConfig({
  test: {
    // One more than there are cores: half of a test's time is waiting for a server.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: 'fast',
          include: [FAST_TESTS],
          setupFiles: ['test/support/alone.ts'],
          pool: 'threads',
          // What a fast test needs it makes itself, and it leaves nothing behind: so modules are loaded once for all.
          isolate: false,
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: ['test/**/*.test.ts'],
          exclude: [FAST_TESTS],
          globalSetup: ['test/support/servers.ts'],
          // Each file in a process of its own: what a test does to its environment stays there.
          pool: 'forks',
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
